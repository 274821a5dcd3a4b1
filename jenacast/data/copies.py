"""What a file is, by its content alone: a CSV of the station by its first line, and which known copy of the series."""

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jenacast.columns import COLUMNS, OPTIONAL, TIME_HEADER
from jenacast.errors import DataError
from jenacast.files import open_regular

HEADERS = [TIME_HEADER, *(column.header for column in COLUMNS)]
UTF8_BOM = "\ufeff".encode().decode("latin-1")
ZIP_MAGIC = b"PK\x03\x04"
REMEDY = "Nothing was placed; try again, or hand over a copy: jenacast download --from FILE"
MAX_LINE = 65_536  # bytes; more is no line of the station, and not read as one


@dataclass(frozen=True)
class Copy:
    """A copy of the series and what is known of it."""

    name: str
    url: str | None = None
    zip_bytes: int | None = None
    rows: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def address(self) -> str:
        """Where it is from, for people."""
        return shown_address(self.url or "")


def shown_address(url: str) -> str:
    """A URL without user, password, query and fragment, which may be secret; anything else as it is."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


TENSORFLOW_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/jena_climate_2009_2016.csv.zip"
BOOK_URL = "https://s3.amazonaws.com/keras-datasets/jena_climate_2009_2016.csv.zip"
HOURLY_SHA256 = "c07c65e5bd74bb51c24f6de7f22a2daec45702f06cd6c39d869e9ecebb324e8d"
COPIES = (
    Copy("tensorflow", TENSORFLOW_URL, 13_568_290, 420_551, md5="959915f05bfafef18e471a97ae679535"),
    Copy("book", BOOK_URL, 13_565_642, 420_451),  # nobody has published a hash of it
    Copy("hourly", rows=70_092, sha256=HOURLY_SHA256),
)


@dataclass(frozen=True)
class Content:
    """What a file holds; `problem` says why it cannot be a CSV of the station."""

    md5: str
    sha256: str
    rows: int
    problem: str | None
    copy: Copy | None = None

    def __str__(self) -> str:
        name = f"the {self.copy.name} copy" if self.copy else "none of the known copies"
        by_rows = self.copy and not (self.copy.md5 or self.copy.sha256)
        how = ", told by its rows alone: no hash of that copy is known" if by_rows else ""
        return f"{name} ({self.rows:,} rows, SHA-256 {self.sha256}{how})"


def identify(path: Path, copies: Sequence[Copy]) -> Content:
    """Read a file and tell which of the `copies` it is, if any."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    header = first = last = b""
    rows = 0
    with open_regular(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b"")):
            md5.update(line)
            sha256.update(line)
            if number == 0:
                header = line
            elif line.strip():
                rows += 1
                first, last = first or line, line
    content = Content(md5.hexdigest(), sha256.hexdigest(), rows, problem_of(header, first, last))
    return replace(content, copy=next((copy for copy in copies if not differences(copy, content)), None))


def parse_header(line: str) -> list[str]:
    """The names of all columns in the file's order, from its first line, decoded as Latin-1.

    Those of `COLUMNS` and `OPTIONAL` come as they stand there, however the file spells them.

    Raises:
        DataError: the time or one of `COLUMNS` is not in it once, or one of `OPTIONAL` twice; says what the file is,
            without its name.
    """
    try:
        cells = next(csv.reader([line.removeprefix(UTF8_BOM)], skipinitialspace=True), [])
    except csv.Error:  # a cell of more than 131,072 characters
        cells = []
    header = [_spelled(cell.strip()) for cell in cells]
    missing = [name for name in HEADERS if name not in header]
    if missing == HEADERS and "\0" in line and TIME_HEADER in line.replace("\0", ""):
        raise DataError("is written in UTF-16 or the like, expected UTF-8 or Latin-1; save it as UTF-8")
    if missing == HEADERS:
        begins = f"begins with {shorten(line.rstrip())!r}" if line else "is empty"
        raise DataError(f"is not a station CSV: it {begins}")
    if missing:
        raise DataError(f"lacks the column(s) {', '.join(map(repr, missing))}")
    twice = [name for name in (*HEADERS, *(column.header for column in OPTIONAL)) if header.count(name) > 1]
    if twice:
        raise DataError(f"has the column(s) {', '.join(map(repr, twice))} more than once; keep one")
    return header


def _spelled(header: str) -> str:
    """The header as `OPTIONAL` has it: units with a square or a µ come in several encodings, or without both."""
    return next((one.header for one in OPTIONAL if one.spelling and re.fullmatch(one.spelling, header)), header)


def shorten(text: str) -> str:
    """The first 40 characters of a text of the file, for an error."""
    return text if len(text) <= 40 else text[:40] + "..."


def problem_of(header: bytes, *rows: bytes) -> str | None:
    """Why a file with this first line and these rows cannot be a CSV of the station; None where it can."""
    try:
        cells, *others = len(parse_header(header.decode("latin-1"))), *(_count_cells(row) for row in rows)
    except DataError as error:
        return f"it {error}"
    return None if set(others) <= {cells} else f"its header has {cells} cells, its first or last row another number"


def _count_cells(row: bytes) -> int:
    try:
        return len(next(csv.reader([row.decode("latin-1")], skipinitialspace=True), []))
    except csv.Error:  # a cell of more than 131,072 characters
        return 0


def differences(copy: Copy, content: Content, raw_bytes: int | None = None) -> list[str]:
    """What `copy` is known to be and `content` is not: by hash, else by the size of the zip and the rows."""
    if content.problem:
        return [content.problem]
    checks: dict[str, Any] = {"MD5": (copy.md5, content.md5), "SHA-256": (copy.sha256, content.sha256)}
    if not (copy.md5 or copy.sha256):
        checks = {"bytes": (copy.zip_bytes, raw_bytes), "rows": (copy.rows, content.rows)}
    return [
        f"{what}: expected {expected}, received {received}"
        for what, (expected, received) in checks.items()
        if expected is not None and received is not None and expected != received
    ]
