"""The files that a forecast leaves: an answer as JSON, every hour as CSV, a picture."""

from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import TARGET
from jenacast.files import write_columns
from jenacast.forecasting import plots
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.observations import minute
from jenacast.models.intervals import ENDS

SHOWN_HOURS = 72  # of the past, in a picture


def as_json(made: Forecasts, number: int) -> dict[str, Any]:
    """One forecast as JSON takes it: that of the lead, and under `hours` every hour that the network forecasts."""
    hours = [
        {
            "valid_at": str(time),
            "temperature_c": float(made.temperature_c[number, hour]),
            "intervals": {name: ends[number, hour].tolist() for name, ends in made.ends_c.items()} or None,
        }
        for hour, time in enumerate(made.valid_at[number])
    ]
    return {
        "checkpoint": made.checkpoint,
        "synthetic": made.synthetic,
        "last_observation": str(made.last_observation[number]),
        **hours[-1],
        "baseline_c": float(made.baseline_c[number]),
        "interpolated_hours": int(made.interpolated_hours[number]),
        "hours": hours,
    }


def write_forecasts(made: Forecasts, path: Path) -> None:
    """Write every hour of every forecast as a line of CSV."""
    hours = made.valid_at.shape[1]
    columns = {
        "last_observation": np.repeat(made.last_observation, hours),
        "valid_at": made.valid_at.ravel(),
        "temperature_c": made.temperature_c.ravel(),
    }
    for name in ENDS:
        ends_c = made.ends_c.get(name, np.full((len(made), hours, 2), np.nan)).reshape(-1, 2)
        columns[f"low_{name}_c"], columns[f"high_{name}_c"] = ends_c.T
    columns["baseline_c"] = np.repeat(made.baseline_c, hours)
    write_columns(path, columns)


def draw_forecasts(made: Forecasts, path: Path) -> None:
    """Draw one forecast after the last days' temperature, or several beside the temperature that came."""
    measured = made.observations.measured
    times = made.observations.series.times[measured]  # what was interpolated is no observation
    temperature_c = made.observations.series.column(TARGET)[measured]
    if len(made) == 1:
        (now,) = made.last_observation
        shown = (times <= now) & (times > now - np.timedelta64(SHOWN_HOURS, "h"))
        measured_at, measured_c = times[shown], temperature_c[shown]
        title = f"{made.temperature_c[0, -1]:.1f} °C at {minute(made.valid_at[0, -1])}"
    else:
        now = None
        measured_at = made.valid_at[:, -1]
        rows = np.minimum(np.searchsorted(times, measured_at), len(times) - 1)
        measured_c = np.where(times[rows] == measured_at, temperature_c[rows], np.nan)
        title = f"{len(made):,} forecasts"
    chosen: Any = (slice(None), -1) if now is None else (0, slice(None))  # the lead's hour of all, or every hour of one
    valid_at = made.valid_at[chosen]
    plots.forecasts(
        path,
        valid_at=valid_at,
        forecast_c=made.temperature_c[chosen],
        bands={name: (ends_c[chosen][:, 0], ends_c[chosen][:, 1]) for name, ends_c in made.ends_c.items()},
        baseline_c=np.broadcast_to(made.baseline_c, valid_at.shape),
        measured_at=measured_at,
        measured_c=measured_c,
        now=now,
        is_newest=bool(made.last_observation[-1] == made.observations.series.times[-1]),
        joined=now is not None or made.in_steps,
        title=f"{made.model}: {title}",
        synthetic=made.synthetic,
    )
