"""Errors by day: what is paired, how sure the difference is, and what is never paired."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from jenacast.evaluation.bootstrap import interval_of, mean_interval
from jenacast.evaluation.daily import DailyErrors, daily_errors, hash_windows, pair, pool, verdict
from jenacast.evaluation.groups import Lead

FIRST = np.datetime64("2015-01-01T00:10:00", "s")
HOURS_A_DAY = 4
ARRAYS = ("valid_at", "forecast_c", "truth_c", "baseline_c")


def judged(errors_c, first=FIRST, hours=24):
    """Forecasts that err by (days, HOURS_A_DAY) degC; the baseline errs by 3."""
    days = len(errors_c)
    valid_at = first + np.arange(days * HOURS_A_DAY) * np.timedelta64(24 // HOURS_A_DAY, "h")
    truth_c = np.zeros(days * HOURS_A_DAY)
    return Lead(hours, valid_at, np.ravel(errors_c), truth_c, truth_c + 3, None)


def of(errors_c, **options):
    return daily_errors(judged(errors_c, **options), checkpoint_sha256=None)


def hard_days(rng, days, deviation_c=1.0):
    """(days, HOURS_A_DAY) degC about 0: neighbouring days are alike as in Jena."""
    noise = rng.normal(size=days)
    for day in range(1, days):
        noise[day] = 0.35 * noise[day - 1] + np.sqrt(1 - 0.35**2) * noise[day]
    return deviation_c * noise[:, None] + rng.normal(0, 0.1 * deviation_c, (days, HOURS_A_DAY))


def test_the_interval_of_a_known_difference_holds_it_as_often_as_it_says_and_is_narrower_than_unpaired():
    rng, held, narrower = np.random.default_rng(11), 0, 0
    for _ in range(150):
        hard_c = 10 + hard_days(rng, 365)  # so hard that no error is negative
        one, other = of(hard_c + 0.1 + hard_days(rng, 365, 0.3)), of(hard_c + hard_days(rng, 365, 0.3))
        low, high = pair([one], [other]).ci95_c
        held += low <= 0.1 <= high
        widths = [np.diff(interval_of(each.absolute))[0] for each in (one, other)]
        narrower += (high - low) < 0.7 * np.hypot(*widths)
    assert 0.88 <= held / 150 <= 0.99
    assert narrower == 150


def test_the_same_forecast_differs_by_nothing_for_sure():
    errors_c = hard_days(np.random.default_rng(1), 100)
    paired = pair([of(errors_c)], [of(errors_c)])
    assert (paired.difference_c, paired.ci95_c) == (0.0, (0.0, 0.0))


def test_seeds_are_averaged_by_day_before_days_are_drawn():
    rng = np.random.default_rng(2)
    first, second, other = (hard_days(rng, 100) for _ in range(3))
    paired = pair([of(first), of(second)], [of(other)])
    difference_c = (np.abs(first) + np.abs(second)) / 2 - np.abs(other)
    assert paired.difference_c == pytest.approx(difference_c.mean(), abs=1e-12)
    assert paired.ci95_c == pytest.approx(mean_interval(difference_c.ravel(), judged(other).valid_at), abs=1e-12)
    assert pair([of(other)], [of(first), of(second)]).difference_c == pytest.approx(-paired.difference_c)


def test_only_errors_on_the_same_windows_are_paired():
    errors_c = hard_days(np.random.default_rng(3), 100)
    whole = judged(errors_c)
    others = {
        "a day less": judged(errors_c[1:], first=FIRST + np.timedelta64(1, "D")),
        "a window less": replace(whole, **{name: getattr(whole, name)[1:] for name in ARRAYS}),
        "other days": judged(errors_c, first=FIRST + np.timedelta64(1, "D")),
        "other truths": replace(whole, truth_c=whole.truth_c + 1),
        "another lead": judged(errors_c, hours=12),
    }
    for name, other in others.items():
        mine, its = (daily_errors(each, checkpoint_sha256=None) for each in (whole, other))
        paired = pair([mine], [its])
        assert (paired.difference_c, paired.ci95_c, paired.reading) == (None, None, "other windows"), name
        assert pair([mine, its], [mine]).reading == "other windows", name
    assert pair([of(errors_c)], [None]).reading == "no errors by day"
    assert hash_windows(whole) == hash_windows(replace(whole, forecast_c=whole.forecast_c + 1))


def test_a_difference_over_few_days_has_no_interval():
    errors_c = hard_days(np.random.default_rng(4), 55)
    paired = pair([of(errors_c + 1)], [of(errors_c * 0)])
    assert paired.difference_c == pytest.approx(np.abs(errors_c + 1).mean())
    assert (paired.ci95_c, paired.reading) == (None, "too few days")


def test_a_verdict_is_given_where_the_interval_leaves_out_0():
    assert verdict(-0.15, (-0.2, -0.1)) == "better"
    assert verdict(-0.1, (-0.2, 0.0)) == "may be chance"
    assert verdict(0.15, (0.1, 0.2)) == "worse"
    assert verdict(-0.1, None) == "too few days"


def test_the_means_are_those_of_all_windows_and_periods_are_pooled_by_them():
    short_c, long_c = np.full((20, HOURS_A_DAY), -2.0), np.full((60, HOURS_A_DAY), 1.0)
    both = pool([of(short_c), of(long_c, first=FIRST + np.timedelta64(20, "D"))])
    assert both.absolute.mean == pytest.approx((20 * 2 + 60) / 80)
    assert both.signed.mean == pytest.approx((20 * -2 + 60) / 80)
    assert both.baseline.mean == pytest.approx(3)
    assert len(both.days) == 80
    low, high = interval_of(both.absolute)
    assert low < both.absolute.mean < high
    assert interval_of(both.baseline) == (3.0, 3.0)


@pytest.mark.parametrize("change", [{"windows": (1,)}, {"error_sums_c": ()}, {"windows": (0,) * 60}, {"days": ()}])
def test_errors_by_day_that_do_not_fit_together_are_refused(change):
    kept = of(hard_days(np.random.default_rng(5), 60)).model_dump()
    assert DailyErrors.model_validate(kept).model_dump() == kept
    with pytest.raises(ValidationError):
        DailyErrors.model_validate(kept | change)
