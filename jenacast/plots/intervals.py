"""Pictures of how far predicted quantiles can be trusted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.plots.style import BASELINE, FORECAST, figure


def reliability(path: Path, levels: Sequence[float], observed: Sequence[float], *, title: str, synthetic: bool) -> None:
    """How often the truth lay at or below each predicted quantile, and inside each central interval.

    Args:
        path: the picture.
        levels: (levels,) of the quantiles, 0 to 1; intervals are drawn between those that mirror each other.
        observed: (levels,) the share of truths at or below each, 0 to 1.
        title: the figure's.
        synthetic: whether the series is made up.
    """
    share = {round(float(level), 6): float(seen) for level, seen in zip(levels, observed, strict=True)}
    lower = [level for level in sorted(share, reverse=True) if level < 0.5 and round(1 - level, 6) in share]
    intervals = [1 - 2 * level for level in lower]
    inside = [share[round(1 - level, 6)] - share[level] for level in lower]
    with figure(path, title, synthetic, columns=2, height=4.2) as (_, (quantiles, coverage)):
        _against_diagonal(quantiles, levels, observed)
        quantiles.set(xlabel="level of the predicted quantile (%)", ylabel="truths at or below it (%)")
        _against_diagonal(coverage, intervals, inside)
        coverage.set(xlabel="interval predicted to hold (%)", ylabel="truths inside it (%)")
        quantiles.legend(loc="upper left")


def _against_diagonal(axis: Any, nominal: Sequence[float], observed: Sequence[float]) -> None:
    axis.plot([0, 100], [0, 100], **BASELINE, label="as predicted")
    axis.plot(100 * np.asarray(nominal, float), 100 * np.asarray(observed, float), **FORECAST, marker="o", label="seen")
    axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
