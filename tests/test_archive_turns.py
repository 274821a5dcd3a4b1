"""What an archive does when a period ends, and where its folder was changed by hand."""

import gzip
import json
import re

import pytest
from archive_site import FILES, PAGE, RUNNING, index, kept, page, roof_csv, roof_zip, versioned
from download_server import given

from jenacast.data.archive import station_dir, station_files
from jenacast.errors import DataError

pytest_plugins = ["download_server", "archive_site"]
pytestmark = pytest.mark.usefixtures("quick")
OLD = roof_zip("2026-12-30T00:10", 288)  # until 2027-01-01T00:00


def serve(site, **files):
    """Let the page list these files alone: `b2026` stands for mpi_roof_2026.zip, `now` for mpi_roof.zip."""
    names = {name: "mpi_roof.zip" if name == "now" else f"mpi_roof_{name[1:]}.zip" for name in files}
    site.routes = {f"/wetter/{names[name]}": versioned(content) for name, content in files.items()}
    site.routes[PAGE] = page(*names.values())


def rows_of(data):
    """How many files are read, and the rows in them."""
    known = index(data)["files"]
    return [known[path.name]["rows"] for path in station_files(data)]


def test_when_the_running_period_begins_anew_the_old_one_is_kept_until_it_is_published(data, bring, site, caplog):
    serve(site, now=OLD)
    bring()
    new = roof_zip("2027-01-01T00:10", 3)
    serve(site, now=new)
    assert bring().fetched == ["mpi_roof.zip"]
    aside = "mpi_roof_20261230T0010_20270101T0000.zip"
    assert kept(data) == {"mpi_roof.zip": new, aside: OLD}
    assert f"is kept as {aside}" in caplog.text
    assert rows_of(data) == [288, 3]
    serve(site, b2026=roof_zip("2026-12-30T00:10", 100), now=new)  # not yet whole
    bring()
    assert rows_of(data) == [100, 288, 3]
    serve(site, b2026=roof_zip("2026-12-29T00:10", 432), now=new)
    bring()
    assert rows_of(data) == [432, 3]
    assert kept(data)[aside] == OLD  # it is not read any more, and nothing is ever deleted


def test_a_period_that_was_published_before_the_running_one_begins_anew_is_not_kept_twice(data, bring, site):
    serve(site, now=OLD)
    bring()
    serve(site, b2026=OLD, now=OLD)
    bring()
    assert rows_of(data) == [288]
    serve(site, b2026=OLD, now=(new := roof_zip("2027-01-01T00:10", 3)))
    bring()
    assert kept(data) == {"mpi_roof.zip": new, "mpi_roof_2026.zip": OLD}
    assert rows_of(data) == [288, 3]


def test_two_half_years_stand_for_the_running_year_together(data, bring, site):
    serve(site, now=roof_zip("2026-06-30T00:10", 288))
    bring()
    serve(site, a2026a=roof_zip("2026-06-30T00:10", 144), b2026b=roof_zip("2026-07-01T00:10", 200))
    bring()
    assert rows_of(data) == [144, 200]


def test_a_running_file_of_the_last_days_alone_does_not_fill_the_disk(data, bring, site):
    """Nobody has seen whether it holds a period or the last weeks."""
    for day in range(1, 13):
        serve(site, now=roof_zip(f"2026-03-{day:02}T00:10", 4 * 144))
        bring()
    spans = [(entry["first"][:10], entry["last"][:10]) for entry in index(data)["files"].values()]
    aside = [("2026-03-01", "2026-03-05"), ("2026-03-05", "2026-03-09"), ("2026-03-09", "2026-03-13")]
    assert sorted(spans) == [*aside, ("2026-03-12", "2026-03-16")]


def test_a_running_file_that_goes_back_in_time_is_refused(data, bring, site):
    serve(site, now=OLD)
    bring()
    serve(site, now=roof_zip("2026-12-30T03:10", 10))
    assert list(bring().shrunk) == ["mpi_roof.zip"]
    assert kept(data) == {"mpi_roof.zip": OLD}


