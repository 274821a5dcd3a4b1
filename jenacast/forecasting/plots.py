"""Pictures of forecasts: tomorrow's, and a whole file's."""

from pathlib import Path
from typing import Any

import numpy as np

from jenacast.data.series import Floats, Times
from jenacast.plotting import (
    BASELINE,
    BASELINE_POINT,
    BLACK,
    FORECAST,
    ORANGE,
    TRUTH,
    Bands,
    draw_bands,
    figure,
    time_axis,
    with_gaps,
)


def outlook(
    path: Path,
    *,
    observed_at: Times,
    observed_c: Floats,
    now: np.datetime64,
    valid_at: Times,
    forecast_c: Floats,
    bands: Bands,
    baseline_c: Floats,
    title: str,
    synthetic: bool,
) -> None:
    """The last days' temperature and what is forecast: a curve with its bands, or a point with error bars.

    Args:
        path: the picture.
        observed_at: (hours,) the times of what was measured.
        observed_c: (hours,) degC.
        now: the time of the last observation.
        valid_at: (leads,) the times that are forecast; one of them is drawn as a point.
        forecast_c: (leads,) degC.
        bands: by the percentage that should lie inside, such as "90", the (leads,) low and high ends in degC.
        baseline_c: (leads,) degC.
        title: the figure's.
        synthetic: whether the series is made up.
    """
    with figure(path, title, synthetic, height=3.8) as (axis,):
        times, measured_c = with_gaps(observed_at, observed_c)
        axis.plot(times, measured_c, **TRUTH, label="observed")
        axis.axvline(now, color=BLACK, linestyle=":", linewidth=1)
        axis.annotate(
            "now", (now, 1), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points", va="top"
        )
        if len(valid_at) == 1:
            _draw_point(axis, valid_at, forecast_c, bands)
            axis.plot(valid_at, baseline_c, **BASELINE_POINT)
        else:
            _draw_curve(axis, valid_at, forecast_c, bands)
            axis.plot(valid_at, baseline_c, **BASELINE)
        axis.set_ylabel("temperature (°C)")
        time_axis(axis)


def outlooks(
    path: Path,
    *,
    valid_at: Times,
    forecast_c: Floats,
    bands: Bands,
    baseline_c: Floats,
    truth_c: Floats | None = None,
    title: str,
    synthetic: bool,
) -> None:
    """Many forecasts as a curve with its bands, beside the truth where it is known; gaps stay open.

    All are (windows,), in order of time, temperatures in degC; a truth that is not known yet is NaN. For `bands` see
    `outlook`.
    """
    with figure(path, title, synthetic, height=3.8) as (axis,):
        _draw_curve(axis, valid_at, forecast_c, bands)
        times, before_c = with_gaps(valid_at, baseline_c)
        axis.plot(times, before_c, **BASELINE)
        if truth_c is not None:
            times, measured_c = with_gaps(valid_at, truth_c)
            axis.plot(times, measured_c, **TRUTH, marker="." if len(valid_at) == 1 else "", label="truth")
        axis.set_ylabel("temperature (°C)")
        time_axis(axis)


def _draw_curve(axis: Any, valid_at: Times, forecast_c: Floats, bands: Bands) -> None:
    levels = list(bands)
    times, curve_c, *ends = with_gaps(valid_at, forecast_c, *(end for level in levels for end in bands[level]))
    draw_bands(axis, times, {level: (ends[2 * i], ends[2 * i + 1]) for i, level in enumerate(levels)})
    marker = "o" if len(valid_at) == 1 else ""
    axis.plot(times, curve_c, **FORECAST, marker=marker, label="forecast")


def _draw_point(axis: Any, valid_at: Times, forecast_c: Floats, bands: Bands) -> None:
    """One forecast: narrow bands are thick bars."""
    for number, level in enumerate(sorted(bands, key=float, reverse=True)):
        low, high = bands[level]
        width = 1.5 + 2.5 * number
        axis.vlines(valid_at, low, high, color=ORANGE, alpha=0.55, linewidth=width, label=f"{level} % interval")
    axis.plot(valid_at, forecast_c, **FORECAST, marker="o", markersize=8, linestyle="", label="forecast")
