"""Pictures of many trainings: runs side by side, and one test period after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.evaluation.bootstrap import Interval
from jenacast.experiments.compare import RecipeScores
from jenacast.experiments.folds import FoldScores
from jenacast.plotting import BASELINE, BLUE, FORECAST, ORANGE, error_bars, figure, name_rows, time_axis


def comparison(path: Path, recipes: Sequence[RecipeScores]) -> None:
    """The test MAE of each recipe, every seed a point, the baseline as a line."""
    with figure(path, "test MAE by recipe", synthetic=False, height=1.6 + 0.4 * len(recipes)) as (axis,):
        for place, recipe in enumerate(recipes):
            label = "_" if place else "one seed"
            axis.plot(recipe.test_maes_c, [place] * len(recipe.test_maes_c), "o", color=BLUE, alpha=0.5, label=label)
        means_c, look = [recipe.test_mae_c for recipe in recipes], {"markersize": 18, "markeredgewidth": 2.5}
        axis.plot(means_c, range(len(recipes)), "|", color=ORANGE, label="mean over seeds", **look)
        axis.axvline(recipes[0].baseline_mae_c, **BASELINE)
        axis.set(xlabel="test MAE (°C)")
        name_rows(axis, [", ".join([recipe.model, *recipe.settings]) for recipe in recipes])


def differences(
    path: Path,
    labels: Sequence[str],
    difference_c: Sequence[float],
    ci95_c: Sequence[Interval | None],
    *,
    title: str,
    synthetic: bool,
) -> None:
    """How far each run's MAE is from the baseline's, with its 95 % interval where there is one; degC, (runs,)."""
    look: dict[str, Any] = {"color": ORANGE, "capsize": 3, "marker": "o", "linestyle": ""}
    with figure(path, title, synthetic, height=1.5 + 0.35 * len(labels)) as (axis,):
        lengths_c = error_bars(difference_c, ci95_c)
        axis.errorbar(difference_c, range(len(labels)), xerr=lengths_c, label="a run, with 95 % interval", **look)
        axis.axvline(0, **BASELINE)
        axis.set(xlabel="test MAE less the baseline's (°C)")
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
