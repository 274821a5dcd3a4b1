"""The past as station files hold it, ready to forecast from: one clock, short gaps interpolated.

Files may overlap and come in any order. Unlike `cleaning`, which makes the series that networks are trained and judged
on, this looks at both sides of a gap: what lies before now is known, and a forecast wants the best guess at it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import COLUMNS, NAMES, OPTIONAL, TARGET, Column
from jenacast.data.cleaning import find_valid, unique_in_time
from jenacast.data.series import (
    HOUR_S,
    Floats,
    Rows,
    Series,
    Times,
    all_values,
    concatenate,
    optional_values,
    rows_per_hour,
)
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
    that anything was measured: that many rows later it is exactly an hour later. That is an even step for a station
    file, and it also takes an hourly series whose minute changed on the way, as that of 2009 to 2016 did.

    Attributes:
        series: rows in order of time; NaN where a value is neither measured nor interpolated.
        measured: (rows,) every column that is looked at was truly measured.
        filled: (rows,) at least one value is interpolated; another may still be NaN.
        temperature_c: (rows,) the temperature where it was truly measured, whatever the other columns; else NaN.
    """

    series: Series
    measured: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    temperature_c: Floats

    def temperature_at(self, times: Times) -> Floats:
        """The temperature that was measured at these times, in an array of their shape, degC; NaN where none was."""
        rows = np.minimum(np.searchsorted(self.series.times, times), len(self.series.times) - 1)
        return np.where(self.series.times[rows] == times, self.temperature_c[rows], np.float32(np.nan))


def join_observations(
    files: Sequence[Series], *, columns: Sequence[str] = NAMES, max_gap_hours: float, source: object
) -> Observations:
    """Put the rows of all files on one clock and interpolate short gaps, linearly in time.

    A value outside its column's range counts as missing. A gap is the time from a column's last value before it to the
    first after it, so that one absent row of hourly ones makes a gap of 2 hours; nothing is guessed before the first
    value or after the last. Wind directions go the shorter way round.

    Where rows of one time differ, the file named last counts, as the newer download; inside a file the first row, as
    in `cleaning.clean`. Rows in a lane that is hardly used are dropped. Both are counted in a warning.

    Args:
        files: rows in any order.
        columns: those that are looked at; the others are 0 in every row, so that nothing is missing there.
        max_gap_hours: the longest gap that is interpolated.
        source: whose rows they are, for errors.

    Raises:
        DataError: fewer than two rows, a step that does not divide an hour, no valid value, or a span of time that
            would not fit into memory.
    """
    lanes = _lanes(files)
    looked_at = COLUMNS if set(columns) <= set(NAMES) else (*COLUMNS, *OPTIONAL)
    known = _merge(files, lanes, looked_at, columns, source)
    rows_per_hour(known.times, source)  # refuses what has no hourly step
    times = _clock(known.times, lanes, source)
    values = np.full((len(times), len(looked_at)), np.nan, dtype=np.float32)
    values[np.searchsorted(times, known.times)] = all_values(known)
    values[:, [column.name not in columns for column in looked_at]] = 0
    measured, temperature_c = _complete(values), values[:, NAMES.index(TARGET)].copy()
    filled = _interpolate(times, values, max_gap_hours * HOUR_S)
    return Observations(_series(times, values), measured, filled, temperature_c)


def missing_hours(observations: Observations, last: np.datetime64, hours: int) -> Times:
    """Of the hours of a history that ends at `last`, those whose row is absent or lacks a value, in order of time."""
    wanted = last.astype("datetime64[s]") - np.arange(hours)[::-1] * np.timedelta64(HOUR_S, "s")
    times = observations.series.times
    rows = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    missing: Times = wanted[(times[rows] != wanted) | ~_complete(all_values(observations.series.pick(rows)))]
    return missing


def describe_hours(times: Times) -> str:
    """Times in order as a short text: '2026-10-03 04:10 to 2026-10-03 09:10, 2026-10-04 00:10 and 3 more gaps'."""
    gaps = np.split(times, np.flatnonzero(np.diff(times) > np.timedelta64(HOUR_S, "s")) + 1)
    spans = [" to ".join(dict.fromkeys(map(minute, gap[[0, -1]]))) for gap in gaps[:NAMED_GAPS]]
    return ", ".join(spans) + (f" and {len(gaps) - NAMED_GAPS} more gaps" if len(gaps) > NAMED_GAPS else "")


