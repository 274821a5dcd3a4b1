"""Where a sweep's study lies: a file in the sweep's folder, or a PostgreSQL that many machines share.

Both are the same code of Optuna and SQLAlchemy. While it has a trial, a worker says every few seconds that it lives;
a trial whose worker has not been heard of is given to another one.
"""

import logging
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jenacast.errors import ConfigError, JenacastError
from jenacast.sweep.samplers import load_optuna

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

logger = logging.getLogger(__name__)

STUDY_FILE = "study.db"
HEARTBEAT_VARIABLE = "JENACAST_HEARTBEAT_SECONDS"  # how often a worker says that it lives
MISSED_BEATS = 6  # after which it counts as lost
RETRIES = 3  # of a trial whose worker was lost: what ends three workers would end the fourth
LOCK_SECONDS = 60.0  # a worker waits for another one's write to the file
AWAY_SECONDS = 60.0  # a worker waits for a database that went away, or that does not answer; a restart takes less
SILENT_SECONDS = 5.0  # without an answer, before a worker says that it waits
CONNECT_SECONDS = 10
LAST_SECONDS = 2  # for each of these once the process ends
CONNECT_ATTEMPTS = 5  # workers that make the tables at the same moment disturb each other
PLAIN = re.compile(r"[\w.,@/+ -]*")  # no part of an address that passes for several, or for a password
QUERY_KEYS = {"host", "port", "service", "sslmode", "sslrootcert", "sslcert", "sslkey", "target_session_attrs"}
PASSWORDS = (
    "a password comes from PGPASSWORD, ~/.pgpass, or a service file as in postgresql:///?service=NAME, never from the "
    "address"
)

ending = threading.Event()  # set by what ends the process: from then on nothing waits long for the database


class StorageError(JenacastError):
    """The study's database cannot be reached or used."""


def check_url(text: str) -> str:
    """A PostgreSQL's address, known to be one that may be shown.

    Raises:
        ConfigError: not such an address, or it may contain a password, which everybody could read.
    """
    load_optuna()
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # its text would show a password
        url = None
    if url is None or url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise ConfigError(f"--storage: expected postgresql://USER@HOST:PORT/DATABASE; {PASSWORDS}")
    parts = [url.username or "", url.database or "", *(str(value) for value in url.query.values())]
    if url.password is not None or set(url.query) - QUERY_KEYS or not all(map(PLAIN.fullmatch, parts)):
        raise ConfigError(
            f"--storage: the address contains a password, or more than a user, a host, a database and "
            f"{', '.join(sorted(QUERY_KEYS))}; {PASSWORDS}"
        )
    return url.set(drivername="postgresql").render_as_string()


def open_storage(place: Path | str, *, read_only: bool = False) -> "RDBStorage":
    """Connect to a study's database, and make its tables where it is new.

    Args:
        place: the file, or an address by `check_url`.
        read_only: change nothing, whatever the file or the database is.

    Raises:
        ConfigError: the time between heartbeats, in the environment, is no whole number of seconds.
        StorageError: the database cannot be reached or used.
    """
    optuna = load_optuna()
    from sqlalchemy import QueuePool, event
    from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

    class Storage(optuna.storages.RDBStorage):  # type: ignore[misc, name-defined]
        """A heartbeat that is not heard ends no trial: the next one may be."""

        def record_heartbeat(self, trial_id: int) -> None:
            try:
                super().record_heartbeat(trial_id)
            except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                logger.debug("a heartbeat was not heard: %s", error)

    text = os.environ.get(HEARTBEAT_VARIABLE, "10")
    if not (text.isdecimal() and int(text)):
        raise ConfigError(f"{HEARTBEAT_VARIABLE}: expected whole seconds such as 10, received {text!r}")
    is_file = isinstance(place, Path)
    creator = partial(_open_file, place, read_only) if isinstance(place, Path) else WaitForDatabase(place, read_only)
    settings: dict[str, Any] = {
        # A connection to a server is tried before it is used
        "engine_kwargs": {"creator": creator, "poolclass": QueuePool, "pool_pre_ping": not is_file},
        "skip_table_creation": read_only,
        "heartbeat_interval": int(text),
        "grace_period": MISSED_BEATS * int(text),
        "heartbeat_stale_trial_callback": optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
    }
    with storage_errors(place):
        for attempt in range(1, CONNECT_ATTEMPTS + 1):
            try:
                storage = Storage("sqlite://" if is_file else "postgresql+psycopg://", **settings)
                break
            except DBAPIError as error:
                said = str(error.orig)
                is_passing = isinstance(error, IntegrityError) or "exists" in said or "locked" in said
                if not is_passing or attempt == CONNECT_ATTEMPTS:
                    raise
                time.sleep(1)
            except RuntimeError as error:  # the tables are of another Optuna; the text says what to do
                raise StorageError(f"the sweep's database cannot be used: {error}") from None
    if is_file and not read_only:
        # Optuna reads and then writes in one transaction: it must be the only one that does, from its beginning.
        # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        event.listen(storage.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


