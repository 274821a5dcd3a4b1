import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jenacast.models.intervals import CALENDAR_TERMS, LEVELS, Calibration, LeadCalibration, Residuals, SpreadInputs
from jenacast.models.recent import recent_widths

HOUR = np.timedelta64(1, "h")
FIRST = np.datetime64("2024-03-01T00:00:00")
LEAD = LeadCalibration(  # residuals are evenly spread over -2 to 2 °C, whatever the weather
    coefficients=(0.0,) * CALENDAR_TERMS,
    least_c=1.0,
    most_c=1.0,
    quantiles=tuple(4 * level - 2 for level in LEVELS),
    mean_distance=1.0,
)


def past(errors_c, step=HOUR):
    """Forecasts of 10 °C that err by so much, one every step from FIRST on."""
    times = FIRST + np.arange(len(errors_c)) * step
    forecast_c = np.full(len(errors_c), 10.0)
    inputs = SpreadInputs(times, forecast_c, np.zeros((len(errors_c), 0)))
    return Residuals(forecast_c, forecast_c - np.asarray(errors_c, float), inputs)


def width(errors_c, *, days, step=HOUR, lead=LEAD):
    """The width after so many days."""
    return recent_widths(lead, past(errors_c, step), np.array([FIRST + days * 24 * HOUR]))[0]


def test_errors_as_usual_leave_the_intervals_as_calibrated():
    assert width(np.tile([1.0, -1.0], 24 * 30), days=60) == pytest.approx(1)


@pytest.mark.parametrize("error_c", [0.0, 0.5, 2.0, -2.0, 7.0])
def test_a_month_of_other_errors_counts_half(error_c):
    assert width(np.full(24 * 60, error_c), days=59) == pytest.approx((1 + abs(error_c)) / 2)


def test_ten_days_count_a_quarter():
    assert width(np.full(24 * 10, 3.0), days=10) == pytest.approx((30 * 1 + 10 * 3) / 40)


def test_what_is_a_month_old_is_forgotten():
    assert width(np.full(24, 9.0), days=20) > 1.1
    assert width(np.full(24, 9.0), days=32) == 1


def test_before_anything_is_known_intervals_are_as_calibrated():
    assert width([], days=0) == width([5.0] * 24, days=-1) == 1


def test_a_calibration_that_does_not_know_its_usual_error_changes_nothing():
    old = LEAD.model_copy(update={"mean_distance": None})
    assert width(np.full(24 * 30, 5.0), days=30, lead=old) == 1


def test_ten_minute_windows_weigh_no_more_than_hourly_ones():
    ten_minutes = width(np.full(144 * 10, 3.0), days=10, step=np.timedelta64(10, "m"))
    assert ten_minutes == pytest.approx(width(np.full(24 * 10, 3.0), days=10), rel=0.005)


def test_what_is_not_known_or_not_finite_does_not_count():
    errors_c = np.tile([3.0, np.nan, np.inf], 24 * 9)
    known = np.tile([3.0], 24 * 9)
    assert width(errors_c, days=27) == pytest.approx((720 + known.sum()) / (720 + len(known)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=100), st.integers(0, 100), st.integers(0, 2**16))
def test_only_what_is_known_by_now_counts(errors_c, hours, seed):
    now = np.array([FIRST + hours * HOUR])
    other_c = np.where(np.arange(len(errors_c)) <= hours, errors_c, np.random.default_rng(seed).normal(size=1))
    assert recent_widths(LEAD, past(errors_c), now) == recent_widths(LEAD, past(other_c), now)
    known = np.abs(errors_c[: hours + 1])
    assert recent_widths(LEAD, past(errors_c), now)[0] == pytest.approx((720 + known.sum()) / (720 + len(known)))


def test_widths_pull_quantiles_from_the_median():
    shifted = LEAD.model_copy(update={"quantiles": tuple(each + 1 for each in LEAD.quantiles)})
    where = SpreadInputs(np.array([FIRST, FIRST]), np.zeros(2), np.zeros((2, 0)))
    found = Calibration(leads=(shifted,)).quantiles_c(0, np.array([10.0, 10.0]), where, np.array([1.0, 1.5]))
    np.testing.assert_allclose(found[0], 10 + np.array(shifted.quantiles))
    np.testing.assert_allclose(found[1], 11 + 1.5 * np.array(LEAD.quantiles), atol=1e-12)
