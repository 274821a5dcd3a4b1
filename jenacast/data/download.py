"""The series as a file: fetched from a public copy or taken from the user, checked, placed whole.

Content alone tells what a file is: not its name, nor a server's word, nor the names inside a zip.
"""

import codecs
import csv
import hashlib
import logging
import lzma
import math
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from jenacast.columns import COLUMNS, TIME_HEADER
from jenacast.errors import DownloadError, ExistsError, UnreachableError
from jenacast.files import atomic_path

CSV_NAME = "jena_climate_2009_2016.csv"
MAX_BYTES = 200_000_000  # fetched, and again unpacked; the 10-minute CSV has 43 million
READ_TIMEOUT_S = 30.0  # for the connection, and for each silence of the server
TOTAL_TIME_S = 1800.0  # for one copy, retries included
RETRIES = 2

HEADERS = (TIME_HEADER, *(column.header for column in COLUMNS))
HEADER_BYTES = 65_536
ZIP_MAGIC = b"PK\x03\x04"
# zipfile's ways to say: damaged, encrypted, or compressed by an unknown method
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError, OSError)
REMEDY = "Nothing was placed; try again, or hand over a copy: jenacast download --from FILE"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copy:
    """A copy of the series and what is known of it."""

    name: str
    url: str | None = None
    zip_bytes: int | None = None
    rows: int | None = None
    md5: str | None = None
    sha256: str | None = None


TENSORFLOW_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/jena_climate_2009_2016.csv.zip"
BOOK_URL = "https://s3.amazonaws.com/keras-datasets/jena_climate_2009_2016.csv.zip"
HOURLY_SHA256 = "c07c65e5bd74bb51c24f6de7f22a2daec45702f06cd6c39d869e9ecebb324e8d"
COPIES = (
    Copy("tensorflow", TENSORFLOW_URL, 13_568_290, 420_551, md5="959915f05bfafef18e471a97ae679535"),
    Copy("book", BOOK_URL, 13_565_642, 420_451),  # nobody has published a hash of it
    Copy("hourly", rows=70_092, sha256=HOURLY_SHA256),
)


@dataclass(frozen=True)
class Downloaded:
    """The CSV in its place; `source` is a copy's name or "unknown", `url` None where nothing was fetched."""

    path: Path
    source: str
    rows: int
    sha256: str
    url: str | None
    changed: bool


def download(
    data_dir: Path,
    *,
    source: str | None = None,
    origin: str | None = None,
    force: bool = False,
    copies: Sequence[Copy] = COPIES,
) -> Downloaded:
    """Place the CSV of the series in `data_dir`, unless it lies there.

    `source` names the public copy to fetch; by default it is the first, and any known copy already there
    will do. `origin`, the path or http(s) URL of a zip or CSV, is taken instead. `force` overwrites.

    Raises:
        DownloadError: a file is not what it should be; nothing was placed.
        UnreachableError: neither public copy, or not the URL given, could be fetched.
        ExistsError: another CSV would have to be overwritten, and `force` is off.
    """
    target = data_dir / CSV_NAME
    if target.exists() and not target.is_file():
        raise ExistsError(f"{target} is not a regular file; move it out of the way")
    held = _read(target, copies) if target.exists() else None
    if held and origin is None and not force:
        if held.copy is None or source not in (None, held.copy.name):
            raise _in_the_way(target, held)
        logger.info("Nothing to do: %s is there already and is %s", target, held)
        return Downloaded(target, held.copy.name, held.rows, held.sha256, None, changed=False)

    url = origin if origin and origin.lower().startswith(("http://", "https://")) else None
    local = None if origin is None or url else Path(origin)
    if local and not local.is_file():  # a FIFO would block for ever
        raise DownloadError(f"{origin} is no regular file; --from takes a zip or CSV file or its http(s) URL")
    asked = [Copy("given", origin)] if origin is not None else _public(source, copies)
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as folder:
        new = Path(folder) / CSV_NAME
        taken, raw = (asked[0], local) if local else _fetch_first(asked, Path(folder))
        _unpack(raw, new, str(taken.url))
        content = _read(new, copies)
        if wrong := _differences(taken, content, raw.stat().st_size):
            raise DownloadError(f"{taken.url} is not what it should be: {'; '.join(wrong)}. {REMEDY}")
        level = logging.INFO if content.copy else logging.WARNING
        logger.log(level, "%s is %s; header and shape are right", taken.url, content)
        changed = held is None or held.sha256 != content.sha256
        if held and changed and not force:
            raise _in_the_way(target, held)
        if changed:
            with atomic_path(target) as path:
                new.replace(path)
        else:
            logger.info("Nothing to do: %s has this content already", target)
    name = content.copy.name if content.copy else "unknown"
    return Downloaded(target, name, content.rows, content.sha256, None if local else taken.url, changed)


def _public(source: str | None, copies: Sequence[Copy]) -> list[Copy]:
    """The copies that can be fetched, the one asked for first."""
    public = [copy for copy in copies if copy.url]
    names = [copy.name for copy in public]
    if source not in (None, *names):
        raise DownloadError(f"source {source!r} cannot be fetched; choose one of: {', '.join(names)}")
    return sorted(public, key=lambda copy: source not in (None, copy.name))


