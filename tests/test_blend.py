import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jenacast.evaluation.blend import Blend, equal_blend, fit_blend

degrees = st.floats(-30, 30, width=32)


@st.composite
def forecasts_and_truth(draw, members):
    """(members, windows) and (windows,) degC."""
    windows = draw(st.integers(1, 12))
    rows = st.lists(degrees, min_size=windows, max_size=windows)
    return np.array([draw(rows) for _ in range(draw(members))]), np.array(draw(rows))


def mae(forecast, truth):
    return float(np.abs(forecast - truth).mean())


@settings(deadline=None)
@given(forecasts_and_truth(st.integers(1, 5)))
@example((np.zeros((2, 3)), np.ones(3)))
def test_a_fitted_blend_is_a_mean_that_is_no_worse_than_any_member(drawn):
    forecasts, truth = drawn
    blend = fit_blend(forecasts, truth)
    assert blend.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (blend.weights >= 0).all()
    best = min(mae(member + np.median(truth - member), truth) for member in forecasts)
    fitted = mae(blend.apply(forecasts), truth)
    assert fitted <= best + 1e-9
    assert fitted <= mae(Blend(blend.weights).apply(forecasts), truth) + 1e-9
    # No other offset does better: the best one is one of what is missing.
    missing = truth - blend.weights @ forecasts
    assert fitted <= min(np.abs(missing - offset).mean() for offset in missing) + 1e-9


@settings(deadline=None)
@given(forecasts_and_truth(st.just(2)))
def test_two_members_are_weighed_as_a_search_over_all_weights_would(drawn):
    (first, second), truth = drawn
    blend = fit_blend(np.array([first, second]), truth)
    grid = np.linspace(0, 1, 1_001)[:, None]
    missing = truth - grid * first - (1 - grid) * second
    best = np.abs(missing - np.median(missing, axis=1, keepdims=True)).mean(axis=1).min()
    # A weight is off by a hundredth at most, and the MAE then by a hundredth of how far the members are apart.
    apart = mae(first - second, np.median(first - second))
    assert mae(blend.apply(np.array([first, second])), truth) <= best + apart / 100 + 1e-9


def test_a_known_mixture_is_found():
    chance = np.random.default_rng(0)
    first, second, noise = chance.normal(0, 5, (3, 4_000))
    blend = fit_blend(np.array([first, second, noise]), 0.7 * first + 0.3 * second)
    np.testing.assert_allclose(blend.weights, [0.7, 0.3, 0], atol=0.01)
    assert blend.offset_c == pytest.approx(0, abs=0.05)


def test_a_perfect_member_is_taken_alone_and_a_steady_error_taken_off():
    truth = np.random.default_rng(0).normal(size=50)
    blend = fit_blend(np.array([2 * truth + 1, truth, -truth]), truth)
    assert (blend.weights.tolist(), blend.offset_c) == ([0, 1, 0], 0)
    assert fit_blend(truth[None], truth - 1.25).offset_c == pytest.approx(-1.25)


def test_an_equal_blend_is_the_mean():
    forecasts = np.random.default_rng(0).normal(size=(3, 10))
    np.testing.assert_allclose(equal_blend(3).apply(forecasts), forecasts.mean(axis=0), atol=1e-12)
