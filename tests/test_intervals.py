import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jenacast.evaluation.coverage import is_inside, score_intervals
from jenacast.models.intervals import (
    CALENDAR_TERMS,
    CHANGE_C,
    LEAST_WINDOWS,
    Calibration,
    LeadCalibration,
    Residuals,
    SpreadInputs,
    conformal_quantiles,
    fit_lead,
)

YEAR_H = 8_766
COLUMNS = 2  # that the network sees
TERMS = CALENDAR_TERMS + COLUMNS


def scored(quantiles_c, truth_c):
    return score_intervals(quantiles_c, truth_c, hours(len(truth_c)))


def hours(count, first="2009-01-01T01:00:00"):
    return np.datetime64(first) + np.arange(count) * np.timedelta64(1, "h")


def phases(times):
    """The angle of the day and that of the year, by another way than the code's: from days and their fractions."""
    seconds = (times - np.datetime64("1970-01-01T00:00:00")) / np.timedelta64(1, "s")
    return 2 * np.pi * seconds / 86_400, 2 * np.pi * seconds / (365.2425 * 86_400)


def made_up(times, spread_of, seed):
    """Normal errors around random forecasts, as wide as `spread_of` (day angle, year angle, change, columns) says."""
    chance = np.random.default_rng(seed)
    last_c, seen = chance.normal(10, 8, len(times)), chance.standard_normal((len(times), COLUMNS))
    forecast_c = last_c + chance.normal(0, 4, len(times))
    deviation_c = spread_of(*phases(times), forecast_c - last_c, seen.T)
    truth_c = forecast_c + deviation_c * chance.standard_normal(len(times))
    return Residuals(forecast_c, truth_c, SpreadInputs(times, last_c, seen))


def steady(*_):
    return 2.0


def some(windows, which):
    return Residuals(windows.forecast_c[which], windows.truth_c[which], windows.inputs.pick(which))


def quantiles_c(lead, windows):
    return Calibration(leads=(lead,)).quantiles_c(-1, windows.forecast_c, windows.inputs)


# --- the spread -------------------------------------------------------------------------------------------------


def log_linear(day, year, change_c, _):
    return np.exp(0.5 + 0.3 * np.cos(day) - 0.2 * np.sin(2 * day) + 0.4 * np.sin(year) + 0.25 * np.abs(change_c) / 5)


def test_the_coefficients_of_a_known_spread_come_back():
    # The mean size of a normal error is sqrt(2 / pi) of its deviation.
    lead = fit_lead(made_up(hours(4 * YEAR_H), log_linear, 0), made_up(hours(2_000, "2013-06-01"), log_linear, 1))
    expected = np.zeros(TERMS)
    expected[0] = 0.5 + math.log(math.sqrt(2 / math.pi))
    # one; cos, sin, cos 2, sin 2 of the day; the same of the year; four products; the change, and its size
    expected[[1, 4, 6, 14]] = 0.3, -0.2, 0.4, 0.25  # and after these the columns
    # An error's size deviates by 0.76 of its mean: a coefficient of a wave by 0.76 / sqrt(35,000 / 2), 0.006.
    np.testing.assert_allclose(lead.coefficients, expected, atol=0.025)


def test_the_day_s_cycle_may_change_with_the_season_and_a_rise_be_less_sure_than_a_fall():
    def spread(day, year, change_c, _):
        return np.exp(0.4 * np.cos(day) * np.cos(year) - 0.3 * np.sin(day) * np.sin(year) + 0.2 * change_c / CHANGE_C)

    lead = fit_lead(made_up(hours(4 * YEAR_H), spread, 2), made_up(hours(2_000, "2013-06-01"), spread, 3))
    np.testing.assert_allclose(np.array(lead.coefficients)[[9, 10, 11, 12, 13]], [0.4, 0, 0, -0.3, 0.2], atol=0.03)
    np.testing.assert_allclose(lead.coefficients[1:9], np.zeros(8), atol=0.025)


def test_what_the_network_sees_decides_too_and_counts_for_three_deviations_at_most():
    def spread(_, __, ___, columns):
        return np.exp(0.3 * columns[0] - 0.2 * columns[1])

    lead = fit_lead(made_up(hours(2 * YEAR_H), spread, 20), made_up(hours(2_000, "2011-06-01"), spread, 21))
    np.testing.assert_allclose(lead.coefficients[CALENDAR_TERMS:], [0.3, -0.2], atol=0.03)
    np.testing.assert_allclose(lead.coefficients[1:CALENDAR_TERMS], np.zeros(CALENDAR_TERMS - 1), atol=0.05)

    def width_c(*columns):
        where = SpreadInputs(hours(1), np.zeros(1), np.array([columns], float))
        return np.ptp(Calibration(leads=(lead,)).quantiles_c(0, np.zeros(1), where))

    assert width_c(1, 0) / width_c(-1, 0) == pytest.approx(math.exp(0.6), rel=0.07)
    for far in (5, 1e6, np.inf):
        assert width_c(far, 0) == width_c(3, 0)
        assert width_c(0, -far) == width_c(0, -3)


