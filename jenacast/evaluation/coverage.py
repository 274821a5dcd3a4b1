"""How good predicted quantiles are: how often intervals hold the truth, how wide they are, the CRPS."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import Floats, Times
from jenacast.evaluation.bootstrap import Interval, mean_interval
from jenacast.models.checkpoint import HeldOut
from jenacast.models.intervals import ENDS, LEVELS
from jenacast.tables import Column, Table, Value, columns


@dataclass(frozen=True)
class IntervalScores:
    """How good predicted quantiles are over some windows; the intervals by their nominal coverage in percent.

    Attributes:
        coverage: share of truths inside each interval.
        coverage_ci95: 95 % intervals of these shares over days; None for too few.
        width_c: mean width.
        pinball_c: mean pinball loss of each interval's two ends (Koenker & Bassett 1978).
        crps_c: continuous ranked probability score: twice the pinball loss, integrated over the levels (Gneiting &
            Ranjan 2011) by the trapezoidal rule; at levels 0 and 1 the loss is 0.
        reliability: for each level the share of truths at or below its quantile.
    """

    coverage: dict[str, float]
    coverage_ci95: dict[str, Interval | None]
    width_c: dict[str, float]
    pinball_c: dict[str, float]
    crps_c: float
    reliability: list[float]


def score_intervals(quantiles_c: Floats, truth_c: Floats, valid_at: Times) -> IntervalScores:
    """Scores of (windows, LEVELS) predicted quantiles against (windows,) truths, degC, at their times."""
    above_c = truth_c.astype(np.float64)[:, None] - quantiles_c
    levels = np.array(LEVELS)
    pinball_c = np.maximum(levels * above_c, (levels - 1) * above_c).mean(axis=0)
    coverage, coverage_ci95 = measure_coverage(quantiles_c, truth_c, valid_at)
    return IntervalScores(
        coverage=coverage,
        coverage_ci95=coverage_ci95,
        width_c={
            name: float((quantiles_c[:, high] - quantiles_c[:, low]).mean()) for name, (low, high) in ENDS.items()
        },
        pinball_c={name: float(pinball_c[list(ends)].mean()) for name, ends in ENDS.items()},
        crps_c=float(2 * pinball_c.sum() / (len(LEVELS) + 1)),
        reliability=(above_c <= 0).mean(axis=0).tolist(),
    )


def intervals_table(scores: IntervalScores) -> Table:
    """How often each interval holds the truth, how wide it is, and its pinball loss."""
    widths = [Column("mean width", ".2f", "°C"), Column("pinball loss", ".3f", "°C")]
    return Table(
        [Column("interval"), Column("holds the truth in", ".1%"), *widths],
        [[f"{name} %", share, scores.width_c[name], scores.pinball_c[name]] for name, share in scores.coverage.items()],
        caption=f"Intervals on the test split; CRPS {scores.crps_c:.3f} °C",
    )


def held_out_table(years: Sequence[HeldOut]) -> Table:
    """How networks that have not seen a year forecast it, with intervals that the others calibrated."""
    names = [name for name in ENDS if all(name in year.coverage for year in years)]
    errors = [*columns("MAE", "baseline MAE", form=".3f", unit="°C"), Column("bias", "+.3f", "°C")]
    inside = columns(*(f"in {name} %" for name in names), form=".1%")
    figures = np.array(
        [[year.mae_c, year.baseline_mae_c, year.bias_c, *(year.coverage[name] for name in names)] for year in years]
    )
    windows = [year.windows for year in years]
    rows: list[list[Value]] = [
        [year.year, year.windows, *of_year] for year, of_year in zip(years, figures.tolist(), strict=True)
    ]
    rows.append(["all", sum(windows), *np.average(figures, axis=0, weights=windows).tolist()])
    return Table([Column("held out"), Column("windows", ","), *errors, *inside], rows)


def measure_coverage(
    quantiles_c: Floats, truth_c: Floats, valid_at: Times
) -> tuple[dict[str, float], dict[str, Interval | None]]:
    """By interval the share of (windows,) truths inside it, and the 95 % interval of that over days."""
    inside = is_inside(quantiles_c, truth_c)
    return (
        {name: float(found.mean()) for name, found in inside.items()},
        {name: mean_interval(found.astype(np.float64), valid_at) for name, found in inside.items()},
    )


def is_inside(quantiles_c: Floats, truth_c: Floats) -> dict[str, NDArray[np.bool_]]:
    """(windows,) by interval whether the truth lies inside it, its ends included."""
    return {
        name: (quantiles_c[:, low] <= truth_c) & (truth_c <= quantiles_c[:, high]) for name, (low, high) in ENDS.items()
    }
