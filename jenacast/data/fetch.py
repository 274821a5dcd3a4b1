"""A file over HTTP, bounded in bytes and in time; of its address no user, password or query is ever shown."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from jenacast.data.copies import REMEDY, shown_address
from jenacast.errors import DownloadError, UnreachableError

MAX_BYTES = 200_000_000  # fetched, and again unpacked; the 10-minute CSV has 43 million
READ_TIMEOUT_S = 30.0  # for the connection, and for each silence of the server
TOTAL_TIME_S = 1800.0  # for everything: all copies, redirects and retries
RETRIES = 2
REDIRECTS = 10
CHUNK_BYTES = 65_536

logger = logging.getLogger(__name__)


class Deadline:
    """A moment at which all connections made under it are cut off, whatever they wait for; a context manager."""

    def __init__(self) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(TOTAL_TIME_S, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        for connection in self._sockets:
            connection.close()

    def watch(self, connection: socket.socket) -> None:
        """Let this connection be cut off at the deadline."""
        self._sockets.append(connection.dup())  # TLS takes the socket itself over
        if self.is_over:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        for connection in self._sockets:
            with suppress(OSError):  # closed by now
                connection.shutdown(socket.SHUT_RDWR)


def write_bounded(
    chunks: Iterable[bytes], file: BinaryIO, label: str, progress: Callable[[int], object] = lambda size: None
) -> None:
    """Write chunks, and tell `progress` the size of each.

    Raises:
        DownloadError: they are more than `MAX_BYTES`.
    """
    written = 0
    for chunk in chunks:
        written += len(chunk)
        if written > MAX_BYTES:
            raise DownloadError(f"{label} holds more than the {MAX_BYTES:,} bytes allowed. {REMEDY}")
        file.write(chunk)
        progress(len(chunk))


def fetch(url: str, target: Path, deadline: Deadline) -> None:
    """Write what is at `url` to `target`, with a bar on a terminal; failures are tried again.

    Raises:
        UnreachableError: the network or the server failed, or the deadline is over.
        DownloadError: the file is too large.
    """
    for attempt in range(RETRIES):
        try:
            return _fetch_once(url, target, deadline)
        except UnreachableError:
            if deadline.is_over:
                raise
            time.sleep(attempt + 1)
    return _fetch_once(url, target, deadline)


def _fetch_once(url: str, target: Path, deadline: Deadline) -> None:
    label = shown_address(url)
    logger.info("Fetching %s", label)
    try:
        with _session(deadline) as session, target.open("wb") as file, _open(session, url) as answer:
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            with tqdm(total=total, disable=None, leave=False, unit="B", unit_scale=True) as bar:
                write_bounded(answer.iter_content(CHUNK_BYTES), file, label, bar.update)
    except (ValueError, requests.RequestException, HTTPError) as error:
        if not deadline.is_over:
            raise UnreachableError(f"{label}: {_reason(error)}") from error
    if deadline.is_over:  # a connection that was cut off may look like the end of the file
        raise UnreachableError(f"{label}: not complete after {TOTAL_TIME_S:g} s")


def _session(deadline: Deadline) -> requests.Session:
    session = requests.Session()
    # Even to know where a redirect leads, requests would read its body into memory.
    session.resolve_redirects = lambda *request, **options: iter(())  # type: ignore[method-assign, assignment]
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(deadline))
    return session


class _Adapter(HTTPAdapter):
    """Makes connections that a deadline watches from their first byte on, also through a proxy."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def get_connection_with_tls_context(self, *request: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*request, **options)
        kind, watch = pool.ConnectionCls, self._deadline.watch

        class Watched(kind):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                watch(connection)
                return connection

        pool.ConnectionCls = Watched
        return pool


def _open(session: requests.Session, url: str) -> requests.Response:
    """The answer with the file, its body unread; redirects are followed without reading theirs."""
    for _ in range(REDIRECTS + 1):
        plain = {"Accept-Encoding": "identity"}  # or the server's length would not be that of the file
        answer = session.get(url, headers=plain, timeout=READ_TIMEOUT_S, stream=True, allow_redirects=False)
        if answer.status_code == requests.codes.ok:
            return answer
        answer.close()
        if not answer.is_redirect:
            raise ValueError(f"HTTP {answer.status_code}")
        url = urljoin(url, answer.headers["Location"])
    raise ValueError(f"more than {REDIRECTS} redirects")


def _reason(error: BaseException) -> str:
    """What failed, without the address, which the network libraries repeat in their messages."""
    while error.__context__ is not None:  # the innermost says it in the fewest words
        error = error.__context__
    is_theirs = type(error).__module__.startswith(("requests", "urllib3"))
    return type(error).__name__ if is_theirs else f"{type(error).__name__}: {error}"
