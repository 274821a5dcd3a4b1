"""The files of an archive: what each one holds, where it is from, and what may take its place.

The folder has the files as they came and `index.json`, which says what was found in them. A file that the index does
not know is looked into; so the index can be removed, and files can be put there by hand.

The file of the running period grows, and begins anew when a period ends. The old one is then set aside under its dates,
`mpi_roof_20260101T0010_20270101T0000.zip`, until the published files of finished periods contain its time.
"""

import csv
import logging
import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from jenacast.columns import ISO_FORMAT, TIME_FORMAT, TIME_HEADER
from jenacast.data.archive_page import period_end
from jenacast.data.copies import MAX_LINE, parse_header, problem_of
from jenacast.data.packed import open_csv
from jenacast.errors import DataError
from jenacast.files import atomic_path, file_sha256, open_regular, write_json
from jenacast.records import Record, read_record

INDEX = "index.json"
SUFFIXES = (".zip", ".csv", ".csv.gz")
MOST_BYTES = 1_000_000_000  # of a CSV; 21 years have 230 million
SETTLING = timedelta(days=60)  # after the end of a period, in which its file may still be corrected
STEP = timedelta(minutes=10)  # of the rows
LEAST_SHARE = 0.9  # of a CSV's bytes; with fewer, columns are missing

logger = logging.getLogger(__name__)


class Entry(Record):
    """What a file holds, and where it is from; times are by the station's clock, `fetched` is UTC."""

    url: str | None  # None where it was not fetched
    sha256: str
    bytes: int
    csv_bytes: int
    rows: int
    first: datetime
    last: datetime
    fetched: AwareDatetime
    etag: str | None = None
    last_modified: str | None = None

    def is_finished(self, end: datetime) -> bool:
        """Whether nothing more is to come, for a period that ends at `end`: it was fetched, or is whole, since then."""
        reaches_end = self.last.replace(tzinfo=UTC) >= end - timedelta(days=1)
        return self.fetched > end + SETTLING and (self.url is not None or reaches_end)

    @property
    def extent(self) -> str:
        """Its rows and times, for people."""
        return f"{self.rows:,} rows from {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M}"


class Index(Record):
    """The content of `index.json`: the page that was read last, when it was asked, and the files by name."""

    format: Literal[1] = 1
    page: str | None = None
    asked: AwareDatetime | None = None
    files: dict[str, Entry] = Field(default_factory=dict)


def describe(path: Path, *, fetched: datetime, url: str | None = None) -> Entry:
    """Read a station file, plain, gzipped or zipped, to its end.

    Raises:
        DataError: it is damaged, cut off, or no such file; says what it is, without its name.
    """
    header = first = last = b""
    size = rows = 0
    with open_regular(path) as file, open_csv(file) as unpacked:
        for line in iter(lambda: unpacked.readline(MAX_LINE), b""):
            size += len(line)
            if size > MOST_BYTES:
                raise DataError(f"holds more than the {MOST_BYTES:,} bytes allowed")
            if not header:
                header = line
            elif line.strip():
                rows += 1
                first, last = first or line, line
    if problem := problem_of(header, first, last):
        raise DataError(problem.removeprefix("it ") if problem.startswith("it ") else f"is cut off: {problem}")
    column = parse_header(header.decode("latin-1")).index(TIME_HEADER)
    times = [_time(line, column) for line in (first, last)]
    return Entry(
        url=url,
        sha256=file_sha256(path),
        bytes=path.stat().st_size,
        csv_bytes=size,
        rows=rows,
        first=times[0],
        last=times[1],
        fetched=fetched,
    )


def _time(line: bytes, column: int) -> datetime:
    cell = next(csv.reader([line.decode("latin-1")], skipinitialspace=True))[column].strip()
    for form in (TIME_FORMAT, ISO_FORMAT):
        with suppress(ValueError):
            return datetime.strptime(cell, form)
    raise DataError(f"has {cell[:40]!r} for a time, expected one such as 31.12.2016 23:50:00")


