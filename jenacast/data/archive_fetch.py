"""An archive of the station's files brought up to date: from its page, or from what the user hands over."""

import codecs
import logging
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jenacast.data.archive_index import SUFFIXES, Archive, Entry, describe
from jenacast.data.archive_page import WANTED, Link, host_of, known_hosts, period_end, read_links
from jenacast.data.copies import shown_address
from jenacast.data.deadline import Deadline
from jenacast.data.fetch import Answer, fetch_once, retried
from jenacast.errors import DataError, DownloadError, UnreachableError
from jenacast.files import TEMPORARY, clear_leftovers, open_regular
from jenacast.locks import folder_lock

MOST_PAGE_BYTES = 1_000_000  # of which links are read; the page has some thousands
LOOKS_LIKE_HTML = re.compile(rb"\s*<(!|\?|html|head|body)", re.IGNORECASE)
NAME = re.compile(r"\w[\w .-]*")
HAND_OVER = "Hand the files over, or name the page: jenacast download --source station --from FILE|FOLDER|URL"

logger = logging.getLogger(__name__)


@dataclass
class Updated:
    """What became of the files, by name: placed, kept as they were, kept since the new one had less, or not had."""

    path: Path
    page: str | None = None
    fetched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    shrunk: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Years:
    """The years wanted, both ends included; None is no limit."""

    first: int | None = None
    last: int | None = None

    def overlap(self, first: int, last: int) -> bool:
        """Whether any of the years from `first` to `last` is wanted."""
        return (self.first is None or last >= self.first) and (self.last is None or first <= self.last)


