"""What is wrong with a series, and which windows that costs: the audit in the manifest.

Every row of the file is a possible 'now' of one window. Those that make none are lost to exactly one cause:
`duplicates` (the row is repeated), `border` (history or target would leave the split, or the book's cut),
`gaps` (an hour is missing), `values` (no valid value for hours, or an unmeasured target). Windows that are
kept although something in them is not as measured are counted as touched.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from jenacast.columns import NAMES, OPTIONAL_NAMES, TARGET
from jenacast.data import Protocol
from jenacast.data.cleaning import Cleaned
from jenacast.data.series import HOUR_S, Series, Times, rows_per_hour, years_of
from jenacast.data.sources import Joined
from jenacast.data.windows import Borders, Windows, find_windows
from jenacast.records import Record


class TimeStep(Record):
    """Two neighbouring rows whose times (station's clock, ISO 8601) are not the usual step apart."""

    after: str
    next: str
    hours: float


class InvalidValues(Record):
    """The values of one column in one split that cannot be true."""

    column: str
    split: str
    sentinels: int
    missing_or_out_of_range: int
    first_time: str
    windows_touched: int


class WindowCounts(Record):
    """The rows of a split, the windows kept, and the rows that make no window, by cause.

    `touched` counts windows in which something is not as measured. Under `book` windows also span gaps and jumps back
    in time, and their target may then lie at another time than the lead says.
    """

    rows: int
    kept: int
    touched_by_values: int
    touched: int
    touched_by_gaps: int = 0
    touched_by_backward_jumps: int = 0
    other_lead: int | None = None  # under `book`; unknown in a manifest of an earlier version
    lost: dict[str, int]


class YearCounts(Record):
    """The rows kept of a year, the gaps that begin in it, and by column how many values are missing or cannot be true.

    Columns without such a value are left out; an optional column that no row of the year has is missing in all.
    """

    year: int
    rows: int
    gaps: int
    missing: dict[str, int]


class Audit(Record):
    """What was found in a series and, except in the fold of a backtest, in each of its splits."""

    rows_in_file: int
    row_minutes: int
    duplicate_rows: int
    conflicting_rows: int
    gaps: list[TimeStep]
    backward_jumps: list[TimeStep]
    years: list[YearCounts] = Field(default_factory=list)  # earlier versions wrote none
    values: list[InvalidValues] = Field(default_factory=list)
    windows: dict[str, WindowCounts] = Field(default_factory=dict)


def audit_series(
    joined: Joined,
    cleaned: Cleaned,
    protocol: Protocol,
    borders: Borders,
    windows: dict[str, Windows],
    *,
    lead_hours: int,
) -> Audit:
    """Compare a series as it was read with what is kept of it.

    Args:
        joined: the files' rows.
        cleaned: the rows kept under `protocol`.
        protocol: how windows are found.
        borders: rows [start, stop) of each split of the cleaned rows.
        windows: of each split.
        lead_hours: from a window's last observation to its target.
    """
    step_s = HOUR_S // rows_per_hour(joined.times)
    times = cleaned.series.times
    counts = {}
    for split, border in borders.items():
        if protocol == "book":
            counts[split] = _book_counts(cleaned, border, windows[split], step_s, lead_hours)
        else:
            counts[split] = _strict_counts(joined.times, cleaned, border, windows[split], lead_hours)
    is_gap = np.diff(times.astype(np.int64)) > step_s
    return Audit(
        rows_in_file=joined.rows,
        row_minutes=step_s // 60,
        duplicate_rows=joined.duplicates + cleaned.duplicates,
        conflicting_rows=joined.conflicts + cleaned.conflicts,
        gaps=_odd_steps(times, is_gap),
        backward_jumps=_odd_steps(joined.times, np.diff(joined.times.astype(np.int64)) <= 0),
        years=_years(cleaned, is_gap),
        values=_invalid_values(cleaned, borders, windows),
        windows=counts,
    )


def _years(cleaned: Cleaned, is_gap: NDArray[np.bool_]) -> list[YearCounts]:
    years, which = np.unique(years_of(cleaned.series.times), return_inverse=True)
    missing = {name: cleaned.replaced[:, number] for number, name in enumerate(NAMES)}
    if cleaned.optional_replaced is not None:
        missing |= {name: cleaned.optional_replaced[:, number] for number, name in enumerate(OPTIONAL_NAMES)}
    of_years = {name: np.bincount(which[rows], minlength=len(years)).tolist() for name, rows in missing.items()}
    rows, gaps = (np.bincount(rows, minlength=len(years)).tolist() for rows in (which, which[:-1][is_gap]))
    return [
        YearCounts(
            year=int(year),
            rows=rows[number],
            gaps=gaps[number],
            missing={name: counts[number] for name, counts in of_years.items() if counts[number]},
        )
        for number, year in enumerate(years)
    ]


def _odd_steps(times: Times, is_odd: NDArray[np.bool_]) -> list[TimeStep]:
    hours = np.diff(times.astype(np.int64)) / HOUR_S
    return [
        TimeStep(after=str(times[row]), next=str(times[row + 1]), hours=round(float(hours[row]), 3))
        for row in np.flatnonzero(is_odd)
    ]


def _invalid_values(cleaned: Cleaned, borders: Borders, windows: dict[str, Windows]) -> list[InvalidValues]:
    """One entry for each column and split that holds a value that cannot be true."""
    found = []
    for split, (start, stop) in borders.items():
        for index in np.flatnonzero(cleaned.replaced[start:stop].any(axis=0)):
            name = NAMES[index]
            rows = start + np.flatnonzero(cleaned.replaced[start:stop, index])
            sentinels = int(cleaned.sentinels[start:stop, index].sum())
            touched = _touched(windows[split], cleaned.replaced[:, [index]], target=0 if name == TARGET else None)
            found.append(
                InvalidValues(
                    column=name,
                    split=split,
                    sentinels=sentinels,
                    missing_or_out_of_range=len(rows) - sentinels,
                    first_time=str(cleaned.series.times[rows[0]]),
                    windows_touched=int(touched.sum()),
                )
            )
    return found


def _touched(windows: Windows, replaced: NDArray[np.bool_], target: int | None) -> NDArray[np.bool_]:
    """(windows,) whether one of the (rows, columns) replaced is in the history, or in column `target` the target."""
    before = np.concatenate([[0], np.cumsum(replaced[windows.lanes].any(axis=1))])
    touched: NDArray[np.bool_] = before[windows.starts + windows.history] > before[windows.starts]
    return touched if target is None else touched | replaced[windows.targets, target]


def _book_counts(
    cleaned: Cleaned, border: tuple[int, int], windows: Windows, step_s: int, lead_hours: int
) -> WindowCounts:
    seconds = cleaned.series.times.astype(np.int64)
    steps_s = np.diff(seconds)
    first_rows = windows.lanes[windows.starts]
    by_values = _touched(windows, cleaned.replaced, NAMES.index(TARGET))
    by_gaps, by_jumps = (
        before[windows.targets] > before[first_rows]
        for before in (np.concatenate([[0], np.cumsum(odd)]) for odd in (steps_s > step_s, steps_s <= 0))
    )
    rows = border[1] - border[0]
    return WindowCounts(
        rows=rows,
        kept=len(windows),
        touched_by_values=int(by_values.sum()),
        touched=int((by_values | by_gaps | by_jumps).sum()),
        touched_by_gaps=int(by_gaps.sum()),
        touched_by_backward_jumps=int(by_jumps.sum()),
        other_lead=int((seconds[windows.targets] - seconds[windows.last_rows] != lead_hours * HOUR_S).sum()),
        lost={"duplicates": 0, "border": rows - len(windows), "gaps": 0, "values": 0},
    )


def _strict_counts(
    read: Times, cleaned: Cleaned, border: tuple[int, int], windows: Windows, lead_hours: int
) -> WindowCounts:
    start, stop = border
    times = cleaned.series.times
    # The windows that there would be, were every value valid.
    faultless = Series(times, np.broadcast_to(np.float32(0), cleaned.series.values.shape))
    possible = find_windows(faultless, "strict", start, stop, history_hours=windows.history, lead_hours=lead_hours)
    seconds = times[start:stop].astype(np.int64)
    early = seconds - (windows.history - 1) * HOUR_S < seconds[0]
    late = seconds + lead_hours * HOUR_S > seconds[-1]
    at_border = int((early | late).sum())
    rows = int(((read >= times[start]) & (read <= times[stop - 1])).sum())
    touched = int(_touched(windows, cleaned.replaced, NAMES.index(TARGET)).sum())
    return WindowCounts(
        rows=rows,
        kept=len(windows),
        touched_by_values=touched,
        touched=touched,
        lost={
            "duplicates": rows - (stop - start),
            "border": at_border,
            "gaps": stop - start - at_border - len(possible),
            "values": len(possible) - len(windows),
        },
    )
