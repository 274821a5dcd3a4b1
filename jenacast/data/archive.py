"""The station's own files, kept as they came in `DATA_DIR/station/`: where they lie, and how they get there."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from jenacast.data.archive_index import Archive
from jenacast.data.archive_page import PAGES, period_end
from jenacast.data.copies import shown_address
from jenacast.errors import DataError, DownloadError, UnreachableError

if TYPE_CHECKING:
    from jenacast.data.archive_fetch import Updated

FOLDER = "station"
PATIENCE = timedelta(minutes=10)  # before the page is asked for the running period again
RUNNING_TIME_S = 60.0  # for the page and the running period together
NEVER = datetime.max.replace(tzinfo=UTC)
REMEDY = "without --offline it is fetched; or hand it over: jenacast download --source station --from FILE"

logger = logging.getLogger(__name__)


def station_dir(data_dir: Path) -> Path:
    """The folder of the station's files."""
    return data_dir / FOLDER


def station_files(data_dir: Path) -> list[Path]:
    """The station's files by time, zips as a rule; [] if there are none.

    What finished periods contain is not taken from the running one.

    Raises:
        DataError: the index of the archive is damaged.
    """
    return Archive(station_dir(data_dir)).in_order()


def update(
    data_dir: Path,
    origins: Sequence[str] = (),
    *,
    pages: Sequence[str] | None = None,
    first_year: int | None = None,
    last_year: int | None = None,
    force: bool = False,
) -> "Updated":
    """Fetch what is new or changed on the first page that can be read, or take the `origins` instead.

    The pages are the station's own unless `pages` names others. An origin is a file, a folder with files, or the URL of
    a file or of a page. A file that has less than the one held does not take its place without `force`, which also asks
    for files that are held and finished. What could not be had is in the result; the others are taken.

    Raises:
        UnreachableError: none of the pages can be read, or none has links to the station's files.
    """
    from jenacast.data.archive_fetch import Years, updater
    from jenacast.data.deadline import Deadline
    from jenacast.data.fetch import TOTAL_TIME_S

    folder, years = station_dir(data_dir), Years(first_year, last_year)
    with updater(folder, Deadline(TOTAL_TIME_S), years=years, force=force) as work:
        if not origins:
            work.take_links(work.find_links(pages or PAGES))
        for origin in origins:
            try:
                work.take(origin)
            except DownloadError as error:
                work.miss(shown_address(origin), error)
    return work.done


def running_file(data_dir: Path, *, offline: bool = False, page: str | None = None) -> Path:
    """The file of the running period, fetched where nobody asked for it in the last ten minutes.

    The page is `page`, or the one that the archive is from, or the station's own. Where it gives no file, or `offline`,
    the newest file that is held is taken; if the page failed, the age of the file is said.

    Raises:
        DataError: there is no such file, and it cannot be fetched.
    """
    folder = station_dir(data_dir)
    archive = Archive(folder)
    held = archive.newest()
    is_new = archive.asked is not None and timedelta(0) <= datetime.now(UTC) - archive.asked < PATIENCE
    if held and (offline or (is_new and page in (None, archive.page))):
        return folder / held
    if offline:
        raise DataError(f"{folder} has no file of the station; {REMEDY}")
    pages = [page] if page else list(dict.fromkeys([archive.page or PAGES[0], *PAGES]))
    try:
        return folder / _update_running(folder, pages)
    except DownloadError as error:
        if not held:
            raise DataError(f"{error}; {folder} has no file to take instead") from error
        entry = archive.files[held]
        text = "THE PAGE GAVE NO NEWER FILE (%s). Taking %s, fetched %s ago, with %s"
        logger.warning(text, error, folder / held, _in_words(datetime.now(UTC) - entry.fetched), entry.extent)
        return folder / held


def _update_running(folder: Path, pages: Sequence[str]) -> str:
    """Fetch the file of the running period where it has changed; its name."""
    from jenacast.data.archive_fetch import Years, updater
    from jenacast.data.deadline import Deadline

    with updater(folder, Deadline(RUNNING_TIME_S), years=Years(), force=False) as work:
        work.archive.asked = datetime.now(UTC)
        work.archive.save()
        running = max(work.find_links(pages), key=lambda link: (period_end(link.name) or NEVER, -len(link.name)))
        work.take_link(running)
        if running.name in work.done.missing:
            raise UnreachableError(work.done.missing[running.name])
        return running.name


def _in_words(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
