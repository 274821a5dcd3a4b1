import keras
import numpy as np
import pytest
from conftest import refused

from jenacast.columns import CALENDAR
from jenacast.config import load_recipe
from jenacast.errors import ConfigError
from jenacast.models.build import build_model
from jenacast.runtime import set_seed

COLUMNS = ["hour_cos_1", "temperature_c", "pressure_mbar", "year_sin_1", "max_wind_east_m_per_s"]
WEATHER, SKY = [1, 2, 4], [0, 3]
CHANGES, MEANS = [1, 3, 11], [2, 12]
STEPS, WINDOWS = 12, 64


def build(*assignments):
    """The best recipe's network, small, on five columns and 12 hours; no climatology is needed to build it."""
    set_seed(1)
    settings = [f"data.columns={COLUMNS}", f"data.history_hours={STEPS}", "data.target=change"]
    asked = [f"model.change_hours={CHANGES}", f"model.mean_hours={MEANS}", "model.units=8"]
    return build_model(load_recipe("lagged", [*settings, *asked, *assignments]))


@pytest.fixture
def history():
    """(windows, steps, columns) float32 of different sizes: pressure hardly changes, and stands far from 0."""
    values = np.random.default_rng(0).standard_normal((WINDOWS, STEPS, len(COLUMNS)))
    return (values * [1, 2, 0.01, 1, 3] + [0, 1, 5, 0, -2]).astype(np.float32)


def features(history):
    """What the network is to be told, worked out step by step: the last step is hour 0, the one before hour -1."""
    now = history[:, STEPS - 1]
    changes = [now[:, WEATHER] - history[:, STEPS - 1 - hours][:, WEATHER] for hours in CHANGES]
    means = [sum(history[:, STEPS - 1 - ago][:, WEATHER] for ago in range(hours)) / hours for hours in MEANS]
    return np.hstack([now, *changes, *means])


def into_the_first_dense_layer(model):
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Dense))
    return keras.Model(model.input, layer.input)


def test_the_dense_layer_receives_the_present_its_changes_and_its_means(history):
    received = into_the_first_dense_layer(build())
    expected = features(history)
    assert expected.shape == (WINDOWS, 5 + 3 * (3 + 2))
    # Before any training the normalisation has mean 0 and variance 1.
    np.testing.assert_allclose(received(history, training=False), expected, atol=2e-5)
    in_training = received(history, training=True).numpy()
    standardised = (expected - expected.mean(axis=0)) / np.sqrt(expected.var(axis=0) + 1e-6)
    np.testing.assert_allclose(in_training, standardised, atol=0.01)
    # Those of pressure too, a hundredth in size; Keras' own epsilon, 1e-3, would leave a third of the changes.
    assert (in_training.std(axis=0) > 0.9).all()


def test_of_the_calendar_it_sees_the_present_alone(history):
    assert [COLUMNS[number] for number in SKY] == [name for name in COLUMNS if name in CALENDAR]
    model = build()
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.set_weights([np.random.default_rng(1).standard_normal(w.shape) for w in layer.get_weights()])
    before = model(history).numpy()
    other = history.copy()
    other[:, :-1, SKY] = 9
    np.testing.assert_array_equal(model(other), before)
    for number in SKY:
        other = history.copy()
        other[:, -1, number] += 1
        assert (model(other).numpy() != before).all()
    other = history.copy()
    other[:, 0, WEATHER] += 1  # the change over 11 h and the mean over 12 h reach there
    assert (model(other).numpy() != before).all()


def test_feature_noise_disturbs_all_that_it_is_told_alike_in_training_alone(history):
    plain, noisy = (into_the_first_dense_layer(build(f"model.feature_noise={size}")) for size in (0, 0.5))
    np.testing.assert_array_equal(noisy(history, training=False), plain(history, training=False))
    many = np.tile(history, (50, 1, 1))
    added = noisy(many, training=True).numpy() - plain(many, training=True).numpy()
    np.testing.assert_allclose(added.std(axis=0), 0.5, rtol=0.05)  # the change of pressure in an hour too


def test_it_begins_by_saying_nothing(history):
    """Inputs of deviation 1 come out much smaller: training begins near the target's mean."""
    assert np.abs(build()(history, training=True)).max() < 0.05


@pytest.mark.parametrize(
    ("changes", "means", "needed"), [([1, 12], [3], 13), ([1], [13], 13), ([24], [6, 24], 25), ([], [14], 14)]
)
def test_a_history_that_is_too_short_is_refused_by_the_settings_names(changes, means, needed):
    asked = [f"model.change_hours={changes}", f"model.mean_hours={means}"]
    told = rf"data\.history_hours: expected at least {needed}, which model\.change_hours and model\.mean_hours need"
    with pytest.raises(ConfigError, match=f"{told}, received 12"):
        build(*asked)
    build(*asked, f"data.history_hours={needed}")


def test_a_history_of_any_length_is_refused():
    with pytest.raises(ConfigError, match=r"data\.history_hours: expected at least 12, .* received any"):
        build("model.any_history=true")


def test_without_changes_and_means_there_is_the_present_alone(history):
    model = build("model.change_hours=[]", "model.mean_hours=[]", "data.history_hours=1")
    received = into_the_first_dense_layer(model)(history[:, -1:], training=False)
    np.testing.assert_allclose(received, history[:, -1], atol=2e-5)


def test_layers_and_parameters_are_those_asked_for():
    model = build("model.layers=3", "model.units=7")
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [7, 7, 7, 24]
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.5] * 3
    told = 5 + 3 * (3 + 2)
    trainable = (told + 1) * 7 + 2 * (7 + 1) * 7 + (7 + 1) * 24
    assert model.count_params() == trainable + 2 * told  # and a mean and a variance of each that is told


def test_a_training_that_cannot_be_is_refused_before_anything_is_written(data_dir, tmp_path, jenacast):
    run = tmp_path / "run"
    short = ("--set", "data.history_hours=12", "--set", "data.target=change", "--set", 'data.columns=["temperature_c"]')
    done = jenacast("train", "--model", "lagged", *short, "--data-dir", data_dir, "--run-dir", run)
    refused(done, "data.history_hours: expected at least 25")
    assert not run.exists()
