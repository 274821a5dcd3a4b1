"""From the text of a station file's rows to times and numbers."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from jenacast.columns import COLUMNS, ISO_FORMAT, OPTIONAL, SENTINEL, TIME_FORMAT, TIME_HEADER, Column
from jenacast.data.copies import shorten
from jenacast.data.series import Floats, Times

EXAMPLES = {TIME_FORMAT: "31.12.2016 23:50:00", ISO_FORMAT: "2016-12-31 23:50:00"}
ISO_ORDER = [6, 7, 8, 9, 2, 3, 4, 5, 0, 1, *range(10, 19)]  # where the station's form has the signs of yyyy.mm.dd ...
SEPARATORS = {2: ".", 5: ".", 10: " ", 13: ":", 16: ":"}  # their places in the station's form
DIGITS = [place for place in range(19) if place not in SEPARATORS]

Cells = tuple[Times, Floats, Floats | None]  # times, values and optional values as `Series` has them


class CellError(Exception):
    """A cell that cannot be read, in `row` of the rows given."""

    def __init__(self, row: int, expected: str, received: object) -> None:
        text = "" if pd.isna(received) else shorten(str(received))  # type: ignore[call-overload]
        super().__init__(f"expected {expected}, received {text!r}")
        self.row = row


@dataclass
class CellReader:
    """Reads the rows of one file, whose times have one form throughout: that of the first row.

    Attributes:
        header: the names of all columns, in the file's order.
        form: of the times; None before the first row.
    """

    header: Sequence[str]
    form: str | None = field(default=None, init=False)

    def read(self, text: str, rows: int) -> Cells:
        """Take so many rows of text apart.

        Raises:
            CellError: a time or a number that cannot be read.
            ValueError: no table.
        """
        optional = [column for column in OPTIONAL if column.header in self.header]
        columns = [*COLUMNS, *optional]
        try:
            table = self._table(text, {column.header: "float64" for column in columns})
        except ValueError:  # a cell is no number: find out which, or read what means that there is none
            table = self._table(text, {})
        if len(table) != rows:
            raise ValueError(f"{rows} rows, {len(table)} of them understood")
        times = self._times(table[TIME_HEADER])
        values = np.stack([_numbers(column, table[column.header]) for column in COLUMNS], axis=1)
        if not optional:
            return times, values, None
        absent = np.full(rows, np.nan, np.float32)
        also = [_numbers(column, table[column.header]) if column in optional else absent for column in OPTIONAL]
        return times, values, np.stack(also, axis=1)

    def _table(self, text: str, types: dict[str, str]) -> pd.DataFrame:
        wanted = [TIME_HEADER, *(column.header for column in (*COLUMNS, *OPTIONAL) if column.header in self.header)]
        places = {self.header.index(name): name for name in wanted}
        kinds = {place: types.get(name, "str") for place, name in places.items()}
        table = pd.read_csv(
            io.StringIO(text),
            header=None,
            usecols=list(places),
            dtype=kinds,
            skipinitialspace=True,
        )
        return table.rename(columns=places)

    def _times(self, cells: "pd.Series[str]") -> Times:
        if self.form is None:
            self.form = ISO_FORMAT if re.match(r"\s*\d{4}-", str(cells.iloc[0])) else TIME_FORMAT
        if self.form == TIME_FORMAT and (found := _station_times(cells)) is not None:
            return found
        times = pd.to_datetime(cells.str.strip(), format=self.form, errors="coerce")
        bad = times.isna().to_numpy()
        if bad.any():
            row = int(np.argmax(bad))
            like = ", as in the first row" if self.form == ISO_FORMAT else ""
            raise CellError(row, f"a time such as {EXAMPLES[self.form]} in {TIME_HEADER!r}{like}", cells.iloc[row])
        return times.to_numpy().astype("datetime64[s]")


def _station_times(cells: "pd.Series[str]") -> Times | None:
    """Times of the station's form, put into ISO order for numpy, which reads that ten times as fast as pandas this.

    None where one of them needs a closer look.
    """
    texts = cells.to_numpy(dtype=object).astype(str)
    if texts.dtype != "U19":
        return None
    signs = texts.view("U1").reshape(-1, 19)
    codes = texts.view(np.uint32).reshape(-1, 19)[:, DIGITS]
    if not all((signs[:, place] == sign).all() for place, sign in SEPARATORS.items()):
        return None
    if not ((codes >= ord("0")) & (codes <= ord("9"))).all():
        return None
    iso = signs[:, ISO_ORDER]
    iso[:, [4, 7]] = "-"
    try:
        times: Times = np.ascontiguousarray(iso).view("U19").ravel().astype("datetime64[s]")
    except ValueError:  # a date that the calendar does not have
        return None
    return times


def _numbers(column: Column, cells: pd.Series) -> Floats:
    """(rows,) float32; whatever stands for a missing value is `SENTINEL`, and a blank cell NaN."""
    numbers = cells
    if cells.dtype != np.float64:
        marked = cells.str.fullmatch(r"\s*\*+\s*") == True  # noqa: E712  a blank cell is neither True nor False
        numbers = pd.to_numeric(cells.mask(marked, str(SENTINEL)), errors="coerce")
        bad = (numbers.isna() & cells.notna()).to_numpy()
        if bad.any():
            row = int(np.argmax(bad))
            raise CellError(row, f"a number in {column.header!r}", cells.iloc[row])
    with np.errstate(over="ignore"):  # what float32 cannot hold is out of every range as infinity too
        values = numbers.to_numpy(np.float64).astype(np.float32)
    values[(values <= SENTINEL) & (values > SENTINEL - 1)] = SENTINEL  # -9999.99 too
    return values
