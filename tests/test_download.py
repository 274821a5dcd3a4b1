import hashlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import get_args

import pytest

from jenacast.cli.download import Source
from jenacast.columns import COLUMNS, TIME_HEADER
from jenacast.data import download as module
from jenacast.data.copies import COPIES, Copy
from jenacast.data.download import CSV_NAME, download
from jenacast.errors import DownloadError, ExistsError, UnreachableError

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
        self.routes, self.hits, self.closing = {}, [], Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.hits.append(self.path)
        behaviour = self.server.routes[self.path]
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


def drop(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server():
    server = Server()
    server.routes = {"/tensorflow.zip": TENSORFLOW_ZIP, "/book.zip": BOOK_ZIP}
    server.handle_error = lambda *args: None  # a client that hangs up is what is tested
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def copies(server):
    md5 = hashlib.md5(TENSORFLOW_CSV, usedforsecurity=False).hexdigest()
    return (
        Copy("tensorflow", f"{server.url}/tensorflow.zip", len(TENSORFLOW_ZIP), 30, md5=md5),
        Copy("book", f"{server.url}/book.zip", len(BOOK_ZIP), 25),
        Copy("hourly", rows=5, sha256=sha256(HOURLY_CSV)),
    )


@pytest.fixture(autouse=True)
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


def test_the_command_offers_the_public_copies():
    assert list(get_args(Source)) == [copy.name for copy in COPIES if copy.url]


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


def test_an_endless_trickle_ends_at_the_deadline(data, copies, server, monkeypatch):
    monkeypatch.setattr(module, "TOTAL_TIME_S", 0.3)
    server.routes["/tensorflow.zip"] = trickle
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"not complete after 0\.3 s"):
        download(data, origin=copies[0].url, copies=copies)
    assert time.monotonic() - begun < 3
    assert held(data) is None


def test_a_failed_attempt_is_repeated(data, copies, server, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 1)
    behaviours = iter([cut, lambda handler: (handler.begin(), handler.wfile.write(TENSORFLOW_ZIP))])
    server.routes["/tensorflow.zip"] = lambda handler: next(behaviours)(handler)
    assert download(data, copies=copies).source == "tensorflow"
    assert server.hits == ["/tensorflow.zip"] * 2
    assert held(data) == TENSORFLOW_CSV


def test_without_a_network_both_ways_out_are_named(data, copies):
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        dead = (Copy("tensorflow", url + "a", rows=30), Copy("book", url + "b", rows=25))
        with pytest.raises(UnreachableError) as raised:
            download(data, copies=dead)
    for part in ("refused", url + "a", url + "b", "jenacast download --from FILE", "jenacast demo"):
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


def test_a_zip_bomb_stops_at_the_cap(data, tmp_path, monkeypatch):
    bomb = zipped(("a.csv", station_csv(20_000)))
    monkeypatch.setattr(module, "MAX_BYTES", 10 * len(bomb))
    with pytest.raises(DownloadError, match="bytes allowed"):
        download(data, origin=given(tmp_path, bomb))
    assert held(data) is None


@pytest.mark.parametrize("name", ["../../evil.csv", "/{root}/evil.csv", "..\\..\\evil.csv", "C:\\evil.csv", "x"])
def test_names_inside_a_zip_are_never_used(data, copies, tmp_path, name):
    member = name.format(root=tmp_path)
    content = zipped(("readme.csv", b"not,it"), ("folder/", b""), (member, TENSORFLOW_CSV), ("empty", b""))
    origin = given(tmp_path, content)
    assert download(data, origin=origin, copies=copies).source == "tensorflow"
    assert held(data) == TENSORFLOW_CSV
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == sorted([Path(origin), data / CSV_NAME])


