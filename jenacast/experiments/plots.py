"""Pictures of many trainings: runs side by side, and one test period after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.evaluation.bootstrap import Interval
from jenacast.experiments.compare import RecipeScores
from jenacast.experiments.folds import FoldScores
from jenacast.plotting import (
    BASELINE,
    BLUE,
    FORECAST,
    ORANGE,
    REFERENCE,
    error_bars,
    figure,
    name_rows,
    shorten_middle,
    time_axis,
)

Difference = tuple[float | None, Interval | None]  # of two MAEs, and its 95 % interval


def comparison(path: Path, recipes: Sequence[RecipeScores]) -> None:
    """The test MAE of each recipe, every seed a point, the baseline as a line; below, the differences to the first."""
    labels = [", ".join([recipe.model, *recipe.settings]) for recipe in recipes]
    paired = [(label, recipe) for label, recipe in zip(labels, recipes, strict=True) if recipe.reading is not None]
    heights = tuple(0.9 + 0.4 * len(rows) for rows in (labels, paired) if rows)
    layout: dict[str, Any] = {"rows": len(heights), "heights": heights, "height": 0.35 + sum(heights) / len(heights)}
    with figure(path, "test MAE by recipe", synthetic=False, **layout) as (axis, *below):
        for place, recipe in enumerate(recipes):
            label = "_" if place else "one seed"
            axis.plot(recipe.test_maes_c, [place] * len(recipe.test_maes_c), "o", color=BLUE, alpha=0.5, label=label)
        means_c, look = [recipe.test_mae_c for recipe in recipes], {"markersize": 18, "markeredgewidth": 2.5}
        axis.plot(means_c, range(len(recipes)), "|", color=ORANGE, label="mean over seeds", **look)
        axis.axvline(recipes[0].baseline_mae_c, **BASELINE)
        axis.set(xlabel="test MAE (°C)")
        name_rows(axis, labels)
        if paired:
            names = [label for label, _ in paired]
            figures = [(row.difference_to_first_c, row.difference_to_first_ci95_c) for _, row in paired]
            _draw_differences(below[0], names, figures)
            below[0].axvline(0, **REFERENCE | {"label": f"the first: {shorten_middle(labels[0])}"})
            below[0].set(xlabel="test MAE less the first's, paired by day (°C)")


def differences(
    path: Path, labels: Sequence[str], figures: Sequence[Difference], *, other: str | None, title: str, synthetic: bool
) -> None:
    """How far each run's MAE is from another's, or the baseline's, with its 95 % interval where there is one.

    Args:
        path: of the picture.
        labels: of the runs.
        figures: of each run the difference and its interval, degC.
        other: which run they are compared with; None for the baseline.
        title: of the picture.
        synthetic: whether the series is made up.
    """
    with figure(path, title, synthetic, height=1.5 + 0.35 * len(labels)) as (axis,):
        _draw_differences(axis, labels, figures)
        axis.axvline(0, **BASELINE if other is None else REFERENCE | {"label": other})
        axis.set(xlabel=f"test MAE less {'the baseline' if other is None else other}'s (°C)")


def _draw_differences(axis: Any, labels: Sequence[str], figures: Sequence[Difference]) -> None:
    look: dict[str, Any] = {"color": ORANGE, "capsize": 3, "marker": "o", "linestyle": ""}
    middles_c = [np.nan if difference_c is None else difference_c for difference_c, _ in figures]
    lengths_c = error_bars(middles_c, [interval for _, interval in figures])
    axis.errorbar(middles_c, range(len(labels)), xerr=lengths_c, label="difference, with 95 % interval", **look)
    name_rows(axis, labels)


def folds(path: Path, scores: Sequence[FoldScores], *, title: str, synthetic: bool) -> None:
    """The test MAE of each fold over its period with the 95 % interval where it has one, and the baseline's."""
    begins = np.array([fold.test_first_time for fold in scores], "datetime64[s]")
    ends = np.array([fold.test_last_time for fold in scores], "datetime64[s]")
    mae_c, ci95_c = [fold.test_mae_c for fold in scores], [fold.test_mae_ci95_c for fold in scores]
    with figure(path, title, synthetic) as (axis,):
        axis.hlines([fold.baseline_mae_c for fold in scores], begins, ends, **BASELINE)
        axis.hlines(mae_c, begins, ends, **FORECAST, label="the fold's network")
        look = FORECAST | {"fmt": "o", "capsize": 4, "label": "95 % interval" if any(ci95_c) else None}
        axis.errorbar(begins + (ends - begins) // 2, mae_c, yerr=error_bars(mae_c, ci95_c), **look)
        axis.set_ylabel("test MAE (°C)")
        time_axis(axis)
