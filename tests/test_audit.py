"""What an audit finds in a series, and the windows that each fault costs."""

import numpy as np
import pytest

from jenacast.columns import NAMES
from jenacast.data.audit import TimeStep
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series
from jenacast.errors import DataError

T, WIND = NAMES.index("temperature_c"), NAMES.index("wind_speed_m_per_s")
ROWS = 1400  # hourly: 700 train, 350 validation, 350 test
BORDER = 119 + 24  # rows of a whole split that are the 'now' of no window


def windows_of(manifest, split):
    counts = manifest.audit.windows[split]
    assert counts.kept == manifest.splits[split].windows
    assert counts.rows == counts.kept + sum(counts.lost.values())
    assert min(counts.lost.values()) >= 0
    return counts


def test_strict_cuts_at_the_times_of_the_books_border_rows(place_csv, series):
    times, values = (np.insert(part, 300, part[276:300], axis=0) for part in series)  # a day stands twice
    folder = place_csv(times[:ROWS], values[:ROWS])
    manifest = prepare(folder)
    assert manifest.audit.duplicate_rows == 24
    splits = manifest.splits
    assert splits["train"].stop == splits["val"].start == 700 - 24
    assert splits["val"].first_time == str(times[700])
    assert splits["test"].first_time == str(times[1050])
    counts = windows_of(manifest, "train")
    assert counts.rows == 700
    assert counts.lost == {"duplicates": 24, "border": BORDER, "gaps": 0, "values": 0}


def test_a_faultless_series_loses_windows_at_borders_alone(place_csv, series, jenacast):
    folder = place_csv(*series)
    result = jenacast("prepare", "--data-dir", folder)
    assert result.exit_code == 0
    assert "nothing wrong was found" in result.stdout
    manifest = load_prepared(folder).manifest
    assert manifest.audit.gaps == manifest.audit.backward_jumps == manifest.audit.values == []
    for split, rows in (("train", 700), ("val", 350), ("test", 350)):
        counts = windows_of(manifest, split)
        assert counts.kept == rows - BORDER
        assert counts.lost == {"duplicates": 0, "border": BORDER, "gaps": 0, "values": 0}
        assert counts.touched_by_values == 0


def test_a_missing_hour_costs_its_windows(place_csv, series):
    times, values = (np.delete(part, 300, axis=0) for part in series)
    folder = place_csv(times, values)
    manifest = prepare(folder)
    (gap,) = manifest.audit.gaps
    assert gap == TimeStep(after="2009-01-13T11:10:00", next="2009-01-13T13:10:00", hours=2)
    counts = windows_of(manifest, "train")
    assert counts.rows == 699
    assert counts.lost["gaps"] == 119 + 1  # it is missing in 119 histories and as one target
    assert counts.kept == 699 - BORDER - 120

    book = windows_of(prepare(folder, protocol="book", force=True), "train")
    assert (book.kept, book.touched_by_gaps, book.other_lead) == (699 - 119, 143, 24)


def test_a_false_temperature_costs_its_target_and_touches_its_histories(place_csv, series):
    times, values = series
    values[300, T] = -9999
    folder = place_csv(times, values)
    manifest = prepare(folder)
    counts = windows_of(manifest, "train")
    assert counts.lost["values"] == 1
    assert counts.touched_by_values == 120
    assert manifest.replaced_target_rows == [300]
    (found,) = manifest.audit.values
    expected = {"column": "temperature_c", "split": "train", "first_time": "2009-01-13T12:10:00"}
    assert found.model_dump() == expected | {"sentinels": 1, "missing_or_out_of_range": 0, "windows_touched": 120}

    # The book keeps the window whose target was not measured, and counts it as touched.
    book = prepare(folder, protocol="book", force=True)
    assert windows_of(book, "train").touched_by_values == 120 + 1
    assert book.audit.values == [found.model_copy(update={"windows_touched": 120 + 1})]


def test_a_long_outage_costs_windows_under_strict_and_is_filled_under_book(place_csv, series):
    times, values = series
    values[1200:1208, WIND] = -9999  # filled for six hours, given up for two
    values[1207, WIND] = 80  # out of range
    folder = place_csv(times, values)
    manifest = prepare(folder)
    counts = windows_of(manifest, "test")
    assert counts.lost["values"] == 120 + 1
    assert counts.touched_by_values == 6
    (found,) = manifest.audit.values
    assert (found.sentinels, found.missing_or_out_of_range, found.split) == (7, 1, "test")
    np.testing.assert_array_equal(
        load_prepared(folder).series.values[1199:1209, WIND],
        np.float32([values[1199, WIND]] * 7 + [np.nan] * 2 + [values[1208, WIND]]),
    )

    counts = windows_of(prepare(folder, protocol="book", force=True), "test")
    assert counts.kept == 350 - 119 - BORDER  # the book cuts the series before it makes windows
    assert counts.touched_by_values == 1257 - 1200  # the last 'now' is row 1256
    assert load_prepared(folder).series.values[1207, WIND] == np.float32(values[1199, WIND])


