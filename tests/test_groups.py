import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenacast.evaluation.groups import Lead, errors_by
from jenacast.models.intervals import LEVELS

KINDS = ("month", "season", "hour", "year", "change")
# The station's days: New Year's, 29 February, the borders of months, seasons and years, before 1970 too.
times = st.integers(-700_000, 900_000).map(
    lambda hour: np.datetime64("1970-01-01T00:10:00") + np.timedelta64(hour, "h")
)
degrees = st.integers(-3_000, 4_000).map(lambda hundredths: hundredths / 100)  # two decimals, as measured


@st.composite
def lead(draw):
    windows = draw(st.lists(st.tuples(times, degrees, degrees, degrees), min_size=1, max_size=60))
    valid_at, *temperatures = (np.array(column) for column in zip(*windows, strict=True))
    forecast_c = temperatures[0].astype(np.float64)
    return Lead(24, valid_at.astype("datetime64[s]"), forecast_c, *(np.float32(t) for t in temperatures[1:]), None)


def made(valid_at, change_c=None, forecast_error_c=None, quantiles_c=None, hours=24):
    """A lead of windows from 10 degC on: how much the temperature changes, and how far the forecast is above it."""
    count = len(valid_at)
    change_c = np.zeros(count) if change_c is None else np.array(change_c)
    error_c = np.ones(count) if forecast_error_c is None else np.array(forecast_error_c)
    truth_c = 10 + change_c
    valid_at = np.array(valid_at, "datetime64[s]")
    return Lead(hours, valid_at, truth_c + error_c, truth_c, np.full(count, 10.0), quantiles_c)


def grouped(by, *leads):
    return errors_by(leads, by)


def counts(by, *leads):
    return {group.label: group.windows for group in grouped(by, *leads)}


@given(lead(), st.sampled_from(KINDS))
def test_each_window_is_in_one_group_and_their_means_make_the_total(drawn, by):
    groups = grouped(by, drawn)
    windows = np.array([group.windows for group in groups])
    assert (windows > 0).all()
    assert windows.sum() == len(drawn.truth_c)
    assert len({group.label for group in groups}) == len(groups)
    errors_c = drawn.forecast_c - drawn.truth_c
    for key, total in (
        ("mae_c", np.abs(errors_c).mean()),
        ("bias_c", errors_c.mean()),
        ("baseline_mae_c", np.abs(drawn.baseline_c.astype(float) - drawn.truth_c).mean()),
    ):
        assert windows @ [getattr(group, key) for group in groups] / windows.sum() == pytest.approx(total, abs=1e-9)


def test_months_and_seasons_stand_in_the_calendar_s_order_and_december_is_winter():
    firsts = [f"20{year}-{month:02d}-01T00:00:00" for year in (10, 11) for month in range(1, 13)]
    lasts = [str(np.datetime64(first) - np.timedelta64(1, "s")) for first in firsts]
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert counts("month", made(firsts)) == dict.fromkeys(months, 2)
    assert list(counts("month", made(firsts[::-1]))) == months
    assert counts("month", made(lasts[:2])) == {"Jan": 1, "Dec": 1}  # 31 December 2009 and 31 January 2010
    assert counts("season", made(firsts)) == {"winter": 6, "spring": 6, "summer": 6, "autumn": 6}
    for season, of_it in {
        "winter": (12, 1, 2),
        "spring": (3, 4, 5),
        "summer": (6, 7, 8),
        "autumn": (9, 10, 11),
    }.items():
        windows = made([f"2010-{month:02d}-28T23:50:00" for month in of_it])
        assert counts("season", windows) == {season: 3}
    assert counts("season", made(["2009-11-30T23:59:59", "2009-12-01T00:00:00"])) == {"winter": 1, "autumn": 1}
    assert counts("season", made(["2012-02-29T12:00:00", "2012-03-01T00:00:00"])) == {"winter": 1, "spring": 1}


def test_hours_are_those_of_the_station_s_clock():
    day = [f"2010-07-01T{hour:02d}:{minute}:00" for hour in range(24) for minute in ("00", "10", "50")]
    assert counts("hour", made(day)) == {f"{hour:02d}": 3 for hour in range(24)}
    assert counts("hour", made(["2010-07-01T23:59:59", "2010-07-02T00:00:00"])) == {"00": 1, "23": 1}


def test_years_change_at_new_year_and_only_those_that_are_there_are_told():
    windows = made(["2016-12-31T23:50:00", "2014-12-31T23:00:00", "2015-01-01T00:00:00", "2015-12-31T23:59:59"])
    assert counts("year", windows) == {"2014": 1, "2015": 2, "2016": 1}


