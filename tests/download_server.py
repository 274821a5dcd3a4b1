"""A server with small copies of the series, and what tests of the download share; loaded as a pytest plugin."""

import hashlib
import io
import logging
import socket
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from jenacast.columns import COLUMNS, TIME_HEADER
from jenacast.data import fetch as module
from jenacast.data.copies import Copy
from jenacast.data.download import CSV_NAME

HEADER = ",".join(f'"{name}"' for name in [TIME_HEADER, *(column.header for column in COLUMNS)])
ROW = "01.01.2009 00:10:00" + ",1.00" * len(COLUMNS)
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def station_csv(rows):
    return "\n".join([HEADER, *[ROW] * rows, ""]).encode()


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def damaged(content):
    return content[:60] + bytes(10) + content[70:]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


TENSORFLOW_CSV, BOOK_CSV, HOURLY_CSV, OTHER_CSV = (station_csv(rows) for rows in (30, 25, 5, 7))
TENSORFLOW_ZIP = zipped(("a.csv", TENSORFLOW_CSV))
BOOK_ZIP = zipped(("b.csv", BOOK_CSV), ("__MACOSX/._b.csv", b"\x00\x05\x16\x07junk"))


class Server(ThreadingHTTPServer):
    """Each path has a behaviour: bytes to serve, or a function of the request handler."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes, self.hits, self.asked, self.closing = {}, [], [], Event()
        self.open = self.most_open = 0  # connections
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.handle_error = lambda *args: None  # a client that hangs up is what is tested

    @contextmanager
    def running(self):
        """Serve, and stop serving."""
        thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self.shutdown()
            self.server_close()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    def setup(self):
        super().setup()
        self.server.open += 1
        self.server.most_open = max(self.server.open, self.server.most_open)

    def finish(self):
        self.server.open -= 1
        super().finish()

    def do_GET(self):
        self.server.hits.append(self.path)
        self.server.asked.append(self.headers)
        behaviour = self.server.routes.get(self.path, status(404))
        if callable(behaviour):
            behaviour(self)
        else:
            self.begin(len(behaviour))
            self.wfile.write(behaviour)

    def begin(self, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args):
        pass


def status(code):
    return lambda handler: handler.send_error(code)


def cut(handler):
    handler.begin(len(TENSORFLOW_ZIP))
    handler.wfile.write(TENSORFLOW_ZIP[:-100])


def stall(handler):
    handler.begin(len(TENSORFLOW_ZIP))
    handler.wfile.write(TENSORFLOW_ZIP[:100])
    handler.server.closing.wait(10)


def trickle(handler):
    handler.begin(1_000_000)
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(bytes(1024))


def endless(head, piece, pause_s=0.05):
    """A behaviour that sends `head`, then `piece` again and again."""

    def behave(handler):
        handler.wfile.write(head)
        while not handler.server.closing.wait(pause_s):
            handler.wfile.write(piece)

    return behave


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "slow header": endless(OK + b"X-Long: ", b"x"),
    "slow 100-Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "fast 100-Continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, pause_s=0),
    "slow chunk line": endless(CHUNKED, b"1"),
    "endless trailers": endless(CHUNKED + b"0\r\n", b"X-More: x\r\n"),
}


def drop(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server():
    server = Server()
    server.routes = {"/tensorflow.zip": TENSORFLOW_ZIP, "/book.zip": BOOK_ZIP}
    with server.running():
        yield server


@pytest.fixture
def copies(server):
    md5 = hashlib.md5(TENSORFLOW_CSV, usedforsecurity=False).hexdigest()
    return (
        Copy("tensorflow", f"{server.url}/tensorflow.zip", len(TENSORFLOW_ZIP), 30, md5=md5),
        Copy("book", f"{server.url}/book.zip", len(BOOK_ZIP), 25),
        Copy("hourly", rows=5, sha256=sha256(HOURLY_CSV)),
    )


@pytest.fixture
def quick(monkeypatch, caplog):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(module, "RETRIES", 0)
    monkeypatch.setattr(module, "READ_TIMEOUT_S", 0.5)
    monkeypatch.setattr(logging.getLogger("jenacast"), "propagate", True)
    caplog.set_level(logging.INFO, "jenacast")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "deep" / "data"


def held(data):
    """The CSV's bytes, or None where there is none; the folder holds nothing else."""
    names = [path.name for path in data.iterdir()] if data.exists() else []
    assert names in ([], [CSV_NAME])
    return (data / CSV_NAME).read_bytes() if names else None


def place(data, content):
    data.mkdir(parents=True)
    (data / CSV_NAME).write_bytes(content)


def given(tmp_path, content, name="given"):
    (tmp_path / name).write_bytes(content)
    return str(tmp_path / name)


def redirect(handler, to):
    handler.send_response(302)
    handler.send_header("Location", to)
    handler.end_headers()