def test_coverage_holds_in_every_season_and_hour_where_one_width_for_all_fails():
    def spread(day, year, *_):
        return np.exp(0.5 + 0.6 * np.sin(day) + 0.6 * np.cos(year))

    val, test = (made_up(hours(2 * YEAR_H, first), spread, year) for first, year in (("2013", 13), ("2015", 15)))
    lead = fit_lead(made_up(hours(4 * YEAR_H), spread, 4), val)
    inside = is_inside(quantiles_c(lead, test), test.truth_c)
    constant = conformal_quantiles(np.sort(val.truth_c - val.forecast_c))
    inside_constant = is_inside(test.forecast_c[:, None] + constant, test.truth_c)
    months = test.inputs.valid_at.astype("datetime64[M]").astype(int) % 12
    of_day = test.inputs.valid_at.astype("datetime64[h]").astype(int) % 24
    for name in ("50", "80", "90"):
        nominal = int(name) / 100
        # Of 17,500 windows the share deviates by 0.004, and so does that of the quantiles.
        assert inside[name].mean() == pytest.approx(nominal, abs=0.015)
        assert inside_constant[name].mean() == pytest.approx(nominal, abs=0.015)
        for groups, count in ((months, 12), (of_day, 24)):
            shares, constants = (
                np.array([found[name][groups == group].mean() for group in range(count)])
                for found in (inside, inside_constant)
            )
            assert np.abs(shares - nominal).max() < 0.06, (name, shares)
            assert np.abs(constants - nominal).max() > 0.08, (name, constants)


def test_a_lead_says_what_its_quantiles_are_in_degrees():
    # The spread is exp(0.7) = 2.0138 degC throughout; a quantile is that many times its residual.
    lead = LeadCalibration(
        coefficients=(0.7, *[0.0] * (TERMS - 1)),
        least_c=1.0,
        most_c=3.0,
        quantiles=[step / 10 for step in range(-9, 10)],
    )
    where = SpreadInputs(hours(2), np.array([9.0, 9.0]), np.ones((2, COLUMNS)))
    found = Calibration(leads=(lead,)).quantiles_c(0, np.array([10.0, -5.0]), where)
    np.testing.assert_allclose(found[:, 9], [10, -5])
    np.testing.assert_allclose(found[:, 0], [10 - 0.9 * 2.0137527, -5 - 0.9 * 2.0137527])
    np.testing.assert_allclose(found[:, 18], [10 + 0.9 * 2.0137527, -5 + 0.9 * 2.0137527])


def test_each_output_has_its_own_quantiles():
    first, last = (
        LeadCalibration(coefficients=(math.log(c), *[0.0] * (TERMS - 1)), least_c=c, most_c=c, quantiles=range(-9, 10))
        for c in (1, 4)
    )
    both = Calibration(leads=(first, last))
    asked = np.zeros(1), SpreadInputs(hours(1), np.zeros(1), np.ones((1, COLUMNS)))
    assert both.quantiles_c(0, *asked)[0, -1] == pytest.approx(9)
    assert both.quantiles_c(1, *asked)[0, -1] == both.quantiles_c(-1, *asked)[0, -1] == pytest.approx(36)


def test_a_change_far_beyond_those_of_train_widens_no_more_than_the_widest_of_train():
    def spread(_, __, change_c, ___):
        return np.exp(0.5 * np.abs(change_c) / CHANGE_C)

    train = made_up(hours(YEAR_H), spread, 7)
    lead = fit_lead(train, made_up(hours(2_000), spread, 8))
    most_c = np.abs(train.forecast_c - train.inputs.last_observed_c).max()
    assert lead.most_c == pytest.approx(math.sqrt(2 / math.pi) * math.exp(0.5 * most_c / CHANGE_C), rel=0.2)
    for change_c in (50.0, -50.0, 1e6, -1e6):
        where = SpreadInputs(hours(1), np.zeros(1), np.zeros((1, COLUMNS)))
        low, *_, high = Calibration(leads=(lead,)).quantiles_c(0, np.array([change_c]), where)[0] - change_c
        np.testing.assert_allclose([low, high], lead.most_c * np.array(lead.quantiles)[[0, -1]], rtol=1e-6)