def with_byte(content, offset_local, offset_central, value):
    """`content`, a zip of one member, with one byte changed in both of the member's headers."""
    changed = bytearray(content)
    changed[offset_local] = value
    changed[content.index(b"PK\x01\x02") + offset_central] = value
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (zipped(("a.csv", BOOK_CSV), ("b.csv", OTHER_CSV)), "with 2 CSVs"),
        (zipped(("a.csv", b"a,b\n1,2\n")), "with 0 CSVs"),
        (with_byte(TENSORFLOW_ZIP, 6, 8, 1), "encrypted"),
        (with_byte(TENSORFLOW_ZIP, 8, 10, 99), "cannot be unpacked: .*compression"),
        (damaged(zipped(("a.csv", OTHER_CSV), method=zipfile.ZIP_BZIP2)), "cannot be unpacked"),
        (damaged(zipped(("a.csv", OTHER_CSV), method=zipfile.ZIP_LZMA)), "cannot be unpacked"),
        (TENSORFLOW_ZIP[:4] + TENSORFLOW_ZIP[60:], "cannot be unpacked"),
    ],
    ids=["two", "none", "encrypted", "unknown compression", "damaged bzip2", "damaged lzma", "lost start"],
)
def test_a_zip_without_one_readable_csv_is_refused(data, tmp_path, content, text):
    with pytest.raises(DownloadError, match=text):
        download(data, origin=given(tmp_path, content))
    assert held(data) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (HEADER.encode(), "its header has 15 cells, its first or last row another number"),
        (OTHER_CSV + b"01.01.2009 00:20:00,1.0", "another number"),
        (OTHER_CSV.replace(b'"T (degC)"', b'"T (degF)"'), r"lacks the column\(s\) 'T \(degC\)'"),
        (bytes(300_000), "begins"),
        (b"x," * 200_000, "begins with 'x,x,"),
        ('"' + "x" * 200_000, "begins"),
    ],
    ids=["no rows", "cut row", "other column", "zeros", "one long line", "one long cell"],
)
def test_a_file_that_is_not_the_stations_csv_is_refused(data, tmp_path, content, text):
    content = content.encode() if isinstance(content, str) else content
    with pytest.raises(DownloadError, match=text):
        download(data, origin=given(tmp_path, content))
    assert held(data) is None


@pytest.mark.parametrize(
    "content",
    [
        OTHER_CSV,
        b"\xef\xbb\xbf" + OTHER_CSV,
        OTHER_CSV.replace(b"\n", b"\r\n"),
        OTHER_CSV.replace(HEADER.encode(), (HEADER.replace(",", " , ") + ',"PAR (µmol)"').encode("latin-1")).replace(
            b",1.00\n", b",  1.00, 0\n"
        ),
    ],
    ids=["plain", "byte order mark", "CRLF", "station's own"],
)
def test_unknown_content_is_taken_with_a_warning(data, copies, tmp_path, caplog, content):
    done = download(data, origin=given(tmp_path, content), copies=copies)
    assert (done.source, done.rows, done.url, done.changed) == ("unknown", 7, None, True)
    assert held(data) == content
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"7 rows, SHA-256 {sha256(content)}" in warning


def test_a_known_copy_is_told_by_its_content(data, copies, tmp_path, caplog):
    assert download(data, origin=given(tmp_path, HOURLY_CSV, "a.zip"), copies=copies).source == "hourly"
    assert held(data) == HOURLY_CSV
    assert "warning" not in {record.levelname.lower() for record in caplog.records}


def test_a_url_of_ones_own_will_do(data, copies, server):
    server.routes["/mine?x=1"] = BOOK_CSV
    done = download(data, origin=f"{server.url}/mine?x=1", copies=copies)
    assert (done.source, done.url) == ("book", f"{server.url}/mine?x=1")
    assert held(data) == BOOK_CSV


@pytest.mark.parametrize("origin", ["missing.csv", "", "folder", "fifo", "ftp://host/a.zip", "file:///etc/passwd"])
def test_what_is_no_regular_file_is_refused_at_once(data, tmp_path, monkeypatch, origin):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("fifo")
    with pytest.raises(DownloadError, match="is no regular file; --from takes"):
        download(data, origin=origin)
    assert not data.exists()


def test_the_right_file_already_there_needs_no_network(data, copies, server, caplog):
    for content, name in ((TENSORFLOW_CSV, "tensorflow"), (BOOK_CSV, "book"), (HOURLY_CSV, "hourly")):
        if not data.exists():
            data.mkdir(parents=True)
        (data / CSV_NAME).write_bytes(content)
        before = (data / CSV_NAME).stat()
        done = download(data, copies=copies)
        assert (done.source, done.changed, done.url) == (name, False, None)
        assert (data / CSV_NAME).stat() == before
        assert held(data) == content
    assert server.hits == []
    assert caplog.text.count("Nothing to do") == 3


@pytest.mark.parametrize(
    ("content", "source", "text"),
    [
        (BOOK_CSV, "tensorflow", "exists: the book copy"),
        (OTHER_CSV, None, sha256(OTHER_CSV)),
        (HTML, None, ""),
    ],
)
def test_other_content_is_overwritten_by_force_alone(data, copies, server, content, source, text):
    place(data, content)
    with pytest.raises(ExistsError, match=f"{text}.*--force"):
        download(data, source=source, copies=copies)
    assert held(data) == content
    assert server.hits == []
    assert download(data, source=source, copies=copies, force=True).changed
    assert held(data) == TENSORFLOW_CSV


