"""The series as a file: fetched from a public copy or taken from the user, checked, placed whole.

Content alone tells what a file is: not its name, nor a server's word, nor the names inside a zip.
"""

import logging
import lzma
import math
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from jenacast.data.copies import COPIES, HEADER_BYTES, Content, Copy, differences, identify, problem_of
from jenacast.errors import DownloadError, ExistsError, UnreachableError
from jenacast.files import atomic_path

CSV_NAME = "jena_climate_2009_2016.csv"
MAX_BYTES = 200_000_000  # fetched, and again unpacked; the 10-minute CSV has 43 million
READ_TIMEOUT_S = 30.0  # for the connection, and for each silence of the server
TOTAL_TIME_S = 1800.0  # for one copy, retries included
RETRIES = 2

ZIP_MAGIC = b"PK\x03\x04"
# zipfile's ways to say: damaged, encrypted, or compressed by an unknown method
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError, OSError)
REMEDY = "Nothing was placed; try again, or hand over a copy: jenacast download --from FILE"

logger = logging.getLogger(__name__)


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
    held = identify(target, copies) if target.exists() else None
    if held and origin is None and not force:
        if held.copy is None or source not in (None, held.copy.name):
            raise _exists(target, held)
        logger.info("Nothing to do: %s is there already and is %s", target, held)
        return Downloaded(target, held.copy.name, held.rows, held.sha256, None, changed=False)

    is_url = origin is not None and origin.lower().startswith(("http://", "https://"))
    local = None if origin is None or is_url else Path(origin)
    if local and not local.is_file():  # a FIFO would block for ever
        raise DownloadError(f"{origin} is no regular file; --from takes a zip or CSV file or its http(s) URL")
    asked = _public(source, copies) if origin is None else [Copy("given", origin)]
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".download-") as folder:
        new = Path(folder) / CSV_NAME
        taken, raw = (asked[0], local) if local else _fetch_first(asked, Path(folder))
        _unpack(raw, new, str(taken.url))
        content = identify(new, copies)
        if wrong := differences(taken, content, raw.stat().st_size):
            raise DownloadError(f"{taken.url} is not what it should be: {'; '.join(wrong)}. {REMEDY}")
        level = logging.INFO if content.copy else logging.WARNING
        logger.log(level, "%s is %s; header and shape are right", taken.url, content)
        changed = held is None or held.sha256 != content.sha256
        if held and changed and not force:
            raise _exists(target, held)
        if changed:
            with atomic_path(target) as path:
                new.replace(path)
        else:
            logger.info("Nothing to do: %s has this content already", target)
    name = content.copy.name if content.copy else "unknown"
    return Downloaded(target, name, content.rows, content.sha256, None if local else taken.url, changed)


def _public(source: str | None, copies: Sequence[Copy]) -> list[Copy]:
    """The copies that can be fetched, the one asked for first."""
    public = {copy.name: copy for copy in copies if copy.url}
    if source not in (None, *public):
        raise DownloadError(f"source {source!r} cannot be fetched; choose one of: {', '.join(public)}")
    return sorted(public.values(), key=lambda copy: source not in (None, copy.name))


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
    """A file to write to that refuses to grow past `MAX_BYTES`, or to be written after a deadline."""

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
            if problem_of(member.readline(HEADER_BYTES)) is None:
                found.append(info)
    if len(found) != 1:
        raise DownloadError(f"{label} is a zip with {len(found)} CSVs of the station, not one. {REMEDY}")
    return found[0]


def _exists(target: Path, held: Content) -> ExistsError:
    return ExistsError(f"{target} exists: {held}; to overwrite it, add --force")
