"""Columns worked out of the measured ones: pure functions of times and values, each with its unit.

A column is written `SOURCE` or `SOURCE:OPERATION`, operations from left to right. Sources are the measured columns, the
optional ones too, the two parts of the wind and of its gusts, the calendar's waves, and `clearness`: the short-wave
radiation over that of a clear sky, at night the last of the day. Operations are `departure` (of the temperature from a
climatology), `change_6h` (less its value 6 hours before) and `mean_24h` (over the last 24 hourly values). They go by
time, not by row, and look into the past only; where that lacks an hour they are NaN.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from jenacast.columns import (
    CALENDAR,
    CLEARNESS,
    DEPARTURE,
    NIGHT_HOURS,
    OPTIONAL_NAMES,
    WIND,
    ColumnSpec,
    measured_columns,
    parse_column,
)
from jenacast.data.series import Floats, Rows, Series, years_of
from jenacast.errors import DataError
from jenacast.features.climatology import Climatology, day_waves, year_waves
from jenacast.features.past import Past, PastByTime
from jenacast.features.sun import clear_sky_w_per_m2, sun_height

WAVES = {"hour": day_waves, "year": year_waves}
LOW_SUN = np.sin(np.deg2rad(5))  # below it trees and roofs hide the sun, and the quotient of small numbers says nothing


def derive(
    series: Series, names: Sequence[str], climatology: Climatology | None = None, past: Past | None = None
) -> Iterator[Floats]:
    """The columns `names` at every row of `series`, in its order, one after the other: together they may be large.

    Args:
        series: rows in any order; a time that occurs twice counts once.
        names: as `parse_column` takes them.
        climatology: needed where a column is a departure.
        past: finds the rows some hours before others; by default by their times.

    Yields:
        (rows,) float64 in the column's unit; NaN where a row's past lacks an hour that the column needs.

    Raises:
        ConfigError: an unknown name.
        ValueError: a departure without a climatology.
    """
    specs = [parse_column(name) for name in names]
    if climatology is None and any(spec.needs_climatology for spec in specs):
        raise ValueError("a departure needs the climatology it is from")
    needs_past = any(spec.source == CLEARNESS or any(hours for _, hours in spec.operations) for spec in specs)
    if needs_past and past is None:
        past = PastByTime(series.times)
    for spec in specs:
        yield _derive(series, past, spec, climatology)


def wind_vector(speed: Floats, direction_deg: Floats) -> tuple[Floats, Floats]:
    """The parts of the wind that come from the east and from the north, in the unit of `speed`.

    A direction jumps from 360° to 0° where the wind does not; its parts do not jump.
    """
    angle = np.deg2rad(direction_deg)
    return speed * np.sin(angle), speed * np.cos(angle)


def refuse_years_without(series: Series, names: Sequence[str], source: object) -> None:
    """Refuse optional columns in a series of which whole years lack them, and name the years.

    Args:
        series: rows of which some are to be seen by a network.
        names: of the columns that it sees.
        source: whose rows they are, for the error.

    Raises:
        DataError: a year of the series has no value of an optional column that `names` are worked out of.
    """
    for name in measured_columns(names):
        if name not in OPTIONAL_NAMES:
            continue
        years, place = np.unique(years_of(series.times), return_inverse=True)
        known = np.bincount(place[np.isfinite(series.column(name))], minlength=len(years)) > 0
        if not known.all():
            has = f"only {_ranges(years[known])}" if known.any() else "no year"
            raise DataError(
                f"{source}: {_ranges(years[~known])} have no value of {name}, which data.columns asks for; {has} of "
                "these rows has it. Give files of years that have it, or use columns without it"
            )


def _ranges(years: Rows) -> str:
    """Years as a short text: 2009 to 2016, 2019."""
    runs = np.split(years, np.flatnonzero(np.diff(years) > 1) + 1)
    return ", ".join(" to ".join(map(str, dict.fromkeys(run[[0, -1]].tolist()))) for run in runs)


def _derive(series: Series, past: Past | None, spec: ColumnSpec, climatology: Climatology | None) -> Floats:
    values = _source(series, spec.source)
    if spec.source == CLEARNESS and past:
        values = past.last(values, sun_height(series.times) > LOW_SUN, NIGHT_HOURS)
    for kind, hours in spec.operations:
        if kind == DEPARTURE and climatology:
            values = values - climatology.at(series.times)
        elif kind == "change" and past:
            values = past.change(values, hours)
        elif kind == "mean" and past:
            values = past.mean(values, hours)
    return values


def _source(series: Series, source: str) -> Floats:
    if source in CALENDAR:
        cycle, number = CALENDAR[source]
        wave: Floats = WAVES[cycle](series.times, number // 2 + 1)[:, number]
        return wave
    if source == CLEARNESS:
        with np.errstate(divide="ignore", invalid="ignore"):  # at night
            clear = clear_sky_w_per_m2(sun_height(series.times))
            return series.column("shortwave_radiation_w_per_m2").astype(np.float64) / clear
    if source in WIND:
        speed, part = WIND[source]
        columns = (series.column(name).astype(np.float64) for name in (speed, "wind_direction_deg"))
        return wind_vector(*columns)[part]
    return series.column(source).astype(np.float64)
