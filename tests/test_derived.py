from datetime import datetime
from math import cos, nan, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jenacast.columns import CALENDAR, COLUMNS, NAMES, OPTIONAL_NAMES, TARGET, WIND, parse_column
from jenacast.data.series import Series
from jenacast.errors import ConfigError
from jenacast.features.climatology import Climatology
from jenacast.features.derived import derive, wind_vector
from jenacast.features.past import PastByTime, PastOfWindows

FIRST = np.datetime64("2009-01-01T00:10:00", "s")
MINUTE, HOUR_S = np.timedelta64(60, "s"), 3600
MEAN_C, WAVE_C = 9.0, 3.0
# The mean, and the cosine of the day: warmest at midnight, which no other mistake makes.
CLIMATOLOGY = Climatology(coefficients_c=(MEAN_C, WAVE_C, *[0.0] * 47))


def series(minutes, columns=(), seed=0):
    """Rows so many minutes after `FIRST`; random values except in the named columns."""
    values = np.random.default_rng(seed).normal(size=(len(minutes), len(NAMES))).astype(np.float32)
    for name, column in dict(columns).items():
        values[:, NAMES.index(name)] = column
    return Series(FIRST + np.array(minutes, dtype=np.int64) * MINUTE, values)


def one(series, name, climatology=None):
    (column,) = derive(series, [name], climatology)
    assert column.dtype == np.float64
    return column


@st.composite
def stations(draw):
    """10-minute or hourly rows with gaps, times that stand twice, values that are missing, in any order."""
    step_minutes = draw(st.sampled_from([10, 60]))
    rows = draw(st.integers(1, 70))
    some = st.lists(st.integers(0, rows - 1), max_size=8)
    gaps, twice, missing, seed = draw(some), draw(some), draw(some), draw(st.integers(0, 999))
    slots = [row for row in range(rows) if row not in gaps] + twice
    minutes = step_minutes * np.random.default_rng(seed).permutation(slots or [0])
    made = series(minutes, seed=seed)
    made.values[np.isin(minutes, step_minutes * np.array(missing)), NAMES.index(TARGET)] = nan
    return made


OPERATIONS = st.lists(st.tuples(st.sampled_from(["change", "mean"]), st.integers(1, 7)), min_size=1, max_size=3)


def looked_up(series, operations):
    """The temperature after the operations, by plain Python and a dictionary from time to value."""
    times = series.times.astype(np.int64).tolist()
    now = {}
    for time, value in zip(times, series.column(TARGET).tolist(), strict=True):
        now.setdefault(time, value)
    for kind, hours in operations:
        before = [{time: now.get(time - k * HOUR_S, nan) for time in now} for k in range(hours + 1)]
        if kind == "change":
            now = {time: now[time] - before[hours][time] for time in now}
        else:
            now = {time: sum(past[time] for past in before[:hours]) / hours for time in now}
    return [now[time] for time in times]


@settings(deadline=None)
@given(station=stations(), operations=OPERATIONS)
def test_changes_and_means_are_those_of_a_look_up_by_time(station, operations):
    name = ":".join([TARGET, *(f"{kind}_{hours}h" for kind, hours in operations)])
    np.testing.assert_allclose(one(station, name), looked_up(station, operations), rtol=0, atol=1e-9)  # NaN where NaN


@settings(deadline=None)
@given(hours=st.integers(1, 6), more=st.integers(0, 6), windows=st.integers(0, 3), seed=st.integers(0, 999))
def test_the_past_of_windows_is_that_of_their_times(hours, more, windows, seed):
    length, random = hours + 1 + more, np.random.default_rng(seed)
    minutes = 60 * (1_000 * np.arange(windows)[:, None] + np.arange(length)).ravel()
    values = np.where(random.random(windows * length) < 0.1, nan, random.normal(size=windows * length))
    counts = random.random(windows * length) < 0.3
    by_place, by_time = PastOfWindows(length), PastByTime(FIRST + minutes * MINUTE)
    known = np.tile(np.arange(length) >= hours, windows)
    for asked in (("change", values, hours), ("mean", values, hours), ("last", values, counts, hours)):
        found, expected = (getattr(past, asked[0])(*asked[1:]) for past in (by_place, by_time))
        which = known if asked[0] == "last" else slice(None)
        np.testing.assert_allclose(found[which], expected[which], rtol=0, atol=1e-9)


