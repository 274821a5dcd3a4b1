from dataclasses import replace

import numpy as np
import pytest

from jenacast.columns import NAMES
from jenacast.data.series import Series
from jenacast.data.synthetic import synthetic_series
from jenacast.data.windows import book_windows
from jenacast.evaluation.ridge import fit_ridge, window_features
from jenacast.features.climatology import Climatology

CLIMATOLOGY = Climatology(coefficients_c=tuple(np.random.default_rng(1).normal(0, 5, 49).tolist()))
WIND, DIRECTION = NAMES.index("wind_speed_m_per_s"), NAMES.index("wind_direction_deg")
COLUMNS = len(NAMES) + 1  # the direction becomes two


def weather(rows, step_minutes=60):
    times, values = synthetic_series(rows=rows, step_minutes=step_minutes, seed=5, warts=False)
    return Series(times.astype("datetime64[s]"), values.astype(np.float32))


def windows_of(rows, history_hours=120, rows_per_hour=1):
    return book_windows(rows, 0, rows, rows_per_hour=rows_per_hour, history_hours=history_hours, lead_hours=24)


def features_of(series, windows):
    return window_features(series, windows, CLIMATOLOGY, lead_hours=24)


@pytest.fixture
def problem():
    """Features of very unlike means and spreads, and a target that follows from them but for noise."""
    random = np.random.default_rng(6)
    features = random.normal([1200, 0, -5, 3], [40, 1, 0.1, 9], (500, 4)).astype(np.float32)
    target = 2 + features @ [0.05, -3, 10, 0.3] + random.normal(0, 1, 500)
    return features, target


def test_without_a_penalty_it_is_least_squares(problem):
    features, target = problem
    (ridge,) = fit_ridge(features, target, [0.0])
    with_one = np.column_stack([features.astype(np.float64), np.ones(len(features))])
    expected = np.linalg.lstsq(with_one, target, rcond=None)[0]
    np.testing.assert_allclose(ridge.predict(features), with_one @ expected, atol=1e-7)
    np.testing.assert_allclose(ridge.coefficients / ridge.deviations, expected[:-1], rtol=1e-7)


@pytest.mark.parametrize("penalty", [1e-3, 0.5, 20.0])
def test_a_penalty_is_least_squares_with_rows_that_ask_for_zero(problem, penalty):
    features, target = problem
    (ridge,) = fit_ridge(features, target, [penalty])
    standard = (features - features.mean(axis=0, dtype=float)) / features.std(axis=0, dtype=float)
    rows = np.vstack([standard, np.sqrt(penalty * len(target)) * np.eye(4)])
    expected = np.linalg.lstsq(rows, np.concatenate([target - target.mean(), np.zeros(4)]), rcond=None)[0]
    np.testing.assert_allclose(ridge.coefficients, expected, atol=1e-9)
    assert ridge.intercept == pytest.approx(target.mean())


@pytest.mark.parametrize("chunk", [1, 7, 499, 500, 10_000])
def test_chunks_change_nothing(problem, chunk):
    whole, parts = (fit_ridge(*problem, [1e-3, 1.0], chunk=size) for size in (500, chunk))
    for one, other in zip(whole, parts, strict=True):
        assert one.penalty == other.penalty
        np.testing.assert_allclose(other.coefficients, one.coefficients, rtol=1e-10)
        np.testing.assert_allclose(other.deviations, one.deviations, rtol=1e-12)


def test_a_feature_that_never_changes_has_no_say(problem):
    features, target = problem
    still = np.full((len(features), 1), 0.1, np.float32)  # no binary fraction: its mean is a rounding off
    (ridge,) = fit_ridge(np.hstack([features, still]), target, [1e-4])
    (without,) = fit_ridge(features, target, [1e-4])
    moved = np.hstack([features, still + 50])
    np.testing.assert_allclose(ridge.predict(moved), without.predict(features), atol=1e-6)


