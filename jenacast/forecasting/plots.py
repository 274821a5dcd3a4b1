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


def forecasts(
    path: Path,
    *,
    valid_at: Times,
    forecast_c: Floats,
    bands: Bands,
    baseline_c: Floats,
    measured_at: Times,
    measured_c: Floats,
    now: np.datetime64 | None = None,
    is_newest: bool = True,
    joined: bool = True,
    title: str,
    synthetic: bool,
) -> None:
    """What is forecast, as a curve with its bands or as points with error bars, beside what was measured; in degC.

    `forecast_c` and `baseline_c` are (windows,) for the times `valid_at`, in order; so are the low and high ends of the
    `bands`, by the percentage that should lie inside, such as "90". `measured_c` (hours,) is what was measured before
    `now`, the last observation, or without it the truth of the forecasts; NaN where it is not known. With `is_newest`
    no later observation is known; else the time is not called "now". With `joined` there are curves, else points.
    """
    with figure(path, title, synthetic, height=3.8) as (axis,):
        times, observed_c = with_gaps(measured_at, measured_c)
        look = TRUTH | ({} if joined and len(measured_at) > 1 else {"marker": ".", "linestyle": "", "zorder": 3})
        axis.plot(times, observed_c, **look, label="truth" if now is None else "observed")
        if now is not None:
            axis.axvline(now, color=BLACK, linestyle=":", linewidth=1)
            place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
            axis.annotate("now" if is_newest else "from here", (now, 1), (3, -3), **place)
        if len(valid_at) == 1 or not joined:
            _draw_points(axis, valid_at, forecast_c, bands)
            axis.plot(valid_at, baseline_c, **BASELINE_POINT)
        else:
            _draw_curve(axis, valid_at, forecast_c, bands)
            times, before_c = with_gaps(valid_at, baseline_c)
            axis.plot(times, before_c, **BASELINE)
        axis.set_ylabel("temperature (°C)")
        time_axis(axis)


def _draw_curve(axis: Any, valid_at: Times, forecast_c: Floats, bands: Bands) -> None:
    levels = list(bands)
    times, curve_c, *ends = with_gaps(valid_at, forecast_c, *(end for level in levels for end in bands[level]))
    draw_bands(axis, times, {level: (ends[2 * i], ends[2 * i + 1]) for i, level in enumerate(levels)})
    axis.plot(times, curve_c, **FORECAST, label="forecast")


def _draw_points(axis: Any, valid_at: Times, forecast_c: Floats, bands: Bands) -> None:
    """Single forecasts: narrow bands are thick bars."""
    for number, level in enumerate(sorted(bands, key=float, reverse=True)):
        low, high = bands[level]
        width = 1.5 + 2.5 * number
        axis.vlines(valid_at, low, high, color=ORANGE, alpha=0.55, linewidth=width, label=f"{level} % interval")
    axis.plot(valid_at, forecast_c, **FORECAST, marker="o", markersize=8, linestyle="", label="forecast")