@settings(deadline=None)
@given(station=stations(), data=st.data())
def test_nothing_later_changes_a_column(station, data):
    names = [TARGET, f"{TARGET}:departure:mean_3h", f"{TARGET}:change_2h:mean_2h", *WIND, *CALENDAR]
    now = data.draw(st.sampled_from(station.times.tolist()))
    later, rest = station.times > np.datetime64(now), station.times <= np.datetime64(now)
    values = station.values.copy()
    values[later] = 100 * np.random.default_rng(1).normal(size=values[later].shape)
    for other in (
        Series(station.times, values),
        Series(station.times[rest], values[rest]),
    ):  # changed, or not yet there
        still = other.times <= np.datetime64(now)
        for before, after in zip(derive(station, names, CLIMATOLOGY), derive(other, names, CLIMATOLOGY), strict=True):
            np.testing.assert_allclose(after[still], before[rest], rtol=0, atol=1e-9)


@pytest.mark.parametrize("minutes", [[], [0], [0, 10, 20], [0, 60, 120]])
@pytest.mark.parametrize("hours", [3, 801, 999])
def test_a_series_shorter_than_the_look_back_gives_nothing(minutes, hours):
    for name in (f"{TARGET}:change_{hours}h", f"{TARGET}:mean_{hours + (hours < 999)}h"):
        column = one(series(minutes), name)
        assert column.shape == (len(minutes),)
        assert np.isnan(column).all()


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("temperature_c", 0),
        ("hour_sin_2", 0),
        ("pressure_mbar:change_6h", 6),
        ("pressure_mbar:mean_1h", 0),
        ("pressure_mbar:mean_24h", 23),
        ("wind_east_m_per_s:mean_24h:change_6h", 29),
        ("wind_east_m_per_s:change_6h:mean_24h", 29),
        ("temperature_c:departure", 0),
        ("temperature_c:departure:change_24h:change_3h", 27),
    ],
)
def test_the_look_back_is_what_the_first_rows_lack(name, hours):
    assert parse_column(name).look_back_hours == hours
    column = one(series(range(0, 60 * 60, 60)), name, CLIMATOLOGY)
    np.testing.assert_array_equal(np.isnan(column), np.arange(60) < hours)


@pytest.mark.parametrize(
    ("from_deg", "east", "north"),
    [(0, 0, 1), (90, 1, 0), (180, 0, -1), (270, -1, 0), (360, 0, 1), (45, 0.5**0.5, 0.5**0.5)],
)
def test_the_wind_has_the_parts_of_where_it_comes_from(from_deg, east, north):
    station = series([0], {"wind_direction_deg": from_deg, "wind_speed_m_per_s": 4, "max_wind_speed_m_per_s": 10})
    parts = [column[0] for column in derive(station, list(WIND))]
    assert parts == pytest.approx([4 * east, 4 * north, 10 * east, 10 * north], abs=1e-12)


@given(speed=st.floats(0, 75), direction_deg=st.floats(0, 360))
def test_the_parts_of_the_wind_are_as_long_as_its_speed(speed, direction_deg):
    assert np.hypot(*wind_vector(np.array([speed]), np.array([direction_deg]))) == pytest.approx(speed)


