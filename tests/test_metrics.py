import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenacast.errors import DataError
from jenacast.evaluation.metrics import absolute_errors, measure, skill, std, with_std


def pow2(number):
    return float(number) ** 2


CELSIUS = st.integers(-4000, 4000).map(lambda hundredths: hundredths / 100)


def test_four_errors_by_hand():
    # errors: +1, -2, 0, +5
    errors = measure(np.array([11.0, 8.0, 0.0, 5.0]), np.array([10.0, 10.0, 0.0, 0.0]))
    assert errors.windows == 4
    assert errors.mae_c == 8 / 4
    assert errors.rmse_c == pytest.approx(math.sqrt(30 / 4), rel=1e-15)
    assert errors.bias_c == 4 / 4  # too warm
    assert asdict(errors) == {"windows": 4, "mae_c": 2.0, "rmse_c": errors.rmse_c, "bias_c": 1.0}


@given(st.lists(CELSIUS, min_size=1, max_size=30), CELSIUS)
def test_a_constant_offset_is_the_bias(truth, offset):
    truth = np.array(truth)
    errors = measure(truth + offset, truth)
    assert errors.bias_c == pytest.approx(offset, abs=1e-9)
    assert errors.mae_c == pytest.approx(abs(offset), abs=1e-9)
    assert errors.rmse_c == pytest.approx(abs(offset), abs=1e-9)


@given(st.lists(st.tuples(CELSIUS, CELSIUS), min_size=1, max_size=30))
def test_bias_is_at_most_mae_at_most_rmse(pairs):
    forecast, truth = np.array(pairs).T
    errors = measure(forecast, truth)
    assert abs(errors.bias_c) <= errors.mae_c + 1e-9
    assert errors.mae_c <= errors.rmse_c + 1e-9
    turned = measure(truth, forecast)
    assert (turned.mae_c, turned.bias_c) == (errors.mae_c, pytest.approx(-errors.bias_c))


def test_many_float32_errors_are_summed_in_float64():
    forecast = np.random.default_rng(0).normal(20, 1, 100_000).astype(np.float32)
    errors = measure(forecast, np.zeros(len(forecast), dtype=np.float32))
    assert errors.mae_c == pytest.approx(math.fsum(forecast) / len(forecast), rel=1e-13)
    assert errors.rmse_c == pytest.approx(math.sqrt(math.fsum(map(pow2, forecast)) / len(forecast)), rel=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["forecast", "truth"])
def test_what_is_not_finite_is_never_averaged_away(bad, where):
    good, spoilt = np.zeros(5), np.array([0, bad, 0, bad, 0])
    pair = (spoilt, good) if where == "forecast" else (good, spoilt)
    with pytest.raises(DataError, match="2 of 5 forecasts or truths are not finite; no mean is taken"):
        measure(*pair)


def test_no_window_is_no_mean():
    with pytest.raises(DataError, match="no window to measure; the series is too short"):
        measure(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize(
    ("mae_c", "baseline_mae_c", "expected"), [(0.0, 2.5, 1.0), (2.5, 2.5, 0.0), (5.0, 2.5, -1.0), (2.25, 2.5, 0.1)]
)
def test_skill_by_hand(mae_c, baseline_mae_c, expected):
    assert skill(mae_c, baseline_mae_c) == pytest.approx(expected)


def test_the_mean_and_the_deviation_over_seeds_by_hand():
    assert std([2.0, 4.0, 9.0]) == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
    assert [std(values) for values in ([], [2.5])] == [None, None]
    assert [with_std(2.5, 0.0123), with_std(2.5, None), with_std(None, None)] == ["2.500 ± 0.012", "2.500", "-"]


def test_absolute_errors_of_float32_are_float64():
    found = absolute_errors(np.float32([1.1, 5]), np.float32([3, 2]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [1.9, 3], atol=1e-6)
