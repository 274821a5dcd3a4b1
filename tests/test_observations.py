import logging
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from station_files import ALSO_TODAY, write_station_file

from jenacast.columns import COLUMNS, NAMES, SENTINEL
from jenacast.data.series import Series
from jenacast.data.station import read_station_csv
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import DataError
from jenacast.forecasting.observations import Observations, describe_hours, join_observations, missing_hours
from jenacast.forecasting.origins import history_windows

MIDDLES = np.array([(column.low + column.high) / 2 for column in COLUMNS], dtype=np.float32)
T, WD = NAMES.index("temperature_c"), NAMES.index("wind_direction_deg")
START = np.datetime64("2026-10-03T00:10:00")
NAN = np.nan


def at(*minutes):
    return START + np.array(minutes, dtype="timedelta64[m]")


def make_series(temperatures_c, minutes, column=T):
    """Rows at minutes after `START`; every column but one stands still in mid-range."""
    values = np.tile(MIDDLES, (len(minutes), 1))
    values[:, column] = temperatures_c
    return Series(at(*minutes), values)


def hourly(temperatures_c, column=T):
    return make_series(temperatures_c, 60 * np.arange(len(temperatures_c)), column)


def join(*files, max_gap_hours=3.0):
    return join_observations(files, max_gap_hours=max_gap_hours, source="the files")


def lanes(found):
    return len(np.unique(found.series.times.astype(np.int64) % 3600))


def complete_rows(found, hours):
    """The rows that end a complete history."""
    return np.sort(history_windows(found.series, hours).last_rows)


def temperatures(found):
    return found.series.column("temperature_c")


@pytest.fixture
def said(caplog):
    """A function that gives what was logged, as (level, text)."""
    caplog.set_level(logging.INFO, logger="jenacast")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


# The files of today


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


# Gaps


@pytest.mark.parametrize(
    ("max_gap_hours", "expected"),
    [
        (0, [10, NAN, 14, NAN, NAN, 20, NAN, NAN, NAN, 28, 0, 0]),
        (1.99, [10, NAN, 14, NAN, NAN, 20, NAN, NAN, NAN, 28, 0, 0]),
        (2, [10, 12, 14, NAN, NAN, 20, NAN, NAN, NAN, 28, 0, 0]),
        (3, [10, 12, 14, 16, 18, 20, NAN, NAN, NAN, 28, 0, 0]),
        (3.99, [10, 12, 14, 16, 18, 20, NAN, NAN, NAN, 28, 0, 0]),
        (4, [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 0, 0]),
    ],
)
@pytest.mark.parametrize("rows", ["absent", "missing", "sentinel"])
def test_a_gap_is_the_time_between_the_values_beside_it(max_gap_hours, expected, rows):
    known = [0, 2, 5, 9, 10, 11]
    celsius = np.full(12, SENTINEL if rows == "sentinel" else NAN)
    celsius[known] = [10, 14, 20, 28, 0, 0]
    series = make_series(celsius[known], 60 * np.array(known)) if rows == "absent" else hourly(celsius)
    found = join(series, max_gap_hours=max_gap_hours)
    np.testing.assert_array_equal(temperatures(found), expected)
    np.testing.assert_array_equal(found.measured, np.isin(np.arange(12), known))
    np.testing.assert_array_equal(found.filled, ~found.measured & np.isfinite(expected))


def test_rows_are_weighed_by_time():
    # Rows at 00:10, 00:20, 00:50 and then each hour: 00:20 is a quarter of the way from 00:10 to 00:50, 01:50 is
    # four sixths of the way from 01:10 to 02:10.
    series = make_series([8, NAN, 12, 6, NAN, 18, 3, 3], [0, 10, 40, 60, 100, 120, 180, 240])
    found = join(series, max_gap_hours=1)
    np.testing.assert_array_equal(found.series.times[:7], at(0, 10, 40, 60, 70, 100, 120))
    np.testing.assert_array_equal(temperatures(found)[:7], [8, 9, 12, 6, 8, 14, 18])


def test_each_column_has_gaps_of_its_own():
    series = hourly([1, NAN, 3, 4, 5, 6])
    series.values[2:5, WD] = NAN
    found = join(series, max_gap_hours=3)
    np.testing.assert_array_equal(temperatures(found), [1, 2, 3, 4, 5, 6])
    assert np.isnan(found.series.values[2:5, WD]).all()
    np.testing.assert_array_equal(found.filled, [False, True, False, False, False, False])
    np.testing.assert_array_equal(found.measured, [True, False, False, False, False, True])


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_value_outside_its_range_is_missing(column):
    middle = (column.low + column.high) / 2
    for bad in (column.low - 1, column.high + 1, SENTINEL, np.inf):
        found = join(hourly([middle, bad, middle], NAMES.index(column.name)))
        np.testing.assert_array_equal(found.series.column(column.name), np.float32([middle] * 3))
        np.testing.assert_array_equal(found.filled, [False, True, False])


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [
        (350, 10, [355, 0, 5]),
        (10, 350, [5, 0, 355]),
        (80, 120, [90, 100, 110]),
        (360, 20, [5, 10, 15]),
        (340, 0, [345, 350, 355]),
        (270, 90, [315, 0, 45]),
    ],
)
def test_the_wind_turns_the_shorter_way(before, after, between):
    # A whole turn lies before, so that the way is not counted from north.
    found = join(hourly([0, 120, 240, 0, before, NAN, NAN, NAN, after], WD), max_gap_hours=4)
    if (before, after) == (270, 90):  # as far one way as the other: any way will do, but a steady one
        turned = np.diff(found.series.values[4:, WD]) % 360
        assert set(turned) in ({45.0}, {315.0})
    else:
        np.testing.assert_array_equal(found.series.values[5:8, WD], between)


