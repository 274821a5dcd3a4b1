"""Several networks in one: their mean forecasts, and each is trained for itself."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from jenacast.config import load_recipe
from jenacast.models.build import build_model
from jenacast.models.checkpoint import load_checkpoint
from jenacast.runtime import set_seed
from jenacast.training.learner import Learner

COLUMNS, STEPS, WINDOWS = ["temperature_c", "pressure_mbar", "hour_cos_1"], 4, 40
SHAPE = ["data.target=change", f"data.columns={COLUMNS}", f"data.history_hours={STEPS}", "data.lead_hours=3"]
SMALL = [*SHAPE, "model.change_hours=[1, 3]", "model.mean_hours=[2]", "model.units=6", "model.layers=2"]
PLAIN = ["model.dropout=0.0", "model.noise=0.0", "train.optimizer=adam", "train.ema=0.0", "train.loss=mae"]


def build(members, *assignments):
    set_seed(2)
    return build_model(load_recipe("lagged", [*SMALL, *PLAIN, f"model.members={members}", *assignments]))


@pytest.fixture
def histories():
    return np.random.default_rng(4).standard_normal((WINDOWS, STEPS, len(COLUMNS))).astype(np.float32)


def give_weights(model):
    chance = np.random.default_rng(5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.EinsumDense):
            layer.set_weights([chance.standard_normal(each.shape) for each in layer.get_weights()])


def alone(model, number):
    """One of the members as a network of its own, with its weights."""
    single = build(1)
    for theirs, mine in zip(packed(model), dense(single), strict=True):
        mine.set_weights([weights[number] for weights in theirs.get_weights()])
    return single


def packed(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.EinsumDense)]


def dense(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def test_the_forecast_is_the_mean_of_the_members_forecasts(histories):
    model = build(3)
    give_weights(model)
    each = [alone(model, number)(histories, training=False).numpy() for number in range(3)]
    assert np.std(each, axis=0).min() > 0.01
    np.testing.assert_allclose(model(histories, training=False), np.mean(each, axis=0), rtol=1e-4, atol=1e-5)
    assert model.output_shape == (None, 3)


def test_in_training_all_of_them_answer(histories):
    model = build(3)
    give_weights(model)
    each = [alone(model, number)(histories, training=True).numpy() for number in range(3)]
    np.testing.assert_allclose(model(histories, training=True), each, rtol=1e-3, atol=1e-4)


def test_each_member_is_trained_on_its_own_errors(histories):
    """One starts above the truth and one as far below, so their mean is right at once; still both move towards it."""
    model = build(2)
    last = packed(model)[-1]
    kernel, _ = last.get_weights()
    last.set_weights([kernel * 0, np.array([[1.0] * 3, [-1.0] * 3])])
    constant = ["train.learning_rate=0.1", "train.schedule=constant", "train.warmup_steps=0"]
    learner = Learner(model, load_recipe("lagged", [*SMALL, *PLAIN, *constant]).train)
    targets = np.zeros((WINDOWS, 3), np.float32)
    targets[0, 1] = np.nan
    for _ in range(5):
        learner.train_batch(tf.constant(histories), tf.constant(targets))
    biases = last.get_weights()[1]
    assert (biases[0] < 0.9).all()
    assert (biases[1] > -0.9).all()
    loss, absolute = learner.epoch_means()
    assert 0.4 < loss < 1.0  # of each for itself, where that of the mean would be 0
    assert 0.4 < absolute < 1.0


def test_it_begins_by_saying_nothing_and_the_members_differ(histories):
    answers = build(4, "model.units=64")(histories, training=True).numpy()
    assert np.abs(answers).max() < 0.05
    assert np.abs(answers[0] - answers[1]).max() > 0


@pytest.mark.parametrize("form", ["keras", "json+weights"])
def test_kept_and_opened_again_it_forecasts_the_same(histories, tmp_path, form):
    model = build(3)
    give_weights(model)
    expected = model(histories, training=False).numpy()
    if form == "keras":
        model.save(tmp_path / "members.keras")
        again = load_checkpoint(tmp_path / "members.keras").model
    else:
        again = keras.models.model_from_json(model.to_json())
        again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(histories, training=False), expected)
