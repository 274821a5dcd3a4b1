"""Pictures of errors: against the truth, by group, over the lead; and of how far intervals can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.data.series import Floats, Times
from jenacast.evaluation.bootstrap import Interval
from jenacast.plotting import (
    BASELINE,
    BASELINE_POINT,
    BLACK,
    BLUE,
    FORECAST,
    GREEN,
    ORANGE,
    REFERENCE,
    TRUTH,
    error_bars,
    figure,
    time_axis,
    with_gaps,
)

SHOWN_DAYS = 14
WIDEST_C = 12  # of the errors' histogram; those beyond are counted at its ends
MARKERS = "osv^"


def evaluation(
    path: Path,
    *,
    valid_at: Times,
    forecast_c: Floats,
    truth_c: Floats,
    baseline_c: Floats,
    title: str,
    synthetic: bool,
) -> None:
    """Two weeks of forecasts against the truth, every forecast against its truth, and the errors."""
    with figure(path, title, synthetic, rows=3) as (weeks, scatter, errors):
        middle = valid_at[len(valid_at) // 2]
        shown = (valid_at >= middle) & (valid_at < middle + np.timedelta64(SHOWN_DAYS, "D"))
        times, *curves = with_gaps(valid_at[shown], truth_c[shown], forecast_c[shown], baseline_c[shown])
        weeks.plot(times, curves[0], **TRUTH, label="truth")
        weeks.plot(times, curves[1], **FORECAST, label="forecast 24 h before")
        weeks.plot(times, curves[2], **BASELINE)
        weeks.set_ylabel("temperature (°C)")
        time_axis(weeks)
        weeks.legend()

        low, high = float(truth_c.min()), float(truth_c.max())
        scatter.plot(truth_c, forecast_c, ".", color=BLUE, markersize=1, alpha=0.4, rasterized=True)
        scatter.plot([low, high], [low, high], color=BLACK, linewidth=1)
        scatter.set(xlabel="truth (°C)", ylabel="forecast (°C)")

        bins = np.linspace(-WIDEST_C, WIDEST_C, 97)
        for values_c, look in (
            (baseline_c - truth_c, BASELINE),
            (forecast_c - truth_c, FORECAST | {"label": "forecast"}),
        ):
            errors.hist(np.clip(values_c, -WIDEST_C, WIDEST_C), bins=bins, histtype="step", **look)
        errors.set(xlabel="forecast minus truth (°C)", ylabel="windows")
        errors.legend()


def groups(
    path: Path,
    labels: Sequence[str],
    mae_c: Sequence[float],
    ci95_c: Sequence[Interval | None] | None,
    baseline_mae_c: Sequence[float],
    bias_c: Sequence[float],
    *,
    by: str,
    title: str,
    synthetic: bool,
) -> None:
    """The MAE of each group of windows beside the baseline's, and the bias below.

    Args:
        path: the picture.
        labels: (groups,) what the groups are called.
        mae_c: (groups,) degC.
        ci95_c: (groups,) ends of 95 % intervals of the MAE, None where there are too few days.
        baseline_mae_c: (groups,) degC.
        bias_c: (groups,) degC, forecast minus truth.
        by: what the windows are grouped by, with its unit.
        title: the figure's.
        synthetic: whether the series is made up.
    """
    places = np.arange(len(labels))
    with figure(path, title, synthetic, rows=2, height=2.7, heights=(2, 1), share_x=True) as (errors, bias):
        errors.plot(places + 0.12, baseline_mae_c, **BASELINE_POINT)
        look = {"color": ORANGE, "capsize": 3, "marker": "o", "linestyle": ""}
        lengths = error_bars(mae_c, ci95_c or [None] * len(labels))
        errors.errorbar(places - 0.12, mae_c, lengths, **look, label="forecast, with 95 % interval")
        errors.margins(y=0.15)
        errors.set_ylim(bottom=0)
        errors.set_ylabel("MAE (°C)")
        errors.legend(loc="lower left", ncols=2)
        bias.bar(places, bias_c, color=BLUE, width=0.5)
        bias.axhline(0, color=BLACK, linewidth=1)
        bias.set(xlabel=by, ylabel="bias (°C)", xticks=places, xticklabels=labels)
        for axis in (errors, bias):
            axis.grid(visible=False, axis="x")


def leads(
    path: Path,
    lead_hours: Sequence[float],
    mae_c: Sequence[float],
    baseline_mae_c: Sequence[float],
    *,
    coverage: Mapping[str, Sequence[float]] | None = None,
    title: str,
    synthetic: bool,
) -> None:
    """The error over the lead beside the baseline's; below, the share of truths inside each band.

    Args:
        path: the picture.
        lead_hours: (leads,).
        mae_c: (leads,) degC.
        baseline_mae_c: (leads,) degC.
        coverage: for each band, named by the percentage it should hold, (leads,) the share it held, 0 to 1.
        title: the figure's.
        synthetic: whether the series is made up.
    """
    rows = 2 if coverage else 1
    with figure(path, title, synthetic, rows=rows, height=2.9, share_x=True) as (errors, *below):
        errors.plot(lead_hours, mae_c, **FORECAST, marker="o", label="forecast")
        errors.plot(lead_hours, baseline_mae_c, **BASELINE, marker="D", markerfacecolor="none")
        errors.set_ylim(bottom=0)
        errors.set_ylabel("MAE (°C)")
        errors.legend()
        for axis in below:
            for marker, (level, shares) in zip(MARKERS, sorted((coverage or {}).items()), strict=False):
                axis.axhline(float(level), **REFERENCE)
                percent = 100 * np.asarray(shares, float)
                axis.plot(lead_hours, percent, color=GREEN, marker=marker, label=f"inside the {level} % band")
            axis.set(ylabel="truths inside (%)", ylim=(0, 105))
            axis.legend()
        (below or [errors])[-1].set_xlabel("lead (h)")


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
    with figure(path, title, synthetic, columns=2, height=4.2) as (quantiles, coverage):
        _against_diagonal(quantiles, levels, observed)
        quantiles.set(xlabel="level of the predicted quantile (%)", ylabel="truths at or below it (%)")
        _against_diagonal(coverage, intervals, inside)
        coverage.set(xlabel="interval predicted to hold (%)", ylabel="truths inside it (%)")
        quantiles.legend(loc="upper left")


def _against_diagonal(axis: Any, nominal: Sequence[float], observed: Sequence[float]) -> None:
    axis.plot([0, 100], [0, 100], **REFERENCE, label="as predicted")
    axis.plot(100 * np.asarray(nominal, float), 100 * np.asarray(observed, float), **FORECAST, marker="o", label="seen")
    axis.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
