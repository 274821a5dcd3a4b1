"""The files that a forecast leaves: an answer as JSON, every hour as CSV, a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.files import write_columns
from jenacast.forecasting import plots
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.observations import minute
from jenacast.forecasting.summary import Hour, Summary, weekday
from jenacast.models.intervals import ENDS

SHOWN_HOURS, SHOWN_HOURS_OF_MANY = 72, 24  # of the past, in a picture's panels
CHUNK = 1_000  # forecasts whose text is in memory at a time


def as_json(said: Summary) -> dict[str, Any]:
    """One forecast as JSON takes it: that of the lead, and under `hours` every hour that the network forecasts."""
    hours = [_hour(hour) for hour in said.hours]
    return {
        "checkpoint": said.checkpoint,
        "checkpoint_sha256": said.sha256,
        "network": said.network,
        "synthetic": said.synthetic,
        "trained_years": list(said.trained_years),
        "last_observation": str(said.last_observation),
        "utc_offset_hours": UTC_OFFSET_HOURS,
        "is_newest": said.is_newest,
        "age_hours": said.age_hours,
        **hours[-1],
        "error_c": said.hours[-1].error_c,
        "baseline_c": said.observed_c,
        "baseline_error_c": said.hours[-1].baseline_error_c,
        "interpolated_hours": said.interpolated_hours,
        "extremes": [
            {
                "name": each.name,
                "kind": each.kind,
                "begins": str(each.begins),
                "until": str(each.until),
                **_hour(each.hour),
                "truth_c": each.truth.truth_c if each.truth else None,
                "truth_at": str(each.truth.valid_at) if each.truth else None,
            }
            for each in said.extremes
        ],
        "hours": hours,
    }


def write_forecasts(made: Forecasts, path: Path) -> None:
    """Write every hour of every forecast as a line of CSV."""
    write_columns(path, (_columns(made, slice(start, start + CHUNK)) for start in range(0, len(made), CHUNK)))


def draw_forecasts(made: Forecasts, path: Path, title: str | None = None) -> None:
    """Draw each forecast in a panel, or, of those made step by step, the lead's hour beside the truth."""
    lead = made.valid_at[:, -1]
    if len(made) == 1 or not made.in_steps:
        shown = [_panel(made, number) for number in range(len(made))]
        one = f"{made.temperature_c[0, -1]:.1f} °C at {minute(lead[0])}"
        named = f"{made.model}: {one if len(made) == 1 else f'{len(made)} forecasts'}"
        plots.panels(path, shown, title=named if title is None else title, synthetic=made.synthetic)
        return
    plots.forecasts(
        path,
        valid_at=lead,
        forecast_c=made.temperature_c[:, -1],
        bands={name: tuple(ends_c[:, -1].T) for name, ends_c in made.ends_c.items()},
        baseline_c=made.baseline_c,
        measured_at=lead,
        measured_c=made.truth_c[:, -1],
        title=f"{made.model}: {len(made):,} forecasts",
        synthetic=made.synthetic,
    )


def _hour(hour: Hour) -> dict[str, Any]:
    return {
        "valid_at": str(hour.valid_at),
        "temperature_c": hour.temperature_c,
        "intervals": {name: list(ends) for name, ends in hour.intervals.items()} or None,
        "interval_width": hour.interval_width,
        "truth_c": hour.truth_c,
    }


def _columns(made: Forecasts, which: slice) -> Mapping[str, Any]:
    """Some of the forecasts, a row for each of their hours."""
    valid_at = made.valid_at[which]
    hours = valid_at.shape[1]
    columns = {
        "last_observation": np.repeat(made.last_observation[which], hours),
        "valid_at": valid_at.ravel(),
        "temperature_c": made.temperature_c[which].ravel(),
    }
    unknown_c = np.full((*valid_at.shape, 2), np.nan)
    for name in ENDS:
        ends_c = (made.ends_c[name][which] if made.ends_c else unknown_c).reshape(-1, 2)
        columns[f"low_{name}_c"], columns[f"high_{name}_c"] = ends_c.T
    columns["baseline_c"] = np.repeat(made.baseline_c[which], hours)
    return columns | {"truth_c": made.truth_c[which].ravel()}


def _panel(made: Forecasts, number: int) -> plots.Panel:
    origin, observations = made.last_observation[number], made.observations
    times, measured_c = observations.series.times, observations.temperature_c
    past = np.timedelta64(SHOWN_HOURS if len(made) == 1 else SHOWN_HOURS_OF_MANY, "h")
    shown = (times > origin - past) & (times <= made.valid_at[number, -1]) & np.isfinite(measured_c)
    return plots.Panel(
        title=weekday(origin),
        origin=origin,
        is_newest=bool(origin == times[-1]),
        valid_at=made.valid_at[number],
        forecast_c=made.temperature_c[number],
        bands={name: tuple(ends_c[number].T) for name, ends_c in made.ends_c.items()},
        baseline_c=float(made.baseline_c[number]),
        measured_at=times[shown],
        measured_c=measured_c[shown],
    )
