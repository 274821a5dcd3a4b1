from math import cos, pi, sin

import numpy as np
import pytest

from jenacast.errors import DataError
from jenacast.features.climatology import Climatology, day_waves, fit_climatology, year_waves

FIRST = np.datetime64("2009-01-01T00:10:00", "s")
HOUR, MINUTE = np.timedelta64(3600, "s"), np.timedelta64(60, "s")
DAYS_IN_400_YEARS = 146_097  # of the Gregorian calendar, after which it repeats to the day


def clock(hours):
    return FIRST + np.arange(hours) * HOUR


def by_hand(coefficients_c, time):
    """The sum of products in plain Python, at one time."""
    days = (time - np.datetime64("1970-01-01T00:00:00", "s")) / np.timedelta64(86400, "s")
    year, day = (
        [1.0, *(wave(k * 2 * pi * cycles) for k in (1, 2, 3) for wave in (cos, sin))]
        for cycles in (days * 400 / DAYS_IN_400_YEARS, days)
    )
    return sum(c * a * b for c, (a, b) in zip(coefficients_c, ((a, b) for a in year for b in day), strict=True))


@pytest.fixture
def climatology():
    return Climatology(coefficients_c=tuple(np.random.default_rng(1).normal(0, 5, 49).tolist()))


def test_the_sum_of_products_is_that_of_the_harmonics(climatology):
    times = FIRST + np.random.default_rng(2).integers(0, 8 * 365 * 24 * 60, 50) * MINUTE
    expected = [by_hand(climatology.coefficients_c, time) for time in times]
    np.testing.assert_allclose(climatology.at(times), expected, atol=1e-8)


@pytest.mark.parametrize("days", [365, 4 * 365 + 1])
def test_known_harmonics_come_back_in_any_order_around_missing_rows(climatology, days):
    times = np.random.default_rng(3).permutation(clock(days * 24))
    temperature_c = climatology.at(times)
    temperature_c[5:500:7] = np.nan
    fitted = fit_climatology(times, temperature_c)
    np.testing.assert_allclose(fitted.coefficients_c, climatology.coefficients_c, atol=1e-8)


@pytest.mark.parametrize(("of_year", "terms"), [(3, 49), (1, 21)])  # a constant, cosines and sines: 7 x 7, 3 x 7
def test_on_noise_it_is_the_least_squares_fit(climatology, of_year, terms):
    times = clock(2 * 365 * 24)
    noisy_c = climatology.at(times) + np.random.default_rng(4).normal(0, 8, len(times))
    fitted = fit_climatology(times, noisy_c, of_year=of_year)
    assert np.count_nonzero(fitted.coefficients_c) == np.count_nonzero(fitted.coefficients_c[:terms]) == terms
    rest_c = noisy_c - fitted.at(times)
    for index in range(terms):  # what a least-squares fit leaves is orthogonal to each of its terms
        alone = Climatology(coefficients_c=tuple(float(other == index) for other in range(49)))
        assert alone.at(times) @ rest_c / len(times) == pytest.approx(0, abs=1e-9)


def test_it_repeats_with_the_calendar(climatology):
    times = FIRST + np.arange(1000) * 607 * MINUTE
    np.testing.assert_allclose(climatology.at(times + DAYS_IN_400_YEARS * 24 * HOUR), climatology.at(times), atol=1e-8)


def test_the_year_has_365_2425_days_and_the_day_24_hours():
    times = FIRST + np.arange(1000) * 607 * MINUTE
    year = np.timedelta64(DAYS_IN_400_YEARS * 86400 // 400, "s")
    np.testing.assert_allclose(year_waves(times + year, 3), year_waves(times, 3), atol=1e-9)
    np.testing.assert_allclose(day_waves(times + 24 * HOUR, 3), day_waves(times, 3), atol=1e-9)
    assert np.abs(year_waves(times + 24 * HOUR, 1) - year_waves(times, 1)).max() == pytest.approx(
        2 * pi / 365, rel=0.01
    )


def test_a_leap_day_shifts_no_phase_for_good():
    new_years = np.array([f"{year}-01-01T00:00:00" for year in range(2009, 2018)], dtype="datetime64[s]")
    shift_days = np.arctan2(*year_waves(new_years, 1).T[::-1]) / (2 * pi) * 365.2425
    assert np.ptp(shift_days) < 1  # day 366 and day 1 stay neighbours


def test_the_minutes_count():
    times = np.array(["2010-06-01T06:00:00", "2010-06-01T07:30:00", "2010-06-01T18:00:00"], dtype="datetime64[s]")
    np.testing.assert_allclose(day_waves(times, 1), [[0, 1], [cos(pi / 8 * 5), sin(pi / 8 * 5)], [0, -1]], atol=1e-9)


def test_less_than_a_year_is_refused():
    with pytest.raises(DataError, match=r"span 200 days.*a year or more; prepare a series of at least two years"):
        fit_climatology(clock(200 * 24), np.zeros(200 * 24))
    with pytest.raises(DataError, match="span 0 days"):
        fit_climatology(clock(9000), np.full(9000, np.nan))


def test_it_can_be_stored(climatology):
    again = Climatology.model_validate_json(climatology.model_dump_json())
    assert again == climatology
    np.testing.assert_array_equal(again.at(clock(100)), climatology.at(clock(100)))
