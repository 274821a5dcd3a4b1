"""From the station's CSV to the prepared folder: clean array, split borders, statistics of train, audit."""

import hashlib
import logging
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import COLUMNS
from jenacast.config import standard_task
from jenacast.data import Protocol
from jenacast.data import prepared as stored
from jenacast.data.audit import audit_series
from jenacast.data.cleaning import Cleaned, clean
from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import FOLDER, SPLITS, ColumnRecord, Manifest, Prepared, SplitRecord, remedy
from jenacast.data.series import Series, rows_per_hour
from jenacast.data.windows import Borders, Windows, find_windows, split_rows
from jenacast.errors import DataError, ExistsError
from jenacast.files import clear_leftovers, open_regular, refuse_foreign
from jenacast.locks import folder_lock

logger = logging.getLogger(__name__)


def prepare(data_dir: Path, *, protocol: Protocol = "strict", force: bool = False, synthetic: bool = False) -> Manifest:
    """Prepare the CSV in `data_dir` for training, as `data_dir`/prepared; the old result stays until then.

    A result from the same source under the same protocol is kept.

    Args:
        data_dir: where the CSV lies.
        protocol: how windows are found; see `jenacast.data.windows`.
        force: replace a result that exists.
        synthetic: the CSV is made up; every report will say so, also after the same file is prepared again.

    Raises:
        DataError: the CSV cannot be used.
        ExistsError: another result exists and `force` is not given.
    """
    csv = data_dir / CSV_NAME
    if not csv.exists():
        raise DataError(f"{csv} not found; {remedy('download', data_dir)}")
    if not csv.is_file():
        raise DataError(f"{csv} is not a regular file; move it away, then {remedy('download', data_dir)}")
    with folder_lock(data_dir), open_regular(csv) as file:  # of two at once the second finds the result of the first
        clear_leftovers(data_dir)
        return _prepare(csv, file, data_dir / FOLDER, protocol, force=force, synthetic=synthetic)


def _prepare(
    csv: Path, file: BufferedReader, folder: Path, protocol: Protocol, *, force: bool, synthetic: bool
) -> Manifest:
    from jenacast.data.station import parse_station_csv

    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if folder.exists() and not force:
        existing = stored.load_manifest(folder)
        if (existing.source_sha256, existing.protocol) == (sha256, protocol):
            logger.info("%s is already there, from the same file under %s: nothing to do", folder, protocol)
            return existing
        raise ExistsError(
            f"{folder} holds another series or protocol ({existing.protocol}, source {existing.source_sha256[:12]}; "
            f"asked: {protocol}, {sha256[:12]}); --force replaces it"
        )
    refuse_foreign(folder, stored.FILES)
    logger.info("reading %s", csv)
    file.seek(0)  # the same file, should the name be another's by now
    raw = parse_station_csv(csv, file)
    cleaned = clean(raw, protocol)
    if protocol == "book" and not np.isfinite(cleaned.series.values).all():
        raise DataError(
            f"{csv}: a column has no valid value in the first row, and `book` fills from the past alone; "
            "use --protocol strict, which drops those windows"
        )
    synthetic = synthetic or _is_known_synthetic(folder, sha256)
    manifest = _describe(raw, cleaned, protocol, source=csv, sha256=sha256, synthetic=synthetic)
    return stored.write_prepared(folder, manifest, cleaned.series)


def _is_known_synthetic(folder: Path, sha256: str) -> bool:
    try:
        existing = stored.load_manifest(folder)
    except DataError:
        return False
    return existing.synthetic and existing.source_sha256 == sha256


def _describe(
    raw: Series, cleaned: Cleaned, protocol: Protocol, *, source: Path, sha256: str, synthetic: bool
) -> Manifest:
    per_hour, borders = rows_per_hour(raw.times, source), split_borders(raw, cleaned, protocol)
    cut, windows = _cut(cleaned.series, protocol, borders, source)
    task = standard_task()
    return Manifest(
        format=stored.FORMAT,
        protocol=protocol,
        source=str(source.resolve()),
        source_sha256=sha256,
        synthetic=synthetic,
        rows=len(cleaned.series.times),
        rows_per_hour=per_hour,
        history_hours=task.history_hours,
        lead_hours=task.lead_hours,
        **cut,
        replaced_target_rows=[int(row) for row in cleaned.replaced_target_rows],
        audit=audit_series(raw, cleaned, protocol, borders, windows, lead_hours=task.lead_hours),
    )


