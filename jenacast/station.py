"""The station's CSV, as it was published and as it is published today, read into a `Series`.

Columns are found by header; extra ones are ignored. Everything is decoded as Latin-1: it never fails, and
all that is read is ASCII, whatever the encoding of the other headers' µ and ². Read in chunks, so that
memory stays near the size of the result.
"""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from jenacast.columns import COLUMNS, TIME_FORMAT, TIME_HEADER
from jenacast.errors import DataError
from jenacast.series import Series

CHUNK_ROWS = 16_384
UTF8_BOM = "\ufeff".encode().decode("latin-1")
GZIP_MAGIC = b"\x1f\x8b"
REMEDY = "`jenacast download` fetches a file that fits"


def read_station_csv(path: Path) -> Series:
    """Read a station file: 10-minute or hourly rows, UTF-8 or Latin-1, plain or gzipped.

    Values are as written, sentinels included; a blank field is NaN. Rows keep the file's order.

    Raises:
        DataError: the file is absent, is not such a table, or holds a cell that cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path} not found; `jenacast download` places it there")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file; expected a station CSV")
    with _open(path) as file:
        positions = _find_columns(path, file.readline())
        times, values = [], []
        for chunk in _chunks(path, file, positions):
            times.append(_parse_times(path, chunk.iloc[:, 0]))
            values.append(_parse_numbers(path, chunk.iloc[:, 1:]))
    if not times:
        raise DataError(f"{path} has a header but no rows; {REMEDY}")
    return Series(np.concatenate(times), np.concatenate(values))


def _open(path: Path) -> IO[str]:
    with path.open("rb") as raw:
        zipped = raw.read(2) == GZIP_MAGIC
    opener: Any = gzip.open if zipped else open
    return opener(path, "rt", encoding="latin-1", newline="")  # type: ignore[no-any-return]


def _find_columns(path: Path, line: str) -> list[int]:
    """Positions of the time and of `COLUMNS`, in that order."""
    cells = next(csv.reader([line.removeprefix(UTF8_BOM)], skipinitialspace=True), [])
    header = [cell.strip() for cell in cells]
    wanted = [TIME_HEADER, *(column.header for column in COLUMNS)]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(map(repr, missing))}; {REMEDY}")
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise DataError(f"{path} has the column(s) {', '.join(map(repr, twice))} more than once; keep one")
    return [header.index(name) for name in wanted]


def _chunks(path: Path, file: IO[str], positions: list[int]) -> Iterator[pd.DataFrame]:
    try:
        reader = pd.read_csv(
            file, header=None, usecols=positions, dtype=str, skipinitialspace=True, chunksize=CHUNK_ROWS
        )
        for chunk in reader:
            yield chunk[positions]
    except pd.errors.EmptyDataError:
        return
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is not a table the reader understands: {error}; {REMEDY}") from None


def _parse_times(path: Path, cells: pd.Series) -> np.ndarray:
    times = pd.to_datetime(cells.str.strip(), format=TIME_FORMAT, errors="coerce")
    bad = times.isna()
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise _bad_cell(path, cells, row, f"a time such as 31.12.2016 23:50:00 in {TIME_HEADER!r}")
    return times.to_numpy().astype("datetime64[s]")


def _parse_numbers(path: Path, cells: pd.DataFrame) -> np.ndarray:
    columns = []
    for column, position in zip(COLUMNS, cells.columns, strict=True):
        text = cells[position]
        numbers = pd.to_numeric(text, errors="coerce")
        bad = (numbers.isna() & text.notna()).to_numpy()
        if bad.any():
            raise _bad_cell(path, text, int(np.argmax(bad)), f"a number in {column.header!r}")
        columns.append(numbers.to_numpy(dtype=np.float32))
    return np.stack(columns, axis=1)


def _bad_cell(path: Path, cells: pd.Series, row: int, expected: str) -> DataError:
    line = int(cells.index[row]) + 2  # the header is line 1
    received = str(cells.iloc[row])
    shown = received if len(received) <= 40 else received[:40] + "..."
    return DataError(f"{path}, line {line}: expected {expected}, received {shown!r}; mend or remove the line")
