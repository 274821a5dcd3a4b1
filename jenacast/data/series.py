"""A station's series in memory: what the CSV reader makes and everything else takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import NAMES, OPTIONAL_NAMES
from jenacast.errors import DataError

HOUR_S = 3600

Times = NDArray[np.datetime64]
Floats = NDArray[np.floating]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """Observations by the station's clock.

    Attributes:
        times: (rows,) datetime64[s].
        values: (rows, len(NAMES)) float32, in the units of `columns.COLUMNS` and in their order.
        target_measured: (rows,) whether the temperature was truly measured; None where all of them were.
        optional: (rows, len(OPTIONAL_NAMES)) float32, likewise of `columns.OPTIONAL`; None where no file has any of
            them, and NaN throughout for each that no file has.
    """

    times: Times
    values: Floats
    target_measured: NDArray[np.bool_] | None = None
    optional: Floats | None = None

    def column(self, name: str) -> Floats:
        """One column, (rows,), by its name inside jenacast; NaN for an optional one that no file has."""
        if name in NAMES:
            return self.values[:, NAMES.index(name)]
        if self.optional is None:
            return np.full(len(self.times), np.nan, np.float32)
        return self.optional[:, OPTIONAL_NAMES.index(name)]

    def pick(self, rows: "slice | Rows | NDArray[np.bool_]") -> "Series":
        """Some of the rows, in the order asked for."""
        measured = None if self.target_measured is None else self.target_measured[rows]
        optional = None if self.optional is None else self.optional[rows]
        return Series(self.times[rows], self.values[rows], measured, optional)

    def with_columns(self, columns: Mapping[str, Floats]) -> "Series":
        """The same rows with other values, (rows,), in some of the columns that every file has."""
        values = [columns[name].astype(np.float32) if name in columns else self.column(name) for name in NAMES]
        return replace(self, values=np.column_stack(values))


def concatenate(parts: Sequence[Series]) -> Series:
    """The rows of all parts, one after the other, as they were read."""
    has_optional = any(part.optional is not None for part in parts)
    return Series(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        optional=np.concatenate([optional_values(part) for part in parts]) if has_optional else None,
    )


def optional_values(series: Series) -> Floats:
    """(rows, len(OPTIONAL_NAMES)) float32 of any series; NaN where there are none."""
    if series.optional is not None:
        return series.optional
    return np.full((len(series.times), len(OPTIONAL_NAMES)), np.nan, np.float32)


def all_values(series: Series) -> Floats:
    """(rows, columns) float32: the values and, where there are any, the optional ones."""
    return series.values if series.optional is None else np.hstack([series.values, series.optional])


def years_of(times: Times) -> Rows:
    """(rows,) the year that each row tells of: a time ends what was measured, so that midnight is of the old year."""
    years: Rows = (times.astype("datetime64[s]") - 1).astype("datetime64[Y]").astype(np.int64) + 1970
    return years


def rows_per_hour(times: Times, source: object = "the series") -> int:
    """How many rows the series has an hour, from the commonest step between neighbouring rows.

    `source` says in errors whose rows they are.

    Raises:
        DataError: fewer than two rows, or a step that does not divide an hour.
    """
    steps_s = np.diff(times.astype(np.int64))
    steps_s = steps_s[steps_s > 0]
    if not len(steps_s):
        raise DataError(
            f"{source} has {len(times)} row(s) and no step forward in time; it needs many, in order of time"
        )
    sizes, counts = np.unique(steps_s, return_counts=True)
    step_s = int(sizes[np.argmax(counts)])
    if HOUR_S % step_s:
        raise DataError(
            f"{source} has rows {step_s / 60:g} minutes apart, which does not divide an hour; "
            "thin the series to 10-minute or hourly rows"
        )
    return HOUR_S // step_s
