"""Station files that are joined: one clock, and which of two values counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from observed import NAN, T, at, complete_rows, hourly, join, lanes, make_series, temperatures
from station_files import ALSO_TODAY, write_station_file

from jenacast.columns import NAMES, SENTINEL
from jenacast.data.series import Series
from jenacast.data.station import read_station_csv
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.forecasting.observations import describe_hours, missing_hours


def test_the_reader_takes_the_files_of_today(tmp_path):
    times, values = synthetic_series(rows=200, warts=False)
    missing = np.zeros(values.shape, dtype=bool)
    missing[7, T] = missing[9] = True
    path = write_station_file(tmp_path / "mpi_roof_2026b.csv", times, values, missing=missing)
    header, first = path.read_bytes().split(b"\n")[:2]
    assert header.startswith(b'"Date Time","p (mbar)","T (degC)",')
    assert b'"SWDR (W/m\xb2)","PAR (\xb5mol/m\xb2/s)"' in header
    assert first.startswith(b"01.01.2009 00:10:00,  ")
    assert first.count(b",") == len(NAMES) + len(ALSO_TODAY) == 21
    series = read_station_csv(path)
    np.testing.assert_array_equal(series.times, times)
    np.testing.assert_array_equal(series.values, np.where(missing, SENTINEL, values).astype(np.float32))


def test_several_files_are_one_series(tmp_path, said):
    times, values = synthetic_series(rows=600, warts=False)
    absent = np.isin(np.arange(600), [250, 251])
    pieces = [(400, 600), (0, 200), (150, 420)]
    paths = []
    for number, (first, stop) in enumerate(pieces):
        rows = np.arange(first, stop)[~absent[first:stop]]
        paths.append(write_station_file(tmp_path / f"{number}.csv", times[rows], values[rows]))
    write_csv(tmp_path / "as_published.csv", times[100:160], values[100:160])
    found = join(*map(read_station_csv, [*paths, tmp_path / "as_published.csv"]), max_gap_hours=0.5)
    assert lanes(found) == 6
    assert found.series.values.dtype == np.float32
    np.testing.assert_array_equal(found.series.times, times)
    np.testing.assert_array_equal(found.measured, ~absent)
    np.testing.assert_array_equal(found.filled, absent)
    np.testing.assert_array_equal(found.series.values[~absent], values[~absent].astype(np.float32))
    assert said() == []


def test_the_real_hourly_series_is_whole_although_its_minute_changes(real_series, said):
    found = join(read_station_csv(real_series), max_gap_hours=1)
    assert lanes(found) == 4  # 00:10, :20, :30 and :40, one after the other
    last = np.datetime64("2016-12-31T23:20")
    assert found.series.times[-1] == last
    assert complete_rows(found, 48)[-1] == len(found.series.times) - 1
    gap = missing_hours(found, last, 24 * 70)
    assert describe_hours(gap) == "2016-10-25 10:20 to 2016-10-28 12:20"
    assert said() == []


def test_the_file_named_last_counts_and_the_first_row_inside_it(said):
    older = make_series([1, 2, 3, 4], [0, 60, 120, 180])
    newer = make_series([30, 31, 4, 5], [120, 120, 180, 240])
    np.testing.assert_array_equal(temperatures(join(older, newer)), [1, 2, 30, 4, 5])
    np.testing.assert_array_equal(temperatures(join(newer, older)), [1, 2, 3, 4, 5])
    rule = "the file named last counts, inside a file the first row"
    text = f"dropped 2 row(s) whose time has other values elsewhere: {rule}"
    assert said() == [("WARNING", text)] * 2


def test_a_withdrawn_value_stays_withdrawn_but_an_empty_row_hides_nothing(said):
    older, newer = hourly([1, 2, 3, 4]), hourly([1, 2, SENTINEL, SENTINEL])
    newer.values[1] = SENTINEL
    np.testing.assert_array_equal(temperatures(join(older, newer)), [1, 2, NAN, NAN])
    assert "dropped 2 row(s)" in said()[0][1]


def test_hourly_and_ten_minute_rows_together_are_ten_minute_rows():
    past = make_series(np.arange(50), 60 * np.arange(50))
    today = make_series(49 + np.arange(1, 7) / 4, 2940 + 10 * np.arange(1, 7))
    for found in (join(past, today), join(today, past)):
        assert lanes(found) == 6
        np.testing.assert_array_equal(found.series.times, at(*range(0, 3001, 10)))
        assert found.measured.sum() == 56
        np.testing.assert_allclose(temperatures(found)[:295], np.arange(295) / 6, rtol=1e-6)
        np.testing.assert_array_equal(temperatures(found)[295:], 49 + np.arange(1, 7) / 4)


def test_a_series_whose_minute_changes_has_a_lane_for_each():
    minutes = [*range(0, 601, 60), *range(670, 1300, 60)]  # 00:10 to 10:10, then 11:20 to 21:20
    found = join(make_series(np.arange(22), minutes))
    assert lanes(found) == 2
    np.testing.assert_array_equal(found.series.times[:4], at(0, 10, 60, 70))
    np.testing.assert_array_equal(found.series.times[-2:], at(1260, 1270))
    np.testing.assert_array_equal(found.series.times[found.measured], at(*minutes))
    assert not missing_hours(found, found.series.times[-1], 20).size


def test_slips_of_the_clock_are_dropped_and_counted(said):
    clock = make_series(np.arange(1200) / 60, 10 * np.arange(1200))
    slips = Series(at(33, 93, 153) + np.timedelta64(7, "s"), clock.values[:3])
    both = Series(np.concatenate([clock.times, slips.times]), np.concatenate([clock.values, slips.values]))
    found = join(both)
    assert lanes(found) == 7  # more than one row in a hundred hours is a lane
    found = join(Series(both.times[:-1], both.values[:-1]))
    assert lanes(found) == 6
    np.testing.assert_array_equal(found.series.times, clock.times)
    assert found.measured.all()
    assert said()[-1] == ("WARNING", "dropped 2 row(s) off the clock of their file, the first at 2026-10-03 00:43:07")


@given(st.lists(st.lists(st.integers(0, 90), min_size=1, max_size=30), min_size=1, max_size=5), st.randoms())
def test_the_order_of_files_that_agree_is_irrelevant(pieces, random):
    pieces = [list(range(30)), *pieces]  # so that the step is 10 minutes
    files = [make_series(np.sqrt(np.array(piece, dtype=float)), 10 * np.array(piece)) for piece in pieces]
    one = join(*files)
    random.shuffle(files)
    other = join(*files)
    np.testing.assert_array_equal(one.series.times, other.series.times)
    np.testing.assert_array_equal(one.series.values, other.series.values)
    np.testing.assert_array_equal(one.measured, other.measured)
    np.testing.assert_array_equal(one.filled, other.filled)
    everything = {row for piece in pieces for row in piece}
    assert set(np.flatnonzero(one.measured)) == everything
