import math
from statistics import NormalDist

import numpy as np
import pytest

from jenacast.evaluation.coverage import is_inside, score_intervals
from jenacast.models.intervals import LEVELS


def scored(quantiles_c, truth_c):
    times = np.datetime64("2009-01-01T01:00:00") + np.arange(len(truth_c)) * np.timedelta64(1, "h")
    return score_intervals(quantiles_c, truth_c, times)


def test_scores_of_two_windows_by_hand():
    # Quantiles 1 .. 19 and -9 .. 9 degC; the first truth lies 3 above the median, the second below them all.
    quantiles = np.array([[10.0], [0.0]]) + np.arange(-9, 10)
    scores = scored(quantiles, np.array([13.0, -9.5], np.float32))
    # The fifth, second and first quantile are 5, 8 and 9 below the median, and those that mirror them above.
    assert scores.coverage == {"50": 0.5, "80": 0.5, "90": 0.5}
    assert scores.width_c == {"50": 10, "80": 16, "90": 18}
    # level * (truth - quantile) where the truth is above, (1 - level) * (quantile - truth) where it is below
    assert scores.pinball_c["50"] == pytest.approx((0.25 * 8 + 0.25 * 2 + 0.75 * 4.5 + 0.25 * 14.5) / 4)
    assert scores.pinball_c["80"] == pytest.approx((0.1 * 11 + 0.1 * 5 + 0.9 * 1.5 + 0.1 * 17.5) / 4)
    assert scores.pinball_c["90"] == pytest.approx((0.05 * 12 + 0.05 * 6 + 0.95 * 0.5 + 0.05 * 18.5) / 4)
    # 13 is at or below the quantiles 13 to 19, the thirteenth on.
    assert scores.reliability == [0.5] * 12 + [1] * 7


def test_a_truth_at_an_end_is_inside():
    quantiles = np.arange(-9.0, 10)[None]
    for end, inside in ((5.0, ("50", "80", "90")), (8.0, ("80", "90")), (9.0, ("90",))):
        for truth in (end, -end):
            found = is_inside(quantiles, np.array([truth]))
            assert [name for name in found if found[name][0]] == list(inside)


@pytest.mark.parametrize("scale_c", [1.0, 2.5])
def test_the_crps_of_normal_quantiles_is_the_one_of_the_textbook(scale_c):
    # Gneiting & Raftery 2007, (21): of a normal forecast the CRPS is known in closed form.
    normal = NormalDist(3, scale_c)
    truths = np.linspace(-2, 2, 17) * scale_c + 3
    quantiles = np.array([[normal.inv_cdf(level) for level in LEVELS]] * len(truths))
    z = (truths - 3) / scale_c
    cdf, pdf = (np.array([getattr(NormalDist(), name)(each) for each in z]) for name in ("cdf", "pdf"))
    exact = scale_c * (z * (2 * cdf - 1) + 2 * pdf - 1 / math.sqrt(math.pi))
    for truth, row, value in zip(truths, quantiles, exact, strict=True):
        assert scored(row[None], np.array([truth])).crps_c == pytest.approx(value, rel=0.02)
    assert scored(quantiles, truths).crps_c == pytest.approx(exact.mean(), rel=0.02)


def test_forecasts_that_are_the_distribution_itself_are_reliable():
    quantiles = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
    truths = np.random.default_rng(17).standard_normal(40_000)
    scores = scored(np.repeat(quantiles[None], len(truths), axis=0), truths)
    np.testing.assert_allclose(scores.reliability, LEVELS, atol=0.01)
    assert scores.coverage == {name: pytest.approx(int(name) / 100, abs=0.01) for name in ("50", "80", "90")}
    # From tables of the normal distribution.
    assert scores.width_c == pytest.approx({"50": 2 * 0.6745, "80": 2 * 1.2816, "90": 2 * 1.6449}, abs=2e-4)
    assert scores.crps_c == pytest.approx(1 / math.sqrt(math.pi), rel=0.02)
    # Quantiles too wide or too narrow, or shifted, are punished.
    for worse in (1.5 * quantiles, 0.6 * quantiles, quantiles + 0.5):
        assert scored(np.repeat(worse[None], len(truths), axis=0), truths).crps_c > scores.crps_c + 0.01
