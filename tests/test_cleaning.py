import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenacast.columns import COLUMNS, NAMES
from jenacast.data.cleaning import clean
from jenacast.data.series import Series

MIDDLES = np.array([(column.low + column.high) / 2 for column in COLUMNS], dtype=np.float32)
T = NAMES.index("temperature_c")
SENTINEL = -9999
BAD = st.sampled_from([SENTINEL, np.nan, 61.0, -1e30, np.inf])


def make_series(temperatures_c, hours=None):
    """Rows an hour apart unless told otherwise; every other column stands still in mid-range."""
    hours = np.arange(len(temperatures_c)) if hours is None else np.array(hours)
    values = np.tile(MIDDLES, (len(temperatures_c), 1))
    values[:, T] = temperatures_c
    return Series(np.datetime64("2010-06-01T00:10:00", "s") + (hours * 3600).astype("timedelta64[s]"), values)


def temperatures(cleaned):
    return cleaned.series.column("temperature_c")


@pytest.mark.parametrize("protocol", ["book", "strict"])
def test_a_clean_series_passes_unchanged(protocol):
    raw = make_series([1, 2, 3])
    cleaned = clean(raw, protocol)
    np.testing.assert_array_equal(cleaned.series.values, raw.values)
    np.testing.assert_array_equal(cleaned.series.times, raw.times)
    assert not cleaned.replaced.any()
    assert not cleaned.sentinels.any()
    assert (cleaned.duplicates, cleaned.conflicts) == (0, 0)


@pytest.mark.parametrize("protocol", ["book", "strict"])
@pytest.mark.parametrize("bad", [SENTINEL, np.nan, np.inf, -np.inf, 60.1, -60.1])
def test_the_last_valid_value_stands_in(protocol, bad):
    raw = make_series([4, 5, bad, bad, 8])
    cleaned = clean(raw, protocol)
    np.testing.assert_array_equal(temperatures(cleaned), [4, 5, 5, 5, 8])
    np.testing.assert_array_equal(cleaned.replaced[:, T], [False, False, True, True, False])
    assert cleaned.replaced.sum() == 2
    assert cleaned.sentinels.sum() == (2 if bad == SENTINEL else 0)
    np.testing.assert_array_equal(raw.column("temperature_c"), np.array([4, 5, bad, bad, 8], dtype=np.float32))


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_column_is_valid_up_to_its_bounds(column):
    index = NAMES.index(column.name)
    raw = make_series(np.zeros(5))
    low, high = np.float32(column.low), np.float32(column.high)
    below, above = np.nextafter(low, np.float32(-1e9)), np.nextafter(high, np.float32(1e9))
    raw.values[:, index] = [low, below, high, above, SENTINEL]
    cleaned = clean(raw, "book")
    np.testing.assert_array_equal(cleaned.series.column(column.name), [low, low, high, high, high])
    np.testing.assert_array_equal(cleaned.replaced[:, index], [False, True, False, True, True])
    np.testing.assert_array_equal(cleaned.sentinels[:, index], [False, False, False, False, True])


def test_strict_gives_up_after_six_hours():
    hours = [0, 1, 6.5, 7, 7.25, 9, 10]
    cleaned = clean(make_series([3, 4, *[SENTINEL] * 4, 5], hours), "strict")
    np.testing.assert_array_equal(temperatures(cleaned), [3, 4, 4, 4, np.nan, np.nan, 5])


def test_book_never_gives_up():
    cleaned = clean(make_series([3, *[SENTINEL] * 50]), "book")
    np.testing.assert_array_equal(temperatures(cleaned), [3] * 51)


@pytest.mark.parametrize("protocol", ["book", "strict"])
def test_before_the_first_valid_value_nothing_is_made_up(protocol):
    cleaned = clean(make_series([SENTINEL, np.nan, 7]), protocol)
    np.testing.assert_array_equal(temperatures(cleaned), [np.nan, np.nan, 7])
    assert np.isfinite(np.delete(cleaned.series.values, T, axis=1)).all()


