"""`jenacast prepare FILE...`: several files as one series, its own borders, what the years hold."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from station_files import write_station_file

from jenacast.columns import NAMES, OPTIONAL_NAMES
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_manifest, load_prepared
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import DataError
from jenacast.files import file_sha256

ROWS = 1400
TIMES, VALUES = synthetic_series(rows=6 * ROWS, seed=3, warts=False)  # every ten minutes
HOURLY = slice(0, None, 6)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """Files of one series: overlapping, one of them a zip."""
    folder = tmp_path_factory.mktemp("pieces")
    first = write_station_file(folder / "a.csv", TIMES[:4000], VALUES[:4000])
    late = write_station_file(folder / "b.csv", TIMES[3000:], VALUES[3000:])
    with zipfile.ZipFile(folder / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(late, late.name)
    late.unlink()
    return first, folder / "b.zip"


def arrays(folder):
    series = load_prepared(folder).series
    return series.times, series.values, series.optional


def test_files_in_any_order_are_one_series_each_time_once(pieces, tmp_path):
    first, late = pieces
    for number, files in enumerate([(first, late), (late, first), (late, first, late)]):
        manifest = prepare(tmp_path / str(number), files)
        times, values, optional = arrays(tmp_path / str(number))
        np.testing.assert_array_equal(times, TIMES)
        np.testing.assert_array_equal(values, VALUES.astype(np.float32))
        assert optional.shape == (len(TIMES), len(OPTIONAL_NAMES))
        assert manifest.audit.duplicate_rows == manifest.audit.rows_in_file - len(TIMES)
        assert (manifest.audit.conflicting_rows, manifest.audit.gaps, manifest.audit.backward_jumps) == (0, [], [])
    two = [load_manifest(tmp_path / name / "prepared") for name in "01"]
    assert two[0].source_sha256 == two[1].source_sha256
    assert [(Path(one.path).name, one.sha256, one.rows) for one in two[1].sources] == [
        ("a.csv", file_sha256(first), 4000),
        ("b.zip", file_sha256(late), len(TIMES) - 3000),
    ]
    assert "nothing to do" not in two[0].source
    assert prepare(tmp_path / "0", (late, first)) == two[0]  # the same files: nothing to do


def test_of_rows_with_one_time_that_of_the_file_that_begins_first_counts(pieces, tmp_path):
    first, _ = pieces
    other = write_station_file(tmp_path / "other.csv", TIMES[3990:], VALUES[3990:] + 1)
    manifest = prepare(tmp_path, (other, first))
    assert manifest.audit.conflicting_rows == 10
    higher_c = arrays(tmp_path)[1][3985:4005, 1] - VALUES[3985:4005, 1]
    np.testing.assert_array_equal(higher_c > 0.5, [False] * 15 + [True] * 5)


@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_finer_rows_are_thinned_to_the_coarsest_step_at_its_minute(tmp_path, protocol, said):
    old = tmp_path / "old.csv"
    write_csv(old, TIMES[HOURLY][:600], VALUES[HOURLY][:600])
    new = write_station_file(tmp_path / "new.csv", TIMES[3300:], VALUES[3300:])
    manifest = prepare(tmp_path, (new, old), protocol=protocol)
    times, values, optional = arrays(tmp_path)
    np.testing.assert_array_equal(times, TIMES[HOURLY])
    np.testing.assert_array_equal(values, VALUES[HOURLY].astype(np.float32))
    assert np.isnan(optional[:550]).all()
    assert (optional[550:, 2] == np.float32(112.25)).all()
    assert (manifest.rows_per_hour, manifest.audit.rows_in_file) == (1, 600 + 6 * ROWS - 3300)
    (note,) = (text for _, text in said() if text.startswith("taking"))
    assert note == f"taking rows every 60 minutes from all files; thinned, since they have one every 10: {new}"


def test_own_borders_cut_after_these_times(pieces, tmp_path, jenacast):
    files = pieces
    borders = ("--train-until", "2009-02-01", "--val-until", "15.02.2009 12:00:00")
    done = jenacast("prepare", *files, "--data-dir", tmp_path, *borders, "--json")
    assert done.exit_code == 0, done.output
    splits = json.loads(done.stdout)["splits"]
    assert [(split["first_time"], split["last_time"]) for split in splits.values()] == [
        ("2009-01-01T00:10:00", "2009-02-01T00:00:00"),
        ("2009-02-01T00:10:00", "2009-02-15T12:00:00"),
        ("2009-02-15T12:10:00", str(TIMES[-1])),
    ]
    manifest = load_manifest(tmp_path / "prepared")
    assert manifest.until == {"train": "2009-02-01T00:00:00", "val": "2009-02-15T12:00:00"}
    train = VALUES[: 31 * 144, NAMES.index("temperature_c")]
    assert manifest.columns["temperature_c"].mean == pytest.approx(train.mean(), rel=1e-6)
    again = jenacast("prepare", *files, "--data-dir", tmp_path, *borders)
    assert "nothing to do" in again.stderr
    refused(jenacast("prepare", *files, "--data-dir", tmp_path), "other borders (strict", "borders 2009-02-01T00:00:00")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--train-until", "2009-02-01"], "--train-until and --val-until go together"),
        (["--train-until", "2009-02-01", "--val-until", "2009-02-01"], "is not before --val-until"),
        (["--train-until", "2009-02-01", "--val-until", "2009-02-15", "--protocol", "book"], "are those of the book"),
        (["--train-until", "soon", "--val-until", "2009-02-15"], "expected a time such as"),
    ],
)
def test_borders_that_make_no_sense_are_wrong_usage(assert_refused, data_dir, options, told):
    assert_refused(["prepare", "--data-dir", data_dir, *options], [told], code=2)


def test_a_border_beyond_the_series_is_refused(pieces, tmp_path):
    files = pieces
    with pytest.raises(DataError, match=r"the test split has no rows: train goes until 2009-01-20, .* other borders"):
        prepare(tmp_path, files, until={"train": "2009-01-20", "val": "2011-01-01"})
    assert not list(tmp_path.iterdir())


def test_the_years_list_rows_gaps_and_missing_values(tmp_path, jenacast):
    times, values = synthetic_series(rows=400 * 24, step_minutes=60, seed=3, warts=False)
    values[[10, 20, 9000], NAMES.index("wind_speed_m_per_s")] = -9999
    kept = np.delete(np.arange(len(times)), [100, 5000, 9001])
    write_csv(tmp_path / CSV_NAME, times[kept], values[kept])
    (tmp_path / CSV_NAME).rename(tmp_path / "old.csv")
    new = times[-1] + np.arange(1, 25) * np.timedelta64(1, "h")
    write_station_file(tmp_path / "new.csv", new, values[30:54] + 0.01)
    done = jenacast("prepare", tmp_path / "new.csv", tmp_path / "old.csv", "--data-dir", tmp_path)
    assert done.exit_code == 0, done.output
    first, second = load_manifest(tmp_path / "prepared").audit.years
    # A time is the end of its interval, so that a year has the row of the next midnight; 00:10 has no such row here.
    assert (first.year, first.rows, first.gaps, first.missing["wind_speed_m_per_s"]) == (2009, 365 * 24 - 2, 2, 2)
    assert (second.year, second.rows, second.gaps) == (2010, 35 * 24 - 1 + 24, 1)
    assert first.missing["rain_mm"] == first.rows
    assert second.missing == {"wind_speed_m_per_s": 1, **dict.fromkeys(OPTIONAL_NAMES[:4], 839), "co2_ppm": 863}
    lines = done.stdout.splitlines()
    assert "2009  8,758     2  wind_speed_m_per_s 2, all of the optional columns" in lines
    assert max(map(len, lines)) <= 80


def test_by_default_the_standard_csv_is_taken_or_else_the_archive(pieces, tmp_path, jenacast):
    first, late = pieces
    station = tmp_path / "station"
    station.mkdir()
    shutil.copy(late, station / "mpi_roof_2009a.zip")
    done = jenacast("prepare", "--data-dir", tmp_path, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == len(TIMES) - 3000
    os.link(first, tmp_path / CSV_NAME)
    done = jenacast("prepare", "--data-dir", tmp_path, "--force", "--json")
    assert json.loads(done.stdout)["rows"] == 4000
    everything = f"jenacast prepare {tmp_path / CSV_NAME} {station}/*.zip"
    assert f"to take the station's 1 files too: {everything}\n" in done.stderr


def test_a_file_that_is_not_there_is_told_with_a_remedy(assert_refused, data_dir):
    assert_refused(["prepare", "nofile.csv", "--data-dir", data_dir], ["nofile.csv not found", "expected a CSV of the"])


@pytest.mark.skipif("JENACAST_TEST_LATER" not in os.environ, reason="JENACAST_TEST_LATER does not name the later files")
@pytest.mark.real
def test_the_real_later_files_go_on_where_the_hourly_series_ends(real_series, tmp_path):
    later = Path(os.environ["JENACAST_TEST_LATER"])
    files = [later / "mpi_roof_2017b.zip", later / "mpi_roof_2024_january_to_may.csv.gz", real_series]
    manifest = prepare(tmp_path, files, until={"train": "2016-01-01", "val": "2017-01-01"})
    assert manifest.rows_per_hour == 1
    years = {year.year: year for year in manifest.audit.years}
    assert sorted(years) == [*range(2009, 2018), 2024]
    assert years[2017].rows == 184 * 24  # the second half of a year
    assert years[2017].missing == {}
    assert manifest.audit.duplicate_rows == 24  # those of 2010
    times, values, optional = arrays(tmp_path)
    row = np.searchsorted(times, np.datetime64("2017-07-01T00:20:00"))
    assert values[row, :3].tolist() == np.float32([980.24, 15.24, 290.05]).tolist()  # the file's second row
    assert optional[row, -1] == np.float32(428.10)
