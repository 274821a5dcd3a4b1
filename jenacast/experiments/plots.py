"""Pictures of many trainings: runs side by side, and one test period after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.evaluation.bootstrap import Interval
from jenacast.experiments.compare import Row
from jenacast.experiments.folds import FoldScores
from jenacast.plotting import BASELINE, BLUE, FORECAST, ORANGE, error_bars, figure, name_rows, time_axis

INTERVAL: dict[str, Any] = FORECAST | {"fmt": "o", "capsize": 4}


def comparison(path: Path, rows: Sequence[Row]) -> None:
    """The test MAE of each recipe, every seed a point, the baseline as a line."""
    with figure(path, "test MAE by recipe", synthetic=False, height=1.6 + 0.4 * len(rows)) as (axis,):
        for number, row in enumerate(rows):
            seeds = axis.plot(row.test_maes_c, [number] * len(row.test_maes_c), "o", color=BLUE, alpha=0.5)
            mean = axis.plot(row.test_mae_c, number, "|", color=ORANGE, markersize=18, markeredgewidth=2.5)
        seeds[0].set_label("one seed")
        mean[0].set_label("mean over seeds")
        axis.axvline(rows[0].baseline_mae_c, **BASELINE)
        axis.set(xlabel="test MAE (°C)")
        name_rows(axis, [row.model for row in rows])


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
    places = np.arange(len(labels))
    with figure(path, title, synthetic, height=1.5 + 0.35 * len(labels)) as (axis,):
        axis.errorbar(
            difference_c,
            places,
            xerr=error_bars(difference_c, ci95_c),
            color=ORANGE,
            capsize=3,
            marker="o",
            linestyle="",
            label="a run, with 95 % interval",
        )
        axis.axvline(0, **BASELINE)
        axis.set(xlabel="test MAE less the baseline's (°C)")
        name_rows(axis, labels)


def folds(path: Path, scores: Sequence[FoldScores], *, title: str, synthetic: bool) -> None:
    """The test MAE of each fold over its period with the 95 % interval where it has one, and the baseline's."""
    begins, ends = (
        np.array([getattr(fold, name) for fold in scores], dtype="datetime64[s]")
        for name in ("test_first_time", "test_last_time")
    )
    with figure(path, title, synthetic) as (axis,):
        axis.hlines([fold.baseline_mae_c for fold in scores], begins, ends, **BASELINE)
        axis.hlines([fold.test_mae_c for fold in scores], begins, ends, **FORECAST, label="the fold's network")
        middles = begins + (ends - begins) // 2
        labels = ["95 % interval", *["_"] * len(scores)]
        for fold, middle in zip(scores, middles, strict=True):
            low, high = fold.test_mae_ci95_c or (fold.test_mae_c, fold.test_mae_c)
            reach = [[fold.test_mae_c - low], [high - fold.test_mae_c]]
            label = labels.pop(0) if fold.test_mae_ci95_c else "_"
            axis.errorbar([middle], [fold.test_mae_c], yerr=reach, label=label, **INTERVAL)
        axis.set_ylabel("test MAE (°C)")
        time_axis(axis)
