"""Pictures of forecasts: each one's hours in a panel of its own, or one hour of many as a curve."""

from collections.abc import Sequence
from dataclasses import dataclass
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

MOST_PANELS = 12  # more are too small to be read
TICK_HOURS = 12


@dataclass(frozen=True)
class Panel:
    """One forecast; temperatures in degC, times by the station's clock.

    Attributes:
        title: above the panel.
        origin: datetime64, the last observation that the forecast knows.
        is_newest: no later one is known, so that the origin is now.
        valid_at: (hours,) the times forecast for.
        forecast_c: (hours,).
        bands: the low and high ends of the intervals, (hours,) each, by the percentage that should lie inside.
        baseline_c: the baseline's forecast for all of them.
        measured_at: (rows,) times before the origin and, where it lies in the past, after it.
        measured_c: (rows,) what was measured then.
    """

    title: str
    origin: np.datetime64
    is_newest: bool
    valid_at: Times
    forecast_c: Floats
    bands: Bands
    baseline_c: float
    measured_at: Times
    measured_c: Floats


def panels(path: Path, shown: Sequence[Panel], *, title: str, synthetic: bool) -> None:
    """One forecast over the time, or up to `MOST_PANELS` side by side over the hours from their origins."""
    across = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3
    down = -(-len(shown) // across)
    shape: dict[str, Any] = {"rows": down, "columns": across, "height": 3.8 if down == 1 else 2.6}
    with figure(path, title, synthetic, **shape, share_x=True, share_y=True) as axes:
        for axis, panel in zip(axes, shown, strict=False):
            _draw_panel(axis, panel, by_hours=len(shown) > 1)
        if len(shown) == 1:
            time_axis(axes[0])
        for axis in axes[1 : len(shown)]:
            for handle in axis.get_legend_handles_labels()[0]:
                handle.set_label("_")  # the first panel's legend is everybody's
        for place, axis in enumerate(axes):
            is_last_down = place + across >= len(shown)
            if len(shown) > 1 and place < len(shown) and is_last_down:
                axis.set_xlabel("hours from the last observation")
                axis.tick_params(labelbottom=True)
                axis.xaxis.set_major_locator(_every_hours(TICK_HOURS))
            if place >= len(shown):
                axis.remove()
        for axis in axes[::across]:
            axis.set_ylabel("temperature (°C)")


def forecasts(
    path: Path,
    *,
    valid_at: Times,
    forecast_c: Floats,
    bands: Bands,
    baseline_c: Floats,
    measured_at: Times,
    measured_c: Floats,
    title: str,
    synthetic: bool,
) -> None:
    """One hour of many forecasts, as a curve with its bands, beside the truth; in degC.

    `forecast_c` and `baseline_c` are (windows,) for the times `valid_at`, in order; so are the low and high ends of the
    `bands`, by the percentage that should lie inside, such as "90". `measured_c` (hours,) is the truth; NaN where it is
    not known.
    """
    with figure(path, title, synthetic, height=3.8) as (axis,):
        times, observed_c = with_gaps(measured_at, measured_c)
        axis.plot(times, observed_c, **TRUTH, label="truth")
        _draw_curve(axis, valid_at, forecast_c, bands)
        times, before_c = with_gaps(valid_at, baseline_c)
        axis.plot(times, before_c, **BASELINE)
        axis.set_ylabel("temperature (°C)")
        time_axis(axis)


def _draw_panel(axis: Any, panel: Panel, *, by_hours: bool) -> None:
    def place(times: Any) -> Any:
        return (times - panel.origin) / np.timedelta64(1, "h") if by_hours else times

    times, observed_c = with_gaps(panel.measured_at, panel.measured_c)
    axis.plot(place(times), observed_c, **TRUTH, label="observed")
    axis.axvline(place(panel.origin), color=BLACK, linestyle=":", linewidth=1)
    beside = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
    axis.annotate("now" if panel.is_newest else "from here", (place(panel.origin), 1), (3, -3), **beside)
    valid_at, baseline_c = place(panel.valid_at), np.full(len(panel.valid_at), panel.baseline_c)
    if len(panel.valid_at) == 1:
        _draw_point(axis, valid_at, panel.forecast_c, panel.bands)
        axis.plot(valid_at, baseline_c, **BASELINE_POINT)
    else:
        draw_bands(axis, valid_at, panel.bands)
        axis.plot(valid_at, panel.forecast_c, **FORECAST, label="forecast")
        axis.plot(valid_at, baseline_c, **BASELINE)
    if by_hours:
        axis.set_title(panel.title)


def _draw_curve(axis: Any, valid_at: Times, forecast_c: Floats, bands: Bands) -> None:
    levels = list(bands)
    times, curve_c, *ends = with_gaps(valid_at, forecast_c, *(end for level in levels for end in bands[level]))
    draw_bands(axis, times, {level: (ends[2 * i], ends[2 * i + 1]) for i, level in enumerate(levels)})
    axis.plot(times, curve_c, **FORECAST, label="forecast")


def _draw_point(axis: Any, valid_at: Any, forecast_c: Floats, bands: Bands) -> None:
    """A single hour: narrow bands are thick bars."""
    for number, level in enumerate(sorted(bands, key=float, reverse=True)):
        low, high = bands[level]
        width = 1.5 + 2.5 * number
        axis.vlines(valid_at, low, high, color=ORANGE, alpha=0.55, linewidth=width, label=f"{level} % interval")
    axis.plot(valid_at, forecast_c, **FORECAST, marker="o", markersize=8, linestyle="", label="forecast")


def _every_hours(hours: int) -> Any:
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(hours)
