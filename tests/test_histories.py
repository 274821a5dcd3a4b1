"""Which rows end a complete history, and which hours are missing to another."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import MIDDLES, NAN, START, at, complete_rows, hourly, join, make_series

from jenacast.columns import NAMES, SENTINEL
from jenacast.data.series import Series
from jenacast.errors import DataError
from jenacast.forecasting.observations import Observations, describe_hours, missing_hours


def test_rows_without_any_value_do_not_lengthen_the_series_and_a_history_must_fit_into_it():
    series = hourly([1, 2, 3, 4, 5])
    series.values[[0, 4]] = SENTINEL
    found = join(series)
    np.testing.assert_array_equal(found.series.times, at(60, 120, 180))
    np.testing.assert_array_equal(complete_rows(found, 3), [2])
    assert [len(complete_rows(found, hours)) for hours in (4, 100)] == [0, 0]


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
    found = Observations(Series(times, values), flags, ~flags, values[:, 1])
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
