"""Where a sweep's study lies: a file in the sweep's folder, or a PostgreSQL that many machines share.

Both are the same code of Optuna and SQLAlchemy. While it has a trial, a worker says every few seconds that it lives;
a trial whose worker has not been heard of is given to another one.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jenacast.errors import ConfigError, JenacastError
from jenacast.sweep.samplers import load_optuna

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

STUDY_FILE = "study.db"
HEARTBEAT_VARIABLE = "JENACAST_HEARTBEAT_SECONDS"  # how often a worker says that it lives
MISSED_BEATS = 6  # after which it counts as lost
RETRIES = 3  # of a trial whose worker was lost: what ends three workers would end the fourth
LOCK_SECONDS = 60.0  # a worker waits for another one's write to the file
AWAY_SECONDS = 60.0  # a worker waits for a database that went away; a restart takes less
CONNECT_SECONDS = 10
CONNECT_ATTEMPTS = 5  # workers that make the tables at the same moment disturb each other
PASSWORDS = (
    "a password comes from PGPASSWORD, ~/.pgpass, or a service file as in postgresql:///?service=NAME, never from the "
    "address"
)


class StorageError(JenacastError):
    """The study's database cannot be reached or used."""


def check_url(text: str) -> str:
    """A PostgreSQL's address, known to be one that may be shown.

    Raises:
        ConfigError: not such an address, or it contains a password, which everybody could read.
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
    if url.password is not None or {"password", "sslpassword"} & set(url.query):
        raise ConfigError(f"--storage: the address contains a password; {PASSWORDS}")
    return url.set(drivername="postgresql").render_as_string()


def _beat_seconds() -> int:
    text = os.environ.get(HEARTBEAT_VARIABLE, "10")
    if not (text.isdecimal() and int(text)):
        raise ConfigError(f"{HEARTBEAT_VARIABLE}: expected whole seconds such as 10, received {text!r}")
    return int(text)


def file_url(folder: Path) -> str:
    """The address of the file in a sweep's folder."""
    return f"sqlite:///{folder.resolve() / STUDY_FILE}"


def open_storage(url: str) -> "RDBStorage":
    """Connect to a study's database, and make its tables where it is new.

    Args:
        url: by `check_url` or `file_url`.

    Raises:
        ConfigError: the time between heartbeats, in the environment, is no whole number of seconds.
        StorageError: the database cannot be reached or used.
    """
    optuna = load_optuna()
    from sqlalchemy.exc import SQLAlchemyError

    class Storage(optuna.storages.RDBStorage):  # type: ignore[misc, name-defined]
        """A heartbeat that is not heard ends no trial: the next one may be."""

        def record_heartbeat(self, trial_id: int) -> None:
            try:
                super().record_heartbeat(trial_id)
            except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                logger.debug("a heartbeat was not heard: %s", error)

    is_file = url.startswith("sqlite")
    connect_args: dict[str, Any] = {"timeout": LOCK_SECONDS}
    if not is_file:
        connect_args = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 1000 * CONNECT_SECONDS}
        connect_args["application_name"] = "jenacast"
    settings: dict[str, Any] = {
        # A connection to a server is tried before it is used
        "engine_kwargs": {"pool_pre_ping": not is_file, "connect_args": connect_args},
        "heartbeat_interval": _beat_seconds(),
        "grace_period": MISSED_BEATS * _beat_seconds(),
        "heartbeat_stale_trial_callback": optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
    }
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)

    def connect() -> "RDBStorage":
        storage = Storage(address, **settings)  # makes the tables where there are none
        _prepare(storage.engine)
        with storage.engine.connect():
            return storage

    with storage_errors(url):
        return connect_with_retries(connect)


def connect_with_retries(connect: "Callable[[], RDBStorage]") -> "RDBStorage":
    """Connect, and again where others make the tables at the same moment."""
    from sqlalchemy.exc import DBAPIError, IntegrityError

    attempts = 0
    while True:
        attempts += 1
        try:
            return connect()
        except DBAPIError as error:
            is_passing = isinstance(error, IntegrityError) or any(w in str(error.orig) for w in ("exists", "locked"))
            if not is_passing or attempts == CONNECT_ATTEMPTS:
                raise
            time.sleep(1)
        except RuntimeError as error:  # the tables are of another Optuna; the text tells what to do
            raise StorageError(f"the sweep's database cannot be used: {error}") from None


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
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
        is_file = url.startswith("sqlite")
        remedy = "free its disk, or mend it" if is_file else f"start it, or correct --storage; {PASSWORDS}"
        raise StorageError(
            f"the sweep's database {url} cannot be used: {lines[0] if lines else type(cause).__name__}. "
            f"What is in it is kept: {remedy}, and give the same command again"
        ) from None


def _prepare(engine: "Engine") -> None:
    from sqlalchemy import event

    if engine.dialect.name == "sqlite":
        # Optuna reads and then writes in one transaction: it must be the only one that does, from its beginning.
        # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        event.listen(engine, "connect", _set_up_connection)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    else:
        event.listen(engine, "do_connect", WaitForDatabase())  # from now on: it has been there once
    engine.dispose()


def _set_up_connection(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # Python's module would begin transactions of its own
    connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer


class WaitForDatabase:
    """Connects; where a database that has been there is away, waits for it a while."""

    def __init__(self) -> None:
        self._away_since: float | None = None

    def __call__(self, dialect: Any, _: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Called by SQLAlchemy for each new connection."""
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError as error:
                now = time.monotonic()
                if self._away_since is None:
                    self._away_since = now
                    said = (str(error).strip().splitlines() or ["no answer"])[0]
                    logger.warning("the sweep's database is away (%s); waiting up to %.0f s for it", said, AWAY_SECONDS)
                if now - self._away_since > AWAY_SECONDS:
                    raise
                time.sleep(1)
            else:
                self._away_since = None
                return connection