def test_a_change_at_a_border_goes_into_the_larger_group_up_as_down():
    borders = [1.99, 2.0, 3.99, 4.0, 5.99, 6.0, 9.99, 10.0, 25.0, 0.0]
    expected = {"below 2 °C": 2, "2 to 4 °C": 2, "4 to 6 °C": 2, "6 to 10 °C": 2, "10 °C and more": 2}
    day = ["2010-07-01T12:00:00"] * len(borders)
    for sign in (1, -1):
        assert counts("change", made(day, [sign * border for border in borders])) == expected
    assert list(counts("change", made(day[:2], [12, -5]))) == ["4 to 6 °C", "10 °C and more"]


@given(degrees, st.sampled_from([2.0, 4.0, 6.0, 10.0, -2.0, -4.0, -6.0, -10.0]), st.booleans())
def test_a_border_is_met_whatever_the_binary_fractions_of_both_temperatures(present_c, change_c, decoded):
    # Measured values are single precision; a truth that was encoded for the network, and decoded, is double.
    truth_c = np.float32([round(present_c + change_c, 2)])
    truth_c = (truth_c - np.float32(1.2345)).astype(np.float64) + 1.2345 if decoded else truth_c
    one = Lead(24, np.array(["2010-07-01"], "datetime64[s]"), truth_c, truth_c, np.float32([present_c]), None)
    label = {2: "2 to 4 °C", 4: "4 to 6 °C", 6: "6 to 10 °C", 10: "10 °C and more"}[abs(change_c)]
    assert list(counts("change", one)) == [label]


def test_the_figures_of_a_group_by_hand():
    windows = made(
        ["2010-01-05T00:00:00", "2010-07-05T00:00:00", "2010-07-06T00:00:00", "2010-07-07T00:00:00"],
        change_c=[1, -2, 4, 6],
        forecast_error_c=[0, 1, -3, 5],
    )
    january, july = grouped("month", windows)
    assert (january.mae_c, january.bias_c, january.baseline_mae_c, january.skill) == (0, 0, 1, 1)
    assert (july.mae_c, july.bias_c, july.baseline_mae_c) == (3, 1, 4)
    assert july.skill == 0.25
    assert (july.mae_ci95_c, july.coverage) == (None, None)


def test_a_group_whose_baseline_does_not_err_has_no_skill():
    (group,) = grouped("year", made(["2010-01-05T00:00:00"], change_c=[0.0]))
    assert (group.baseline_mae_c, group.skill) == (0, None)


def test_coverage_is_told_for_each_group():
    # A window inside all intervals, one inside the widest two, one outside: the ends are 5, 8 and 9 from the median.
    day = ["2010-01-05T00:00:00"] * 2 + ["2010-07-05T00:00:00"] * 2
    quantiles_c = 10 + np.repeat(np.arange(-9.0, 10)[None], 4, axis=0)
    assert quantiles_c.shape[1] == len(LEVELS)
    january, july = grouped("month", made(day, change_c=[5, -8, 9.5, -1], quantiles_c=quantiles_c))
    assert january.coverage == {"50": 0.5, "80": 1, "90": 1}
    assert july.coverage == {"50": 0.5, "80": 0.5, "90": 0.5}


def test_an_interval_needs_56_days_of_a_group_s_own():
    days = np.datetime64("2010-01-01T00:00:00") + np.arange(59 + 56) * np.timedelta64(1, "D")
    year = np.where(np.arange(len(days)) < 59, 0, 365 * 86_400).astype("timedelta64[s]")
    errors_c = np.where(np.arange(len(days)) % 2, 1.0, 3.0)
    windows = made((days.astype("datetime64[s]") + year), forecast_error_c=errors_c)
    first, second = grouped("year", windows)
    assert (first.windows, second.windows) == (59, 56)
    for group in (first, second):
        low, high = group.mae_ci95_c
        assert low <= group.mae_c <= high
        assert low > 1.5
        assert high < 2.5
    assert grouped("year", made(days[:55]))[0].mae_ci95_c is None
    # All the year's days together are many, each month's too few.
    assert [group.mae_ci95_c for group in grouped("month", windows)] == [None] * 4


def test_leads_are_groups_of_their_own_windows():
    day = ["2010-01-05T00:00:00", "2010-01-06T00:00:00", "2010-01-07T00:00:00"]
    one = made(day, change_c=[1, 1, 4], forecast_error_c=[0.5, 0.5, 0.5], hours=1)
    nothing = made([], hours=2)
    last = made(day[:2], change_c=[3, 3], forecast_error_c=[-1, 2], hours=3)
    first, third = grouped("lead", one, nothing, last)  # an hour that no window knows is left out
    assert (first.label, first.windows, first.mae_c, first.baseline_mae_c) == ("1 h", 3, 0.5, 2)
    assert (third.label, third.windows, third.mae_c, third.bias_c, third.skill) == ("3 h", 2, 1.5, 0.5, 0.5)
    # Everything else is told of the last one, which is judged.
    assert counts("year", one, nothing, last) == {"2010": 2}