def test_the_features_of_a_window_by_hand():
    series, windows = weather(400), windows_of(400)
    features = features_of(series, windows)
    assert features.dtype == np.float32
    assert features.shape == (len(windows), 3 * 6 * COLUMNS + 10)
    pressure = series.values[:, 0].astype(np.float64)
    for window in (0, 100, len(windows) - 1):
        now = window + 119
        day, week = pressure[now - 23 : now + 1].mean(), pressure[now - 119 : now + 1].mean()
        changes = [pressure[now] - pressure[now - hours] for hours in (1, 3, 24)]
        np.testing.assert_allclose(
            features[window, : 6 * COLUMNS : COLUMNS], [pressure[now], *changes, day, week], atol=2e-3
        )
        angle = 2 * np.pi * ((series.times[now].astype(int) % 86400) / 86400)
        for block, wave in ((1, np.cos(angle)), (2, np.sin(angle))):
            np.testing.assert_allclose(features[window, block * 6 * COLUMNS], pressure[now] * wave, atol=2e-3)
        then = series.times[now] + np.timedelta64(24, "h")
        expected_c = CLIMATOLOGY.at(np.array([series.times[now], then]))
        np.testing.assert_allclose(features[window, -2:], expected_c, atol=1e-4)


def test_more_windows_than_a_chunk_are_the_same_windows():
    series, windows = weather(5000), windows_of(5000)
    last = replace(windows, starts=windows.starts[-3:], targets=windows.targets[-3:])
    features = features_of(series, windows)
    assert len(features) == len(windows) > 4096
    np.testing.assert_allclose(features[-3:], features_of(series, last), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("rows_per_hour", [1, 6])
def test_no_feature_looks_past_the_last_row(rows_per_hour):
    rows = 300 * rows_per_hour
    series, windows = weather(rows, 60 // rows_per_hour), windows_of(rows, rows_per_hour=rows_per_hour)
    for window in (0, 17, len(windows) - 1):
        one = replace(windows, starts=windows.starts[[window]], targets=windows.targets[[window]])
        (last,) = one.last_rows
        times, values = series.times.copy(), series.values.copy()
        values[last + 1 :] = np.nan
        times[last + 1 :] += np.timedelta64(12345, "s")
        np.testing.assert_array_equal(features_of(Series(times, values), one), features_of(series, one))
        values[last] += 1
        assert (features_of(Series(times, values), one) != features_of(series, one)).any()


def test_the_whole_history_is_seen_and_nothing_before():
    series, windows = weather(400), windows_of(400)
    one = replace(windows, starts=windows.starts[[50]], targets=windows.targets[[50]])
    for row, seen in ((49, False), (50, True)):
        values = series.values.copy()
        values[row] += 10
        assert (features_of(Series(series.times, values), one) != features_of(series, one)).any() == seen


def test_ten_minute_rows_have_the_features_of_their_hourly_rows():
    fine = weather(6 * 300, 10)
    hourly = Series(fine.times[::6], fine.values[::6])
    found = features_of(fine, windows_of(6 * 300, rows_per_hour=6).pick(slice(None, None, 6)))
    expected = features_of(hourly, windows_of(300))
    np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-5, atol=1e-4)
    assert 0 <= len(expected) - len(found) <= 1


@pytest.mark.parametrize(("history_hours", "blocks"), [(1, 1), (2, 3), (4, 4), (12, 4), (24, 4), (25, 6), (240, 6)])
def test_a_short_history_has_fewer_features(history_hours, blocks):
    features = features_of(weather(600), windows_of(600, history_hours))
    assert features.shape[1] == 3 * blocks * COLUMNS + 10
    assert np.isfinite(features).all()


def test_the_wind_direction_has_no_jump_at_north():
    series, windows = weather(400), windows_of(400)
    features = []
    for direction in (0, 360, 90):
        values = series.values.copy()
        values[:, DIRECTION] = direction
        values[:, WIND] = 7
        features.append(features_of(Series(series.times, values), windows))
    north, again, east = features
    np.testing.assert_allclose(north, again, atol=1e-5)
    np.testing.assert_allclose(north[:, COLUMNS - 2 : COLUMNS], [[0, 7]] * len(windows), atol=1e-5)
    np.testing.assert_allclose(east[:, COLUMNS - 2 : COLUMNS], [[7, 0]] * len(windows), atol=1e-5)
