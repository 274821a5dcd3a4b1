"""What a terminal shows of forecasts: one with its hours, or many with a line each, in 80 columns."""

import numpy as np

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.data.series import Floats
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.observations import minute
from jenacast.forecasting.summary import Summary, weekday
from jenacast.models import packaged_name
from jenacast.tables import Column, Table, Value, columns

STEP_HOURS = 3
SHOWN = "80"  # the interval that a screen shows
CLOCK = (
    f"Times are by the station's clock, UTC{UTC_OFFSET_HOURS:+d} all year (no summer time).\n"
    "The value of a time is the mean of the ten minutes before it."
)


def describe(said: Summary) -> str:
    """One forecast: now, its hours in steps, its nights and days, its errors where the truth is known."""
    parts = [_origin(said), hours_table(said).as_text()]
    if said.extremes:
        parts.append(extremes_table(said).as_text())
    if said.errors_c:
        parts.append(_score(np.abs(said.errors_c), "hour"))
    parts.append(_notes(said.network, said))
    return "\n\n".join(parts)


def describe_many(made: Forecasts) -> str:
    """A line for each forecast, and the errors of those whose truth is known."""
    known = bool(np.isfinite(made.truth_c[:, -1]).any())
    rows: list[list[Value]] = []
    for number in range(len(made)):
        forecast_c, truth_c = made.temperature_c[number, -1], made.truth_c[number, -1]
        band = tuple(made.ends_c[SHOWN][number, -1].tolist()) if made.ends_c else None
        origin, valid_at = minute(made.last_observation[number]), minute(made.valid_at[number, -1])
        came = [None, None] if np.isnan(truth_c) else [truth_c, forecast_c - truth_c]
        rows.append([origin, made.baseline_c[number], valid_at, forecast_c, band, *came[: 2 * known]])
    figures = columns("°C", f"{SHOWN} %", *["truth"] * known, form=".1f")
    heads = [*columns("from", "now", form=".1f"), Column("for"), *figures, *[Column("error", "+.1f")] * known]
    parts = [Table(heads, rows).as_text()]
    errors_c = np.abs(np.stack([made.temperature_c[:, -1], made.baseline_c], axis=1) - made.truth_c[:, -1:])
    if known:
        parts.append(_score(errors_c[np.isfinite(errors_c[:, 0])], "forecast"))
    parts.append(_notes(made.model, made))
    return "\n\n".join(parts)


def hours_table(said: Summary) -> Table:
    """The hours of a forecast in steps of three, and the truth where some is known."""
    known = bool(said.errors_c)
    rows: list[list[Value]] = []
    for hour in said.hours:
        if hour.lead_hours % STEP_HOURS == 0 or hour is said.hours[-1]:
            came = [hour.truth_c, hour.error_c, hour.baseline_error_c][: 3 * known]
            rows.append([weekday(hour.valid_at), hour.temperature_c, hour.intervals.get(SHOWN), *came])
    heads = [Column("time"), *columns("°C", f"{SHOWN} %", *["truth"] * known, form=".1f")]
    return Table([*heads, *columns(*["error", "baseline's error"] * known, form="+.1f")], rows, "The next hours")


def extremes_table(said: Summary) -> Table:
    """The minimum of each night and the maximum of each day, with the hour of each and the interval of that hour."""
    known = any(extreme.truth for extreme in said.extremes)
    rows: list[list[Value]] = []
    for each in said.extremes:
        came: list[Value] = [each.truth.truth_c, _clock(each.truth.valid_at)] if each.truth else [None, None]
        hour = each.hour
        shown: list[Value] = [hour.temperature_c, _clock(hour.valid_at), hour.intervals.get(SHOWN)]
        rows.append([each.name, *shown, *came[: 2 * known]])
    heads = [*columns("night or day", "°C", form=".1f"), Column("at"), Column(f"{SHOWN} %", ".1f")]
    return Table([*heads, *[Column("truth", ".1f"), Column("at")] * known], rows, "Nights and days")


def _origin(said: Summary) -> str:
    ago = "" if said.age_hours is None else f", {said.age_hours:.1f} h ago"
    what = "Now" if said.is_newest else "From"
    return f"{what} ({weekday(said.last_observation)}{ago}): {said.observed_c:.1f} °C"


def _notes(network: str, made: Forecasts | Summary) -> str:
    which = network if packaged_name(made.checkpoint) else f"{network}, {made.checkpoint}"
    years = made.trained_years
    trained = [f"It was trained on every year at hand, {len(years)} from {years[0]} to {years[-1]}."] if years else []
    return "\n".join([f"Network: {which}", *trained, CLOCK, *[SYNTHETIC_WARNING] * made.synthetic])


def _score(errors_c: Floats, what: str) -> str:
    """Mean absolute errors, from (n, 2) errors of forecast and baseline."""
    mae_c, baseline_mae_c = errors_c.mean(axis=0)
    plural = "s" if len(errors_c) > 1 else ""
    return f"MAE of {len(errors_c):,} {what}{plural}: {mae_c:.2f} °C; {SAME_AS_NOW}: {baseline_mae_c:.2f} °C"


def _clock(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[s]').item():%H:%M}"
