"""A server with the station's page and files, made after what is known of them; loaded as a pytest plugin."""

import datetime
import hashlib
import json

import pytest
from download_server import Server, zipped
from station_files import ALSO_TODAY

from jenacast.columns import COLUMNS, TIME_FORMAT, TIME_HEADER
from jenacast.data import fetch as module
from jenacast.data.archive import station_dir, update

HEADER = ",".join(f'"{name}"' for name in (TIME_HEADER, *(column.header for column in COLUMNS), *ALSO_TODAY))
CELLS = ",".join(["     1.00"] * (len(COLUMNS) + len(ALSO_TODAY)))
STEP = datetime.timedelta(minutes=10)
PAGE = "/wetter/weather_data.html"


def roof_csv(first, rows, cells=CELLS):
    """A station file of ten-minute rows from a time such as 2026-01-01T00:10 on: Latin-1, 22 columns, padded."""
    begin = datetime.datetime.fromisoformat(first)
    times = ((begin + number * STEP).strftime(TIME_FORMAT) for number in range(rows))
    return "\n".join([HEADER, *(f"{time},{cells}" for time in times), ""]).encode("latin-1")


def roof_zip(first, rows, name="mpi_roof.csv"):
    return zipped((name, roof_csv(first, rows)))


def page(*links):
    """A page of the institute's kind, on which these addresses stand among others."""
    listed = "".join(f'<tr><td><a class="x" href="{link}">Download</a></td></tr>\n' for link in links)
    other = '<a href="index.html">Home</a> <a>nothing</a> <a href="mailto:x@y">Mail</a> <p>mpi_roof_2003b.zip</p>'
    return f"<?xml version='1.0'?>\n<!DOCTYPE html>\n<html><body>{other}<table>{listed}</table></body></html>".encode()


def versioned(content, etag=None):
    """A file that a server sends only to those who do not name its version."""
    tag = etag or f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

    def behave(handler):
        if handler.headers.get("If-None-Match") == tag:
            handler.send_response(304)
            handler.end_headers()
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(content)

    return behave


YEAR_2017B = roof_zip("2017-07-01T00:10", 200, "mpi_roof_2017b.csv")
YEAR_2018A = roof_zip("2018-01-01T00:10", 300, "mpi_roof_2018a.csv")
YEAR_2024 = roof_zip("2024-01-01T00:10", 400, "mpi_roof_2024.csv")
RUNNING = roof_zip("2026-01-01T00:10", 500)
SAALE = zipped(("mpi_saale_2017b.csv", b'"Date Time","T (degC)"\n01.07.2017 00:10:00,1.0\n'))
FILES = {
    "mpi_roof_2017b.zip": YEAR_2017B,
    "mpi_roof_2018a.zip": YEAR_2018A,
    "mpi_roof_2024.zip": YEAR_2024,
    "mpi_roof.zip": RUNNING,
}


@pytest.fixture
def site(server):
    """The server with the page, three finished periods and the running one; `.page` is its address."""
    return dress(server)


def dress(server):
    server.page = server.url + PAGE
    links = ("mpi_roof_2017b.zip", "/wetter/mpi_roof_2018a.zip", f"{server.url}/wetter/mpi_roof_2024.zip")
    also = ("mpi_saale_2017b.zip", "MPI_Soil_2017b.zip", "mpi_roof.pdf", "mpi_roof.zip")
    server.routes = {PAGE: page(*links, *also), "/wetter/mpi_saale_2017b.zip": SAALE}
    server.routes |= {f"/wetter/{name}": versioned(content) for name, content in FILES.items()}
    return server


@pytest.fixture
def other_site():
    """A second such server, on another port and so another host."""
    server = Server()
    with server.running():
        yield dress(server)


@pytest.fixture
def bring(data, site):
    """A function that brings the archive of `data` up to date from the site's page."""
    return lambda *origins, **options: update(data, [str(each) for each in origins], pages=[site.page], **options)


@pytest.fixture
def patient(monkeypatch):
    """Two tries instead of one, without a pause."""
    monkeypatch.setattr(module, "RETRIES", 1)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)


def kept(data):
    """The files of the archive by name, without its index."""
    folder = station_dir(data)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "index.json"}


def index(data):
    return json.loads((station_dir(data) / "index.json").read_text())
