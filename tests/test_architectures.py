import keras
import numpy as np
import pytest

from jenacast.config import load_recipe
from jenacast.errors import ConfigError
from jenacast.models.build import build_model
from jenacast.runtime import set_seed

COLUMNS = 3
THREE = 'data.columns=["pressure_mbar", "temperature_c", "dew_point_c"]'


def build(name, *assignments, hours=12):
    set_seed(1)
    return build_model(load_recipe(name, [f"data.history_hours={hours}", THREE, *assignments]))


def history(steps=12, windows=5):
    return np.random.default_rng(0).standard_normal((windows, steps, COLUMNS)).astype(np.float32)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_unrolled_and_looped_layers_forecast_the_same_with_the_same_weights(cell):
    loop, unrolled = (build("gru", f"model.cell={cell}", f"model.unroll={flag}") for flag in ("false", "true"))
    unrolled.set_weights(loop.get_weights())
    np.testing.assert_allclose(unrolled(history()), loop(history()), rtol=1e-5, atol=1e-6)


def test_a_bidirectional_model_sees_the_series_backwards_too():
    model = build("bidirectional-lstm")
    forward, backward = model.layers[1].forward_layer, model.layers[1].backward_layer
    backward.set_weights(forward.get_weights())
    there, back = np.split(keras.Model(model.input, model.layers[1].output)(history()).numpy(), 2, axis=1)
    reversed_there = keras.Model(model.input, model.layers[1].output)(history()[:, ::-1]).numpy()[:, :16]
    np.testing.assert_allclose(back, reversed_there, rtol=1e-5, atol=1e-6)
    assert np.abs(there - back).max() > 0.01


def test_batch_normalisation_uses_the_batch_in_training_and_its_averages_at_inference():
    model = build("dense-batchnorm", "model.dropout=0")
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    x = 3 + 2 * np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
    in_training = layer(x, training=True).numpy()
    np.testing.assert_allclose(in_training.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(in_training.std(axis=0), 1, atol=0.01)
    # Averages begin at mean 0 and variance 1 and have moved a hundredth of the way.
    at_inference = layer(x, training=False).numpy()
    assert at_inference.mean() > 2


@pytest.mark.parametrize("name", ["lstm", "gru", "simple-rnn", "stacked-gru", "bidirectional-lstm", "conv1d"])
def test_a_model_for_any_history_takes_histories_of_any_length(name):
    model, hours = build(name, "model.any_history=true", "model.units=4"), 72 if name == "conv1d" else 5
    assert model(history(hours + 3)).shape == (5, 1)
    fixed = build(name, "model.units=4", hours=hours)
    fixed.set_weights(model.get_weights())
    np.testing.assert_allclose(fixed(history(hours)), model(history(hours)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "assignments", "setting"),
    [
        ("dense", ["model.any_history=true"], "model.any_history"),
        ("dense-batchnorm", ["model.any_history=true"], "model.any_history"),
        ("lstm-unrolled", ["model.any_history=true"], "model.unroll"),
        ("conv1d", [], "data.history_hours"),
    ],
)
def test_an_architecture_that_cannot_have_this_history_says_so(name, assignments, setting):
    with pytest.raises(ConfigError, match=setting):
        build(name, *assignments)


def test_the_shortest_history_of_conv1d_is_what_keras_can_build():
    assert build("conv1d", hours=69).output_shape == (None, 1)
    with pytest.raises(ConfigError, match="at least 69"):
        build("conv1d", hours=68)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # By hand, 14 columns and 120 hours: GRU 3 (d h + h h + 2 h), LSTM 4 (d h + h h + h), simple d h + h h + h
        ("simple-rnn", 14 * 16 + 16 * 16 + 16 + 17),
        ("stacked-simple-rnn", (14 + 16 + 1) * 16 + 2 * (16 + 16 + 1) * 16 + 17),
        ("lstm", 4 * (14 + 16 + 1) * 16 + 17),
        ("gru", 3 * (14 + 32 + 2) * 32 + 33),
        ("stacked-gru", 3 * (14 + 32 + 2) * 32 + 3 * (32 + 32 + 2) * 32 + 33),
        ("bidirectional-lstm", 2 * 4 * (14 + 16 + 1) * 16 + 33),
        ("deep-lstm", 4 * (14 + 256 + 1) * 256 + 4 * (256 + 256 + 1) * 256 + 257),
        ("dense", 120 * 14 * 16 + 16 + 17),
    ],
)
def test_parameters_are_those_of_the_textbook(name, parameters):
    assert build_model(load_recipe(name)).count_params() == parameters


def test_deep_networks_have_as_many_layers_and_units_as_asked():
    model = build("deep-gru", "model.layers=4", "model.units=7")
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    assert [layer.units for layer in layers] == [7] * 4
    assert [layer.return_sequences for layer in layers] == [True, True, True, False]


def test_dropout_above_a_half_is_warned_of(data_dir, tmp_path, jenacast):
    options = ("--model", "dense", "--set", "data.history_hours=12", "--set", "model.dropout=0.7", "--epochs", 1)
    done = jenacast("train", *options, "--data-dir", data_dir, "--run-dir", tmp_path / "run")
    assert done.exit_code == 0
    assert "warning: model.dropout=0.7" in done.stderr
