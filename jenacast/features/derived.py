"""Columns worked out of the measured ones: pure functions of times and values, each with its unit.

A column is written `SOURCE` or `SOURCE:OPERATION`, operations from left to right. Sources are the measured columns,
the two parts of the wind and of its gusts, and the calendar's waves. Operations are `departure` (of the temperature
from a climatology), `change_6h` (less its value 6 hours before) and `mean_24h` (over the last 24 hourly values).
They go by time, not by row, and look into the past only; where that lacks an hour they are NaN.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jenacast.columns import COLUMNS, TARGET
from jenacast.data.series import HOUR_S, Floats, Rows, Series, Times
from jenacast.errors import ConfigError
from jenacast.features.climatology import Climatology, day_waves, year_waves

DEPARTURE = "departure"
WIND = {
    "wind_east_m_per_s": ("wind_speed_m_per_s", 0),
    "wind_north_m_per_s": ("wind_speed_m_per_s", 1),
    "max_wind_east_m_per_s": ("max_wind_speed_m_per_s", 0),
    "max_wind_north_m_per_s": ("max_wind_speed_m_per_s", 1),
}
CALENDAR = {
    f"{cycle}_{wave}_{harmonic}": (waves, 2 * harmonic - 2 + number)
    for cycle, waves in (("hour", day_waves), ("year", year_waves))
    for harmonic in (1, 2)
    for number, wave in enumerate(("cos", "sin"))
}
UNITS = {column.name: column.unit for column in COLUMNS} | dict.fromkeys(WIND, "m/s") | dict.fromkeys(CALENDAR, "1")
LANE_S = 2**40  # longer than any series
HOURS_OPERATION = re.compile(r"(change|mean)_([1-9][0-9]{0,2})h")


@dataclass(frozen=True)
class ColumnSpec:
    """A column by its name, taken apart.

    Attributes:
        source: what it is worked out of.
        operations: (kind, hours) in their order; `departure` has 0 hours.
    """

    source: str
    operations: tuple[tuple[str, int], ...]

    @property
    def unit(self) -> str:
        """The source's unit; no operation changes it."""
        return UNITS[self.source]

    @property
    def look_back_hours(self) -> int:
        """How many hours before its own time the column needs."""
        return sum(hours - (kind == "mean") for kind, hours in self.operations if hours)

    @property
    def needs_climatology(self) -> bool:
        """Whether it is a departure from one."""
        return (DEPARTURE, 0) in self.operations


def parse_column(name: str) -> ColumnSpec:
    """Take a column's name apart.

    Raises:
        ConfigError: an unknown source or operation, or a departure of anything but the temperature.
    """
    source, *operations = name.split(":")
    if source not in UNITS:
        raise ConfigError(f"{name!r}: {source!r} is no column of this version; expected one of {', '.join(UNITS)}")
    parsed = []
    for number, operation in enumerate(operations):
        match = HOURS_OPERATION.fullmatch(operation)
        if match:
            parsed.append((match[1], int(match[2])))
        elif operation == DEPARTURE and source == TARGET and number == 0:
            parsed.append((DEPARTURE, 0))
        else:
            raise ConfigError(
                f"{name!r}: expected operations such as change_6h or mean_24h, or {TARGET}:{DEPARTURE}, "
                f"received {operation!r}"
            )
    return ColumnSpec(source, tuple(parsed))


def measured_columns(names: Sequence[str]) -> list[str]:
    """The measured columns that the columns `names` are worked out of, each once."""
    sources = [parse_column(name).source for name in names]
    measured = [column.name for column in COLUMNS]
    of_wind = {name for source in sources if source in WIND for name in (WIND[source][0], "wind_direction_deg")}
    return [name for name in measured if name in sources or name in of_wind]


def derive(series: Series, names: Sequence[str], climatology: Climatology | None = None) -> Iterator[Floats]:
    """The columns `names` at every row of `series`, in its order, one after the other: together they may be large.

    Args:
        series: rows in any order; a time that stands twice counts once.
        names: as `parse_column` takes them.
        climatology: needed where a column is a departure.

    Yields:
        (rows,) float64 in the column's unit; NaN where a row's past lacks an hour that the column needs.

    Raises:
        ConfigError: a name that is none.
        ValueError: a departure without a climatology.
    """
    specs = [parse_column(name) for name in names]
    if climatology is None and any(spec.needs_climatology for spec in specs):
        raise ValueError("a departure needs the climatology it is from")
    past = _Past(series.times) if any(hours for spec in specs for _, hours in spec.operations) else None
    for spec in specs:
        yield _derive(series, past, spec, climatology)


def wind_vector(speed: Floats, direction_deg: Floats) -> tuple[Floats, Floats]:
    """The parts of the wind that come from the east and from the north, in the unit of `speed`.

    A direction jumps from 360° to 0° where the wind does not; its parts do not jump.
    """
    angle = np.deg2rad(direction_deg)
    return speed * np.sin(angle), speed * np.cos(angle)


def _derive(series: Series, past: "_Past | None", spec: ColumnSpec, climatology: Climatology | None) -> Floats:
    values = _source(series, spec.source)
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
        waves, number = CALENDAR[source]
        wave: Floats = waves(series.times, number // 2 + 1)[:, number]
        return wave
    if source in WIND:
        speed, part = WIND[source]
        columns = (series.column(name).astype(np.float64) for name in (speed, "wind_direction_deg"))
        return wind_vector(*columns)[part]
    return series.column(source).astype(np.float64)


class _Past:
    """Finds the rows some hours before others, by time."""

    def __init__(self, times: Times) -> None:
        seconds = times.astype("datetime64[s]").astype(np.int64)
        # Times that are whole hours apart become neighbours, as if each minute of the hour were a series of its own,
        # and the series so far from each other that no look-back reaches from one into another.
        keys = (seconds % HOUR_S) * LANE_S + seconds
        self._keys, self._firsts, self._place = np.unique(keys, return_index=True, return_inverse=True)

    def _before(self, hours: int) -> Rows:
        """For each distinct time the place of the time `hours` before, -1 where there is none."""
        wanted = self._keys - hours * HOUR_S
        place = np.searchsorted(self._keys, wanted)
        return np.where(self._keys[place] == wanted, place, -1)

    def change(self, values: Floats, hours: int) -> Floats:
        """Values (rows,) less those `hours` before."""
        now, before = values[self._firsts], self._before(hours)
        change: Floats = np.where(before >= 0, now - now[before], np.nan)[self._place]
        return change

    def mean(self, values: Floats, hours: int) -> Floats:
        """The mean of (rows,) values over the last `hours` hourly ones, the present one included."""
        now, first = values[self._firsts], self._before(hours - 1)
        known = np.isfinite(now)
        sums = np.concatenate([[0.0], np.cumsum(np.where(known, now, 0.0))])
        counts = np.concatenate([[0], np.cumsum(known)])
        last = np.arange(len(now)) + 1
        is_whole = (first >= 0) & (counts[last] - counts[first] == hours)
        mean: Floats = np.where(is_whole, (sums[last] - sums[first]) / hours, np.nan)[self._place]
        return mean