@contextmanager
def storage_errors(place: Path | str) -> Iterator[None]:
    """Say of a database that fails which one it is, and what it says; never a password."""
    load_optuna()
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except JenacastError:
        raise
    except Exception as error:
        # Optuna wraps what fails, or stumbles over it
        cause: BaseException | None = error
        while cause and not isinstance(cause, SQLAlchemyError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
        is_file = isinstance(place, Path)
        remedy = "free its disk, or mend it" if is_file else f"start it, or correct --storage; {PASSWORDS}"
        raise StorageError(
            f"the sweep's database {place} cannot be used: {lines[0] if lines else type(cause).__name__}. "
            f"What is in it is kept: {remedy}, and give the same command again"
        ) from None


def _open_file(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open the file of a study; Python's module begins no transactions of its own."""
    uri = path.resolve().as_uri() + ("?mode=ro" if read_only else "")
    connection = sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer
    return connection


class WaitForDatabase:
    """Connects to a PostgreSQL; where one that has been there is away, waits for it a while."""

    def __init__(self, url: str, read_only: bool) -> None:
        from sqlalchemy import make_url

        address = make_url(url).set(drivername="postgresql+psycopg")
        _, options = address.get_dialect()().create_connect_args(address)
        self._options: dict[str, Any] = {**options, "tcp_user_timeout": 1000 * CONNECT_SECONDS}
        self._options["application_name"] = "jenacast"
        if read_only:
            self._options["options"] = "-c default_transaction_read_only=on"
        self._was_there, self._away_since = False, 0.0

    def __call__(self) -> Any:
        """Called by SQLAlchemy for each new connection."""
        import psycopg

        while True:
            seconds = LAST_SECONDS if ending.is_set() else CONNECT_SECONDS
            try:
                connection = _patient_connection().connect(**self._options, connect_timeout=seconds)
            except psycopg.OperationalError as error:
                now = time.monotonic()
                if self._was_there and not self._away_since:
                    self._away_since = now
                    said = (str(error).strip().splitlines() or ["no answer"])[0]
                    logger.warning("the sweep's database is away (%s); waiting up to %.0f s for it", said, AWAY_SECONDS)
                if not self._was_there or ending.is_set() or now - self._away_since > AWAY_SECONDS:
                    raise
                time.sleep(1)
            else:
                self._was_there, self._away_since = True, 0.0
                return connection


@cache
def _patient_connection() -> Any:
    """The class of a connection that gives up a server which is there but does not answer; a signal ends it at once."""
    import psycopg
    from psycopg import waiting

    class Connection(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return waiting.wait(_with_deadline(gen), self.pgconn.socket, interval=interval)
            except TimeoutError as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(str(error)) from None
            except BaseException as error:
                if not isinstance(error, Exception):  # psycopg would ask the server to stop, and wait for that
                    ending.set()
                    self.pgconn.finish()
                raise

    return Connection


def _with_deadline(answer: Any) -> Any:
    """A generator of psycopg's that waits for an answer; after a while it says so, and later it raises TimeoutError."""
    began, is_said, ready = time.monotonic(), threading.current_thread() is not threading.main_thread(), None
    while True:
        try:
            state = answer.send(ready)
        except StopIteration as done:
            return done.value
        ready = yield state
        began = time.monotonic() if ready else began
        seconds = time.monotonic() - began
        if seconds > (LAST_SECONDS if ending.is_set() else AWAY_SECONDS):
            raise TimeoutError(f"no answer for {seconds:.0f} s")
        if seconds > SILENT_SECONDS and not is_said:
            is_said = True
            logger.warning("the sweep's database does not answer; waiting up to %.0f s for it", AWAY_SECONDS)
