"""The picture of a backtest: the errors of one test period after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.plots.style import BASELINE, BASELINE_LABEL, FORECAST, figure, legend_below, time_axis

if TYPE_CHECKING:
    from jenacast.backtest import FoldScores

INTERVAL: dict[str, Any] = FORECAST | {"fmt": "o", "capsize": 4}


def folds(path: Path, scores: "Sequence[FoldScores]", *, title: str, synthetic: bool) -> None:
    """The test MAE of each fold over its period with the 95 % interval where it has one, and the baseline's."""
    begins, ends = (
        np.array([getattr(fold, name) for fold in scores], dtype="datetime64[s]")
        for name in ("test_first_time", "test_last_time")
    )
    with figure(path, title, synthetic) as (whole, (axis,)):
        axis.hlines([fold.baseline_mae_c for fold in scores], begins, ends, **BASELINE, label=BASELINE_LABEL)
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
        legend_below(whole)
