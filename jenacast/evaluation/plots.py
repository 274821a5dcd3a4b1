"""Pictures of errors: against the truth, by group, over the lead; and of how far intervals can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.evaluation.groups import By, Group, Lead
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
    name_rows,
    time_axis,
    with_gaps,
)

if TYPE_CHECKING:
    from jenacast.evaluation.explain import Effect

SHOWN_DAYS = 14
WIDEST_C = 12  # of the errors' histogram; those beyond are counted at its ends
MARKERS = "osv^"
AXES: dict[By, str] = {
    "month": "month",
    "season": "season",
    "hour": "hour of the day (station's clock)",
    "year": "year",
    "change": "size of the change of temperature",
}


def evaluation(path: Path, judged: Lead, *, title: str, synthetic: bool) -> None:
    """Two weeks of forecasts against the truth, every forecast against its truth, and the errors."""
    valid_at, forecast_c, truth_c, baseline_c = judged.valid_at, judged.forecast_c, judged.truth_c, judged.baseline_c
    with figure(path, title, synthetic, rows=3) as (weeks, scatter, errors):
        middle = valid_at[len(valid_at) // 2]
        shown = (valid_at >= middle) & (valid_at < middle + np.timedelta64(SHOWN_DAYS, "D"))
        times, *curves = with_gaps(valid_at[shown], truth_c[shown], forecast_c[shown], baseline_c[shown])
        weeks.plot(times, curves[0], **TRUTH, label="truth")
        weeks.plot(times, curves[1], **FORECAST, label=f"forecast {judged.hours} h before")
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
        ticks = range(-WIDEST_C, WIDEST_C + 1, 4)
        labels = [f"≤ {-WIDEST_C}", *map(str, ticks[1:-1]), f"≥ {WIDEST_C}"]
        errors.set(xlabel="forecast minus truth (°C)", ylabel="windows", xticks=ticks, xticklabels=labels)
        errors.legend()


def groups(path: Path, found: Sequence[Group], by: By, *, title: str, synthetic: bool) -> None:
    """The MAE of each group of windows beside the baseline's: over the lead as curves, else with intervals and bias."""
    if by == "lead":
        _draw_leads(path, found, title, synthetic=synthetic)
        return
    places, mae_c = np.arange(len(found)), [group.mae_c for group in found]
    with figure(path, title, synthetic, rows=2, height=2.7, heights=(2, 1), share_x=True) as (errors, bias):
        errors.plot(places + 0.12, [group.baseline_mae_c for group in found], **BASELINE_POINT)
        look = {"color": ORANGE, "capsize": 3, "marker": "o", "linestyle": ""}
        lengths = error_bars(mae_c, [group.mae_ci95_c for group in found])
        errors.errorbar(places - 0.12, mae_c, lengths, **look, label="forecast, with 95 % interval")
        errors.margins(y=0.15)
        errors.set_ylim(bottom=0)
        errors.set_ylabel("MAE (°C)")
        bias.bar(places, [group.bias_c for group in found], color=BLUE, width=0.5)
        bias.axhline(0, color=BLACK, linewidth=1)
        labels = [group.label for group in found]
        bias.set(xlabel=AXES[by], ylabel="bias (°C)", xticks=places, xticklabels=labels)
        for axis in (errors, bias):
            axis.grid(visible=False, axis="x")


def _draw_leads(path: Path, leads: Sequence[Group], title: str, *, synthetic: bool) -> None:
    """The error over the lead beside the baseline's; below, the share of truths inside each interval, if any."""
    hours = [int(lead.label.removesuffix(" h")) for lead in leads]
    coverage = [lead.coverage for lead in leads if lead.coverage]
    with figure(path, title, synthetic, rows=2 if coverage else 1, height=2.9, share_x=True) as (errors, *below):
        errors.plot(hours, [lead.mae_c for lead in leads], **FORECAST, marker="o", label="forecast")
        errors.plot(hours, [lead.baseline_mae_c for lead in leads], **BASELINE, marker="D", markerfacecolor="none")
        errors.axhline(0, linewidth=0)  # so that the margin above is a share of the whole axis
        errors.set_ylim(bottom=0)
        errors.set_ylabel("MAE (°C)")
        errors.legend()
        errors.xaxis.get_major_locator().set_params(integer=True)
        for axis in below:
            for marker, level in zip(MARKERS, sorted(coverage[0]), strict=False):
                axis.axhline(float(level), **REFERENCE)
                percent = [100 * shares[level] for shares in coverage]
                axis.plot(hours, percent, color=GREEN, marker=marker, label=f"inside the {level} % band")
            axis.set(ylabel="truths inside (%)", ylim=(0, 105))
            axis.legend()
        (below or [errors])[-1].set_xlabel("lead (h)")


def reliability(path: Path, levels: Sequence[float], observed: Sequence[float], *, title: str, synthetic: bool) -> None:
    """How often the truth lay at or below each predicted quantile, and inside each central interval.

    `levels` of the quantiles, and the shares `observed` at or below them, go from 0 to 1; intervals are drawn between
    levels that mirror each other.
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


def effects(path: Path, found: Mapping[str, Sequence["Effect"]], *, title: str, synthetic: bool) -> None:
    """How much the MAE rises where each part is shuffled, as bars with 95 % intervals; by heading, on one scale."""
    heights = tuple(len(effects) + 1 for effects in found.values())
    height = 0.3 * sum(heights) / len(heights)
    with figure(path, title, synthetic, rows=len(found), height=height, heights=heights, share_x=True) as axes:
        for axis, (head, effects) in zip(axes, found.items(), strict=True):
            rises_c = [effect.difference_c for effect in effects]
            lengths = error_bars(rises_c, [effect.difference_ci95_c for effect in effects])
            look = {"color": BLUE, "height": 0.6, "ecolor": BLACK, "capsize": 2, "error_kw": {"linewidth": 1}}
            axis.barh(range(len(effects)), rises_c, xerr=lengths, **look)
            axis.axvline(0, color=BLACK, linewidth=1)
            name_rows(axis, [effect.part for effect in effects])
            axis.set_title(head, loc="left", fontsize="medium")
            axis.grid(visible=False, axis="y")
        axes[-1].set_xlabel("rise of the MAE (°C), with 95 % interval")