def test_files_put_there_by_hand_are_part_of_the_archive(data, bring, site, caplog):
    bring()
    folder = station_dir(data)
    (folder / "mpi_roof_2020.csv").write_bytes(roof_csv("2020-01-01T00:10", 5))
    (folder / "mpi_roof_2021.zip").write_bytes(b"PK\x03\x04 half of one")
    (folder / "notes.txt").write_text("mine")
    (folder / "index.json").unlink()
    names = [path.name for path in station_files(data)]
    assert names == ["mpi_roof_2017b.zip", "mpi_roof_2018a.zip", "mpi_roof_2020.csv", *list(FILES)[2:]]
    assert "mpi_roof_2021.zip is a zip that cannot be unpacked" in caplog.text
    done = bring()
    assert (done.fetched, sorted(done.kept)) == ([], sorted(FILES))
    assert "mpi_roof_2020.csv" in index(data)["files"]


def test_a_file_that_was_damaged_on_the_disk_is_fetched_again(data, bring, site):
    bring()
    (station_dir(data) / "mpi_roof_2017b.zip").write_bytes(FILES["mpi_roof_2017b.zip"][:-1])
    (station_dir(data) / "mpi_roof.zip").write_bytes(RUNNING[:-1] + b"x")
    assert bring().fetched == ["mpi_roof_2017b.zip", "mpi_roof.zip"]
    assert kept(data) == FILES


def test_a_damaged_index_is_told_with_the_way_out(data, bring, site):
    bring()
    path = station_dir(data) / "index.json"
    whole = json.loads(path.read_text())
    whole["files"]["mpi_roof.zip"]["rows"] = "many"
    for text in ("{", json.dumps(whole)):
        path.write_text(text)
        with pytest.raises(DataError, match=r"index\.json .*; remove it: it is written anew from the files beside it"):
            station_files(data)
    path.write_text(json.dumps(whole | {"format": 2}))
    with pytest.raises(DataError, match="format 2, this version reads 1"):
        station_files(data)


def test_an_archive_that_is_not_there_has_no_files(data):
    assert station_files(data) == []
    assert not data.exists()


def test_what_is_handed_over_is_copied_with_its_hash(data, bring, site, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    given(folder, roof_csv("2003-07-01T00:10", 20), "mpi_roof_2003b.csv")
    given(folder, FILES["mpi_roof_2018a.zip"], "mpi_roof_2018a.zip")
    given(folder, site.routes["/wetter/mpi_saale_2017b.zip"], "mpi_saale_2017b.zip")
    with_iso_times = re.sub(rb"(?m)^(..)\.(..)\.(....)", rb"\3-\2-\1", roof_csv("2005-07-01T00:10", 20))
    given(folder, gzip.compress(with_iso_times), "mpi_roof_2005b.csv.gz")
    given(folder, b"mine", "notes.csv")
    given(folder, b"mine", "notes.txt")
    url = f"{site.url}/wetter/mpi_roof_2024.zip"
    done = bring(folder, folder / "mpi_roof_2018a.zip", url, folder / "missing.zip", folder / "notes.csv")
    assert done.fetched == ["mpi_roof_2003b.csv", "mpi_roof_2005b.csv.gz", "mpi_roof_2018a.zip", "mpi_roof_2024.zip"]
    assert done.kept == ["mpi_roof_2018a.zip"]
    assert list(done.missing) == [str(folder / "missing.zip"), str(folder / "notes.csv")]
    assert "is not a station CSV: it begins with 'mine'" in done.missing[str(folder / "notes.csv")]
    assert kept(data)["mpi_roof_2003b.csv"] == (folder / "mpi_roof_2003b.csv").read_bytes()
    assert index(data)["files"]["mpi_roof_2003b.csv"]["url"] is None
    assert index(data)["files"]["mpi_roof_2005b.csv.gz"]["last"] == "2005-07-01T03:20:00"
    assert index(data)["files"]["mpi_roof_2024.zip"]["url"] == url


def test_a_part_of_a_finished_period_that_was_handed_over_is_completed_from_the_page(data, bring, site, tmp_path):
    whole = roof_zip("2020-12-30T00:10", 288)
    serve(site, b2020=whole)
    assert bring(given(tmp_path, roof_zip("2020-12-30T00:10", 100), "mpi_roof_2020.zip")).fetched
    assert bring().fetched == ["mpi_roof_2020.zip"]
    assert kept(data) == {"mpi_roof_2020.zip": whole}
    site.hits.clear()
    bring()
    assert site.hits == [PAGE]


def test_a_whole_period_that_was_handed_over_is_not_fetched(data, bring, site, tmp_path):
    serve(site, b2020=(whole := roof_zip("2020-12-30T00:10", 288)))
    bring(given(tmp_path, whole, "mpi_roof_2020.zip"))
    assert bring().kept == ["mpi_roof_2020.zip"]
    assert site.hits == [PAGE]
