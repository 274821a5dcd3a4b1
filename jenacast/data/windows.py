"""Where the windows of a split lie: pure arithmetic on row numbers and times.

A window is `history_hours` observations an hour apart and a target `lead_hours` after the last of them.
Two protocols find them:

* `book` by row position, exactly as the book and `keras.utils.timeseries_dataset_from_array` do: gaps and
  jumps in time go unseen, targets may lie past the split's end, and the last windows of the series are
  left out because the book cuts the series by the delay before it makes windows.
* `strict` by time: the observations are exactly an hour apart, the target exactly `lead_hours` after the
  last, all inside one split, none of them unusable.

Both describe a window by its place in a *lane*: the rows reordered so that the hourly steps of every
window are neighbours (10-minute rows make six lanes, laid one after the other). A window's history is then
one contiguous slice, which is what makes gathering a batch fast.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import TARGET
from jenacast.data import Protocol
from jenacast.data.series import HOUR_S, Floats, Rows, Series, Times, rows_per_hour
from jenacast.errors import DataError

Borders = dict[str, tuple[int, int]]  # rows [start, stop) of each split


@dataclass(frozen=True)
class Windows:
    """The windows of one split, ordered by their last observation.

    Attributes:
        lanes: (lane_rows,) rows of the series, hourly neighbours side by side.
        starts: (windows,) where in `lanes` each history begins.
        targets: (windows,) row of each target.
        history: observations in a history.
    """

    lanes: Rows
    starts: Rows
    targets: Rows
    history: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def last_rows(self) -> Rows:
        """(windows,) row of each window's last observation: the 'now' of its forecast."""
        rows: Rows = self.lanes[self.starts + self.history - 1]
        return rows

    @property
    def first_rows(self) -> Rows:
        """(windows,) row of each first observation."""
        rows: Rows = self.lanes[self.starts]
        return rows

    def history_rows(self) -> Rows:
        """(windows, history) rows of every observation."""
        rows: Rows = self.lanes[self.starts[:, None] + np.arange(self.history)]
        return rows

    def last(self, history: int) -> "Windows":
        """The same forecasts from the last `history` observations of each window."""
        return Windows(self.lanes, self.starts + self.history - history, self.targets, history)

    def pick(self, which: slice | NDArray[np.bool_]) -> "Windows":
        """Some of the windows."""
        return Windows(self.lanes, self.starts[which], self.targets[which], self.history)


def split_rows(rows: int) -> tuple[int, int]:
    """Rows where validation and test begin: the first half trains, a quarter validates (the book, 10.2.1)."""
    train = int(0.5 * rows)
    return train, train + int(0.25 * rows)


def span(borders: Borders, split: str) -> tuple[int, int]:
    """Rows [start, stop) of a split; of several such as `train+val` from the first row of any to the last."""
    starts, stops = zip(*(borders[name] for name in split.split("+")), strict=True)
    return min(starts), max(stops)


def is_inside_train(borders: Borders) -> bool:
    """Whether validation lies inside train, which leaves its rows out."""
    return borders["val"][0] < borders["train"][1]


def rows_of(borders: Borders, split: str) -> slice | Rows:
    """The rows of a split, for a `Series.pick`: of train without those of a validation inside it."""
    start, stop = span(borders, split)
    if split == "train" and is_inside_train(borders):
        return np.concatenate([np.arange(start, borders["val"][0]), np.arange(borders["val"][1], stop)])
    return slice(start, stop)


def split_windows(
    series: Series,
    protocol: Protocol,
    borders: Borders,
    split: str,
    *,
    history_hours: int,
    lead_hours: int,
    reach_back: bool = False,
    needed_by: object = None,
) -> Windows:
    """The windows of a split; where validation lies inside train, no row is in windows of both.

    There a window of train ends before validation or begins after it, and one of validation lies inside, by the
    positions of its first row and of its target: also under `book`. The rest is as for `find_windows`.
    """
    hours = {"history_hours": history_hours, "lead_hours": lead_hours}
    windows = find_windows(series, protocol, *span(borders, split), **hours, reach_back=reach_back, needed_by=needed_by)
    if split in ("train", "val") and is_inside_train(borders):
        start, stop = borders["val"]
        begins, ends = windows.first_rows, windows.targets
        is_inside, is_outside = (begins >= start) & (ends < stop), (ends < start) | (begins >= stop)
        windows = windows.pick(is_inside if split == "val" else is_outside)
        _refuse_none(windows, needed_by, stop - start, **hours)
    return windows