def _fetch_first(copies: Sequence[Copy], folder: Path) -> tuple[Copy, Path]:
    """The first of `copies` that can be reached, and the file that came."""
    failures: list[str] = []
    for copy in copies:
        try:
            raw = _fetch(str(copy.url), folder)
        except UnreachableError as error:
            failures.append(str(error))
            continue
        if failures:
            gap = abs((copy.rows or 0) - (copies[0].rows or 0))
            text = "TOOK THE COPY %r INSTEAD OF %r, which is out of reach. They differ by %d rows (%s)"
            logger.warning(text, copy.name, copies[0].name, gap, "; ".join(failures))
        return copy, raw
    raise UnreachableError(
        f"cannot fetch the series: {'; '.join(failures)}. Two ways out: hand over a copy, "
        "jenacast download --from FILE; or see everything at work on made-up data, jenacast demo"
    )


def _fetch(url: str, folder: Path) -> Path:
    import pooch
    import requests
    from tqdm import tqdm

    deadline = time.monotonic() + TOTAL_TIME_S

    def fetch_once(url: str, output_file: str, pup: Any) -> None:
        logger.info("Fetching %s", url)
        # pooch asks for the bar's truth value, which it has only with a total; the server's comes later
        bar = tqdm(total=1, disable=None, leave=False, unit="B", unit_scale=True)
        with bar, Path(output_file).open("wb") as file:
            plain = {"Accept-Encoding": "identity"}  # or the server's length would not be that of the file
            get = pooch.HTTPDownloader(progressbar=bar, timeout=READ_TIMEOUT_S, headers=plain)
            get(url, _Bounded(file, url, deadline), pup)

    pooch.get_logger().setLevel(logging.CRITICAL)  # it writes to stderr by itself
    pup = pooch.create(folder, "", registry={"raw": None}, urls={"raw": url}, retry_if_failed=RETRIES)
    try:
        return Path(pup.fetch("raw", downloader=fetch_once))
    except (ValueError, requests.RequestException) as error:
        cause: BaseException = error
        while cause.__context__ is not None:  # the innermost says it in the fewest words
            cause = cause.__context__
        raise UnreachableError(f"{url}: {type(cause).__name__}: {cause}") from error


class _Bounded:
    """A file to write to that refuses to grow past `MAX_BYTES`, or to go on after a deadline."""

    def __init__(self, file: BinaryIO, label: str, deadline: float = math.inf) -> None:
        self._file, self._label, self._deadline, self._bytes = file, label, deadline, 0

    def write(self, data: bytes) -> int:
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            raise DownloadError(f"{self._label} holds more than the {MAX_BYTES:,} bytes allowed. {REMEDY}")
        if time.monotonic() > self._deadline:
            raise UnreachableError(f"{self._label}: not complete after {TOTAL_TIME_S:g} s")
        return self._file.write(data)

    def flush(self) -> None:
        pass  # pooch asks for it after every kilobyte


def _unpack(raw: Path, target: Path, label: str) -> None:
    """Copy a CSV, or the one CSV inside a zip, to `target`."""
    with raw.open("rb") as source, target.open("wb") as file:
        bounded = _Bounded(file, label)
        if source.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
            source.seek(0)
            shutil.copyfileobj(source, bounded)
            return
        try:
            with zipfile.ZipFile(source) as archive, archive.open(_csv_member(archive, label)) as member:
                shutil.copyfileobj(member, bounded)
        except ZIP_ERRORS as error:
            raise DownloadError(f"{label} is a zip that cannot be unpacked: {error}. {REMEDY}") from error


def _csv_member(archive: zipfile.ZipFile, label: str) -> zipfile.ZipInfo:
    found = []
    for info in archive.infolist():
        with archive.open(info) as member:
            if _problem(member.readline(HEADER_BYTES)) is None:
                found.append(info)
    if len(found) != 1:
        raise DownloadError(f"{label} is a zip with {len(found)} CSVs of the station, not one. {REMEDY}")
    return found[0]


@dataclass(frozen=True)
class _Content:
    md5: str
    sha256: str
    rows: int
    problem: str | None  # why it cannot be a CSV of the station
    copy: Copy | None = None

    def __str__(self) -> str:
        name = f"the {self.copy.name} copy" if self.copy else "none of the known copies"
        by_rows = self.copy and not (self.copy.md5 or self.copy.sha256)
        how = ", told by its rows alone: no hash of that copy is known" if by_rows else ""
        return f"{name} ({self.rows:,} rows, SHA-256 {self.sha256}{how})"


def _read(path: Path, copies: Sequence[Copy]) -> _Content:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    header = first = last = b""
    rows = 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            md5.update(line)
            sha256.update(line)
            if number == 0:
                header = line[:HEADER_BYTES]
            elif line.strip():
                rows += 1
                first, last = first or line, line
    content = _Content(md5.hexdigest(), sha256.hexdigest(), rows, _problem(header, first, last))
    return replace(content, copy=next((copy for copy in copies if not _differences(copy, content)), None))


def _problem(header: bytes, *rows: bytes) -> str | None:
    cells = _cells(header)
    if wrong := [name for name in HEADERS if cells.count(name) != 1]:
        begins = header[:40].decode("latin-1")
        return f"its first line begins {begins!r}; expected a header with {', '.join(wrong)}, each once"
    if any(len(_cells(row)) != len(cells) for row in rows):
        return f"its header has {len(cells)} fields, its first or last row another number"
    return None


def _cells(line: bytes) -> list[str]:
    text = line.removeprefix(codecs.BOM_UTF8).decode("latin-1")  # never fails; the names looked for are ASCII
    try:
        return [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:
        return []


def _differences(copy: Copy, content: _Content, raw_bytes: int | None = None) -> list[str]:
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


def _in_the_way(target: Path, held: _Content) -> ExistsError:
    return ExistsError(f"{target} is in the way: {held}; to overwrite it, add --force")
