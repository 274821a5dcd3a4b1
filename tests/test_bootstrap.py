import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenacast.evaluation.bootstrap import BLOCK_DAYS, LEAST_BLOCKS, mean_interval

FEWEST_DAYS = LEAST_BLOCKS * BLOCK_DAYS
FIRST = np.datetime64("2015-01-01T00:00:00")
DAY, HOUR = np.timedelta64(1, "D"), np.timedelta64(1, "h")
CELSIUS = st.integers(-4000, 4000).map(lambda hundredths: hundredths / 100)


def at_noon(count):
    """One time a day."""
    return FIRST + 12 * HOUR + np.arange(count) * DAY


def hourly(days):
    return FIRST + np.arange(24 * days) * HOUR


def correlated_days(series, days, correlation, seed):
    """(series, days) of mean 0: neighbouring days correlate, days k apart by the k-th power of that."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(series, days))
    for day in range(1, days):
        values[:, day] = correlation * values[:, day - 1] + np.sqrt(1 - correlation**2) * values[:, day]
    return values


def coverage(errors, truth, block_days):
    """How often the interval of a series' mean holds the truth."""
    intervals = [mean_interval(one, at_noon(len(one)), block_days=block_days) for one in errors]
    return np.mean([low <= truth <= high for low, high in intervals])


def test_it_holds_the_true_mean_as_often_as_it_says_and_days_drawn_one_by_one_do_not():
    errors = 2.5 + correlated_days(120, 365, correlation=0.4, seed=1)
    blocks, single_days = coverage(errors, 2.5, BLOCK_DAYS), coverage(errors, 2.5, 1)
    assert 0.88 <= blocks <= 0.99
    assert single_days < blocks - 0.08


def test_windows_of_one_day_are_not_counted_as_so_many_witnesses():
    errors = np.repeat(np.random.default_rng(2).normal(2.5, 1, 100), 24)
    # 100 days of deviation 1: the mean has 1 / sqrt(100), however many windows repeat a day.
    low, high = mean_interval(errors, hourly(100))
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(100), rel=0.25)


def test_every_equally_likely_resample_enumerated_gives_the_same_interval():
    # Blocks of 2 over 17 days: 9 blocks, the last one cut to a day. Only the days 0 and 1 differ from 0, so a whole
    # block brings 0 to 2 of them: those that start at day 16 or 1 one, that at day 0 both.
    values = np.zeros(17)
    values[:2] = 1
    whole = {0: 14 / 17, 1: 2 / 17, 2: 1 / 17}
    cut = {0: 15 / 17, 1: 2 / 17}
    chances = cut
    for _ in range(8):
        pairs = itertools.product(chances.items(), whole.items())
        summed = {}
        for (total, chance), (more, its_chance) in pairs:
            summed[total + more] = summed.get(total + more, 0) + chance * its_chance
        chances = summed
    totals = sorted(chances)
    cumulated = np.cumsum([chances[total] for total in totals])
    expected = tuple(totals[np.searchsorted(cumulated, share)] / 17 for share in (0.025, 0.975))
    assert mean_interval(values, at_noon(17), block_days=2, resamples=50_000) == pytest.approx(expected)
    assert expected[1] > 0  # not an interval of nothing


def test_blocks_keep_days_together_and_go_round_the_end():
    # One bad day a week: any seven days in a row hold exactly one, so no resample differs from another.
    values = np.where(np.arange(70) % 7 == 0, 7.0, 0.0)
    assert mean_interval(values, at_noon(70)) == (1.0, 1.0)
    low, high = mean_interval(values, at_noon(70), block_days=1)
    assert low < 0.6
    assert high > 1.4


def test_days_weigh_by_their_windows():
    # 400 days, every other with one window of error 0, the rest with three of error 1: the MAE is 600 / 800. Drawn
    # day by day, the number k of full days is binomial(400, 1/2), whose percentiles are 180 and 220, and the mean
    # of a resample is 3k / (400 + 2k). A mean of day means would lie about 1/2.
    full = np.arange(400) % 2 == 1
    windows = np.where(full, 3, 1)
    valid_at = np.repeat(at_noon(400), windows)
    low, high = mean_interval(np.repeat(full, windows).astype(float), valid_at, block_days=1, resamples=50_000)
    assert low == pytest.approx(3 * 180 / (400 + 2 * 180), abs=0.002)
    assert high == pytest.approx(3 * 220 / (400 + 2 * 220), abs=0.002)


def test_a_difference_is_paired():
    # What is hard for one forecast is hard for the other, who errs by 0.1 more: sure, though each MAE is not.
    hard = np.abs(np.random.default_rng(3).normal(0, 3, 24 * 100))
    one, other = hard + 0.1, hard
    low, high = mean_interval(one - other, hourly(100))
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.1))
    own_low, own_high = mean_interval(one, hourly(100))
    assert own_high - own_low > 0.1
    assert mean_interval(one - one, hourly(100)) == (0.0, 0.0)


def test_a_constant_error_has_no_uncertainty():
    assert mean_interval(np.full(24 * 60, 2.5), hourly(60)) == (2.5, 2.5)


def test_the_same_windows_give_the_same_interval_in_any_order():
    rng = np.random.default_rng(4)
    errors, valid_at, order = rng.normal(size=24 * 80), hourly(80), rng.permutation(24 * 80)
    first = mean_interval(errors, valid_at)
    assert mean_interval(errors, valid_at) == first
    assert mean_interval(errors[order], valid_at[order]) == pytest.approx(first, rel=1e-12)
    assert mean_interval(errors.astype(np.float32), valid_at) == pytest.approx(first, rel=1e-5)


def test_days_without_windows_are_stepped_over():
    errors = np.random.default_rng(5).normal(size=90)
    with_gap = at_noon(90)
    with_gap[40:] += 3_000 * DAY
    assert mean_interval(errors, with_gap) == mean_interval(errors, at_noon(90))


@pytest.mark.parametrize("days", [0, 1, 2, BLOCK_DAYS - 1, BLOCK_DAYS, FEWEST_DAYS - 1])
def test_too_few_days_give_no_interval_however_many_windows(days):
    assert mean_interval(np.random.default_rng(6).normal(size=24 * days), hourly(days)) is None


def test_the_fewest_days_give_one():
    low, high = mean_interval(np.random.default_rng(7).normal(size=FEWEST_DAYS), at_noon(FEWEST_DAYS))
    assert low < high


@given(st.lists(st.lists(CELSIUS, min_size=1, max_size=3), min_size=16, max_size=40), st.integers(1, 2))
def test_it_lies_among_the_day_means(days, block_days):
    valid_at = np.repeat(at_noon(len(days)), [len(day) for day in days])
    low, high = mean_interval(np.concatenate(days), valid_at, block_days=block_days, resamples=200)
    means = [np.mean(day) for day in days]
    assert min(means) - 1e-9 <= low <= high <= max(means) + 1e-9
