"""Finds the values some hours before others, for columns that look back."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import HOUR_S, Floats, Rows, Times

LANE_S = 2**40  # longer than any series


class Past(Protocol):
    """What (rows,) values were before; NaN where an hour is missing that is asked for."""

    def change(self, values: Floats, hours: int) -> Floats:
        """Values (rows,) less those `hours` before."""

    def mean(self, values: Floats, hours: int) -> Floats:
        """The mean of (rows,) values over the last `hours` hourly ones, the present one included."""

    def last(self, values: Floats, counts: NDArray[np.bool_], hours: int) -> Floats:
        """Of (rows,) values the last hourly one that counts, the present one included; none is older than `hours`."""


class PastByTime:
    """The past of rows in any order, by their times; a time that occurs twice counts once."""

    def __init__(self, times: Times) -> None:
        seconds = times.astype("datetime64[s]").astype(np.int64)
        # Times that are whole hours apart become neighbours, as if each minute of the hour were a series of its own,
        # and the series so far from each other that no look-back reaches from one into another.
        keys = (seconds % HOUR_S) * LANE_S + seconds
        self._keys, self._firsts, self._place = np.unique(keys, return_index=True, return_inverse=True)

    def _before(self, hours: int) -> Rows:
        """For each distinct time the place of the time `hours` before, -1 where that is missing."""
        wanted = self._keys - hours * HOUR_S
        place = np.searchsorted(self._keys, wanted)
        return np.where(self._keys[place] == wanted, place, -1)

    def change(self, values: Floats, hours: int) -> Floats:
        """See `Past`."""
        now, before = values[self._firsts], self._before(hours)
        change: Floats = np.where(before >= 0, now - now[before], np.nan)[self._place]
        return change

    def last(self, values: Floats, counts: NDArray[np.bool_], hours: int) -> Floats:
        """See `Past`."""
        now, counts = values[self._firsts], counts[self._firsts]
        place = np.maximum.accumulate(np.where(counts, np.arange(len(now)), 0))
        is_near = counts[place] & (self._keys - self._keys[place] <= hours * HOUR_S)
        last: Floats = np.where(is_near, now[place], np.nan)[self._place]
        return last

    def mean(self, values: Floats, hours: int) -> Floats:
        """See `Past`."""
        now, first = values[self._firsts], self._before(hours - 1)
        known = np.isfinite(now)
        sums = np.concatenate([[0.0], np.cumsum(np.where(known, now, 0.0))])
        counts = np.concatenate([[0], np.cumsum(known)])
        last = np.arange(len(now)) + 1
        is_whole = (first >= 0) & (counts[last] - counts[first] == hours)
        mean: Floats = np.where(is_whole, (sums[last] - sums[first]) / hours, np.nan)[self._place]
        return mean


class PastOfWindows:
    """The past of rows that are windows of `hours` hourly rows, one window after the other: by their places."""

    def __init__(self, hours: int) -> None:
        self._hours = hours

    def change(self, values: Floats, hours: int) -> Floats:
        """See `Past`."""
        windows = self._windows(values)
        return self._rows(windows[:, hours:] - windows[:, :-hours])

    def mean(self, values: Floats, hours: int) -> Floats:
        """See `Past`."""
        windows, first = self._windows(values), hours - 1
        return self._rows(sum(windows[:, first - back : self._hours - back] for back in range(hours)) / hours)

    def last(self, values: Floats, counts: NDArray[np.bool_], hours: int) -> Floats:
        """See `Past`."""
        windows, counting = self._windows(values), self._windows(counts)
        last = windows[:, hours:] + np.nan
        for back in range(hours, -1, -1):
            then = slice(hours - back, self._hours - back)
            last = np.where(counting[:, then], windows[:, then], last)
        return self._rows(last)

    def _windows(self, values: Any) -> Any:
        """(windows, hours) of (rows,)."""
        return values.reshape(-1, self._hours)

    def _rows(self, late: Any) -> Floats:
        """(rows,) of (windows, hours of the end): NaN before them, since what comes before a window is not known."""
        lacking = late[:, :1] + np.full(self._hours - late.shape[1], np.nan)
        rows: Floats = np.concatenate([lacking, late], axis=1).reshape(-1)
        return rows