def test_force_without_success_keeps_what_is_there(data, copies, server):
    place(data, OTHER_CSV)
    server.routes["/tensorflow.zip"] = HTML
    with pytest.raises(DownloadError):
        download(data, copies=copies, force=True)
    assert held(data) == OTHER_CSV


def test_a_given_file_is_compared_with_what_is_there(data, copies, tmp_path):
    place(data, OTHER_CSV)
    same, other = given(tmp_path, zipped(("a", OTHER_CSV)), "same"), given(tmp_path, BOOK_CSV, "other")
    assert not download(data, origin=same, copies=copies).changed
    assert not download(data, origin=str(data / CSV_NAME), copies=copies).changed
    with pytest.raises(ExistsError, match=sha256(OTHER_CSV)):
        download(data, origin=other, copies=copies)
    assert held(data) == OTHER_CSV
    assert download(data, origin=other, copies=copies, force=True).source == "book"
    assert held(data) == BOOK_CSV


def test_a_folder_in_the_files_place_is_left_alone(data, copies):
    (data / CSV_NAME).mkdir(parents=True)
    with pytest.raises(ExistsError, match="not a regular file; move it"):
        download(data, copies=copies, force=True)
    assert [path.name for path in data.iterdir()] == [CSV_NAME]


def test_progress_is_shown_on_a_terminal_alone(data, copies, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        download(data, copies=copies, force=True)
        assert ("B/s" in stream.getvalue()) == stream.isatty()
    assert held(data) == TENSORFLOW_CSV


@pytest.mark.real
def test_the_real_hourly_series_is_known(data, real_series):
    done = download(data, origin=str(real_series))
    assert (done.source, done.rows) == ("hourly", 70_092)
    assert held(data) == real_series.read_bytes()


@pytest.fixture
def run(jenacast, data):
    """A function that runs the command and returns its exit code, stdout and stderr."""

    def run(*args):
        done = jenacast("download", "--data-dir", data, *args)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.mark.system
def test_the_command_imports_nothing_heavy(data, server):
    server.routes["/my.zip"] = zipped(("a.csv", OTHER_CSV))
    command = [sys.executable, "-X", "importtime", "-m", "jenacast", "download", "--from", f"{server.url}/my.zip"]
    done = subprocess.run([*command, "--data-dir", data], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stderr.splitlines()
    imported = {line.split("|")[2].strip().split(".")[0] for line in lines if line.count("|") == 2}
    assert "pooch" in imported
    assert not imported & {"tensorflow", "keras", "pandas"}


def test_the_command_prints_the_path_alone(run, data, server):
    server.routes["/my.zip"] = zipped(("a.csv", OTHER_CSV))
    url = f"{server.url}/my.zip"
    code, out, err = run("--from", url)
    assert (code, out) == (0, f"{data / CSV_NAME}\n")
    assert f"warning: {url} is none of the known copies" in err
    code, out, _ = run("--from", url, "--json")
    assert code == 0
    expected = {"path": str(data / CSV_NAME), "source": "unknown", "rows": 7, "url": url, "changed": False}
    assert json.loads(out) == expected | {"sha256": sha256(OTHER_CSV)}
    assert held(data) == OTHER_CSV


def test_the_command_fails_in_words(run, data, tmp_path):
    code, out, err = run("--from", given(tmp_path, HTML))
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    for wrong in (["--source", "elsewhere"], ["--source", "book", "--from", "a"], ["--nonsense"]):
        assert run(*wrong)[:2] == (2, "")
    assert held(data) is None


def test_the_command_without_a_network_names_both_ways_out(run, data, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        code, out, err = run()
    assert (code, out) == (1, "")
    assert "jenacast download --from FILE" in err
    assert "jenacast demo" in err
    assert held(data) is None


@pytest.mark.system
def test_a_terminated_download_leaves_nothing(data, server):
    server.routes["/my.zip"] = stall
    command = [sys.executable, "-m", "jenacast", "download", "--from", f"{server.url}/my.zip", "--data-dir", data]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not server.hits:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert "terminated" in process.communicate(timeout=20)[1]
    assert process.returncode == 143
    assert held(data) is None
