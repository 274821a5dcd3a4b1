import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jenacast.report.weeks import chosen_weeks

MONDAY = np.datetime64("2015-01-05T00:00:00")


def hours(start, count):
    return start + np.arange(count) * np.timedelta64(1, "h")


def test_the_chosen_weeks_are_the_seasons_middle_ones_and_the_worst():
    valid_at = hours(MONDAY, 24 * 7 * 5)  # five weeks of winter
    errors_c = np.repeat([3.0, 1.0, 5.0, 2.0, 4.0], 24 * 7)
    chosen = chosen_weeks(valid_at, errors_c)
    assert {name: (errors_c[shown][0], shown.sum()) for name, shown in chosen.items()} == {
        "A typical week in winter": (3.0, 168),
        "The worst week": (5.0, 168),
    }


def test_a_week_with_holes_is_not_shown_and_one_is_shown_once():
    valid_at = np.concatenate([hours(MONDAY, 168), hours(MONDAY + np.timedelta64(7, "D"), 100)])
    chosen = chosen_weeks(valid_at, np.concatenate([np.ones(168), np.full(100, 9.0)]))
    assert list(chosen) == ["A typical week in winter"]
    assert list(chosen_weeks(valid_at[:1], np.ones(1))) == ["A typical week in winter"]


@given(st.integers(0, 400), st.integers(1, 24 * 100), st.integers(0, 2**32 - 1))
def test_a_chosen_week_goes_from_monday_to_sunday(first_day, count, seed):
    valid_at = hours(MONDAY + np.timedelta64(first_day, "D"), count)
    errors_c = np.random.default_rng(seed).random(count)
    chosen = chosen_weeks(valid_at, errors_c)
    assert chosen
    for shown in chosen.values():
        monday = ((valid_at[shown] - MONDAY) // np.timedelta64(7, "D")).astype(int)
        assert len(set(monday)) == 1
    starts = [valid_at[shown][0] for shown in chosen.values()]
    assert len(set(starts)) == len(starts)
