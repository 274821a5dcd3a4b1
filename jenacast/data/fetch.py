"""A file over HTTP, bounded in bytes and in time; of its address no user, password or query is ever shown."""

import logging
import socket
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError

import jenacast
from jenacast.data.archive_page import host_of
from jenacast.data.copies import REMEDY, shown_address
from jenacast.data.deadline import Deadline
from jenacast.errors import DownloadError, UnreachableError

MAX_BYTES = 200_000_000  # fetched, and again unpacked; the 10-minute CSV has 43 million
READ_TIMEOUT_S = 30.0  # for the connection, and for each silence of the server
TOTAL_TIME_S = 1800.0  # for everything: all copies, redirects and retries
RETRIES = 2
REDIRECTS = 10
CHUNK_BYTES = 65_536

GONE = (403, 404, 410)  # answers that asking again does not change

_Result = TypeVar("_Result")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a server says of a file: the address that it really has, and what tells its version, for the next call.

    `is_held` where it is the version that the caller holds, and was not sent again.
    """

    url: str
    etag: str | None
    last_modified: str | None
    is_held: bool = False


class _AnswerError(ValueError):
    """A server answered, but not with the file; `is_final` where it would answer the same again."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.is_final = is_final


class _FinalError(UnreachableError):
    """A failure that is not worth another try."""


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


def retried(step: Callable[[], _Result], deadline: Deadline) -> _Result:
    """What `step` returns; where it raises an `UnreachableError` it is tried again, after a pause."""
    for attempt in range(RETRIES):
        try:
            return step()
        except _FinalError:
            raise
        except UnreachableError:
            if deadline.is_over:
                raise
            time.sleep(attempt + 1)
    return step()


def fetch(url: str, target: Path, deadline: Deadline) -> None:
    """Write what is at `url` to `target`, with a bar on a terminal; failures are tried again.

    Raises:
        UnreachableError: the network or the server failed, or the deadline is over.
        DownloadError: the file is too large.
    """
    retried(lambda: fetch_once(url, target, deadline), deadline)


def fetch_once(
    url: str, target: Path, deadline: Deadline, *, hosts: Collection[str] | None = None, held: Answer | None = None
) -> Answer:
    """Write what is at `url` to `target`, with a bar on a terminal, unless it is what is `held` already.

    Redirects are followed to `hosts` alone (by default to every host). The rest is as for `fetch`.
    """
    label = shown_address(url)
    logger.info("Fetching %s", label)
    try:
        with _session(deadline) as session, _open(session, url, hosts, held) as answer:
            if held and answer.status_code == requests.codes.not_modified:
                return replace(held, is_held=True)
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdecimal() else None
            hidden = None if logger.isEnabledFor(logging.INFO) else True
            bar = tqdm(total=total, disable=hidden, leave=False, unit="B", unit_scale=True)
            with target.open("wb") as file, bar:
                write_bounded(answer.iter_content(CHUNK_BYTES), file, label, bar.update)
    except (ValueError, requests.RequestException, HTTPError) as error:
        if not deadline.is_over:
            kind = _FinalError if isinstance(error, _AnswerError) and error.is_final else UnreachableError
            raise kind(f"{label}: {_reason(error)}") from error
    if deadline.is_over:  # a connection that was cut off may look like the end of the file
        raise UnreachableError(f"{label}: not complete after {deadline.total_s:g} s")
    return Answer(answer.url, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))


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

    def close(self) -> None:
        super().close()
        self._deadline.let_go()

    def get_connection_with_tls_context(self, *request: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*request, **options)
        kind, connect = pool.ConnectionCls, self._deadline.connect

        class Watched(kind):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                return connect(super()._new_conn)

        pool.ConnectionCls = Watched
        return pool


def _open(session: requests.Session, url: str, hosts: Collection[str] | None, held: Answer | None) -> requests.Response:
    """The answer with the file, its body unread; redirects are followed without reading theirs."""
    headers = {
        "User-Agent": f"jenacast/{jenacast.__version__}",
        "Accept-Encoding": "identity",  # or the server's length would not be that of the file
    }
    conditions = {"If-None-Match": held.etag, "If-Modified-Since": held.last_modified} if held else {}
    headers |= {name: value for name, value in conditions.items() if value}
    for _ in range(REDIRECTS + 1):
        answer = session.get(url, headers=headers, timeout=READ_TIMEOUT_S, stream=True, allow_redirects=False)
        if answer.status_code == requests.codes.ok:
            return answer
        if answer.status_code == requests.codes.not_modified and any(conditions.values()):
            return answer
        answer.close()
        if not answer.is_redirect:
            raise _AnswerError(f"HTTP {answer.status_code}", is_final=answer.status_code in GONE)
        url = urljoin(url, answer.headers["Location"])
        if hosts is not None and host_of(url) not in hosts:
            raise _AnswerError(f"it leads to another host, {host_of(url)}", is_final=True)
    raise _AnswerError(f"more than {REDIRECTS} redirects", is_final=True)


def _reason(error: BaseException) -> str:
    """What failed, without the address, which the network libraries repeat in their messages."""
    while error.__context__ is not None:  # the innermost says it in the fewest words
        error = error.__context__
    if isinstance(error, _AnswerError):
        return str(error)
    is_theirs = type(error).__module__.startswith(("requests", "urllib3"))
    return type(error).__name__ if is_theirs else f"{type(error).__name__}: {error}"