def test_ten_minute_rows_give_six_times_the_windows(place_csv):
    fine = prepare(place_csv(*synthetic_series(rows=6 * ROWS, warts=False), name="fine"))
    hourly = prepare(place_csv(*synthetic_series(rows=ROWS, step_minutes=60, warts=False), name="hourly"))
    assert (fine.rows_per_hour, hourly.rows_per_hour) == (6, 1)
    for split in ("train", "val", "test"):
        assert windows_of(fine, split).kept == 6 * windows_of(hourly, split).kept


@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_a_series_with_the_stations_faults_adds_up(place_csv, protocol):
    manifest = prepare(place_csv(*synthetic_series(rows=6000, step_minutes=60)), protocol=protocol)
    lost = [windows_of(manifest, split).lost for split in ("train", "val", "test")]
    rows = sum(windows_of(manifest, split).rows for split in ("train", "val", "test"))
    assert rows == manifest.audit.rows_in_file == 6000
    assert len(manifest.audit.backward_jumps) == 2
    found = {cause for split in lost for cause, count in split.items() if count}
    assert found == ({"duplicates", "border", "gaps"} if protocol == "strict" else {"border"})


def test_the_table_names_what_was_found(place_csv, series, jenacast):
    times, values = (np.insert(part, 300, part[276:300], axis=0) for part in series)
    times, values = (np.delete(part, slice(500, 510), axis=0) for part in (times, values))
    values[1200, WIND] = -9999
    folder = place_csv(times, values)
    result = jenacast("prepare", "--data-dir", folder)
    assert result.exit_code == 0
    assert "lead not" not in result.stdout
    assert "lead not 24 h" in jenacast("prepare", "--data-dir", folder, "--protocol", "book", "--force").stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "duplicate rows, left out: 24\n" in result.stdout
    lines = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines() if line}
    assert result.stdout.startswith("1,414 rows, one every 60 minutes; protocol strict")
    assert lines["gap"] == ["gap", "2009-01-20", "19:10", "2009-01-21", "06:10", "11", "h"]
    assert lines["backward jump"][2:] == ["2009-01-13", "11:10", "2009-01-12", "12:10", "-23", "h"]
    assert lines["wind_speed_m_per_s"][1:] == ["test", *str(times[1200])[:-3].split("T"), "1", "0", "120"]
    assert lines["2009"] == ["2009", "1,390", "1", "wind_speed_m_per_s", "1"]


def test_book_refuses_what_only_the_future_could_fill(place_csv, series):
    times, values = series
    values[0, WIND] = -9999
    folder = place_csv(times, values)
    with pytest.raises(DataError, match=r"no valid value in the first row.*use --protocol strict"):
        prepare(folder, protocol="book")
    counts = windows_of(prepare(folder, protocol="strict"), "train")
    assert counts.lost["values"] == 1  # the only window that sees the first row


@pytest.mark.real
def test_the_real_series_is_audited(real_series, tmp_path):
    (tmp_path / CSV_NAME).symlink_to(real_series)
    manifest = prepare(tmp_path)
    found = manifest.audit
    assert (found.rows_in_file, found.duplicate_rows, found.conflicting_rows) == (70_092, 24, 0)
    jumps = [(jump.after[:10], jump.hours) for jump in found.backward_jumps]
    assert jumps == [("2010-07-01", -23), ("2014-03-21", -29.5)]
    gaps = [(gap.after[:10], round(gap.hours)) for gap in found.gaps if gap.hours > 2]
    assert gaps == [("2014-09-24", 17), ("2016-10-25", 75)]
    sentinels = {value.column: value for value in found.values if value.sentinels}
    assert sorted(sentinels) == ["max_wind_speed_m_per_s", "wind_speed_m_per_s"]
    for value in sentinels.values():
        assert value.split == "test"
        assert value.first_time.startswith("2015-07-13")
    for split in ("train", "val", "test"):
        windows_of(manifest, split)
    book = prepare(tmp_path, protocol="book", force=True).audit.windows
    assert [book[split].other_lead for split in ("train", "val", "test")] == [48, 96, 24]
