"""A cleaned series cut into train, validation and test: the borders, the windows, the statistics of train."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jenacast.columns import COLUMNS
from jenacast.config import standard_task
from jenacast.data import Protocol
from jenacast.data.cleaning import Cleaned
from jenacast.data.prepared import SPLITS, ColumnRecord, SplitRecord
from jenacast.data.series import Series, Times
from jenacast.data.windows import Borders, Windows, rows_of, split_rows, split_windows
from jenacast.errors import DataError


def split_borders(read: Times, cleaned: Cleaned, protocol: Protocol) -> Borders:
    """Rows [start, stop) of each split in the cleaned series.

    Both protocols cut at the times of the book's border rows; `book` cuts at the rows themselves.

    Raises:
        DataError: too few rows to cut.
    """
    rows = len(read)
    validation, test = split_rows(rows)
    if not 0 < validation < test < rows:
        raise DataError(f"the series has {rows} rows, too few to cut into train, validation and test")
    if protocol == "strict":
        validation, test = (int(np.searchsorted(cleaned.series.times, read[row])) for row in (validation, test))
        if not 0 < validation < test:
            raise DataError(
                f"the rows at the borders, {' and '.join(str(read[row]) for row in split_rows(rows))}, leave a "
                "split without rows, so far is the file out of order; sort it by time"
            )
    edges = [0, validation, test, len(cleaned.series.times)]
    return {split: (edges[i], edges[i + 1]) for i, split in enumerate(SPLITS)}


def own_borders(series: Series, until: Mapping[str, str]) -> Borders:
    """Rows [start, stop) of each split where `until` says, in ISO 8601, up to which time train and val reach.

    Raises:
        DataError: a split without rows.
    """
    times = series.times
    inner = [int(np.searchsorted(times, np.datetime64(until[split], "s"), side="right")) for split in SPLITS[:-1]]
    edges = [0, *inner, len(times)]
    borders = {split: (edges[number], edges[number + 1]) for number, split in enumerate(SPLITS)}
    for split, (start, stop) in borders.items():
        if start >= stop:
            raise DataError(
                f"the {split} split has no rows: train goes until {until['train']}, validation until {until['val']}, "
                f"and the series from {times[0]} to {times[-1]}; choose other borders or give more files"
            )
    return borders


def cut(
    series: Series, protocol: Protocol, borders: Borders, source: object, *, reach_back: bool = False
) -> tuple[dict[str, Any], dict[str, Windows]]:
    """What a manifest says of a series cut at `borders`, and every split's windows of the standard history and lead."""
    # First: a dead instrument leaves no window either.
    columns = _statistics(series.pick(rows_of(borders, "train")), source)
    task = standard_task()
    hours: dict[str, int] = {"history_hours": task.history_hours, "lead_hours": task.lead_hours}
    windows = {
        split: split_windows(
            series,
            protocol,
            borders,
            split,
            **hours,
            reach_back=reach_back,
            needed_by=f"{source}: the {split} split" if start < stop else None,
        )
        for split, (start, stop) in borders.items()
    }
    splits = {
        split: SplitRecord(
            start=start,
            stop=stop,
            first_time=str(series.times[start]) if start < stop else "",
            last_time=str(series.times[stop - 1]) if start < stop else "",
            windows=len(windows[split]),
        )
        for split, (start, stop) in borders.items()
    }
    return {"splits": splits, "columns": columns, "reach_back": reach_back}, windows


def _statistics(train: Series, source: object) -> dict[str, ColumnRecord]:
    records = {}
    for index, column in enumerate(COLUMNS):
        column_values = train.values[:, index].astype(np.float64)
        known = column_values[np.isfinite(column_values)]
        deviation = float(known.std()) if len(known) else 0.0
        if not deviation > 0:
            what = f"is {known[0]:g} throughout" if len(known) else "has no valid value in"
            raise DataError(
                f"{source}: the column {column.header!r} {what} the train rows, so it cannot be scaled; "
                "a station file with a working instrument is needed"
            )
        records[column.name] = ColumnRecord(
            unit=column.unit,
            mean=float(known.mean()),
            deviation=deviation,
            minimum=float(known.min()),
            maximum=float(known.max()),
        )
    return records
