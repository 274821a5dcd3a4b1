"""What a file is, told by its content: zips, headers, known copies, and the file that exists already."""

import os
import zipfile
from pathlib import Path

import pytest
from download_server import (
    BOOK_CSV,
    HEADER,
    HOURLY_CSV,
    HTML,
    OTHER_CSV,
    TENSORFLOW_CSV,
    TENSORFLOW_ZIP,
    damaged,
    given,
    held,
    place,
    sha256,
    station_csv,
    zipped,
)

from jenacast.data import download as download_module
from jenacast.data import fetch as module
from jenacast.data.download import CSV_NAME, download
from jenacast.errors import DownloadError, ExistsError

pytest_plugins = ["download_server"]
pytestmark = pytest.mark.usefixtures("quick")


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
        (zipped(*((str(number), OTHER_CSV) for number in range(101))), "with more than 100 members"),
        (with_byte(TENSORFLOW_ZIP, 6, 8, 1), "encrypted"),
        (with_byte(TENSORFLOW_ZIP, 8, 10, 99), "cannot be unpacked: .*compression"),
        (damaged(zipped(("a.csv", OTHER_CSV), method=zipfile.ZIP_BZIP2)), "cannot be unpacked"),
        (damaged(zipped(("a.csv", OTHER_CSV), method=zipfile.ZIP_LZMA)), "cannot be unpacked"),
        (TENSORFLOW_ZIP[:4] + TENSORFLOW_ZIP[60:], "cannot be unpacked"),
    ],
    ids=["two", "none", "very many", "encrypted", "unknown compression", "damaged bzip2", "damaged lzma", "lost start"],
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


def test_a_csv_that_came_meanwhile_is_kept_and_leftovers_are_cleared(data, tmp_path, monkeypatch):
    data.mkdir(parents=True)
    (data / ".jenacast-tmp-killed").mkdir()

    def come_late(raw, target, label):
        unpack(raw, target, label)
        (data / CSV_NAME).write_bytes(BOOK_CSV)

    unpack = download_module._unpack
    monkeypatch.setattr(download_module, "_unpack", come_late)
    with pytest.raises(ExistsError, match="exists; --force"):
        download(data, origin=given(tmp_path, OTHER_CSV))
    assert held(data) == BOOK_CSV


def test_a_known_copy_is_told_by_its_content(data, copies, tmp_path, caplog):
    assert download(data, origin=given(tmp_path, HOURLY_CSV, "a.zip"), copies=copies).source == "hourly"
    assert held(data) == HOURLY_CSV
    assert "warning" not in {record.levelname.lower() for record in caplog.records}


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


@pytest.mark.real
def test_the_real_hourly_series_is_known(data, real_series):
    done = download(data, origin=str(real_series))
    assert (done.source, done.rows) == ("hourly", 70_092)
    assert held(data) == real_series.read_bytes()
