"""The station's files, as they were published and as they are published today, read into a `Series`.

Columns are found by header; others are ignored. Everything is decoded as Latin-1: it never fails, and all that is read
is ASCII, whatever the encoding of the headers' µ and ². It reads blocks: memory stays near the size of the result.
"""

import csv
import io
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from jenacast.data.cells import CellError, CellReader, Cells
from jenacast.data.copies import parse_header
from jenacast.data.packed import PackedError, open_csv
from jenacast.data.series import Series
from jenacast.errors import DataError
from jenacast.files import open_regular

BLOCK_CHARACTERS = 1_000_000
MAX_LINE = 100_000  # characters; no row is a hundredth of it, and a file without line ends must not fill the memory
FIRST_ROW = 2  # its line
MAX_ROWS = 5_000_000  # 95 years of 10-minute rows
MAX_CHARACTERS = 1_000_000_000  # of such a file, unpacked
MEND, MEND_ALL = "mend or remove the line", "so is its first row already: write the file anew"
REMEDY = "expected a CSV of the station, plain, as .zip or as .csv.gz; `jenacast download` fetches one"


def read_station_csv(path: Path) -> Series:
    """Read a station file: 10-minute or hourly rows, UTF-8 or Latin-1; plain, gzipped, or the one CSV in a zip.

    Values are as written; every mark for a missing value, -9999.99 or asterisks too, is `columns.SENTINEL`, and a blank
    field is NaN. Rows keep the file's order.

    Raises:
        DataError: the file is missing, is not such a table, or holds a cell that cannot be read.
    """
    check_station_file(path)
    with open_regular(path) as file:
        return parse_station_csv(path, file)


def check_station_file(path: Path) -> None:
    """Refuse a path that no file can be read from.

    Raises:
        DataError: it is missing, or no regular file.
    """
    if not path.exists():
        raise DataError(f"{path} not found; {REMEDY}")
    if not path.is_file():
        raise DataError(f"{path} is not a regular file; {REMEDY}")


def parse_station_csv(path: Path, binary: BufferedReader) -> Series:
    """Read a station file that is open already; `path` names it in errors. The rest is as for `read_station_csv`."""
    try:
        # newline=None: lines may end as on any system
        with open_csv(binary) as raw, io.TextIOWrapper(raw, encoding="latin-1", newline=None) as file:
            series = _joined(_parts(path, file))
    except PackedError as error:
        raise DataError(f"{path} {error}; {REMEDY}") from None
    if series is None:
        raise DataError(f"{path} has a header but no rows; {REMEDY}")
    return series


def _joined(parts: Iterator[Cells]) -> Series | None:
    """The parts one after the other; the arrays grow where they lie, since a copy would take as much memory again."""
    arrays: list[Any] | None = None
    for part in parts:
        if arrays is None:
            arrays = [None if array is None else array.copy() for array in part]
            continue
        for whole, more in zip(arrays, part, strict=True):
            if more is not None:
                rows = len(whole)
                whole.resize((rows + len(more), *whole.shape[1:]), refcheck=False)
                whole[rows:] = more
    return None if arrays is None else Series(arrays[0], arrays[1], optional=arrays[2])


def _parts(path: Path, file: IO[str]) -> Iterator[Cells]:
    try:
        header = parse_header(file.readline(MAX_LINE))
    except DataError as error:
        raise DataError(f"{path} {error}; {REMEDY}") from None
    reader = CellReader(header)
    for first, block in _blocks(path, file):
        numbers, text = _checked(path, first, block, len(header))
        if not numbers:
            continue
        try:
            yield reader.read(text, len(numbers))
        except CellError as error:
            raise _bad_line(path, numbers[error.row], str(error)) from None
        except ValueError as error:  # pandas' ParserError is one
            raise DataError(f"{path} is not a table the reader understands: {error}; {REMEDY}") from None


def _blocks(path: Path, file: IO[str]) -> Iterator[tuple[int, str]]:
    """Whole lines, some megabytes together, and the number of the first; no more of them than any station wrote.

    A small gzip file may hold gigabytes.
    """
    number, characters, rest = FIRST_ROW, 0, ""
    while block := file.read(BLOCK_CHARACTERS):
        characters += len(block)
        whole, newline, rest = (rest + block).rpartition("\n")
        if newline:
            yield number, whole
            number += whole.count("\n") + 1
        if len(rest) >= MAX_LINE:
            raise _too_long(path, number)
        if number - FIRST_ROW > MAX_ROWS or characters > MAX_CHARACTERS:
            limits = f"{MAX_ROWS:,} rows or {MAX_CHARACTERS:,} characters"
            raise DataError(f"{path} holds more than {limits}; split it into shorter series")
    if rest:
        yield number, rest


def _checked(path: Path, first: int, block: str, cells: int) -> tuple[range | list[int], str]:
    """The line numbers of the rows in a block, and the rows; pandas would fill up short ones and cut long ones."""
    lines = block.split("\n")
    if '"' not in block and {line.count(",") for line in lines} == {cells - 1} and max(map(len, lines)) < MAX_LINE:
        return range(first, first + len(lines)), block
    rows = {number: line for number, line in enumerate(lines, start=first) if line.strip()}
    for number, line in rows.items():
        if (found := _count_cells(path, number, line)) != cells:
            raise _bad_line(path, number, f"expected {cells} cells, received {found}")
    return list(rows), "\n".join(rows.values())


def _count_cells(path: Path, number: int, line: str) -> int:
    if len(line) >= MAX_LINE:
        raise _too_long(path, number)
    if '"' not in line:
        return line.count(",") + 1
    try:
        return len(next(csv.reader([line], skipinitialspace=True, strict=True)))
    except csv.Error as error:
        raise _bad_line(path, number, f"quotes that do not pair up ({error})") from None


def _too_long(path: Path, number: int) -> DataError:
    return _bad_line(path, number, f"longer than {MAX_LINE:,} characters")


def _bad_line(path: Path, number: int, problem: str) -> DataError:
    return DataError(f"{path}, line {number}: {problem}; {MEND_ALL if number == FIRST_ROW else MEND}")
