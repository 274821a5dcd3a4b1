"""The file of the running period: fetched when it is asked for, but not more often than the page can bear."""

import datetime

import pytest
from archive_site import PAGE, RUNNING, index, kept, page, roof_zip, versioned
from download_server import HTML, status

from jenacast.data import archive
from jenacast.data.archive import running_file, station_dir
from jenacast.errors import DataError

pytest_plugins = ["download_server", "archive_site"]
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def later(monkeypatch):
    """A function that lets so many minutes pass."""

    def wait(minutes):
        now = archive.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)

        class Clock(datetime.datetime):
            @classmethod
            def now(cls, zone=None):
                return now

        monkeypatch.setattr(archive, "datetime", Clock)

    return wait


def test_it_alone_is_fetched_and_again_after_ten_minutes(data, site, later):
    path = running_file(data, page=site.page)
    assert path == station_dir(data) / "mpi_roof.zip"
    assert kept(data) == {"mpi_roof.zip": RUNNING}
    assert site.hits == [PAGE, "/wetter/mpi_roof.zip"]
    site.routes["/wetter/mpi_roof.zip"] = versioned(grown := roof_zip("2026-01-01T00:10", 600))
    later(9)
    assert running_file(data).read_bytes() == RUNNING
    assert len(site.hits) == 2
    later(2)
    assert running_file(data).read_bytes() == grown  # from the page that the archive is from
    assert len(site.hits) == 4


def test_a_download_of_the_archive_counts_but_not_for_another_page(data, bring, site, other_site):
    bring()
    site.hits.clear()
    assert running_file(data, page=site.page).name == "mpi_roof.zip"
    assert site.hits == []
    running_file(data, page=other_site.page)
    assert other_site.hits == [PAGE, "/wetter/mpi_roof.zip"]


def test_offline_the_newest_file_is_taken(data, bring, site, later):
    with pytest.raises(DataError, match=r"has no file of the station; without --offline it is fetched.*--from FILE"):
        running_file(data, offline=True)
    assert not data.exists()
    bring()
    site.hits.clear()
    later(60)
    assert running_file(data, offline=True).read_bytes() == RUNNING
    assert site.hits == []


@pytest.mark.parametrize("behaviour", [status(503), HTML])
def test_where_the_page_fails_the_file_fetched_before_is_taken_loudly(data, bring, site, later, caplog, behaviour):
    bring()
    later(90)
    site.routes[PAGE] = behaviour
    assert running_file(data, page=site.page).read_bytes() == RUNNING
    (said,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said.startswith("THE PAGE GAVE NO NEWER FILE")
    assert "fetched 1.5 hours ago, with 500 rows from 2026-01-01 00:10 to 2026-01-04 11:20" in said
    site.hits.clear()
    running_file(data, page=site.page)  # a page in trouble is not asked at once again
    assert site.hits == []


def test_without_a_file_the_failure_of_the_page_is_told(data, site):
    site.routes[PAGE] = status(404)
    with pytest.raises(DataError, match=r"weather_data\.html: HTTP 404.*--from FILE\|FOLDER\|URL"):
        running_file(data, page=site.page)
    site.routes["/wetter/mpi_roof.zip"] = RUNNING[:-100]
    site.routes[PAGE] = b'<html><a href="mpi_roof.zip">now</a>'
    with pytest.raises(DataError, match=r"mpi_roof\.zip is a zip that cannot be unpacked"):
        running_file(data, page=site.page)
    assert kept(data) == {}
    assert index(data)["files"] == {}


def test_where_no_file_is_called_running_the_latest_period_is(data, site):
    site.routes[PAGE] = page("mpi_roof_2023b.zip", "mpi_roof_2023a.zip", "mpi_roof_2022.zip")
    site.routes["/wetter/mpi_roof_2023b.zip"] = RUNNING
    assert running_file(data, page=site.page).name == "mpi_roof_2023b.zip"


def test_of_several_files_without_a_year_the_shortest_name_is_the_running_one(data, site):
    site.routes[PAGE] = page("mpi_roof_20240101.zip", "mpi_roof.zip", "mpi_roof_20250101.zip")
    assert running_file(data, page=site.page).name == "mpi_roof.zip"
