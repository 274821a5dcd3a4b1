"""What is wrong with a series, and which windows that costs: the audit in the manifest.

Every row of the file is a possible 'now' of one window. Those that make none are lost to exactly one cause:
`duplicates` (the row stands twice), `border` (history or target would leave the split, or the book's cut),
`gaps` (an hour is missing), `values` (no valid value for hours, or an unmeasured target). Windows that are
kept although something in them is not as measured are counted as touched.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import COLUMNS, NAMES, TARGET
from jenacast.config import DataSettings
from jenacast.data import Protocol
from jenacast.data.cleaning import Cleaned
from jenacast.data.series import HOUR_S, Series, Times
from jenacast.data.windows import Borders, Windows, find_windows

OF_SPLITS = ("values", "windows")  # what an audit says of splits; the rest is of the whole series


def audit(
    raw: Series,
    cleaned: Cleaned,
    protocol: Protocol,
    borders: Borders,
    windows: dict[str, Windows],
    rows_per_hour: int,
    data: DataSettings,
) -> dict[str, Any]:
    """Everything found, as plain JSON values; times by the station's clock, lengths in hours."""
    step_s = HOUR_S // rows_per_hour
    return {
        "rows_in_file": len(raw.times),
        "row_minutes": step_s // 60,
        "duplicate_rows": cleaned.duplicates,
        "conflicting_rows": cleaned.conflicts,
        "gaps": _steps(cleaned.series.times, lambda step: step > step_s),
        "backward_jumps": _steps(raw.times, lambda step: step <= 0),
        "values": _values(cleaned, borders, windows),
        "windows": {
            split: _window_counts(raw, cleaned, protocol, borders[split], windows[split], rows_per_hour, data)
            for split in borders
        },
    }


def _steps(times: Times, odd: Any) -> list[dict[str, Any]]:
    seconds = times.astype(np.int64)
    steps = np.diff(seconds)
    return [
        {"after": str(times[row]), "next": str(times[row + 1]), "hours": round(float(steps[row]) / HOUR_S, 3)}
        for row in np.flatnonzero(odd(steps))
    ]


def _values(cleaned: Cleaned, borders: Borders, windows: dict[str, Windows]) -> list[dict[str, Any]]:
    """One entry for each column and split that holds a value that cannot be true."""
    found = []
    for split, (start, stop) in borders.items():
        for index, column in enumerate(COLUMNS):
            replaced = cleaned.replaced[:, index]
            count = int(replaced[start:stop].sum())
            if not count:
                continue
            sentinels = int(cleaned.sentinels[start:stop, index].sum())
            found.append(
                {
                    "column": column.name,
                    "split": split,
                    "sentinels": sentinels,
                    "missing_or_out_of_range": count - sentinels,
                    "first_time": str(cleaned.series.times[start:stop][replaced[start:stop]][0]),
                    "windows_touched": int(_touched(windows[split], replaced, column.name == TARGET).sum()),
                }
            )
    return found


def _touched(windows: Windows, rows: NDArray[np.bool_], as_target: bool) -> NDArray[np.bool_]:
    """(windows,) whether a flagged row stands in the history or, if asked, is the target."""
    before = np.concatenate([[0], np.cumsum(rows[windows.lanes])])
    inside = before[windows.starts + windows.history] > before[windows.starts]
    return inside | rows[windows.targets] if as_target else inside


def _window_counts(
    raw: Series,
    cleaned: Cleaned,
    protocol: Protocol,
    border: tuple[int, int],
    windows: Windows,
    rows_per_hour: int,
    data: DataSettings,
) -> dict[str, Any]:
    start, stop = border
    times = cleaned.series.times
    replaced = np.asarray(cleaned.replaced.any(axis=1))
    target_replaced = cleaned.replaced[:, NAMES.index(TARGET)]
    touched = _touched(windows, replaced, False) | target_replaced[windows.targets]
    counts = {"kept": len(windows), "touched_by_values": int(touched.sum()), "touched": int(touched.sum())}
    if protocol == "book":
        steps = np.diff(times.astype(np.int64))
        step_s = HOUR_S // rows_per_hour
        first_rows = windows.lanes[windows.starts]
        for name, odd in (("gaps", steps > step_s), ("backward_jumps", steps <= 0)):
            before = np.concatenate([[0], np.cumsum(odd)])
            spanning = before[windows.targets] > before[first_rows]
            counts[f"touched_by_{name}"] = int(spanning.sum())
            touched |= spanning
        counts["touched"] = int(touched.sum())
        lost = {"duplicates": 0, "border": stop - start - len(windows), "gaps": 0, "values": 0}
        return {"rows": stop - start, **counts, "lost": lost}

    whole = Series(times, np.broadcast_to(np.float32(0), cleaned.series.values.shape))
    hours = {"history_hours": data.history_hours, "lead_hours": data.lead_hours}
    regardless = find_windows(whole, protocol, start, stop, **hours)
    inside = times[start:stop].astype(np.int64)
    early = inside - (data.history_hours - 1) * HOUR_S < inside[0]
    late = inside + data.lead_hours * HOUR_S > inside[-1]
    at_border = int((early | late).sum())
    upper = times[stop] if stop < len(times) else None
    in_split = raw.times >= times[start]
    rows = int((in_split & (raw.times < upper) if upper is not None else in_split).sum())
    lost = {
        "duplicates": rows - (stop - start),
        "border": at_border,
        "gaps": stop - start - at_border - len(regardless),
        "values": len(regardless) - len(windows),
    }
    return {"rows": rows, **counts, "lost": lost}
