"""The first line of the station's CSV: which columns a file has, or what else it is. Needs no pandas."""

import csv

from jenacast.columns import COLUMNS, TIME_HEADER
from jenacast.errors import DataError

HEADERS = [TIME_HEADER, *(column.header for column in COLUMNS)]
UTF8_BOM = "\ufeff".encode().decode("latin-1")
ZIP_MAGIC = "PK\x03\x04"


def parse_header(line: str) -> list[str]:
    """The names of all columns in the file's order, from its first line, decoded as Latin-1.

    Raises:
        DataError: the time or one of `COLUMNS` is not in it once; says what the file is, without its name.
    """
    try:
        cells = next(csv.reader([line.removeprefix(UTF8_BOM)], skipinitialspace=True), [])
    except csv.Error:  # a cell of more than 131,072 characters
        cells = []
    header = [cell.strip() for cell in cells]
    missing = [name for name in HEADERS if name not in header]
    if missing == HEADERS and "\0" in line and TIME_HEADER in line.replace("\0", ""):
        raise DataError("is written in UTF-16 or the like, expected UTF-8 or Latin-1; save it as UTF-8")
    if missing == HEADERS and line.startswith(ZIP_MAGIC):
        raise DataError("is a zip archive, expected the CSV in it; unpack it first")
    if missing == HEADERS:
        begins = f"begins with {shorten(line.rstrip())!r}" if line else "is empty"
        raise DataError(f"is not a station CSV: it {begins}")
    if missing:
        raise DataError(f"lacks the column(s) {', '.join(map(repr, missing))}")
    twice = [name for name in HEADERS if header.count(name) > 1]
    if twice:
        raise DataError(f"has the column(s) {', '.join(map(repr, twice))} more than once; keep one")
    return header


def shorten(text: str) -> str:
    """The first 40 characters of a text of the file, for an error."""
    return text if len(text) <= 40 else text[:40] + "..."
