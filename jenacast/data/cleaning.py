"""From rows as written to rows that can be windowed: order, duplicates, values that cannot be true.

Everything that is changed is counted and listed; nothing is repaired from the future.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import COLUMNS, NAMES, OPTIONAL, SENTINEL, TARGET, Column
from jenacast.data import Protocol
from jenacast.data.series import HOUR_S, Floats, Rows, Series, Times

STALE_HOURS = 6  # after so long without a valid value, `strict` gives the row up


@dataclass(frozen=True)
class Cleaned:
    """A series without impossible values, and what was done to get there.

    Attributes:
        series: rows of the protocol's order, (rows, columns) float32; NaN where no valid value is near.
        replaced: (rows, columns) where a value is not the one measured.
        sentinels: (rows, columns) where the file has the station's mark for missing.
        duplicates: rows dropped because they repeat a row, values included.
        conflicts: rows dropped because they repeat a time with other values; the first is kept.
        optional_replaced: (rows, optional columns) likewise of `series.optional`; None without.
    """

    series: Series
    replaced: NDArray[np.bool_]
    sentinels: NDArray[np.bool_]
    duplicates: int
    conflicts: int
    optional_replaced: NDArray[np.bool_] | None = None

    @property
    def replaced_target_rows(self) -> Rows:
        """Rows whose temperature was not measured, so that none of them may be a target."""
        return np.flatnonzero(self.replaced[:, NAMES.index(TARGET)])


def clean(raw: Series, protocol: Protocol, *, in_place: bool = False) -> Cleaned:
    """Order the rows as `protocol` asks and replace what cannot be true by the column's last valid value.

    `book` keeps the file's rows and order. `strict` sorts by time, drops rows that repeat a time, and
    leaves NaN where the last valid value is more than `STALE_HOURS` old. Before a column's first valid
    value both leave NaN, since only the future could fill it.

    `in_place` says that nobody needs `raw` afterwards, so that its values may be changed instead of copied.
    """
    rows, duplicates, conflicts = unique_in_time(raw) if protocol == "strict" else (np.arange(len(raw.times)), 0, 0)
    is_in_order = len(rows) == len(raw.times) and bool((np.diff(rows) == 1).all())
    kept = raw if in_place and is_in_order else raw.pick(rows)
    times, values = kept.times, kept.values.astype(np.float32, copy=False)

    sentinels = values == SENTINEL
    replaced = _replace(times, values, COLUMNS, protocol)
    optional, optional_replaced = kept.optional, None
    if optional is not None:
        # Never for longer than hours, also under `book`: whole years may lack such a column.
        optional_replaced = _replace(times, optional, OPTIONAL, "strict")
    series = Series(times, values, ~replaced[:, NAMES.index(TARGET)], optional)
    return Cleaned(series, replaced, sentinels, duplicates, conflicts, optional_replaced)


def _replace(times: Times, values: Floats, columns: Sequence[Column], protocol: Protocol) -> NDArray[np.bool_]:
    """Replace what cannot be true in place; returns where that was."""
    valid = find_valid(values, columns)
    for index in np.flatnonzero(~valid.all(axis=0)):
        values[:, index] = _carry_forward(times, values[:, index], valid[:, index], protocol)
    return np.logical_not(valid, out=valid)


def find_valid(values: Floats, columns: Sequence[Column] = COLUMNS) -> NDArray[np.bool_]:
    """Which of (rows, columns) float32 values lie in their column's range: neither NaN nor the station's mark does."""
    lows = np.array([column.low for column in columns], dtype=np.float32)
    highs = np.array([column.high for column in columns], dtype=np.float32)
    with np.errstate(invalid="ignore"):
        valid: NDArray[np.bool_] = (values >= lows) & (values <= highs)
    return valid


def unique_in_time(raw: Series) -> tuple[Rows, int, int]:
    """Rows in order of time, the first of each time alone.

    Returns:
        The rows kept, and how many were dropped: repeated with the same values, and with other values.
    """
    order = np.argsort(raw.times, kind="stable")
    times = raw.times[order]
    again = np.concatenate([[False], times[1:] == times[:-1]])
    # Compare each repeated row with the one kept: the first of its time.
    kept = order[np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))]
    repeats = order[again]
    same = same_values(raw.values[repeats], raw.values[kept[again]])
    if raw.optional is not None:
        same &= same_values(raw.optional[repeats], raw.optional[kept[again]])
    return order[~again], int(same.sum()), int((~same).sum())


def same_values(some: Floats, others: Floats) -> NDArray[np.bool_]:
    """(rows,) whether the rows of both (rows, columns) hold the same values to the last bit."""
    same: NDArray[np.bool_] = (_bits(some) == _bits(others)).all(axis=1)
    return same


def _bits(values: np.ndarray) -> NDArray[np.int32]:
    return np.ascontiguousarray(values, dtype=np.float32).view(np.int32)  # so that NaN equals NaN


def _carry_forward(times: np.ndarray, values: np.ndarray, valid: NDArray[np.bool_], protocol: Protocol) -> np.ndarray:
    last = np.maximum.accumulate(np.where(valid, np.arange(len(values)), -1))
    filled = np.where(last >= 0, values[last], np.nan)
    if protocol == "strict":
        age_s = (times - times[last]).astype(np.int64)
        filled[age_s > STALE_HOURS * HOUR_S] = np.nan
    return filled