def last_valid(temperatures_c, row, limit_hours):
    for earlier in range(row, -1, -1):
        if row - earlier <= limit_hours and -60 <= temperatures_c[earlier] <= 60:
            return temperatures_c[earlier]
    return np.nan


@given(st.lists(st.one_of(st.integers(-60, 60), BAD), min_size=1, max_size=30))
def test_filling_is_what_a_search_backwards_finds(celsius):
    for protocol, limit_hours in (("book", 1000), ("strict", 6)):
        expected = [last_valid(celsius, row, limit_hours) for row in range(len(celsius))]
        np.testing.assert_array_equal(temperatures(clean(make_series(celsius), protocol)), expected)


@given(
    st.lists(st.one_of(st.integers(-60, 60), BAD), min_size=2, max_size=30),
    st.lists(st.one_of(st.integers(-60, 60), BAD), min_size=30, max_size=30),
    st.integers(1, 29),
)
def test_the_future_does_not_reach_back(celsius, others, row):
    row = min(row, len(celsius) - 1)
    changed = celsius[:row] + others[: len(celsius) - row]
    for protocol in ("book", "strict"):
        one, other = (temperatures(clean(make_series(values), protocol))[:row] for values in (celsius, changed))
        np.testing.assert_array_equal(one, other)


def test_strict_orders_rows_and_keeps_the_first_of_a_time():
    # hour 1: again the same; hour 2: again the same, then another value; hour 3 comes late
    hours = [0, 1, 2, 4, 1, 2, 2, 3]
    celsius = [10, 11, np.nan, 14, 11, np.nan, 99, 13]
    cleaned = clean(make_series(celsius, hours), "strict")
    np.testing.assert_array_equal(np.diff(cleaned.series.times).astype(int), [3600] * 4)
    np.testing.assert_array_equal(temperatures(cleaned), [10, 11, 11, 13, 14])
    assert (cleaned.duplicates, cleaned.conflicts) == (2, 1)


def test_the_first_of_a_time_is_kept_in_a_long_series_too():
    hours = np.random.default_rng(0).integers(0, 50, size=2000)
    celsius = np.arange(2000) / 50
    cleaned = clean(make_series(celsius, hours), "strict")
    firsts = [int(np.flatnonzero(hours == hour)[0]) for hour in range(50)]
    np.testing.assert_array_equal(temperatures(cleaned), celsius[firsts].astype(np.float32))
    assert (cleaned.duplicates, cleaned.conflicts) == (0, 1950)


def test_book_keeps_every_row_where_it_stands():
    raw = make_series([10, 11, 12, 11, 9], hours=[0, 1, 2, 1, 0])
    cleaned = clean(raw, "book")
    np.testing.assert_array_equal(cleaned.series.times, raw.times)
    np.testing.assert_array_equal(temperatures(cleaned), [10, 11, 12, 11, 9])
    assert (cleaned.duplicates, cleaned.conflicts) == (0, 0)


def test_strict_fills_from_the_neighbour_in_time_not_in_the_file():
    cleaned = clean(make_series([10, SENTINEL, 11], hours=[0, 2, 1]), "strict")
    np.testing.assert_array_equal(temperatures(cleaned), [10, 11, 11])
    np.testing.assert_array_equal(cleaned.replaced[:, T], [False, False, True])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=40))
def test_every_row_is_kept_or_counted(rows):
    hours, celsius = (np.array(column) for column in zip(*rows, strict=True))
    cleaned = clean(make_series(celsius, hours), "strict")
    kept = dict(reversed(rows))  # the first of each hour
    np.testing.assert_array_equal(temperatures(cleaned), [kept[hour] for hour in sorted(kept)])
    same = sum(kept[hour] == value for hour, value in rows) - len(kept)
    assert (cleaned.duplicates, cleaned.conflicts) == (same, len(rows) - len(kept) - same)
