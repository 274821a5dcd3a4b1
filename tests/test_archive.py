"""The station's archive brought up to date from its page: what is fetched, what is kept, what is refused."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
from archive_site import FILES, PAGE, RUNNING, YEAR_2017B, YEAR_2018A, index, kept, page, roof_zip, versioned
from download_server import HTML, Handler, damaged, sha256, status

import jenacast
from jenacast.data.archive import station_dir, station_files, update
from jenacast.errors import UnreachableError

pytest_plugins = ["download_server", "archive_site"]
pytestmark = pytest.mark.usefixtures("quick")
NAMES = list(FILES)


def test_the_first_call_fetches_what_the_page_links_to_and_keeps_it_as_it_came(data, bring, site):
    done = bring()
    assert (done.path, done.page) == (station_dir(data), site.page)
    assert (done.fetched, done.kept, done.shrunk, done.missing) == (NAMES, [], {}, {})
    assert kept(data) == FILES
    assert site.hits == [PAGE, *(f"/wetter/{name}" for name in NAMES)]
    assert {headers["User-Agent"] for headers in site.asked} == {f"jenacast/{jenacast.__version__}"}
    entry = index(data)["files"]["mpi_roof_2017b.zip"]
    assert (entry["sha256"], entry["bytes"]) == (sha256(YEAR_2017B), len(YEAR_2017B))
    assert (entry["rows"], entry["first"], entry["last"]) == (200, "2017-07-01T00:10:00", "2017-07-02T09:20:00")
    assert entry["url"] == f"{site.url}/wetter/mpi_roof_2017b.zip"
    assert entry["etag"] == f'"{hashlib.md5(YEAR_2017B, usedforsecurity=False).hexdigest()}"'
    assert station_files(data) == [station_dir(data) / name for name in NAMES]


def test_the_second_call_asks_for_what_may_have_changed_and_fetches_nothing(data, bring, site):
    bring()
    before = {path: path.stat().st_mtime_ns for path in station_files(data)}
    site.hits.clear()
    done = bring()
    assert (done.fetched, sorted(done.kept), done.missing) == ([], sorted(NAMES), {})
    assert site.hits == [PAGE, "/wetter/mpi_roof.zip"]
    assert site.asked[-1]["If-None-Match"] == index(data)["files"]["mpi_roof.zip"]["etag"]
    assert {path: path.stat().st_mtime_ns for path in station_files(data)} == before


def test_there_is_one_connection_at_a_time_with_a_server_that_keeps_them_open(data, bring, site, monkeypatch):
    monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.1")
    bring()
    assert len(site.hits) == 5
    assert site.most_open <= 2  # the server may learn of the end of one after the beginning of the next


def test_the_page_that_was_read_last_is_kept_also_where_nothing_was_new(data, bring, site, other_site):
    bring()
    assert update(data, pages=[other_site.page], last_year=2018).fetched == []
    assert index(data)["page"] == other_site.page


def test_a_running_period_that_has_grown_is_fetched_and_nothing_else(data, bring, site):
    bring()
    grown = roof_zip("2026-01-01T00:10", 600)
    site.routes["/wetter/mpi_roof.zip"] = versioned(grown)
    assert bring().fetched == ["mpi_roof.zip"]
    assert kept(data) == FILES | {"mpi_roof.zip": grown}
    assert index(data)["files"]["mpi_roof.zip"]["rows"] == 600


def test_where_the_server_knows_the_time_alone_it_is_asked_by_that(data, bring, site):
    def dated(handler):
        handler.send_response(304 if "If-Modified-Since" in handler.headers else 200)
        handler.send_header("Last-Modified", "Fri, 27 Nov 2026 09:20:00 GMT")
        handler.end_headers()
        if "If-Modified-Since" not in handler.headers:
            handler.wfile.write(RUNNING)

    site.routes["/wetter/mpi_roof.zip"] = dated
    bring()
    assert "mpi_roof.zip" in bring().kept
    assert site.asked[-1]["If-Modified-Since"] == "Fri, 27 Nov 2026 09:20:00 GMT"
    assert kept(data) == FILES


def test_without_versions_the_server_sends_all_and_what_is_the_same_is_kept(data, bring, site):
    site.routes["/wetter/mpi_roof.zip"] = RUNNING
    bring()
    assert "mpi_roof.zip" in bring().kept


def test_a_period_that_ended_lately_is_asked_for_again_until_it_has_settled(data, bring, site):
    this_year, name = "2099-01-01T00:10", "mpi_roof_2098.zip"
    site.routes |= {PAGE: page(name), f"/wetter/{name}": versioned(roof_zip(this_year, 10))}
    for _ in range(2):
        bring()
    assert site.hits.count(f"/wetter/{name}") == 2


@pytest.mark.parametrize("rows", [499, 1])
def test_a_file_that_shrank_does_not_take_the_place_of_the_old_one_without_force(data, bring, site, caplog, rows):
    bring()
    site.routes["/wetter/mpi_roof.zip"] = versioned(less := roof_zip("2026-01-01T00:10", rows))
    done = bring()
    assert done.fetched == []
    assert f"it has {rows} rows from 2026-01-01 00:10" in done.shrunk["mpi_roof.zip"]
    assert "had 500 rows from 2026-01-01 00:10 to 2026-01-04 11:20" in done.shrunk["mpi_roof.zip"]
    assert "SHRANK" in caplog.text
    assert kept(data) == FILES
    assert "mpi_roof.zip" in bring(force=True).fetched
    assert kept(data) == FILES | {"mpi_roof.zip": less}


def test_a_file_that_lost_columns_is_a_file_that_shrank(data, bring, site):
    bring()
    lines = zipfile.ZipFile(station_dir(data) / "mpi_roof.zip").read("mpi_roof.csv").decode("latin-1").splitlines()
    short = "\n".join(",".join(line.split(",")[:15]) for line in lines)
    less = station_dir(data).parent / "less.zip"
    with zipfile.ZipFile(less, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mpi_roof.csv", short)
    site.routes["/wetter/mpi_roof.zip"] = versioned(less.read_bytes())
    assert "bytes unpacked" in bring().shrunk["mpi_roof.zip"]
    assert kept(data) == FILES


def test_a_half_written_zip_is_tried_again_and_the_old_one_stays(data, bring, site, patient):
    bring()
    grown = roof_zip("2026-01-01T00:10", 600)
    for half in (grown[:-100], damaged(grown), grown[: len(grown) // 2], HTML, b""):
        site.hits.clear()
        site.routes["/wetter/mpi_roof.zip"] = half
        done = bring()
        assert list(done.missing) == ["mpi_roof.zip"]
        assert site.hits.count("/wetter/mpi_roof.zip") == 2
        assert kept(data) == FILES
    turns = iter([damaged(grown), grown])
    site.routes["/wetter/mpi_roof.zip"] = lambda handler: versioned(next(turns))(handler)
    assert bring().fetched == ["mpi_roof.zip"]
    assert kept(data)["mpi_roof.zip"] == grown


def test_one_file_that_is_not_there_does_not_keep_the_others_from_being_fetched(data, bring, site, patient, caplog):
    site.routes["/wetter/mpi_roof_2018a.zip"] = status(404)
    done = bring()
    assert list(done.missing) == ["mpi_roof_2018a.zip"]
    assert done.missing["mpi_roof_2018a.zip"] == f"{site.url}/wetter/mpi_roof_2018a.zip: HTTP 404"
    assert site.hits.count("/wetter/mpi_roof_2018a.zip") == 1  # it would answer the same again
    assert list(kept(data)) == sorted(set(NAMES) - {"mpi_roof_2018a.zip"})
    assert "HTTP 404" in caplog.text


def test_a_file_under_a_new_name_is_taken_and_read_once(data, bring, site):
    bring()
    names = ["mpi_roof_2018_1.zip", "MPI_Roof_2019%20neu.zip", "files/mpi_roof_2020-final.zip?v=2"]
    new = roof_zip("2020-01-01T00:10", 100)
    site.routes[PAGE] = page(*names)
    site.routes |= {"/wetter/mpi_roof_2018_1.zip": YEAR_2018A, "/wetter/files/mpi_roof_2020-final.zip?v=2": new}
    site.routes["/wetter/MPI_Roof_2019%20neu.zip"] = roof_zip("2019-01-01T00:10", 100)
    assert bring().fetched == ["mpi_roof_2018_1.zip", "MPI_Roof_2019 neu.zip", "mpi_roof_2020-final.zip"]
    order = [path.name for path in station_files(data)]
    assert order[1] in ("mpi_roof_2018a.zip", "mpi_roof_2018_1.zip")
    assert order[2:] == ["MPI_Roof_2019 neu.zip", "mpi_roof_2020-final.zip", "mpi_roof_2024.zip", "mpi_roof.zip"]


def leads_to(url):
    def behave(handler):
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.end_headers()

    return behave


def test_redirects_are_followed_on_the_hosts_of_the_station_alone(data, bring, site, other_site):
    site.routes["/wetter/moved.zip"] = site.routes["/wetter/mpi_roof.zip"]
    site.routes["/wetter/mpi_roof.zip"] = leads_to("/wetter/moved.zip")
    site.routes["/wetter/mpi_roof_2024.zip"] = leads_to(f"{other_site.url}/wetter/mpi_roof_2024.zip")
    done = bring()
    assert list(done.missing) == ["mpi_roof_2024.zip"]
    assert f"leads to another host, {other_site.url.removeprefix('http://')}" in done.missing["mpi_roof_2024.zip"]
    assert kept(data)["mpi_roof.zip"] == RUNNING
    assert other_site.hits == []


def test_a_page_that_leads_to_another_host_is_not_read_there(data, bring, site, other_site):
    site.routes[PAGE] = leads_to(other_site.page)
    with pytest.raises(UnreachableError, match="leads to another host"):
        bring()
    assert other_site.hits == []


def test_links_to_other_hosts_are_not_followed(data, bring, site, other_site, caplog):
    foreign = f"{other_site.url}/wetter/mpi_roof_2024.zip"
    site.routes[PAGE] = page(foreign, "mpi_roof_2017b.zip", "ftp://127.0.0.1/mpi_roof_2018a.zip", "http://[")
    assert bring().fetched == ["mpi_roof_2017b.zip"]
    assert f"{foreign} is on another host" in caplog.text
    assert other_site.hits == []


@pytest.mark.parametrize("behaviour", [status(503), HTML, leads_to("http://127.0.0.1:9/")], ids=["503", "form", "away"])
def test_the_second_page_is_read_where_the_first_one_fails(data, site, other_site, behaviour):
    site.routes[PAGE] = behaviour
    done = update(data, pages=[site.page, other_site.page])
    assert (done.page, done.fetched) == (other_site.page, NAMES)
    assert kept(data) == FILES


def test_pages_without_links_are_told_with_what_was_looked_for(data, site, other_site):
    site.routes[PAGE] = HTML
    other_site.routes[PAGE] = status(404)
    with pytest.raises(UnreachableError) as raised:
        update(data, pages=[site.page, other_site.page])
    for part in (f"{site.page} has no link to a zip whose name begins with mpi_roof", f"{other_site.page}: HTTP 404"):
        assert part in str(raised.value)
    assert "jenacast download --source station --from FILE|FOLDER|URL" in str(raised.value)
    assert kept(data) == {}


def test_only_the_years_asked_for_are_fetched(data, bring, site):
    assert bring(first_year=2018, last_year=2024).fetched == ["mpi_roof_2018a.zip", "mpi_roof_2024.zip"]
    assert bring(last_year=2017).fetched == ["mpi_roof_2017b.zip"]
    assert bring(first_year=2025).fetched == ["mpi_roof.zip"]


@pytest.mark.skipif("JENACAST_TEST_LATER" not in os.environ, reason="JENACAST_TEST_LATER names no folder")
def test_the_real_half_year_is_kept_as_it_was_published(data, bring, site):
    real = (Path(os.environ["JENACAST_TEST_LATER"]) / "mpi_roof_2017b.zip").read_bytes()
    site.routes["/wetter/mpi_roof_2017b.zip"] = real
    assert "mpi_roof_2017b.zip" in bring().fetched
    assert kept(data)["mpi_roof_2017b.zip"] == real
    entry = index(data)["files"]["mpi_roof_2017b.zip"]
    assert (entry["rows"], entry["first"], entry["last"]) == (26_496, "2017-07-01T00:10:00", "2018-01-01T00:00:00")