@pytest.mark.parametrize(
    ("time", "name", "expected"),
    [
        ("2009-03-05T00:00", "hour_cos_1", 1),
        ("2009-03-05T06:00", "hour_sin_1", 1),
        ("2012-02-29T12:00", "hour_cos_1", -1),
        ("2012-02-29T03:00", "hour_sin_2", 1),
        ("2012-02-29T06:00", "hour_cos_2", -1),
        ("1970-01-01T00:00", "year_cos_1", 1),
        ("1970-01-01T00:00", "year_cos_2", 1),
    ],
)
def test_the_calendar_is_known_at_known_times(time, name, expected):
    at = Series(np.array([time], "datetime64[s]"), np.full((1, len(NAMES)), np.nan, np.float32))
    assert one(at, name)[0] == pytest.approx(expected, abs=1e-9)


def test_the_year_turns_once_in_a_gregorian_year():
    times = [datetime(year, month, 1, 9) for year in (2009, 2012, 2016) for month in (1, 4, 7, 10)]
    at = Series(np.array(times, "datetime64[s]"), np.zeros((len(times), len(NAMES)), np.float32))
    years = [(time - datetime(1970, 1, 1)).total_seconds() / 86400 * 400 / 146_097 for time in times]
    found = np.stack(list(derive(at, ["year_cos_1", "year_sin_1", "year_cos_2", "year_sin_2"])), axis=1)
    expected = [[wave(2 * pi * k * year) for k in (1, 2) for wave in (cos, sin)] for year in years]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_departure_is_from_the_climatology_of_its_own_time():
    hours = np.arange(48)
    station = series(60 * hours, {TARGET: 10 + hours / 4})
    expected_c = 10 + hours / 4 - MEAN_C - WAVE_C * np.cos(2 * np.pi * (hours + 1 / 6) / 24)  # the first is at 00:10
    np.testing.assert_allclose(one(station, f"{TARGET}:departure", CLIMATOLOGY), expected_c, atol=1e-9)
    change_c = one(station, f"{TARGET}:departure:change_6h", CLIMATOLOGY)
    np.testing.assert_allclose(change_c[6:], expected_c[6:] - expected_c[:-6], atol=1e-9)


def test_columns_keep_the_unit_of_what_they_are_worked_out_of():
    for column in COLUMNS:
        assert parse_column(f"{column.name}:mean_24h:change_6h").unit == column.unit
    assert parse_column(f"{TARGET}:departure:mean_3h").unit == "degC"
    assert {parse_column(name).unit for name in WIND} == {"m/s"}
    assert {parse_column(f"{name}:change_3h").unit for name in CALENDAR} == {"1"}


def test_a_departure_alone_needs_a_climatology():
    assert parse_column(f"{TARGET}:departure:change_3h").needs_climatology
    assert not parse_column(f"{TARGET}:change_3h").needs_climatology


@pytest.mark.parametrize("name", ["sunshine_h", "", "temperature", " temperature_c", "departure", "year_cos_3:mean_2h"])
def test_an_unknown_source_is_refused_and_the_known_are_named(name):
    with pytest.raises(ConfigError) as caught:
        parse_column(name)
    told = str(caught.value)
    assert told.startswith(f"{name!r}: {name.partition(':')[0]!r} is no column of this version; expected one of ")
    known = {*NAMES, *OPTIONAL_NAMES, "clearness", *WIND, *CALENDAR}
    assert set(told.rpartition("expected one of ")[2].split(", ")) == known


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("temperature_c:", ""),
        ("temperature_c:trend_6h", "trend_6h"),
        ("temperature_c:change_0h", "change_0h"),
        ("temperature_c:mean_06h", "mean_06h"),
        ("temperature_c:mean_1000h", "mean_1000h"),
        ("temperature_c:change_6", "change_6"),
        ("temperature_c:mean_24h:change_-6h", "change_-6h"),
        ("temperature_c:change_6h:departure", "departure"),  # of a change there is no climatology
        ("temperature_c:departure:departure", "departure"),
        ("pressure_mbar:departure", "departure"),
    ],
)
def test_an_operation_that_breaks_the_rule_is_told(name, received):
    with pytest.raises(ConfigError) as caught:
        parse_column(name)
    rule = "expected operations such as change_6h or mean_24h, or temperature_c:departure"
    assert str(caught.value) == f"{name!r}: {rule}, received {received!r}"
