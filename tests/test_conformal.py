"""Conformal quantiles: order statistics of residuals, and how often one more residual lies inside."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jenacast.evaluation.coverage import is_inside
from jenacast.models.intervals import (
    LEVELS,
    conformal_quantiles,
)


def test_levels_are_the_nineteen_twentieths():
    assert [round(20 * level, 12) for level in LEVELS] == list(range(1, 20))


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        # (n + 1) p is whole for every level: the rank is that, from below the median as from above.
        (19, list(range(1, 20))),
        (99, list(range(5, 100, 5))),
        # 21 / 20 = 1.05, 2.1, 3.15, ... 9.45 | 10.5 | 11.55, ... 18.9, 19.95: down below the median, up from it on.
        (20, [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
        # 1001 / 20 = 50.05, 100.1, ... 450.45 | 500.5 | 550.55, ... 950.95
        (1_000, [50, 100, 150, 200, 250, 300, 350, 400, 450, 501, *range(551, 1_000, 50)]),
    ],
)
def test_quantiles_are_the_order_statistics_of_the_rank_of_one_more_residual(count, ranks):
    ordered = np.arange(1, count + 1) ** 2.0
    assert conformal_quantiles(ordered).tolist() == [rank**2 for rank in ranks]


@given(hnp.arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e6, 1e6)))
def test_quantiles_are_residuals_in_order_and_turn_with_the_sign(residuals):
    ordered = np.sort(residuals)
    found = conformal_quantiles(ordered)
    assert np.isin(found, ordered).all()
    assert (np.diff(found) >= 0).all()
    # Of the residuals with the other sign they are the mirror image, but for the median of an even number.
    mirrored = -conformal_quantiles(-ordered[::-1])[::-1]
    middle = len(LEVELS) // 2
    np.testing.assert_array_equal(np.delete(mirrored, middle), np.delete(found, middle))


@pytest.mark.parametrize("count", [20, 33, 100])
def test_one_more_residual_lies_inside_as_often_as_promised_and_hardly_more(count):
    # Ranks of n + 1 exchangeable values are all equally likely, whatever the distribution: here a skewed one.
    draws = 20_000
    values = np.random.default_rng(count).exponential(size=(draws, count + 1))
    ordered = np.sort(values[:, :count], axis=1)
    quantiles = np.stack([conformal_quantiles(each) for each in ordered])
    for name, inside in is_inside(quantiles, values[:, count]).items():
        nominal, noise = int(name) / 100, 3 * math.sqrt(0.25 / draws)
        assert nominal - noise <= inside.mean() <= nominal + 2 / (count + 1) + noise, name
