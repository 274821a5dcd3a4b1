"""The record: what was forecast, by which network and when, and what came; one SQLite file that only grows."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.errors import DataError
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.observations import Observations
from jenacast.models.intervals import ENDS

WAIT_S = 60.0  # for another process that is writing
APPLICATION_ID = 0x4A656E61  # in the file's header: "Jena"
VERSION = 1
CHUNK = 1_000  # forecasts that are written at a time
BANDS = tuple(f"{end}_{name}_c" for name in ENDS for end in ("low", "high"))
KEY = ("checkpoint_sha256", "last_observation", "lead_hours")
MADE = ("network", "synthetic", "valid_at", "made_at", "made_ahead")
FORECAST = (*KEY, *MADE, "temperature_c", "last_observed_c", *BANDS)
SCHEMA = (
    "CREATE TABLE forecasts (checkpoint_sha256 TEXT NOT NULL, last_observation TEXT NOT NULL, "
    "lead_hours INTEGER NOT NULL, network TEXT NOT NULL, synthetic INTEGER NOT NULL, "
    "valid_at TEXT NOT NULL, made_at TEXT NOT NULL, made_ahead INTEGER NOT NULL, "
    "temperature_c REAL NOT NULL, last_observed_c REAL NOT NULL, "
    f"{', '.join(f'{band} REAL' for band in BANDS)}, PRIMARY KEY ({', '.join(KEY)})) WITHOUT ROWID",
    "CREATE TABLE truths (valid_at TEXT PRIMARY KEY, truth_c REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX by_time ON forecasts (valid_at)",
    "CREATE VIEW scored AS SELECT * FROM forecasts LEFT JOIN truths USING (valid_at)",
    *(
        f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'the past stays'); END"
        for table in ("forecasts", "truths")
    ),
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
)
INSERT = f"INSERT OR IGNORE INTO forecasts ({', '.join(FORECAST)}) VALUES ({', '.join('?' * len(FORECAST))})"  # noqa: S608

logger = logging.getLogger(__name__)


def keep(path: Path, made: Forecasts, *, utc: np.datetime64) -> int:
    """Add forecasts to the record, and the truths that their files hold; returns how many hours were new.

    An hour that the same network has forecast from the same observation before is left as it is.

    Args:
        path: the record; made where it is missing.
        made: the forecasts.
        utc: the present time in UTC. An hour that lies before it was forecast afterwards, and is marked so.

    Raises:
        DataError: the network has no hash, or the file is no record.
    """
    if made.sha256 is None:
        raise DataError(
            f"{made.checkpoint} is an exported folder; the record names a network by the SHA-256 of its file: "
            "forecast with the checkpoint that it was exported from"
        )
    by_the_station = utc + np.timedelta64(UTC_OFFSET_HOURS, "h")
    with open_record(path, write=True, make=True) as record:
        before = record.total_changes
        for start in range(0, len(made), CHUNK):
            chunk = slice(start, start + CHUNK)
            record.executemany(INSERT, _rows(made, chunk, str(utc), by_the_station))
        new = record.total_changes - before
        _add_truths(record, made.observations)
    return new


def add_truths(path: Path, observations: Observations) -> int:
    """Add what was measured at times that were forecast; returns how many of them were new.

    Raises:
        DataError: the record is missing, or the file is no record.
    """
    with open_record(path, write=True) as record:
        return _add_truths(record, observations)


def awaits_truth(path: Path) -> bool:
    """Whether some hour that was forecast has not been measured yet, as far as the record knows."""
    with open_record(path) as record:
        return bool(record.execute("SELECT EXISTS (SELECT 1 FROM scored WHERE truth_c IS NULL)").fetchone()[0])


@contextmanager
def open_record(path: Path, *, write: bool = False, make: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection to the record, for reading alone unless `write`; what is written becomes whole, or not at all.

    Raises:
        DataError: the file is missing, and `make` is not given; it is no record; or another process holds it.
    """
    if not path.exists() and not make:
        raise DataError(f"{path} not found: nothing was kept yet; `jenacast forecast --keep` begins a record")
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is not a regular file; move it away, and a record begins there")
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)) as record:
            record.execute("PRAGMA trusted_schema = OFF")
            if make:
                _make(record, path)
            _check(record, path)
            record.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield record
            except BaseException:
                record.execute("ROLLBACK")
                raise
            record.execute("COMMIT")
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be used as a record: {error}; move it away, or restore a copy") from error


def _make(record: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a file that holds nothing; of two processes at once the second finds them."""
    if record.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        return
    record.execute("PRAGMA journal_mode = WAL")
    record.execute("BEGIN IMMEDIATE")
    if not record.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
        for statement in SCHEMA:
            record.execute(statement)
        logger.info("%s begins", path)
    record.execute("COMMIT")


def _check(record: sqlite3.Connection, path: Path) -> None:
    names = ("application_id", "user_version")
    application, version = (record.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    if application != APPLICATION_ID:
        raise DataError(f"{path} is an SQLite file of another program; move it away, and a record begins there")
    if version != VERSION:
        raise DataError(f"{path} is a record of format {version}, and this version reads {VERSION}; update jenacast")


def _rows(made: Forecasts, which: slice, made_at: str, now: np.datetime64) -> Iterator[tuple[object, ...]]:
    """A row for each hour of some of the forecasts, as `FORECAST` names its values."""
    origins, valid_at = made.last_observation[which], made.valid_at[which]
    leads = (valid_at - origins[:, None]) // np.timedelta64(1, "h")
    ends = [made.ends_c[name][which][:, :, end].tolist() for name in ENDS for end in (0, 1)] if made.ends_c else []
    temperatures_c, last_observed_c = made.temperature_c[which].tolist(), made.baseline_c[which].tolist()
    for number, origin in enumerate(np.datetime_as_string(origins)):
        for place, time in enumerate(np.datetime_as_string(valid_at[number])):
            yield (
                made.sha256,
                str(origin),
                int(leads[number, place]),
                made.model,
                int(made.synthetic),
                str(time),
                made_at,
                int(valid_at[number, place] >= now),
                temperatures_c[number][place],
                last_observed_c[number],
                *(([each[number][place] for each in ends]) if ends else [None] * len(BANDS)),
            )


def _add_truths(record: sqlite3.Connection, observations: Observations) -> int:
    missing = record.execute("SELECT DISTINCT valid_at FROM scored WHERE truth_c IS NULL")
    times = np.array([time for (time,) in missing], "datetime64[s]")
    truths_c = observations.temperature_at(times)
    known = np.isfinite(truths_c)
    rows = zip(np.datetime_as_string(times[known]).tolist(), truths_c[known].tolist(), strict=True)
    record.executemany("INSERT OR IGNORE INTO truths (valid_at, truth_c) VALUES (?, ?)", rows)
    return int(known.sum())