def covers(entries: Iterable[Entry], wanted: Entry) -> bool:
    """Whether files together reach from the first row of `wanted` to its last without a gap between them."""
    reached = wanted.first - STEP
    for entry in sorted(entries, key=lambda entry: entry.first):
        if entry.first <= reached + STEP:
            reached = max(reached, entry.last)
    return reached >= wanted.last


def loss(held: Entry, new: Entry, *, is_running: bool) -> str | None:
    """What would be lost if `new` took the place of `held`; None where it may.

    The file of the running period may begin anew, since the old one is set aside then.
    """
    if is_running and new.first > held.first and new.last >= held.last:
        return None
    if new.first <= held.first and new.last >= held.last and new.rows >= held.rows:
        if new.csv_bytes >= LEAST_SHARE * held.csv_bytes:
            return None
        return f"it has {new.csv_bytes:,} bytes unpacked and had {held.csv_bytes:,}"
    return f"it has {new.extent} and had {held.extent}"


class Archive:
    """The files in a folder and their index; to be changed by the process alone that holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = _read_index(folder)
        self.page, self.asked = index.page, index.asked
        self.files: dict[str, Entry] = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name.lower().endswith(SUFFIXES) and path.is_file() and path.name[0] != ".":
                self._look_at(path, index.files.get(path.name))

    def _look_at(self, path: Path, known: Entry | None) -> None:
        if known and known.bytes == path.stat().st_size and known.sha256 == file_sha256(path):
            self.files[path.name] = known
            return
        try:
            changed = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
            self.files[path.name] = describe(path, fetched=changed)
        except DataError as error:
            logger.warning("%s %s; it is left out", path, error)

    def in_order(self) -> list[Path]:
        """The files by time, each content once; what finished periods contain is not taken from the running one."""
        finished = [entry for name, entry in self.files.items() if period_end(name)]
        chosen = {
            entry.sha256: name for name, entry in self.files.items() if period_end(name) or not covers(finished, entry)
        }
        by_time = sorted(chosen.values(), key=lambda name: (self.files[name].first, self.files[name].last, name))
        return [self.folder / name for name in by_time]

    def newest(self) -> str | None:
        """The name of the file with the newest row, of several that of the running period; None without files."""
        order = {name: (entry.last, period_end(name) is None, entry.first) for name, entry in self.files.items()}
        return max(order, key=lambda name: order[name], default=None)

    def place(self, new: Path, name: str, entry: Entry, *, force: bool) -> str | None:
        """Move the file `new`, which is in the same folder, to its name; or return what would be lost by it."""
        held = self.files.get(name)
        if held and (lost := loss(held, entry, is_running=period_end(name) is None)):
            if not force:
                return lost
        elif held:
            others = [other for known, other in self.files.items() if known != name]
            if not covers([entry, *others], held):
                self._set_aside(name, held)
        with atomic_path(self.folder / name) as path:
            new.replace(path)
        self.files[name] = entry
        self.save()
        return None

    def _set_aside(self, name: str, held: Entry) -> None:
        aside = f"mpi_roof_{held.first:%Y%m%dT%H%M}_{held.last:%Y%m%dT%H%M}{''.join(Path(name).suffixes)}"
        with atomic_path(self.folder / aside) as path:
            shutil.copyfile(self.folder / name, path)
        self.files[aside] = held
        logger.info("%s begins anew: what it had until %s is kept as %s", name, held.last, aside)

    def save(self) -> None:
        """Write the index."""
        index = Index(page=self.page, asked=self.asked, files=self.files)
        write_json(self.folder / INDEX, index.model_dump(mode="json"))


def _read_index(folder: Path) -> Index:
    path = folder / INDEX
    if not path.exists():
        return Index()
    damaged = "remove it: it is written anew from the files beside it"
    return read_record(path, Index, missing=damaged, damaged=damaged, error=DataError, format=1)
