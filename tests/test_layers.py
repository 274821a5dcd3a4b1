import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from jenacast.models import layers

UNITS, STEPS, COLUMNS, WINDOWS = 4, 7, 3, 5
OURS = [layers.TiedGRU, layers.TiedLSTM, layers.WeightDropGRU, layers.WeightDropLSTM]
PAIRS = [(layers.TiedGRU, layers.WeightDropGRU), (layers.TiedLSTM, layers.WeightDropLSTM)]


def keras_class(ours):
    return keras.layers.GRU if issubclass(ours, keras.layers.GRU) else keras.layers.LSTM


def windows(count=WINDOWS, steps=STEPS, seed=0):
    return np.random.default_rng(seed).normal(size=(count, steps, COLUMNS)).astype(np.float32)


def with_weights(layer, seed=0):
    """The layer with weights, biases too, that are all different and not small."""
    layer.build((None, STEPS, COLUMNS))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=0.7, size=w.shape) for w in layer.get_weights()])
    return layer


def values_and_gradients(layer, inputs, *, xla=False, training=False, **call):
    """All outputs, and the gradients to the inputs and weights of a sum that weighs every output otherwise.

    Our layers run in a graph, as they train; Keras' step by step, which spares making one.
    """

    def run(inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = tf.nest.flatten(layer(inputs, training=training, **call))
            total = sum(
                tf.reduce_sum(y * tf.reshape(tf.cos(tf.range(tf.size(y), dtype=tf.float32)), tf.shape(y)))
                for y in outputs
            )
        return outputs, tape.gradient(total, [inputs, *layer.trainable_variables])

    ours = isinstance(layer, tuple(OURS))
    outputs, gradients = (tf.function(run, jit_compile=xla) if ours else run)(tf.constant(inputs))
    return [y.numpy() for y in outputs], [g.numpy() for g in gradients]


def assert_close(received, expected, relative):
    assert len(received) == len(expected)
    for ours, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=relative * np.abs(theirs).max())


@pytest.mark.parametrize("options", [{"return_sequences": True, "return_state": True}, {"go_backwards": True}], ids=str)
@pytest.mark.parametrize("ours", OURS)
def test_without_dropout_values_and_gradients_are_those_of_keras(ours, options):
    mine, theirs = with_weights(ours(UNITS, **options)), with_weights(keras_class(ours)(UNITS, **options))
    received = values_and_gradients(mine, windows(), training=True)
    expected = values_and_gradients(theirs, windows(), training=True)
    assert_close(received[0], expected[0], 1e-5)
    assert_close(received[1], expected[1], 1e-4)


@pytest.mark.parametrize("ours", OURS)
def test_a_given_first_state_enters_as_in_keras(ours):
    states = [np.full((WINDOWS, UNITS), value, np.float32) for value in (0.3, -0.6)]
    state = states[:1] if issubclass(ours, keras.layers.GRU) else states
    mine, theirs = with_weights(ours(UNITS)), with_weights(keras_class(ours)(UNITS))
    assert_close(*(values_and_gradients(x, windows(), initial_state=state)[0] for x in (mine, theirs)), 1e-5)


@pytest.mark.parametrize("ours", OURS)
def test_at_inference_nothing_is_dropped_and_no_mask_is_drawn(ours):
    mine, theirs = with_weights(ours(UNITS, recurrent_dropout=0.5)), with_weights(keras_class(ours)(UNITS))
    before = [v.numpy() for v in mine.variables if v.path.endswith("seed_generator_state")]
    assert_close([mine(windows()).numpy()], [theirs(windows()).numpy()], 1e-5)
    after = [v.numpy() for v in mine.variables if v.path.endswith("seed_generator_state")]
    np.testing.assert_array_equal(before, after)
    assert len(before) == 1


def gru_step(x, h, masked, kernel, recurrent, bias):
    inside = x @ kernel + bias[0]
    state = masked @ recurrent + bias[1]
    z, r = (tf.sigmoid(inside[:, k * UNITS : (k + 1) * UNITS] + state[:, k * UNITS : (k + 1) * UNITS]) for k in (0, 1))
    return z * h + (1 - z) * tf.tanh(inside[:, 2 * UNITS :] + r * state[:, 2 * UNITS :])


def lstm_step(x, c, masked, kernel, recurrent, bias):
    i, f, g, o = tf.split(x @ kernel + masked @ recurrent + bias, 4, axis=1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


@pytest.mark.parametrize("ours", OURS)
def test_with_a_mask_values_and_gradients_are_those_of_the_equations(ours, monkeypatch):
    """Against the equations step by step, differentiated by TensorFlow, with a mask that the test knows."""
    layer = with_weights(ours(UNITS, recurrent_dropout=0.5, return_sequences=True))
    shape = (WINDOWS if layer.per_window else 1, UNITS)
    mask = tf.constant(2.0 * (np.random.default_rng(4).random(shape) < 0.5), tf.float32)
    monkeypatch.setattr(keras.random, "dropout", lambda ones, rate, seed: ones * mask)
    received = values_and_gradients(layer, windows(), xla=True, training=True)

    inputs = tf.constant(windows())
    weights = [tf.constant(w) for w in layer.get_weights()]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *weights])
        h = c = tf.zeros((WINDOWS, UNITS))
        states = []
        for step in range(STEPS):
            if issubclass(ours, keras.layers.GRU):
                h = gru_step(inputs[:, step], h, h * mask, *weights)
            else:
                h, c = lstm_step(inputs[:, step], c, h * mask, *weights)
            states.append(h)
        outputs = tf.stack(states, axis=1)
        scale = tf.reshape(tf.cos(tf.range(tf.size(outputs), dtype=tf.float32)), outputs.shape)
        total = tf.reduce_sum(outputs * scale)
    assert_close(received[0], [outputs.numpy()], 1e-5)
    assert_close(received[1], [g.numpy() for g in tape.gradient(total, [inputs, *weights])], 1e-4)


