"""What a forecast leaves: an answer as JSON, every hour as CSV, a picture."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import TARGET
from jenacast.files import atomic_path
from jenacast.forecasting import plots
from jenacast.forecasting.forecast import Forecasts, Outlook
from jenacast.forecasting.origins import minute
from jenacast.models.intervals import ENDS

SHOWN_HOURS = 72  # of the past, in a picture


def as_dict(forecasts: Forecasts, outlook: Outlook) -> dict[str, Any]:
    """One forecast as JSON takes it: that of the lead, and under `hours` those of every hour the network says."""
    hours = [
        {
            "valid_at": str(time),
            "temperature_c": float(outlook.temperature_c[number]),
            "intervals": outlook.ends_c and {name: ends_c[number].tolist() for name, ends_c in outlook.ends_c.items()},
        }
        for number, time in enumerate(outlook.valid_at)
    ]
    return {
        "checkpoint": forecasts.checkpoint,
        "synthetic": forecasts.synthetic,
        "last_observation": str(outlook.last_observation),
        **hours[-1],
        "baseline_c": outlook.baseline_c,
        "interpolated_hours": outlook.interpolated_hours,
        "hours": hours,
    }


def write_forecasts(forecasts: Forecasts, path: Path) -> None:
    """Write every hour of every forecast as a line of CSV."""
    ends = [f"{end}_{name}_c" for name in ENDS for end in ("low", "high")]
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["last_observation", "valid_at", "temperature_c", *ends, "baseline_c"])
        for outlook in forecasts.outlooks:
            for number, time in enumerate(outlook.valid_at):
                values = [outlook.temperature_c[number], outlook.baseline_c]
                values[1:1] = [end for name in ENDS for end in outlook.ends_c[name][number]] if outlook.ends_c else []
                cells = [f"{value:.4f}" for value in values]
                cells[1:1] = [] if outlook.ends_c else [""] * len(ends)
                writer.writerow([str(outlook.last_observation), str(time), *cells])


def draw_forecasts(forecasts: Forecasts, path: Path) -> None:
    """Draw one forecast after the last days' temperature, or several beside the temperature that came."""
    measured, outlooks = forecasts.observations.measured, forecasts.outlooks
    times = forecasts.observations.series.times[measured]  # what was interpolated is no observation
    temperature_c = forecasts.observations.series.column(TARGET)[measured]
    if len(outlooks) == 1:
        one = outlooks[0]
        shown = (times <= one.last_observation) & (times > one.last_observation - np.timedelta64(SHOWN_HOURS, "h"))
        plots.outlook(
            path,
            observed_at=times[shown],
            observed_c=temperature_c[shown],
            now=one.last_observation,
            valid_at=one.valid_at,
            forecast_c=one.temperature_c,
            bands={name: (ends_c[:, 0], ends_c[:, 1]) for name, ends_c in (one.ends_c or {}).items()},
            baseline_c=np.full(len(one.valid_at), one.baseline_c),
            title=f"{forecasts.model}: {one.temperature_c[-1]:.1f} °C at {minute(one.valid_at[-1])}",
            synthetic=forecasts.synthetic,
        )
        return
    valid_at = np.array([outlook.valid_at[-1] for outlook in outlooks])
    rows = np.minimum(np.searchsorted(times, valid_at), len(times) - 1)
    names = list(outlooks[0].ends_c or {})
    ends = {name: np.array([outlook.ends_c[name][-1] for outlook in outlooks if outlook.ends_c]) for name in names}
    plots.outlooks(
        path,
        valid_at=valid_at,
        forecast_c=np.array([outlook.temperature_c[-1] for outlook in outlooks]),
        bands={name: (ends_c[:, 0], ends_c[:, 1]) for name, ends_c in ends.items()},
        baseline_c=np.array([outlook.baseline_c for outlook in outlooks]),
        truth_c=np.where(times[rows] == valid_at, temperature_c[rows], np.nan),
        title=f"{forecasts.model}: {len(outlooks):,} forecasts",
        synthetic=forecasts.synthetic,
    )