@contextmanager
def updater(folder: Path, deadline: Deadline, *, years: Years, force: bool) -> "Iterator[Updater]":
    """An updater of the archive in `folder`, which no other process changes meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder), deadline:
        clear_leftovers(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY) as scratch:
            yield Updater(folder, Path(scratch) / "raw", deadline, years=years, force=force)


class Updater:
    """One call's work on an archive whose lock is held; `raw` is where a file lies while it is looked at."""

    def __init__(self, folder: Path, raw: Path, deadline: Deadline, *, years: Years, force: bool) -> None:
        self.archive, self.done = Archive(folder), Updated(folder)
        self._raw, self._deadline, self._years, self._force = raw, deadline, years, force
        self._hosts: Collection[str] = ()  # that files may come from

    def miss(self, name: str, error: DownloadError) -> None:
        """Note that something could not be had."""
        logger.warning("%s%s", error, "; the old one stays" if name in self.archive.files else "")
        self.done.missing[name] = str(error)

    def find_links(self, pages: Sequence[str]) -> list[Link]:
        """The links of the first of the pages that has any.

        Raises:
            UnreachableError: none has.
        """
        failures = []
        for page in pages:
            try:
                return self._read_page(page, self._fetch(page, hosts=known_hosts(page)))
            except DownloadError as error:
                failures.append(str(error))
        raise UnreachableError(f"no files of the station were found: {'; '.join(failures)}. {HAND_OVER}")

    def take(self, origin: str) -> None:
        """Take a file, the station files of a folder, or what is at a URL: a file, or a page with links to files."""
        path = Path(origin)
        if origin.lower().startswith(("http://", "https://")):
            answer = self._fetch(origin)
            with self._raw.open("rb") as file:
                is_page = LOOKS_LIKE_HTML.match(file.read(1000).removeprefix(codecs.BOM_UTF8))
            if is_page:
                self.take_links(self._read_page(origin, answer))
            else:
                name = unquote(urlsplit(origin).path).rpartition("/")[2]
                self._take_raw(name, shown_address(origin), answer)
        elif path.is_dir():
            self._take_folder(path)
        else:
            self._take_file(path)

    def take_links(self, links: Sequence[Link]) -> None:
        """Fetch the files of the wanted years; the running period counts as this year."""
        now = datetime.now(UTC)
        for link in links:
            year = ((period_end(link.name) or now) - timedelta(seconds=1)).year
            if self._years.overlap(year, year):
                self.take_link(link)

    def take_link(self, link: Link) -> None:
        """Fetch one file, unless it is held and finished, or the server says that it is as it was."""
        held, label, end = self.archive.files.get(link.name), shown_address(link.url), period_end(link.name)
        if held and end and held.is_finished(end) and not self._force:
            self.done.kept.append(link.name)
            return
        if end is None:
            self.archive.asked = datetime.now(UTC)
        known = Answer(link.url, held.etag, held.last_modified) if held and held.url == label else None
        try:
            if self._deadline.is_over:
                raise UnreachableError(f"{label}: not tried, {self._deadline.total_s:g} s are over")
            self._fetch_station_file(link, label, None if self._force else known)
        except DownloadError as error:
            self.miss(link.name, error)

    def _fetch_station_file(self, link: Link, label: str, known: Answer | None) -> None:
        def try_once() -> Entry | None:
            answer = fetch_once(link.url, self._raw, self._deadline, hosts=self._hosts, held=known)
            return None if answer.is_held else self._describe(label, answer)  # half a zip may be whole the next time

        entry, held = retried(try_once, self._deadline), self.archive.files.get(link.name)
        if entry is None and held:
            entry = held.model_copy(update={"fetched": datetime.now(UTC)})
        if entry:
            self._place(link.name, entry)

    def _fetch(self, url: str, hosts: Collection[str] | None = None) -> Answer:
        return retried(lambda: fetch_once(url, self._raw, self._deadline, hosts=hosts), self._deadline)

    def _read_page(self, page: str, answer: Answer) -> list[Link]:
        """The links of the page that was fetched, to hosts that files may come from."""
        with self._raw.open("rb") as file:
            html = file.read(MOST_PAGE_BYTES).decode("latin-1")
        self._hosts = known_hosts(page) | {host_of(answer.url)}
        found = read_links(html, answer.url)
        links = [link for link in found if host_of(link.url) in self._hosts]
        for link in (link for link in found if link not in links):
            logger.warning("%s is on another host, and is not fetched", shown_address(link.url))
        if not links:
            raise UnreachableError(f"{shown_address(page)} has no link to {WANTED}")
        self.done.page = self.archive.page = shown_address(page)
        self.archive.save()
        return links

    def _take_folder(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(SUFFIXES)]
        left_out = 0
        for path in paths:
            try:
                self._take_file(path)
            except DownloadError as error:
                logger.info("left out: %s", error)
                left_out += 1
        if left_out == len(paths):
            raise DownloadError(f"{folder} has no zip or CSV of the station")

    def _take_file(self, path: Path) -> None:
        if not path.is_file():  # a FIFO would block for ever
            raise DownloadError(f"{path} is no regular file; --from takes files, folders and http(s) URLs")
        with open_regular(path) as source, self._raw.open("wb") as target:
            shutil.copyfileobj(source, target)
        self._take_raw(path.name, str(path), None)

    def _take_raw(self, name: str, label: str, answer: Answer | None) -> None:
        if not NAME.fullmatch(name) or not name.lower().endswith(SUFFIXES):
            raise DownloadError(f"{label} is not taken: its name should end in {', '.join(SUFFIXES)}")
        entry = self._describe(label, answer)
        if self._years.overlap(entry.first.year, (entry.last - timedelta(seconds=1)).year):
            self._place(name, entry)

    def _describe(self, label: str, answer: Answer | None) -> Entry:
        try:
            entry = describe(self._raw, fetched=datetime.now(UTC))
        except DataError as error:
            raise UnreachableError(f"{label} {error}") from None
        origin = {"url": label, "etag": answer.etag, "last_modified": answer.last_modified} if answer else {}
        return entry.model_copy(update=origin)

    def _place(self, name: str, entry: Entry) -> None:
        held = self.archive.files.get(name)
        if held and held.sha256 == entry.sha256:
            self.done.kept.append(name)
            self.archive.files[name] = entry if entry.url else held
            self.archive.save()
        elif lost := self.archive.place(self._raw, name, entry, force=self._force):
            logger.warning("%s SHRANK, and the old one is kept: %s; --force takes the new one", name, lost)
            self.done.shrunk[name] = lost
        else:
            logger.info("%s has %s", name, entry.extent)
            self.done.fetched.append(name)