def test_a_dead_instrument_is_named(said):
    found = join(hourly([NAN] * 5))
    assert np.isnan(temperatures(found)).all()
    assert said() == [("WARNING", "no valid value at all in the column(s) 'T (degC)'")]
    assert len(complete_rows(found, 1)) == 0


def test_a_column_that_nobody_looks_at_has_no_hole():
    series = hourly([1, NAN, 3, NAN, NAN, NAN, NAN, 8])
    seen = join_observations([series], columns=["pressure_mbar"], max_gap_hours=3, source="the file")
    assert seen.measured.all()
    assert not seen.filled.any()
    np.testing.assert_array_equal(temperatures(seen), 0)
    np.testing.assert_array_equal(seen.series.column("pressure_mbar"), series.column("pressure_mbar"))
    unseen = join_observations([series], columns=["temperature_c"], max_gap_hours=3, source="the file")
    np.testing.assert_array_equal(temperatures(unseen), [1, 2, 3, NAN, NAN, NAN, NAN, 8])
    np.testing.assert_array_equal(unseen.filled, [False, True, *[False] * 6])


# Several files, one clock


def test_the_file_named_last_counts_and_the_first_row_inside_it(said):
    older = make_series([1, 2, 3, 4], [0, 60, 120, 180])
    newer = make_series([30, 31, 4, 5], [120, 120, 180, 240])
    np.testing.assert_array_equal(temperatures(join(older, newer)), [1, 2, 30, 4, 5])
    np.testing.assert_array_equal(temperatures(join(newer, older)), [1, 2, 3, 4, 5])
    rule = "the file named last counts, inside a file the first row"
    text = f"dropped 2 row(s) whose time has other values elsewhere: {rule}"
    assert said() == [("WARNING", text)] * 2


def test_rows_without_any_value_do_not_lengthen_the_series_and_a_history_must_fit_into_it():
    series = hourly([1, 2, 3, 4, 5])
    series.values[[0, 4]] = SENTINEL
    found = join(series)
    np.testing.assert_array_equal(found.series.times, at(60, 120, 180))
    np.testing.assert_array_equal(complete_rows(found, 3), [2])
    assert [len(complete_rows(found, hours)) for hours in (4, 100)] == [0, 0]


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


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([hourly([5])], r"^the files has 1 row\(s\) and no step forward in time"),
        ([hourly([5]), hourly([5])], r"^the files has 1 row\(s\) and no step forward in time"),
        ([make_series(np.arange(9), 7 * np.arange(9))], r"7 minutes apart, which does not divide an hour; thin"),
        (
            [Series(at(0, 10, 20), np.full((3, len(NAMES)), SENTINEL, np.float32))],
            r"^the files: no value in 3 row\(s\) lies in its column's valid range; name a station file of a time when",
        ),
        (
            [make_series(np.arange(600), np.arange(600)), make_series(np.arange(600), np.arange(600) + 10 * 525_960)],
            "^the files: from 2026-10-03 00:10 to 2036-10-02 22:09 5,260,260 rows would be needed, 60 an hour, and at "
            "most 3,000,000 are taken; leave out the files or rows far from the others$",
        ),
    ],
)
def test_what_makes_no_series_is_refused(files, message):
    with pytest.raises(DataError, match=message):
        join(*files)


CELSIUS = st.one_of(st.integers(-6000, 6000).map(lambda cents: cents / 100), st.sampled_from([NAN, SENTINEL, 61.0]))


