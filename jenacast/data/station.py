"""The station's CSV, as it was published and as it is published today, read into a `Series`.

Columns are found by header; extra ones are ignored. Everything is decoded as Latin-1: it never fails, and
all that is read is ASCII, whatever the encoding of the other headers' µ and ². Read in chunks, so that
memory stays near the size of the result.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from jenacast.columns import COLUMNS, TIME_FORMAT, TIME_HEADER
from jenacast.data.copies import HEADERS, parse_header, shorten
from jenacast.data.series import Series
from jenacast.errors import DataError
from jenacast.files import open_regular

CHUNK_ROWS = 8_192
MAX_LINE = 100_000  # characters; no row is a hundredth of it, and a file without line ends must not fill the memory
GZIP_MAGIC = b"\x1f\x8b"
FIRST_ROW = 2  # its line
MAX_ROWS = 5_000_000  # 95 years of 10-minute rows
MAX_CHARACTERS = 1_000_000_000  # of such a file, unpacked
MEND, MEND_ALL = "mend or remove the line", "so is its first row already: write the file anew"
REMEDY = "expected a CSV of the station, such as the one that `jenacast download` fetches"


def read_station_csv(path: Path) -> Series:
    """Read a station file: 10-minute or hourly rows, UTF-8 or Latin-1, plain or gzipped.

    Values are as written, sentinels included; a blank field is NaN. Rows keep the file's order.

    Raises:
        DataError: the file is missing, is not such a table, or holds a cell that cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path} not found; expected a station CSV")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file; expected a station CSV")
    with open_regular(path) as file:
        return parse_station_csv(path, file)


def parse_station_csv(path: Path, binary: BufferedReader) -> Series:
    """Read a station file that is open already; `path` names it in errors. The rest is as for `read_station_csv`."""
    times, values = [], []
    try:
        with _as_text(binary) as file:
            try:
                header = parse_header(file.readline(MAX_LINE))
            except DataError as error:
                raise DataError(f"{path} {error}; {REMEDY}") from None
            for chunk in _chunks(path, file, header):
                times.append(_parse_times(path, chunk[TIME_HEADER]))
                values.append(_parse_numbers(path, chunk))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is a damaged or cut-off gzip file ({error}); {REMEDY}") from None
    if not times:
        raise DataError(f"{path} has a header but no rows; {REMEDY}")
    return Series(np.concatenate(times), np.concatenate(values))


def _as_text(binary: BufferedReader) -> IO[str]:
    is_zipped = binary.read(2) == GZIP_MAGIC
    binary.seek(0)
    return io.TextIOWrapper(gzip.GzipFile(fileobj=binary) if is_zipped else binary, encoding="latin-1", newline="")


def _chunks(path: Path, file: IO[str], header: list[str]) -> Iterator[pd.DataFrame]:
    """Tables of text: the wanted columns by their header, each row under its line number in the file."""
    lines = iter(lambda: file.readline(MAX_LINE), "")
    numbered = ((number, line) for number, line in enumerate(_bounded(path, lines), start=FIRST_ROW) if line.strip())
    while rows := dict(islice(numbered, CHUNK_ROWS)):
        for number, line in rows.items():
            cells = _count_cells(path, number, line)  # pandas fills up short rows and cuts long ones
            if cells != len(header):
                raise _bad_line(path, number, f"expected {len(header)} cells, received {cells}")
        try:
            chunk = pd.read_csv(
                io.StringIO("".join(rows.values())),
                header=None,
                usecols=[header.index(name) for name in HEADERS],
                dtype=str,
                skipinitialspace=True,
            )
            chunk.index = pd.Index(rows)
        except ValueError as error:  # pandas' ParserError is one
            raise DataError(f"{path} is not a table the reader understands: {error}; {REMEDY}") from None
        yield chunk.rename(columns=dict(enumerate(header)))


def _bounded(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """The lines, as long as they are not more than any station wrote: a small gzip file may hold gigabytes."""
    characters = 0
    for number, line in enumerate(lines):
        characters += len(line)
        if number >= MAX_ROWS or characters > MAX_CHARACTERS:
            limits = f"{MAX_ROWS:,} rows or {MAX_CHARACTERS:,} characters"
            raise DataError(f"{path} holds more than {limits}; split it into shorter series")
        yield line


def _count_cells(path: Path, number: int, line: str) -> int:
    if len(line) == MAX_LINE:
        raise _bad_line(path, number, f"longer than {MAX_LINE:,} characters")
    if '"' not in line:
        return line.count(",") + 1
    try:
        return len(next(csv.reader([line], skipinitialspace=True, strict=True)))
    except csv.Error as error:
        raise _bad_line(path, number, f"quotes that do not pair up ({error})") from None


def _parse_times(path: Path, cells: pd.Series) -> np.ndarray:
    times = pd.to_datetime(cells.str.strip(), format=TIME_FORMAT, errors="coerce")
    bad = times.isna()
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise _bad_cell(path, cells, row, f"a time such as 31.12.2016 23:50:00 in {TIME_HEADER!r}")
    return times.to_numpy().astype("datetime64[s]")


def _parse_numbers(path: Path, chunk: pd.DataFrame) -> np.ndarray:
    columns = []
    for column in COLUMNS:
        text = chunk[column.header]
        numbers = pd.to_numeric(text, errors="coerce")
        bad = (numbers.isna() & text.notna()).to_numpy()
        if bad.any():
            raise _bad_cell(path, text, int(np.argmax(bad)), f"a number in {column.header!r}")
        with np.errstate(over="ignore"):  # what float32 cannot hold is out of every range as infinity too
            columns.append(numbers.to_numpy().astype(np.float32))
    return np.stack(columns, axis=1)


def _bad_cell(path: Path, cells: pd.Series, row: int, expected: str) -> DataError:
    cell = cells.iloc[row]
    received = "" if pd.isna(cell) else shorten(str(cell))
    return _bad_line(path, cells.index[row], f"expected {expected}, received {received!r}")


def _bad_line(path: Path, number: int, problem: str) -> DataError:
    return DataError(f"{path}, line {number}: {problem}; {MEND_ALL if number == FIRST_ROW else MEND}")
