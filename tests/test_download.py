"""Copies fetched from a server: which one, how long, how much; and the command."""

import io
import os
import socket
import sys
import time
from contextlib import suppress

import pytest
from download_server import (
    BOOK_CSV,
    BOOK_ZIP,
    ENDLESS,
    HTML,
    OTHER_CSV,
    TENSORFLOW_CSV,
    TENSORFLOW_ZIP,
    cut,
    damaged,
    drop,
    held,
    redirect,
    sha256,
    stall,
    status,
    trickle,
    zipped,
)

from jenacast.data import fetch as module
from jenacast.data.copies import Copy
from jenacast.data.download import CSV_NAME, download
from jenacast.errors import DownloadError, UnreachableError

pytest_plugins = ["download_server"]
pytestmark = pytest.mark.usefixtures("quick")


def test_the_first_copy_is_fetched_by_default(data, copies, server):
    done = download(data, copies=copies)
    assert (done.path, done.source, done.rows, done.changed) == (data / CSV_NAME, "tensorflow", 30, True)
    assert (done.sha256, done.url) == (sha256(TENSORFLOW_CSV), copies[0].url)
    assert held(data) == TENSORFLOW_CSV
    assert server.hits == ["/tensorflow.zip"]
    assert (data / CSV_NAME).stat().st_mode & 0o444 == 0o444 & ~module_umask()


def module_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_other_copy_comes_with_its_sha256_since_no_hash_is_known(data, copies, caplog):
    assert download(data, source="book", copies=copies).source == "book"
    assert held(data) == BOOK_CSV
    assert sha256(BOOK_CSV) in caplog.text
    assert "no hash" in caplog.text


def test_a_source_nobody_knows_is_refused(data, copies):
    with pytest.raises(DownloadError, match="'hourly' cannot be fetched; choose one of: tensorflow, book"):
        download(data, source="hourly", copies=copies)
    assert held(data) is None


@pytest.mark.parametrize("behaviour", [status(404), status(503), cut, stall, drop])
def test_an_unreachable_copy_is_replaced_loudly_by_the_other(data, copies, server, caplog, behaviour):
    server.routes["/tensorflow.zip"] = behaviour
    done = download(data, copies=copies)
    assert (done.source, done.url) == ("book", copies[1].url)
    assert held(data) == BOOK_CSV
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "'book' INSTEAD OF 'tensorflow'" in warning
    assert "differ by 5 rows" in warning


def test_the_copy_asked_for_comes_first_and_the_default_second(data, copies, server):
    server.routes["/book.zip"] = status(500)
    assert download(data, source="book", copies=copies).source == "tensorflow"
    assert server.hits == ["/book.zip", "/tensorflow.zip"]
    assert held(data) == TENSORFLOW_CSV


@pytest.mark.parametrize("behaviour", [trickle, *ENDLESS.values()], ids=["slow body", *ENDLESS])
def test_whatever_never_ends_is_cut_off_at_the_deadline(data, copies, server, monkeypatch, behaviour):
    monkeypatch.setattr(module, "TOTAL_TIME_S", 0.3)
    server.routes["/tensorflow.zip"] = behaviour
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"not complete after 0\.3 s"):
        download(data, origin=copies[0].url, copies=copies)
    assert time.monotonic() - begun < 2
    assert held(data) is None


def test_the_deadline_is_one_for_all_copies(data, copies, server, monkeypatch):
    monkeypatch.setattr(module, "TOTAL_TIME_S", 0.3)
    server.routes = dict.fromkeys(server.routes, trickle)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"tensorflow\.zip: not complete .*book\.zip: not complete"):
        download(data, copies=copies)
    assert time.monotonic() - begun < 1
    assert held(data) is None