@pytest.mark.parametrize(("tied", "weight_drop"), PAIRS)
def test_weight_drop_is_the_tied_form_with_one_mask_for_every_window(tied, weight_drop, monkeypatch):
    mask = tf.constant([[2.0, 0.0, 2.0, 0.0]])
    monkeypatch.setattr(keras.random, "dropout", lambda ones, rate, seed: ones * mask)
    pair = [with_weights(kind(UNITS, recurrent_dropout=0.5)) for kind in (tied, weight_drop)]
    received, expected = (values_and_gradients(layer, windows(), training=True) for layer in pair)
    assert_close(received[0], expected[0], 1e-5)
    assert_close(received[1], expected[1], 1e-4)


@pytest.mark.parametrize("rate", [0.25, 0.5])
@pytest.mark.parametrize("ours", OURS)
def test_a_mask_drops_the_share_and_keeps_the_mean_and_comes_anew_with_every_batch(ours, rate, monkeypatch):
    drawn = []
    draw = keras.random.dropout
    monkeypatch.setattr(keras.random, "dropout", lambda *args, **kw: drawn.append(draw(*args, **kw)) or drawn[-1])
    layer = ours(400, recurrent_dropout=rate, seed=1)
    for _ in range(2):
        layer(windows(20), training=True)
    first, second = (mask.numpy() for mask in drawn)
    assert first.shape == (20 if layer.per_window else 1, 400)
    assert np.unique(first) == pytest.approx([0, 1 / (1 - rate)], rel=1e-6)
    # Four standard deviations of a share of so many draws.
    assert (first == 0).mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / first.size))
    assert (first != second).any()
    if layer.per_window:
        assert (first[0] != first[1]).any()


@pytest.mark.parametrize("ours", OURS)
def test_the_same_seed_draws_the_same_masks(ours):
    pair = [with_weights(ours(UNITS, recurrent_dropout=0.5, seed=3)) for _ in range(2)]
    one, other = ([layer(windows(), training=True).numpy() for _ in range(3)] for layer in pair)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ours", OURS)
def test_saved_and_loaded_it_is_the_same_layer(ours, tmp_path):
    inputs = keras.Input((None, COLUMNS))
    model = keras.Model(inputs, with_weights(ours(UNITS, recurrent_dropout=0.25, seed=3))(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert type(loaded.layers[1]) is ours
    assert loaded.layers[1].get_config() == model.layers[1].get_config()
    assert loaded.layers[1].recurrent_dropout == 0.25
    np.testing.assert_array_equal(loaded(windows()), model(windows()))


@pytest.mark.parametrize("ours", OURS)
def test_windows_of_any_number_and_length_are_read(ours):
    layer, theirs = with_weights(ours(UNITS)), with_weights(keras_class(ours)(UNITS))
    spec = tf.TensorSpec((None, None, COLUMNS), tf.float32)
    run = tf.function(layer, input_signature=[spec])
    for count, steps in ((1, 1), (3, 9)):
        np.testing.assert_allclose(run(windows(count, steps)), theirs(windows(count, steps)), atol=1e-5)


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("option", [{"activation": "relu"}, {"use_bias": False}, {"unroll": True}, {"dropout": 0.5}])
def test_what_the_loop_does_not_know_is_refused(ours, option):
    with pytest.raises(ValueError, match=r"use the layer of keras\.layers"):
        ours(UNITS, **option)


def test_masked_steps_are_refused():
    mask = np.ones((WINDOWS, STEPS), bool)
    with pytest.raises(ValueError, match="whole sequences"):
        layers.TiedGRU(UNITS)(windows(), mask=mask)


@pytest.mark.parametrize("reach", [layers.cudnn_gru, layers.cudnn_lstm])
def test_the_private_functions_of_keras_are_as_we_call_them(reach):
    """If this fails, Keras changed how its layers reach cuDNN; `_options` in layers.py must follow."""
    parameters = list(inspect.signature(reach).parameters)
    states = ["initial_state"] if reach is layers.cudnn_gru else ["initial_state_h", "initial_state_c"]
    assert parameters[: 2 + len(states)] == ["inputs", *states, "mask"]
    options = set(with_weights(layers.TiedGRU(UNITS))._options(None))
    assert options <= set(parameters)
    source = inspect.getsource(inspect.getmodule(keras.layers.GRU))
    assert "backend.gru(" in source
    assert "except NotImplementedError" in source