def test_on_validation_itself_the_shares_inside_are_those_of_the_ranks_though_train_saw_nothing_like_it():
    def spread(_, __, change_c, columns):
        return np.exp(0.4 * np.abs(change_c) / CHANGE_C + 0.3 * columns[0])

    train, val = made_up(hours(YEAR_H), spread, 22), made_up(hours(999, "2011-06-01"), spread, 23)
    train = some(train, np.abs(train.forecast_c - train.inputs.last_observed_c) < 2)
    inside = is_inside(quantiles_c(fit_lead(train, val), val), val.truth_c)
    for name, outside in (("50", 0.5), ("80", 0.2), ("90", 0.1)):
        # The ranks are 1000 p on either side; a residual that is an end may fall out by rounding.
        assert inside[name].sum() == pytest.approx(1_000 * (1 - outside) + 1, abs=2)


@pytest.mark.parametrize("change_c", [100.0, -400.0, 1_000.0, 1e12])
def test_one_absurd_forecast_in_train_does_not_decide_the_widths(change_c):
    train, val = made_up(hours(2 * YEAR_H), steady, 9), made_up(hours(5_000, "2013-01-01"), steady, 10)
    train.forecast_c[5] = train.inputs.last_observed_c[5] + change_c
    lead = fit_lead(train, val)
    found = quantiles_c(lead, val)
    assert np.isfinite(found).all()
    assert is_inside(found, val.truth_c)["90"].mean() == pytest.approx(0.9, abs=0.01)
    usual_c = found[np.abs(val.forecast_c - val.inputs.last_observed_c) < 5]  # nothing like it
    assert np.median(usual_c[:, 18] - usual_c[:, 0]) == pytest.approx(2 * 2 * 1.645, rel=0.3)


def test_a_perfect_forecaster_is_sure_of_itself():
    windows = made_up(hours(1_000), steady, 11)
    windows = Residuals(windows.forecast_c, windows.forecast_c, windows.inputs)
    lead = fit_lead(windows, windows)
    assert lead.quantiles == (0,) * 19
    np.testing.assert_array_equal(quantiles_c(lead, windows), np.repeat(windows.forecast_c[:, None], 19, axis=1))
    scores = scored(quantiles_c(lead, windows), windows.truth_c)
    assert (scores.crps_c, scores.width_c["90"], scores.coverage["50"]) == (0, 0, 1)


def test_two_weeks_of_train_leave_the_year_open_and_the_widths_sane():
    # The waves of the year hardly move in 14 days; a year later, in another season, nothing may run away.
    train, val = made_up(hours(14 * 24), steady, 12), made_up(hours(7 * 24, "2009-01-15"), steady, 13)
    lead = fit_lead(train, val)
    later = made_up(hours(YEAR_H, "2009-01-22"), steady, 14)
    found = quantiles_c(lead, later)  # the widths below are true of no NaN
    width_c = found[:, 18] - found[:, 0]
    assert 2 < width_c.min() < width_c.max() < 20  # it should be 2 * 1.645 * 2 = 6.6
    assert 0.75 < is_inside(found, later.truth_c)["90"].mean() < 0.99


def test_too_few_windows_of_validation_give_no_intervals():
    train, val = made_up(hours(500), steady, 15), made_up(hours(LEAST_WINDOWS), steady, 16)
    assert LEAST_WINDOWS == 19
    assert fit_lead(train, some(val, slice(1, None))) is None
    lead = fit_lead(train, val)
    # 21 windows are equally likely to lie anywhere among these 20: the outer quantiles are the outermost residuals.
    found = quantiles_c(lead, val)
    assert (found[:, 0] <= val.truth_c + 1e-9).all()
    assert (val.truth_c <= found[:, 18] + 1e-9).all()


wild = st.floats(-1e38, 1e38)  # as far as single precision goes


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 14 * 24), st.integers(20, 60), st.sampled_from([1, 6, 24, 24 * 30]))
def test_any_finite_residuals_give_finite_quantiles_that_do_not_cross(data, train_count, val_count, step_h):
    def windows(count, first):
        forecast_c, truth_c, last_c, *seen = (
            data.draw(hnp.arrays(np.float64, count, elements=st.floats(-40, 40) | wild, fill=st.floats(-40, 40)))
            for _ in range(3 + COLUMNS)
        )
        times = np.datetime64(first) + np.arange(count) * np.timedelta64(step_h, "h")
        return Residuals(forecast_c, truth_c, SpreadInputs(times, last_c, np.stack(seen, axis=1)))

    train, val = windows(train_count, "2009-01-01T01:00:00"), windows(val_count, "2010-03-01T00:00:00")
    lead = fit_lead(train, val)
    assert np.isfinite(lead.coefficients).all()
    assert 0 < lead.least_c <= lead.most_c < math.inf
    found = quantiles_c(lead, val)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert LeadCalibration.model_validate_json(lead.model_dump_json()) == lead
