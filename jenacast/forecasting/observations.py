"""What station files tell about the past, ready to forecast from: one clock, short gaps interpolated.

Files may overlap and come in any order. Unlike `cleaning`, which makes the series that networks are trained and judged
on, this looks at both sides of a gap: what lies before now is known, and a forecast wants the best guess at it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import COLUMNS, NAMES
from jenacast.data.cleaning import find_valid, unique_in_time
from jenacast.data.series import HOUR_S, Floats, Rows, Series, Times, rows_per_hour
from jenacast.errors import DataError

MAX_ROWS = 3_000_000  # 57 years of 10-minute rows; their values take 170 MB
SLIP = 0.01  # of the rows in a file's fullest lane; a lane that holds no more is a slip of the clock
NAMED_GAPS = 4
DIRECTION = NAMES.index("wind_direction_deg")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Observations:
    """A series without holes in its clock.

    Each lane, a minute of the hour at which a file has rows, has a row in every hour from the first to the last time
    that anything was measured: `rows_per_hour` rows later it is exactly an hour later. That is an even step for a
    station file, and it also takes an hourly series whose minute changed on the way, as that of 2009 to 2016 did.

    Attributes:
        series: rows in order of time; NaN where a value is neither measured nor interpolated.
        measured: (rows,) every column that is looked at was truly measured.
        filled: (rows,) at least one value is interpolated; another may still be NaN.
        rows_per_hour: how many lanes there are.
    """

    series: Series
    measured: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    rows_per_hour: int


def read_observations(paths: Sequence[Path], *, columns: Sequence[str] = NAMES, max_gap_hours: float) -> Observations:
    """Read station files as one series; see `join_observations`.

    Raises:
        DataError: a file that cannot be read, or files that make no series.
    """
    from jenacast.data.station import read_station_csv

    files = [read_station_csv(path) for path in paths]
    source = ", ".join(map(str, paths))
    return join_observations(files, columns=columns, max_gap_hours=max_gap_hours, source=source)


def join_observations(
    files: Sequence[Series], *, columns: Sequence[str] = NAMES, max_gap_hours: float, source: object
) -> Observations:
    """Put the rows of all files on one clock and interpolate short gaps, linearly in time.

    A value outside its column's range counts as missing. A gap is the time from a column's last value before it to the
    first after it, so that one absent row of hourly ones makes a gap of 2 hours; nothing is guessed before the first
    value or after the last. Wind directions go the shorter way round.

    Where a time stands twice with other values, the file named last counts, as the newer download; inside a file the
    row that stands first, as in `cleaning.clean`. Rows in a lane that is hardly used are dropped. Both are counted in
    a warning.

    Args:
        files: rows in any order.
        columns: those that are looked at; the others are 0 in every row, so that a hole in them is none.
        max_gap_hours: the longest gap that is interpolated.
        source: whose rows they are, for errors.

    Raises:
        DataError: fewer than two rows, a step that does not divide an hour, no valid value, or a span of time that
            would not fit into memory.
    """
    lanes = _lanes(files)
    known = _merge(files, lanes, source)
    rows_per_hour(known.times, source)  # refuses what has no hourly step
    times = _clock(known.times, lanes, source)
    values = np.full((len(times), len(NAMES)), np.nan, dtype=np.float32)
    values[np.searchsorted(times, known.times)] = known.values
    values[:, [name not in columns for name in NAMES]] = 0
    measured = _complete(values)
    filled = _interpolate(times, values, max_gap_hours * HOUR_S)
    return Observations(Series(times, values), measured, filled, len(lanes))


def missing_hours(observations: Observations, last: np.datetime64, hours: int) -> Times:
    """The hours of a history whose row is absent or lacks a value, in order of time.

    Args:
        observations: what is known.
        last: time of the history's last observation.
        hours: observations in the history.
    """
    wanted = last.astype("datetime64[s]") - np.arange(hours)[::-1] * np.timedelta64(HOUR_S, "s")
    times = observations.series.times
    rows = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    there = (times[rows] == wanted) & _complete(observations.series.values[rows])
    missing: Times = wanted[~there]
    return missing


def complete_moments(observations: Observations, hours: int) -> Rows:
    """Rows that end a history of `hours` observations, an hour apart, of which none lacks a value."""
    per_hour = observations.rows_per_hour
    complete = _complete(observations.series.values)
    by_lane = np.pad(complete, (0, -len(complete) % per_hour)).reshape(-1, per_hour)
    before = np.pad(np.cumsum(by_lane, axis=0), ((1, 0), (0, 0)))  # complete rows of the lane in earlier hours
    whole: NDArray[np.bool_] = before[hours:] - before[:-hours] == hours
    rows: Rows = np.flatnonzero(whole) + (hours - 1) * per_hour
    return rows


def describe_hours(times: Times, noun: str = "hour") -> str:
    """Times as a short text: '2026-10-03 04:10 to 09:10 (6 hours) and 3 more gaps'.

    Args:
        times: (rows,) in order; those at most an hour apart stand in one gap.
        noun: what one of them is.
    """
    breaks = np.diff(times) > np.timedelta64(HOUR_S, "s")
    ends = np.append(np.flatnonzero(breaks), len(times) - 1) if len(times) else np.zeros(0, np.int64)
    firsts = np.append(0, ends[:-1] + 1)
    named = [
        f"{_span(times[first], times[end])} ({_count(int(end - first + 1), noun)})"
        for first, end in zip(firsts[:NAMED_GAPS], ends[:NAMED_GAPS], strict=False)
    ]
    more = len(ends) - len(named)
    return ", ".join(named) + (f" and {_count(more, 'more gap')}" if more else "")


def _lanes(files: Sequence[Series]) -> Rows:
    """Seconds after the full hour at which a file has rows, slips of its clock aside."""
    lanes = []
    for file in files:
        seconds, counts = np.unique(_seconds(file.times) % HOUR_S, return_counts=True)
        lanes.append(seconds[counts > SLIP * counts.max()])
    return np.unique(np.concatenate(lanes))


def _merge(files: Sequence[Series], lanes: Rows, source: object) -> Series:
    """All rows that hold a valid value and stand in a lane, in order of time and each time once; NaN for the rest."""
    newest_first = files[::-1]
    times = np.concatenate([file.times for file in newest_first])
    values = np.concatenate([file.values for file in newest_first]).astype(np.float32)
    valid = find_valid(values)
    values[~valid] = np.nan
    in_lane = np.isin(_seconds(times) % HOUR_S, lanes)
    kept = in_lane & valid.any(axis=1)
    if not kept.any():
        raise DataError(
            f"{source}: no value in {_count(int(in_lane.sum()), 'row')} lies in its column's valid range; "
            "name a station file of a time when the instruments worked"
        )
    dead = [column.header for column, alive in zip(COLUMNS, np.any(valid, axis=0), strict=True) if not alive]
    if dead:
        logger.warning("no valid value at all in the column(s) %s", ", ".join(map(repr, dead)))
    if not in_lane.all():
        slips = times[~in_lane]
        first = _minute(slips.min())
        logger.warning("dropped %s off the clock of their file, the first at %s", _count(len(slips), "row"), first)
    series = Series(times[kept], values[kept])
    rows, _, conflicts = unique_in_time(series)
    if conflicts:
        logger.warning(
            "dropped %s whose time stands elsewhere with other values: the file named last counts, "
            "and inside a file the row that stands first",
            _count(conflicts, "row"),
        )
    return Series(series.times[rows], series.values[rows])


def _clock(known: Times, lanes: Rows, source: object) -> Times:
    """Every lane in every hour from the first to the last of the `known` times, which are in order."""
    seconds = _seconds(known)
    first_hour, last_hour = seconds[[0, -1]] // HOUR_S
    rows = int(last_hour - first_hour + 1) * len(lanes)
    if rows > MAX_ROWS:
        raise DataError(
            f"{source}: from {_minute(known[0])} to {_minute(known[-1])} {rows:,} rows would be needed, "
            f"{len(lanes)} an hour, and at most {MAX_ROWS:,} are taken; leave out the files or rows far from the others"
        )
    clock = (np.arange(first_hour, last_hour + 1)[:, None] * HOUR_S + lanes).ravel()
    inside = (clock >= seconds[0]) & (clock <= seconds[-1])
    times: Times = clock[inside].astype("datetime64[s]")
    return times


def _interpolate(times: Times, values: Floats, max_gap_s: float) -> NDArray[np.bool_]:
    """Fill the short gaps of `values` (rows, columns) in place; returns (rows,) whether anything was filled."""
    filled = np.zeros(len(times), dtype=np.bool_)
    seconds = _seconds(times)
    for index in range(values.shape[1]):
        column = values[:, index]
        known = np.flatnonzero(np.isfinite(column))
        gaps = np.setdiff1d(np.arange(len(times)), known, assume_unique=True)
        after = np.searchsorted(known, gaps)  # place among the known of the next one
        gaps, after = (part[(after > 0) & (after < len(known))] for part in (gaps, after))
        short = gaps[seconds[known[after]] - seconds[known[after - 1]] <= max_gap_s]
        if not len(short):
            continue
        path = column[known].astype(np.float64)
        if index == DIRECTION:
            path = np.unwrap(path, period=360)
        between = np.interp(seconds[short], seconds[known], path)
        values[short, index] = between % 360 if index == DIRECTION else between
        filled[short] = True
    return filled


def _complete(values: Floats) -> NDArray[np.bool_]:
    """Which of (rows, columns) `values` lack none, (rows,)."""
    return np.asarray(np.isfinite(values).all(axis=1))


def _span(first: np.datetime64, last: np.datetime64) -> str:
    start, end = _minute(first), _minute(last)
    if start == end:
        return start
    return f"{start} to {end.removeprefix(start[:11])}"


def _minute(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="m")).replace("T", " ")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _seconds(times: Times) -> Rows:
    return times.astype("datetime64[s]").astype(np.int64)
