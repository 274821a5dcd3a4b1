import os
import stat
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from jenacast.models import compiled, layers, recurrence

GATES = {"gru": 3, "lstm": 4}

needs_compiler = pytest.mark.skipif(not compiled.runs(16), reason="no C compiler, or a GPU")


def constant(rng, *shape):
    return tf.constant(rng.normal(scale=0.4, size=shape), tf.float32)


def arguments_of(cell, windows, steps, columns, units):
    rng = np.random.default_rng(0)
    wide = GATES[cell] * units
    bias = constant(rng, 2, wide) if cell == "gru" else constant(rng, wide)
    weights = (constant(rng, columns, wide), constant(rng, units, wide), bias)
    first = [constant(rng, windows, units) for _ in range(1 if cell == "gru" else 2)]
    return [constant(rng, windows, steps, columns), *weights, *first]


def values_and_gradients(run, arguments, mask):
    """All outputs, and the gradients to every argument of a sum that weighs every output otherwise."""
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = tf.nest.flatten(run(*arguments, mask))
        total = sum(
            tf.reduce_sum(y * tf.reshape(tf.cos(tf.range(tf.size(y), dtype=tf.float32)), y.shape)) for y in outputs
        )
    return [value.numpy() for value in (*outputs, *tape.gradient(total, arguments))]


def by_steps(cell):
    """The same loop of recurrence.py, whose arrays have the steps first."""

    def run(inputs, *rest):
        states, *memory = tf.nest.flatten(getattr(recurrence, cell)(tf.transpose(inputs, (1, 0, 2)), *rest))
        return [tf.transpose(states, (1, 0, 2)), *memory]

    return run


@needs_compiler
@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize("shape", [(37, 5, 3, 16), (5, 3, 14, 80)], ids=str)  # less than a tile of windows, and more
@pytest.mark.parametrize("cell", GATES)
def test_values_and_gradients_are_those_of_the_loop_for_xla(cell, shape, is_masked):
    arguments = arguments_of(cell, *shape)
    drawn = np.random.default_rng(1).random((shape[0], shape[3])) < 0.5
    mask = tf.constant(2 * drawn, tf.float32) if is_masked else None
    received = values_and_gradients(getattr(compiled, cell), arguments, mask)
    expected = values_and_gradients(by_steps(cell), arguments, mask)
    for ours, theirs in zip(received, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-6 * np.abs(theirs).max())


@needs_compiler
@pytest.mark.parametrize("ours", [layers.TiedGRU, layers.WeightDropLSTM])
def test_a_layer_in_training_gives_what_keras_gives(ours):
    theirs = keras.layers.GRU if issubclass(ours, keras.layers.GRU) else keras.layers.LSTM
    inputs = constant(np.random.default_rng(0), 4, 6, 3)
    layer, reference = (kind(16, return_sequences=True, go_backwards=True) for kind in (ours, theirs))
    layer.build(inputs.shape)
    reference.build(inputs.shape)
    reference.set_weights(layer.get_weights())
    received = tf.function(lambda x: layer(x, training=True))(inputs)
    np.testing.assert_allclose(received, reference(inputs), rtol=0, atol=1e-6)


@needs_compiler
def test_the_number_of_cores_changes_no_bit(monkeypatch):
    arguments = arguments_of("gru", 150, 4, 3, 16)
    found = []
    for cores in (1, 3):
        with ThreadPoolExecutor(cores) as pool:
            monkeypatch.setattr(compiled, "_pool", lambda pool=pool: pool)
            found.append(values_and_gradients(compiled.gru, arguments, None))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


@needs_compiler
def test_memory_is_used_again_only_after_its_array_is_gone():
    first = compiled._aligned((3, 5))
    second = compiled._aligned((3, 5))
    assert not np.shares_memory(first, second)
    assert first.ctypes.data % compiled.ALIGNMENT == 0
    place = first.ctypes.data
    del first
    assert compiled._aligned((3, 5)).ctypes.data == place


def test_without_a_compiler_or_with_one_that_fails_xla_runs_the_loops(monkeypatch, tmp_path, caplog):
    without = compiled._library.__wrapped__
    monkeypatch.setenv("PATH", str(tmp_path))
    assert without() is None
    assert not caplog.records
    (tmp_path / "cc").write_text(f"#!{os.path.realpath('/bin/sh')}\necho no such header >&2\nexit 1\n")
    (tmp_path / "cc").chmod(stat.S_IRWXU)
    assert without() is None
    assert "XLA runs them: no such header" in caplog.text


def test_a_width_that_the_code_does_not_know_is_left_to_xla():
    assert not compiled.runs(12)
