import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jenacast import files
from jenacast.columns import COLUMNS, NAMES
from jenacast.data import prepared as module
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series
from jenacast.errors import DataError

T, WIND = NAMES.index("temperature_c"), NAMES.index("wind_speed_m_per_s")
ROWS = 1400  # hourly: 700 train, 350 validation, 350 test


def snapshot(folder):
    """Content, inode and time of every file below a folder, and nothing left beside them."""
    return {
        path.relative_to(folder): (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_prepared_array_is_the_csv(place_csv, series):
    times, values = series
    folder = place_csv(times, values)
    for protocol in ("strict", "book"):
        manifest = prepare(folder, protocol=protocol, force=True)
        prepared = load_prepared(folder)
        np.testing.assert_array_equal(prepared.series.times, times)
        np.testing.assert_array_equal(prepared.series.values, values.astype(np.float32))
        assert prepared.manifest == manifest
        assert (manifest.rows, manifest.rows_per_hour, manifest.protocol) == (ROWS, 1, protocol)
        assert (manifest.history_hours, manifest.lead_hours) == (120, 24)


def test_splits_are_cut_after_half_and_three_quarters(place_csv, series):
    folder = place_csv(*series)
    for protocol in ("strict", "book"):
        splits = prepare(folder, protocol=protocol, force=True).splits
        borders = {name: (split.start, split.stop) for name, split in splits.items()}
        assert borders == {"train": (0, 700), "val": (700, 1050), "test": (1050, 1400)}
        assert splits["train"].first_time == "2009-01-01T00:10:00"
        assert splits["val"].first_time == "2009-01-30T04:10:00"  # 700 hours: 29 days and 4 hours
        assert splits["test"].last_time == "2009-02-28T07:10:00"


@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_the_scaling_is_numpys_over_the_train_rows_alone(place_csv, series, protocol):
    times, values = series
    folder = place_csv(times, values)
    manifest = prepare(folder, protocol=protocol)
    train = pd.read_csv(folder / CSV_NAME).iloc[:700, 1:].to_numpy()
    for index, column in enumerate(COLUMNS):
        record = manifest.columns[column.name]
        assert record.unit == column.unit
        assert record.mean == pytest.approx(train[:, index].mean(), rel=1e-6, abs=1e-6)
        assert record.deviation == pytest.approx(train[:, index].std(), rel=1e-5)
        assert record.minimum == pytest.approx(train[:, index].min(), rel=1e-6)
        assert record.maximum == pytest.approx(train[:, index].max(), rel=1e-6)

    values[700:] = values[:700][::-1]
    values[[800, 1100]] = -9999
    changed = prepare(place_csv(times, values, name="changed"), protocol=protocol)
    assert changed.columns == manifest.columns
    assert changed.source_sha256 != manifest.source_sha256


def test_the_same_again_is_no_work(place_csv, series, jenacast):
    folder = place_csv(*series)
    first = jenacast("prepare", "--data-dir", folder, "--json")
    before = snapshot(folder)
    again = jenacast("prepare", "--data-dir", folder, "--json")
    assert again.exit_code == 0
    assert "nothing to do" in again.stderr
    assert again.stdout == first.stdout
    assert snapshot(folder) == before


def test_another_result_is_refused_without_force(place_csv, series, jenacast):
    times, values = series
    folder = place_csv(times, values)
    prepare(folder)
    place_csv(times, values[::-1])
    arguments = ["prepare", "--data-dir", folder]
    before = snapshot(folder)
    refused = jenacast(*arguments)
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "holds another series or other borders (strict" in refused.stderr
    assert "--force replaces it" in refused.stderr
    assert snapshot(folder) == before

    forced = jenacast(*arguments, "--force", "--json")
    assert forced.exit_code == 0
    manifest = load_prepared(folder).manifest
    assert json.loads(forced.stdout) == manifest.model_dump() == json.loads(manifest_text(folder))
    assert sorted(path.name for path in folder.iterdir()) == [CSV_NAME, "prepared"]


def manifest_text(folder):
    return (folder / "prepared" / "manifest.json").read_text(encoding="utf-8")


def test_made_up_data_stay_marked(place_csv, series):
    times, values = series
    folder = place_csv(times, values)
    assert not prepare(folder).synthetic
    assert prepare(folder, force=True, synthetic=True).synthetic
    assert prepare(folder).synthetic
    assert prepare(folder, protocol="book", force=True).synthetic
    place_csv(times, values[::-1])  # another file
    assert not prepare(folder, force=True).synthetic


def whole_column(index, value, rows=ROWS):
    def spoil(times, values):
        values[:rows, index] = value
        return times, values

    return spoil


def every(minutes):
    return lambda times, values: (times[0] + np.arange(ROWS) * np.timedelta64(minutes, "m"), values)


def quarters_in_disorder(times, values):
    order = np.arange(ROWS).reshape(4, -1)[::-1].ravel()
    return times[order], values[order]


UNUSABLE = {
    "too short for windows": (lambda t, v: (t[:500], v[:500]), "the val split .125 rows. holds no window of 120 h"),
    "too short to cut": (lambda t, v: (t[:3], v[:3]), "3 rows, too few to cut"),
    "one row": (lambda t, v: (t[:1], v[:1]), "1 row.s. and no step forward in time"),
    "a constant column": (whole_column(WIND, 3, 700), "'wv .m/s.' is 3 throughout the train rows, so it cannot be"),
    "a column of the sentinel": (whole_column(WIND, -9999), "'wv .m/s.' has no valid value.*a working instrument is"),
    "a column of infinities": (whole_column(0, np.inf), "'p .mbar.' has no valid value.*a working instrument is"),
    "no temperature": (whole_column(T, np.nan), "'T .degC.' has no valid value.*a working instrument is needed"),
    "no value at all": (whole_column(slice(None), np.nan), "has no valid value"),
    "one time": (lambda t, v: (t[[0] * ROWS], v), "no step forward in time; it needs many, in order of time"),
    "rows backwards": (lambda t, v: (t[::-1], v[::-1]), "in order of time"),
    "quarters in disorder": (quarters_in_disorder, "out of order; sort it by time"),
    "rows of 7 minutes": (every(7), "7 minutes apart, which does not divide an hour; thin the series to 10-minute"),
    "rows of 25 minutes": (every(25), "25 minutes apart, which does not divide an hour"),
    "rows of 5 hours": (every(300), "300 minutes apart, which does not divide an hour"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_series_is_refused_and_leaves_nothing(place_csv, series, name):
    spoil, message = UNUSABLE[name]
    folder = place_csv(*spoil(*series))
    with pytest.raises(DataError, match=message):
        prepare(folder)
    assert [path.name for path in folder.iterdir()] == [CSV_NAME]


@pytest.mark.parametrize("place", ["np.save", "write_json", "rename"])
def test_a_failure_in_the_middle_leaves_the_old_result_whole(place_csv, series, jenacast, monkeypatch, place):
    folder = place_csv(*series)
    prepare(folder)
    before = snapshot(folder)
    rename = Path.rename

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def fail_at_the_last(path, target):
        if path.name == "new":
            fail()
        return rename(path, target)

    monkeypatch.setattr(files, "exchange", lambda *paths: False)

    if place == "rename":
        monkeypatch.setattr(files.Path, "rename", fail_at_the_last)
    else:
        monkeypatch.setattr(*((np, "save") if place == "np.save" else (module, "write_json")), fail)
    result = jenacast("prepare", "--data-dir", folder, "--protocol", "book", "--force")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert "nothing was overwritten" in result.stderr
    assert snapshot(folder) == before
    assert sorted(path.name for path in folder.iterdir()) == [CSV_NAME, "prepared"]


MEASURE = """
import re, sys, time
from pathlib import Path
import jenacast.data.station
from jenacast.data.prepare import prepare

def peak_bytes():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

small, large = map(Path, sys.argv[1:])
before = peak_bytes()
prepare(small)
seconds = {}
for folder in (small, large):
    runs = []
    for _ in range(2):
        begin = time.process_time()
        prepare(folder, force=True)
        runs.append(time.process_time() - begin)
    seconds[folder] = min(runs)
print(peak_bytes() - before, seconds[large] / seconds[small])
"""


@pytest.mark.system
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_and_time_grow_with_the_table_alone(place_csv):
    rows = 150_000
    times, values = synthetic_series(rows=rows, warts=False)
    small, large = place_csv(times[: rows // 10], values[: rows // 10], "small"), place_csv(times, values, "large")
    command = [sys.executable, "-c", MEASURE, str(small), str(large)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    grown_bytes, times_as_long = map(float, output.split())
    assert grown_bytes < 3 * rows * len(COLUMNS) * 8 + 15e6
    assert times_as_long < 20  # ten, and what the neighbours on the machine take; in squares it would be a hundred