def _cut(
    series: Series, protocol: Protocol, borders: Borders, source: object, *, reach_back: bool = False
) -> tuple[dict[str, Any], dict[str, Windows]]:
    """What a manifest says of a series cut at `borders`, and every split's windows of the standard history and lead."""
    columns = _statistics(series, borders["train"], source)  # first: a dead instrument leaves no window either
    task = standard_task()
    hours: dict[str, int] = {"history_hours": task.history_hours, "lead_hours": task.lead_hours}
    windows = {
        split: find_windows(
            series, protocol, *border, **hours, reach_back=reach_back, needed_by=f"{source}: the {split} split"
        )
        for split, border in borders.items()
    }
    splits = {
        split: SplitRecord(
            start=start,
            stop=stop,
            first_time=str(series.times[start]),
            last_time=str(series.times[stop - 1]),
            windows=len(windows[split]),
        )
        for split, (start, stop) in borders.items()
    }
    return {"splits": splits, "columns": columns, "reach_back": reach_back}, windows


def prepare_fold(prepared: Prepared, borders: Borders, data_dir: Path, *, fold: str) -> Manifest:
    """Give a prepared series other borders, as a data folder of its own; its rows are not written again.

    The statistics are of the new train rows; the audit is of the whole series alone. Histories may lie before their
    split: whoever forecasts the first hours of a period knows the days before it.

    Args:
        prepared: the series, cleaned under its protocol, in which nothing was repaired from the future.
        borders: rows [start, stop) of train, val and test.
        data_dir: gets `prepared/`, in place of an older one.
        fold: the test period, in words, for the manifest.

    Raises:
        DataError: a split holds no window, or a column is the same throughout train.
    """
    before = prepared.manifest
    cut, _ = _cut(prepared.series, before.protocol, borders, f"{prepared.folder}, {fold}", reach_back=True)
    audit = before.audit.model_copy(update={"values": [], "windows": {}})
    manifest = before.model_copy(update={**cut, "audit": audit, "fold": fold})
    return stored.write_prepared(data_dir / FOLDER, manifest, prepared.folder)


def split_borders(raw: Series, cleaned: Cleaned, protocol: Protocol) -> Borders:
    """Rows [start, stop) of each split in the cleaned series.

    Both protocols cut at the times of the book's border rows; `book` cuts at the rows themselves.

    Raises:
        DataError: too few rows to cut.
    """
    rows = len(raw.times)
    validation, test = split_rows(rows)
    if not 0 < validation < test < rows:
        raise DataError(f"the series has {rows} rows, too few to cut into train, validation and test")
    if protocol == "strict":
        validation, test = (
            int(np.searchsorted(cleaned.series.times, raw.times[border])) for border in (validation, test)
        )
        if not 0 < validation < test:
            raise DataError(
                f"the rows at the borders, {' and '.join(str(raw.times[row]) for row in split_rows(rows))}, leave a "
                "split without rows, so far is the file out of order; sort it by time"
            )
    edges = [0, validation, test, len(cleaned.series.times)]
    return {split: (edges[i], edges[i + 1]) for i, split in enumerate(SPLITS)}


def _statistics(series: Series, train: tuple[int, int], source: object) -> dict[str, ColumnRecord]:
    values = series.values[train[0] : train[1]]
    records = {}
    for index, column in enumerate(COLUMNS):
        column_values = values[:, index].astype(np.float64)
        known = column_values[np.isfinite(column_values)]
        deviation = float(known.std()) if len(known) else 0.0
        if not deviation > 0:
            what = f"is {known[0]:g} throughout" if len(known) else "has no valid value in"
            raise DataError(
                f"{source}: the column {column.header!r} {what} the train rows, so it cannot be scaled; "
                "a station file with a working instrument is needed"
            )
        records[column.name] = ColumnRecord(
            unit=column.unit,
            mean=float(known.mean()),
            deviation=deviation,
            minimum=float(known.min()),
            maximum=float(known.max()),
        )
    return records