def minute(time: np.datetime64) -> str:
    """A time for people: 2026-11-21 14:10, with seconds where they are not 0."""
    return str(np.datetime_as_string(time, unit="s")).replace("T", " ").removesuffix(":00")


def _lanes(files: Sequence[Series]) -> Rows:
    """Seconds after the full hour at which a file has rows, slips of its clock aside."""
    lanes = []
    for file in files:
        seconds, counts = np.unique(_seconds(file.times) % HOUR_S, return_counts=True)
        lanes.append(seconds[counts > SLIP * counts.max()])
    return np.unique(np.concatenate(lanes))


def _merge(
    files: Sequence[Series], lanes: Rows, looked_at: Sequence[Column], wanted: Sequence[str], source: object
) -> Series:
    """All rows that hold a valid value and stand in a lane, in order of time and each time once; NaN for the rest."""
    rows = concatenate(files[::-1])  # the newest first
    times, values = rows.times, rows.values.astype(np.float32)
    if len(looked_at) > len(NAMES):
        values = np.hstack([values, optional_values(rows)])
    valid = find_valid(values, looked_at)
    values[~valid] = np.nan
    in_lane = np.isin(_seconds(times) % HOUR_S, lanes)
    kept = in_lane & valid.any(axis=1)
    if not kept.any():
        raise DataError(
            f"{source}: no value in {in_lane.sum():,} row(s) lies in its column's valid range; "
            "name a station file of a time when the instruments worked"
        )
    alive, told = np.any(valid, axis=0), {*NAMES, *wanted}
    dead = [one.header for one, lives in zip(looked_at, alive, strict=True) if one.name in told and not lives]
    if dead:
        logger.warning("no valid value at all in the column(s) %s", ", ".join(map(repr, dead)))
    off = times[~in_lane]
    if len(off):
        logger.warning("dropped %d row(s) off the clock of their file, the first at %s", len(off), minute(off.min()))
    series = _series(times[kept], values[kept])
    firsts, _, conflicts = unique_in_time(series)
    if conflicts:
        logger.warning(
            "dropped %d row(s) whose time has other values elsewhere: the file named last counts, inside a file the "
            "first row",
            conflicts,
        )
    return series.pick(firsts)


def _series(times: Times, values: Floats) -> Series:
    """A series of (rows, columns) values, of which those after the first are optional ones."""
    measured, optional = np.split(values, [len(NAMES)], axis=1)
    return Series(times, measured, optional=optional if optional.size else None)


def _clock(known: Times, lanes: Rows, source: object) -> Times:
    """Every lane in every hour from the first to the last of the `known` times, which are in order."""
    seconds = _seconds(known)
    first_hour, last_hour = seconds[[0, -1]] // HOUR_S
    rows = int(last_hour - first_hour + 1) * len(lanes)
    if rows > MAX_ROWS:
        raise DataError(
            f"{source}: from {minute(known[0])} to {minute(known[-1])} {rows:,} rows would be needed, "
            f"{len(lanes)} an hour, and at most {MAX_ROWS:,} are taken; leave out the files or rows far from the others"
        )
    clock = (np.arange(first_hour, last_hour + 1)[:, None] * HOUR_S + lanes).ravel().astype("datetime64[s]")
    times: Times = clock[(clock >= known[0]) & (clock <= known[-1])]
    return times


def _interpolate(times: Times, values: Floats, max_gap_s: float) -> NDArray[np.bool_]:
    """Fill the short gaps of `values` (rows, columns) in place; returns (rows,) whether anything was filled."""
    filled = np.zeros(len(times), dtype=np.bool_)
    seconds = _seconds(times)
    for index, column in enumerate(values.T):
        known = np.isfinite(column)
        known_s = seconds[known]
        after = np.searchsorted(known_s, seconds)  # place among the known times of the next one
        short = ~known & (after > 0) & (after < len(known_s))
        short[short] = known_s[after[short]] - known_s[after[short] - 1] <= max_gap_s
        if short.any():
            path = column[known].astype(np.float64)
            if index == DIRECTION:
                path = np.unwrap(path, period=360)
            between = np.interp(seconds[short], known_s, path)
            column[short] = between % 360 if index == DIRECTION else between
            filled |= short
    return filled


def _complete(values: Floats) -> NDArray[np.bool_]:
    """Which of (rows, columns) `values` lack none, (rows,)."""
    return np.asarray(np.isfinite(values).all(axis=1))


def _seconds(times: Times) -> Rows:
    return times.astype("datetime64[s]").astype(np.int64)
