import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import NAN, WD, at, complete_rows, hourly, join, make_series, temperatures

from jenacast.columns import COLUMNS, NAMES, SENTINEL
from jenacast.data.series import Series
from jenacast.errors import DataError
from jenacast.forecasting.observations import join_observations

# The files of today


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
