"""The series as a file: fetched from a public copy or taken from the user, checked, placed whole.

Content alone tells what a file is: not its name, nor a server's word, nor the names inside a zip.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jenacast.data.copies import (
    COPIES,
    REMEDY,
    Content,
    Copy,
    differences,
    identify,
    shown_address,
)
from jenacast.data.packed import open_csv
from jenacast.errors import DataError, DownloadError, ExistsError, UnreachableError
from jenacast.files import TEMPORARY, atomic_path, clear_leftovers, open_regular, refuse_existing
from jenacast.locks import folder_lock

CSV_NAME = "jena_climate_2009_2016.csv"

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
        address = shown_address(str(origin))
        raise DownloadError(f"{address} is no regular file; --from takes a zip or CSV file or its http(s) URL")
    asked = _public(source, copies) if origin is None else [Copy("given", origin)]
    data_dir.mkdir(parents=True, exist_ok=True)
    refuse_existing(target, force=True)
    with folder_lock(data_dir):
        clear_leftovers(data_dir)
        return _place(asked, local, target, held, force, copies)


def _place(
    asked: Sequence[Copy], local: Path | None, target: Path, held: Content | None, force: bool, copies: Sequence[Copy]
) -> Downloaded:
    """Fetch one of the copies asked for, unless it is `local`; check it and let it take the place of what is held."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=TEMPORARY) as folder:
        raw, new = local or Path(folder) / "raw", Path(folder) / CSV_NAME
        taken = asked[0] if local else _fetch_first(asked, raw)
        _unpack(raw, new, taken.address)
        content = identify(new, copies)
        if wrong := differences(taken, content, raw.stat().st_size):
            raise DownloadError(f"{taken.address} is not what it should be: {'; '.join(wrong)}. {REMEDY}")
        level = logging.INFO if content.copy else logging.WARNING
        logger.log(level, "%s is %s; header and shape are right", taken.address, content)
        changed = held is None or held.sha256 != content.sha256
        if held and changed and not force:
            raise _exists(target, held)
        if changed:
            with atomic_path(target, force=force) as path:
                new.replace(path)
        else:
            logger.info("Nothing to do: %s has this content already", target)
    name = content.copy.name if content.copy else "unknown"
    return Downloaded(target, name, content.rows, content.sha256, None if local else taken.address, changed)


def _public(source: str | None, copies: Sequence[Copy]) -> list[Copy]:
    """The copies that can be fetched, the one asked for first."""
    public = {copy.name: copy for copy in copies if copy.url}
    if source not in (None, *public):
        raise DownloadError(f"source {source!r} cannot be fetched; choose one of: {', '.join(public)}")
    return sorted(public.values(), key=lambda copy: source not in (None, copy.name))


def _fetch_first(copies: Sequence[Copy], target: Path) -> Copy:
    """The first of `copies` that can be reached; its file is `target` then."""
    from jenacast.data.deadline import Deadline
    from jenacast.data.fetch import TOTAL_TIME_S, fetch

    failures: list[str] = []
    with Deadline(TOTAL_TIME_S) as deadline:
        for copy in copies:
            try:
                fetch(str(copy.url), target, deadline)
            except UnreachableError as error:
                failures.append(str(error))
                continue
            if failures:
                gap = abs((copy.rows or 0) - (copies[0].rows or 0))
                text = "TOOK THE COPY %r INSTEAD OF %r, which is out of reach. They differ by %d rows (%s)"
                logger.warning(text, copy.name, copies[0].name, gap, "; ".join(failures))
            return copy
    raise UnreachableError(
        f"cannot fetch the series: {'; '.join(failures)}. Hand over a copy: jenacast download --from FILE"
    )


def _unpack(raw: Path, target: Path, label: str) -> None:
    """Copy a CSV, or the one CSV inside a zip or gzip file, to `target`."""
    from jenacast.data.fetch import CHUNK_BYTES, write_bounded

    try:
        with open_regular(raw) as source, open_csv(source) as csv, target.open("wb") as file:
            write_bounded(iter(lambda: csv.read(CHUNK_BYTES), b""), file, label)
    except DataError as error:
        raise DownloadError(f"{label} {error}. {REMEDY}") from error


def _exists(target: Path, held: Content) -> ExistsError:
    return ExistsError(f"{target} exists: {held}; to overwrite it, add --force")
