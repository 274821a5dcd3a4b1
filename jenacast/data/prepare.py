"""From station files to the prepared folder: clean array, split borders, statistics of train, audit."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jenacast.config import standard_task
from jenacast.data import Protocol
from jenacast.data import prepared as stored
from jenacast.data.audit import audit_series
from jenacast.data.cleaning import Cleaned, clean
from jenacast.data.cut import cut, own_borders, split_borders
from jenacast.data.homogeneity import audit_homogeneity
from jenacast.data.prepared import FOLDER, OTHER_FOLDER, Manifest, Prepared, remedy
from jenacast.data.series import rows_per_hour
from jenacast.data.sources import Joined, OpenSource, downloaded_files, join_sources, open_sources, series_sha256
from jenacast.data.windows import Borders, is_inside_train
from jenacast.errors import DataError, ExistsError
from jenacast.files import TEMPORARY, clear_leftovers, exchange, refuse_foreign
from jenacast.locks import folder_lock

logger = logging.getLogger(__name__)


def prepare(
    data_dir: Path,
    files: Sequence[Path] = (),
    *,
    protocol: Protocol = "strict",
    until: Mapping[str, str] | None = None,
    force: bool = False,
    synthetic: bool = False,
) -> Manifest:
    """Prepare a series for training, as `data_dir`/prepared; the old result stays until then.

    A result from the same files under the same protocol with the same borders is kept. The last result under the other
    protocol lies in `data_dir`/prepared-other; the two are exchanged when it is asked for.

    Args:
        data_dir: gets `prepared/`.
        files: of the station, in any order; by default what `download` placed in `data_dir`.
        protocol: how windows are found; see `jenacast.data.windows`.
        until: under `strict`, the last times (ISO 8601) of `train` and `val`; by default the book's borders.
        force: replace a result that exists.
        synthetic: the series is made up; every report will say so, also after the same files are prepared again.

    Raises:
        DataError: the files cannot be used.
        ExistsError: another result exists and `force` is not given.
    """
    paths = list(files) or downloaded_files(data_dir, remedy("download", data_dir))
    with open_sources(paths) as sources:
        data_dir.mkdir(parents=True, exist_ok=True)
        with folder_lock(data_dir):  # of two at once the second finds the result of the first
            clear_leftovers(data_dir)
            until = dict(until or {})
            sha256 = series_sha256(sources, until)
            if not force and (existing := _find(data_dir, sha256, protocol)):
                return existing
            folder = _place(data_dir, protocol, force=force)
            synthetic = synthetic or _is_known_synthetic(data_dir, sha256)
            manifest = _prepare(sources, folder, protocol, until, sha256=sha256, synthetic=synthetic)
            if folder.name == OTHER_FOLDER:
                _switch(data_dir)
                logger.info("the result under the other protocol is kept; `prepare` with that protocol brings it back")
            return manifest


def _find(data_dir: Path, sha256: str, protocol: Protocol) -> Manifest | None:
    """The result that is asked for, if it is there; brought back if it is the one put aside."""
    for folder in (data_dir / FOLDER, data_dir / OTHER_FOLDER):
        if not folder.exists():
            continue
        existing = stored.load_manifest(folder)
        if (existing.source_sha256, existing.protocol) == (sha256, protocol):
            if folder.name == OTHER_FOLDER:
                _switch(data_dir)
                logger.info("%s is under %s again, as prepared before", data_dir / FOLDER, protocol)
            else:
                logger.info("%s is already there, from the same files under %s: nothing to do", folder, protocol)
            return existing
    return None


def _place(data_dir: Path, protocol: Protocol, *, force: bool) -> Path:
    """The folder to write: beside a result under the other protocol, else in the place of what is there.

    Raises:
        ExistsError: something is there and `force` is not given.
    """
    folder, existing = data_dir / FOLDER, None
    try:
        existing = stored.load_manifest(folder) if folder.exists() else None
    except DataError:
        if not force:
            raise
    if existing and existing.protocol != protocol:
        folder = data_dir / OTHER_FOLDER
    if folder.exists() and not force:
        held = stored.load_manifest(folder)
        borders = f", borders {' and '.join(held.until.values())}" if held.until else ""
        raise ExistsError(
            f"{folder} holds another series or other borders ({held.protocol}, source {held.source_sha256[:12]}"
            f"{borders}); --force replaces it"
        )
    refuse_foreign(folder, stored.FILES)
    return folder


def _switch(data_dir: Path) -> None:
    """Exchange `prepared/` and `prepared-other/`, in one step where the system can; the caller holds the lock."""
    here, other = data_dir / FOLDER, data_dir / OTHER_FOLDER
    for folder in (here, other):
        refuse_foreign(folder, stored.FILES)
    if not exchange(here, other):
        aside = data_dir / f"{TEMPORARY}{OTHER_FOLDER}"
        other.rename(aside)
        here.rename(other)
        aside.rename(here)


def _prepare(
    sources: Sequence[OpenSource],
    folder: Path,
    protocol: Protocol,
    until: dict[str, str],
    *,
    sha256: str,
    synthetic: bool,
) -> Manifest:
    source = str(sources[0].path) if len(sources) == 1 else f"the {len(sources)} files"
    raw, joined = join_sources(sources)
    cleaned = clean(raw, protocol, in_place=True)
    del raw  # of twenty years it is a quarter of the memory
    if protocol == "book" and not np.isfinite(cleaned.series.values).all():
        raise DataError(
            f"{source}: a column has no valid value in the first row, and `book` fills from the past alone; "
            "use --protocol strict, which drops those windows"
        )
    borders = own_borders(cleaned.series, until) if until else split_borders(joined.times, cleaned, protocol)
    homogeneity = audit_homogeneity(cleaned.series, synthetic=synthetic)
    manifest = _describe(joined, cleaned, protocol, borders, source).model_copy(
        update={"source_sha256": sha256, "synthetic": synthetic, "until": until, "homogeneity": homogeneity}
    )
    return stored.write_prepared(folder, manifest, cleaned.series)


def _is_known_synthetic(data_dir: Path, sha256: str) -> bool:
    known = []
    for folder in (data_dir / FOLDER, data_dir / OTHER_FOLDER):
        try:
            known.append(stored.load_manifest(folder))
        except DataError:
            continue
    return any(existing.synthetic and existing.source_sha256 == sha256 for existing in known)


def _describe(joined: Joined, cleaned: Cleaned, protocol: Protocol, borders: Borders, source: str) -> Manifest:
    sections, windows = cut(cleaned.series, protocol, borders, source)
    task = standard_task()
    return Manifest(
        format=stored.FORMAT,
        protocol=protocol,
        source=joined.sources[0].path,
        source_sha256=joined.sources[0].sha256,
        sources=joined.sources,
        synthetic=False,
        rows=len(cleaned.series.times),
        rows_per_hour=rows_per_hour(joined.times, source),
        history_hours=task.history_hours,
        lead_hours=task.lead_hours,
        **sections,
        replaced_target_rows=[int(row) for row in cleaned.replaced_target_rows],
        audit=audit_series(joined, cleaned, protocol, borders, windows, lead_hours=task.lead_hours),
    )


def prepare_fold(prepared: Prepared, borders: Borders, data_dir: Path, *, fold: str) -> Manifest:
    """Give a prepared series other borders, as a data folder of its own; its rows are not written again.

    The statistics are of the new train rows; the audit is of the whole series alone. Histories may lie before their
    split: whoever forecasts the first hours of a period knows the days before it. Not so where validation lies inside
    train: there the windows of both share no row.

    Args:
        prepared: the series, cleaned under its protocol, in which nothing was repaired from the future.
        borders: rows [start, stop) of train, val and test, which may be empty where val lies inside train.
        data_dir: gets `prepared/`, in place of an older one.
        fold: the test period, or the year that is held out, in words, for the manifest.

    Raises:
        DataError: a split holds no window, or a column is the same throughout train.
    """
    before = prepared.manifest
    source, reach_back = f"{prepared.folder}, {fold}", not is_inside_train(borders)
    sections, _ = cut(prepared.series, before.protocol, borders, source, reach_back=reach_back)
    audit = before.audit.model_copy(update={"values": [], "windows": {}})
    manifest = before.model_copy(update={**sections, "audit": audit, "fold": fold})
    return stored.write_prepared(data_dir / FOLDER, manifest, prepared.folder)