def find_windows(
    series: Series,
    protocol: Protocol,
    start: int,
    stop: int,
    *,
    history_hours: int,
    lead_hours: int,
    reach_back: bool = False,
    needed_by: object = None,
) -> Windows:
    """The windows of rows [start, stop) of a series under `protocol`.

    Args:
        series: the whole series.
        protocol: by row position or by time.
        start: first row of the split.
        stop: row after the split's last.
        history_hours: observations in a history.
        lead_hours: hours from the last observation to the target.
        reach_back: histories may lie before `start`; the targets alone lie inside.
        needed_by: whose they are, for an error where there are none; None where there may be none.

    Raises:
        DataError: none, and they are needed.
    """
    hours = {"history_hours": history_hours, "lead_hours": lead_hours}
    back = (history_hours + lead_hours) * rows_per_hour(series.times) if reach_back else 0
    begin = max(0, start - back)
    if protocol == "book":
        windows = book_windows(len(series.times), begin, stop, rows_per_hour=rows_per_hour(series.times), **hours)
    else:
        measured = series.target_measured
        windows = strict_windows(
            series.times,
            begin,
            stop,
            usable=np.asarray(np.isfinite(series.values[begin:stop]).all(axis=1)),
            observed=np.ones(stop - begin, dtype=bool) if measured is None else measured[begin:stop],
            **hours,
        )
    if reach_back:
        windows = windows.pick((windows.targets >= start) & (windows.targets < stop))
    _refuse_none(windows, needed_by, stop - start, **hours)
    return windows


def _refuse_none(windows: Windows, needed_by: object, rows: int, *, history_hours: int, lead_hours: int) -> None:
    if needed_by and not len(windows):
        raise DataError(
            f"{needed_by} ({rows} rows) holds no window of {history_hours} h of history and {lead_hours} h of "
            "lead; use a longer or more complete series, or a shorter history"
        )


def book_windows(
    rows: int, start: int, stop: int, *, rows_per_hour: int, history_hours: int, lead_hours: int
) -> Windows:
    """Windows by row position whose first row is in [start, stop) of a series of `rows`, as the book makes them.

    Histories stay before `stop`, targets may not. The rest is as for `find_windows`.
    """
    span = (history_hours - 1) * rows_per_hour
    delay = (history_hours + lead_hours - 1) * rows_per_hour
    firsts = np.arange(start, min(stop, rows - delay) - span, dtype=np.int64)
    lanes = np.concatenate([np.arange(start + lane, stop, rows_per_hour) for lane in range(rows_per_hour)])
    lane_sizes = [len(range(start + lane, stop, rows_per_hour)) for lane in range(rows_per_hour)]
    lane_begins = np.cumsum([0, *lane_sizes[:-1]])
    offsets = firsts - start
    starts = lane_begins[offsets % rows_per_hour] + offsets // rows_per_hour
    return Windows(lanes, starts, firsts + delay, history_hours)


def strict_windows(
    times: Times,
    start: int,
    stop: int,
    *,
    usable: NDArray[np.bool_],
    observed: NDArray[np.bool_],
    history_hours: int,
    lead_hours: int,
) -> Windows:
    """Windows by time inside rows [start, stop); the rest is as for `find_windows`.

    Args:
        times: (rows,) datetime64[s], strictly increasing.
        start: first row of the split.
        stop: row after the split's last.
        usable: (stop - start,) rows that may be part of a history.
        observed: (stop - start,) rows whose target value was truly measured.
        history_hours: observations in a history.
        lead_hours: hours from the last observation to the target.
    """
    seconds = times[start:stop].astype(np.int64)
    lanes = np.lexsort((seconds, seconds % HOUR_S))  # one lane for each minute of the hour
    lane_seconds = seconds[lanes]
    # A run of usable rows, each exactly an hour after the one before, has one number.
    follows = (np.diff(lane_seconds) == HOUR_S) & usable[lanes][1:] & usable[lanes][:-1]
    run = np.concatenate([[0], np.cumsum(~follows)]) if len(lanes) else np.zeros(0, np.int64)
    starts = np.arange(max(0, len(lanes) - history_hours + 1))
    ends = starts + history_hours - 1
    starts = starts[(run[starts] == run[ends]) & usable[lanes][starts]]
    wanted = lane_seconds[starts + history_hours - 1] + lead_hours * HOUR_S
    targets = np.minimum(np.searchsorted(seconds, wanted), max(0, len(seconds) - 1))
    found = (seconds[targets] == wanted) & observed[targets]
    starts, targets = starts[found], targets[found]
    order = np.argsort(targets, kind="stable")
    return Windows(lanes + start, starts[order], targets[order] + start, history_hours)


def persistence(series: Series, windows: Windows) -> Floats:
    """The last observed temperature, (windows,) degC: the common-sense guess (the book, 10.2.2)."""
    return series.column(TARGET)[windows.last_rows]


def truth(series: Series, windows: Windows) -> Floats:
    """The measured temperature at the target, (windows,) degC."""
    return series.column(TARGET)[windows.targets]


def epoch_order(windows: int, *, seed: int, epoch: int) -> Rows:
    """The order of the train windows in an epoch: a permutation that (seed, epoch) alone decide."""
    return np.random.default_rng([seed, epoch]).permutation(windows)