@given(st.lists(st.tuples(st.integers(1, 5), CELSIUS), min_size=2, max_size=40), st.integers(0, 6))
def test_interpolation_keeps_what_is_known_and_stays_between(steps, max_gap_hours):
    ten_minutes = np.cumsum([step for step, _ in steps])
    celsius = np.array([value for _, value in steps], dtype=np.float32)
    series = make_series(celsius, 10 * ten_minutes)
    clock = make_series(NAN, 10 * np.arange(ten_minutes[0], ten_minutes[-1] + 1))  # the other columns know every time
    found = join(clock, series, max_gap_hours=max_gap_hours)
    np.testing.assert_array_equal(found.series.times, clock.times)

    is_known = np.abs(celsius) <= 60
    rows, known_c = (ten_minutes - ten_minutes[0])[is_known], celsius[is_known]
    result = temperatures(found)
    np.testing.assert_array_equal(result[rows].view(np.int32), known_c.view(np.int32))
    for row, value in enumerate(result):
        if row in rows:
            continue
        before, after = rows[rows < row], rows[rows > row]
        if not (len(before) and len(after)) or after[0] - before[-1] > 6 * max_gap_hours:
            assert np.isnan(value)
        else:
            ends = known_c[len(before) - 1], known_c[len(before)]
            assert min(ends) <= value <= max(ends)
    np.testing.assert_array_equal(found.measured, np.isin(np.arange(len(result)), rows))
    np.testing.assert_array_equal(found.filled, ~found.measured & np.isfinite(result))


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


# Histories


def slow_missing(found, last, hours):
    complete = {when: np.isfinite(row).all() for when, row in zip(found.series.times, found.series.values, strict=True)}
    wanted = [last - np.timedelta64(back, "h") for back in range(hours - 1, -1, -1)]
    return [when for when in wanted if not complete.get(when, False)]


@given(
    st.lists(st.booleans(), min_size=2, max_size=120),
    st.lists(st.sampled_from([10, 20, 40, 70]), min_size=0, max_size=3),
    st.sampled_from([10, 20, 60]),
    st.integers(1, 8),
)
def test_complete_rows_are_those_without_missing_hours(is_known, jumps, step, hours):
    steps = np.full(len(is_known), step)
    for number, jump in enumerate(jumps):
        steps[(number + 1) * len(steps) // 5] += jump
    celsius = np.where(is_known, 1.0, NAN)
    try:
        found = join(make_series(celsius, np.cumsum(steps)), max_gap_hours=0)
    except DataError:
        return  # two or three rows whose only step is no hourly one
    rows = complete_rows(found, hours)
    expected = [row for row, when in enumerate(found.series.times) if not slow_missing(found, when, hours)]
    np.testing.assert_array_equal(rows, expected)
    for last in (found.series.times[0], found.series.times[-1], found.series.times[-1] + np.timedelta64(90, "m")):
        np.testing.assert_array_equal(missing_hours(found, last, hours), slow_missing(found, last, hours))


def test_missing_hours_go_by_the_lane_of_the_moment():
    celsius = np.arange(60.0)
    celsius[[8, 30, 31]] = NAN  # 01:30, 05:10 and 05:20
    found = join(make_series(celsius, 10 * np.arange(60)), max_gap_hours=0)
    np.testing.assert_array_equal(missing_hours(found, at(540)[0], 10), at(300))
    np.testing.assert_array_equal(missing_hours(found, at(550)[0], 10), at(310))
    np.testing.assert_array_equal(missing_hours(found, at(560)[0], 10), at(80))
    assert not len(missing_hours(found, at(570)[0], 10))
    np.testing.assert_array_equal(missing_hours(found, at(540)[0], 11), at(-60, 300))  # before the first row
    np.testing.assert_array_equal(missing_hours(found, at(660)[0], 3), at(600, 660))  # after the last
    np.testing.assert_array_equal(missing_hours(found, at(535)[0], 2), at(475, 535))  # at a minute without rows
    np.testing.assert_array_equal(missing_hours(found, at(540)[0].astype("datetime64[m]"), 5), at(300))
    np.testing.assert_array_equal(complete_rows(found, 10), [57, 58, 59])


def test_seventeen_years_of_ten_minute_rows_take_a_moment():
    rows = 900_000
    times = START + 600 * np.arange(rows).astype("timedelta64[s]")
    values = np.broadcast_to(MIDDLES, (rows, len(NAMES)))
    flags = np.ones(rows, dtype=bool)
    found = Observations(Series(times, values), flags, ~flags)
    began = time.perf_counter()
    moments = complete_rows(found, 120)
    missing_hours(found, times[-1], 240)
    assert time.perf_counter() - began < 2
    np.testing.assert_array_equal(moments, np.arange(119 * 6, rows))


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        ([4], "2026-10-03 04:10"),
        ([4, 5, 6, 7, 8, 9], "2026-10-03 04:10 to 2026-10-03 09:10"),
        ([4, 5, 24], "2026-10-03 04:10 to 2026-10-03 05:10, 2026-10-04 00:10"),
        ([0, 2, 4, 6], "2026-10-03 00:10, 2026-10-03 02:10, 2026-10-03 04:10, 2026-10-03 06:10"),
        (
            [0, 4, 6, 8, 10, 12, 13],
            "2026-10-03 00:10, 2026-10-03 04:10, 2026-10-03 06:10, 2026-10-03 08:10 and 2 more gaps",
        ),
    ],
)
def test_hours_are_described_in_short(hours, text):
    assert describe_hours(at(*(60 * hour for hour in hours))) == text