def test_redirects_are_followed_without_reading_what_comes_with_them(data, copies, server):
    def elsewhere(handler):
        handler.send_response(302)
        handler.send_header("Location", "/book.zip")
        handler.end_headers()
        handler.server.sent = 0
        with suppress(OSError):
            while handler.server.sent < 100_000_000:
                handler.server.sent += handler.wfile.write(bytes(65_536))

    server.routes["/moved"] = elsewhere
    assert download(data, origin=f"{server.url}/moved", copies=copies).source == "book"
    assert server.sent < 20_000_000
    server.routes["/moved"] = lambda handler: redirect(handler, "/moved")
    with pytest.raises(UnreachableError, match="more than 10 redirects"):
        download(data, origin=f"{server.url}/moved", copies=copies, force=True)
    server.routes["/moved"] = lambda handler: redirect(handler, "file:///etc/passwd")
    with pytest.raises(UnreachableError, match="moved: InvalidSchema"):
        download(data, origin=f"{server.url}/moved", copies=copies, force=True)


def test_a_failed_attempt_is_repeated(data, copies, server, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 1)
    behaviours = iter([cut, lambda handler: (handler.begin(), handler.wfile.write(TENSORFLOW_ZIP))])
    server.routes["/tensorflow.zip"] = lambda handler: next(behaviours)(handler)
    assert download(data, copies=copies).source == "tensorflow"
    assert server.hits == ["/tensorflow.zip"] * 2
    assert held(data) == TENSORFLOW_CSV


def test_without_a_network_the_way_out_is_named(data, copies):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        dead = (Copy("tensorflow", url + "a", rows=30), Copy("book", url + "b", rows=25))
        with pytest.raises(UnreachableError) as raised:
            download(data, copies=dead)
    for part in ("refused", url + "a", url + "b", "jenacast download --from FILE"):
        assert part in str(raised.value)
    assert held(data) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (HTML, "begins with '<!DOCTYPE html>"),
        (b"", "it is empty"),
        (zipped(("a.csv", OTHER_CSV)), "MD5: expected [0-9a-f]{32}, received [0-9a-f]{32}"),
        (TENSORFLOW_ZIP[:-40], "zip that cannot be unpacked"),
        (damaged(TENSORFLOW_ZIP), "zip that cannot be unpacked"),
    ],
    ids=["html", "empty", "wrong hash", "truncated", "damaged"],
)
def test_wrong_content_is_an_error_and_nobody_else_is_asked(data, copies, server, content, text):
    server.routes["/tensorflow.zip"] = content
    with pytest.raises(DownloadError, match=f"(?s){text}.*Nothing was placed.*--from FILE") as raised:
        download(data, copies=copies)
    assert not isinstance(raised.value, UnreachableError)
    assert server.hits == ["/tensorflow.zip"]
    assert held(data) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (zipped(("b.csv", OTHER_CSV)), "rows: expected 25, received 7"),
        (BOOK_ZIP + b"x", "bytes: expected [0-9]+, received [0-9]+"),
        (BOOK_CSV, "bytes: expected [0-9]+, received [0-9]+"),
    ],
)
def test_a_copy_without_a_hash_is_held_to_its_size_and_rows(data, copies, server, content, text):
    server.routes["/book.zip"] = content
    with pytest.raises(DownloadError, match=text):
        download(data, source="book", copies=copies)
    assert held(data) is None


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_cap_is_dropped(data, copies, server, monkeypatch, announced):
    def flood(handler):
        handler.begin(50_000_000 if announced else None)
        while True:
            handler.wfile.write(bytes(4096))

    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    server.routes["/tensorflow.zip"] = flood
    with pytest.raises(DownloadError, match="more than the 100,000 bytes allowed"):
        download(data, copies=copies)
    assert held(data) is None


def test_a_url_of_ones_own_will_do(data, copies, server):
    server.routes["/mine?x=1"] = BOOK_CSV
    done = download(data, origin=f"{server.url}/mine?x=1", copies=copies)
    assert (done.source, done.url) == ("book", f"{server.url}/mine")
    assert held(data) == BOOK_CSV


def test_progress_is_shown_on_a_terminal_alone(data, copies, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        download(data, copies=copies, force=True)
        assert ("B/s" in stream.getvalue()) == stream.isatty()
    assert held(data) == TENSORFLOW_CSV
