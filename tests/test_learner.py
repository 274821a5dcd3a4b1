from types import SimpleNamespace

import numpy as np
import pytest

from jenacast.config import load_recipe
from jenacast.datasets import Batches, Samples
from jenacast.learner import Learner, forward_function, predict
from jenacast.models import build_model
from jenacast.runtime import load_tensorflow, set_seed

RATE = 0.001
NOTHING = lambda: None  # noqa: E731


@pytest.fixture(scope="module")
def keras():
    load_tensorflow()
    import keras

    return keras


def settings(*assignments):
    return load_recipe("dense", [f"train.learning_rate={RATE}", *assignments]).train


def zero_model(keras):
    """One weight and one bias, both 0: the output is 0 whatever goes in."""
    inputs = keras.Input((1, 1))
    zeros = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, zeros)


def recurrent_model(seed):
    set_seed(seed)
    assignments = ["data.history_hours=4", "model.units=4", "model.layers=1"]
    return build_model(load_recipe("stacked-gru", assignments), columns=3)


def samples(windows, steps=4, columns=3):
    rng = np.random.default_rng(1)
    nothing = np.zeros(windows, np.float32)
    return Samples(
        inputs=rng.normal(size=(windows + steps, columns)).astype(np.float32),
        starts=np.arange(windows),
        history=steps,
        targets=rng.normal(size=windows).astype(np.float32),
        truth_c=nothing,
        baseline_c=nothing,
        valid_at=np.zeros(windows, "datetime64[s]"),
    )


def batch(*targets, inputs=1.0):
    return np.full((len(targets), 1, 1), inputs, np.float32), np.array(targets, np.float32)


def flat(model):
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


def test_epoch_means_weigh_every_window_alike_whatever_its_batch(keras):
    # A rate so small that the output stays 0: the errors are the targets.
    learner = Learner(zero_model(keras), settings("train.learning_rate=1e-30"))
    learner.train_batch(*batch(1, -2))
    learner.train_batch(*batch(3))
    assert learner.epoch_means() == pytest.approx(((1 + 4 + 9) / 3, (1 + 2 + 3) / 3), rel=1e-12)
    learner.reset_sums()
    learner.train_batch(*batch(-5))
    assert learner.epoch_means() == pytest.approx((25, 5), rel=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "first_step"),
    [
        ("adam", RATE),  # the step is the rate times the sign, once its bias is corrected
        ("rmsprop", RATE / np.sqrt(0.1)),  # the mean square begins with a tenth of the first one
    ],
)
def test_the_first_step_is_the_one_of_the_named_optimizer(keras, optimizer, first_step):
    model = zero_model(keras)
    Learner(model, settings(f"train.optimizer={optimizer}")).train_batch(*batch(5, 7))
    assert flat(model) == pytest.approx([first_step, first_step], rel=1e-4)  # towards the targets


@pytest.mark.parametrize(("clip_norm", "expected"), [(0, np.sqrt(200)), (1.5, 1.5), (100, np.sqrt(200))])
def test_clip_norm_bounds_the_gradient_of_all_weights_together(keras, clip_norm, expected):
    # The loss is (w x + b - 5)^2 at w = b = 0, x = 1: the gradient is (-10, -10), its length sqrt(200).
    learner = Learner(zero_model(keras), settings("train.optimizer=rmsprop", f"train.clip_norm={clip_norm}"))
    learner.train_batch(*batch(5))
    squares = [v.numpy().sum() for v in learner.optimizer.variables if "velocity" in v.path]
    assert len(squares) == 2
    assert np.sqrt(sum(squares) / 0.1) == pytest.approx(expected, rel=1e-5)  # a tenth of each square


def test_forecasts_do_not_depend_on_the_size_of_their_batches(keras):
    batches, forward = Batches(samples(50)), forward_function(recurrent_model(seed=0))
    whole = predict(forward, batches)
    by_seven = predict(forward, SimpleNamespace(in_order=lambda: batches.in_order(batch_size=7)))
    assert whole.shape == (50,)
    np.testing.assert_allclose(by_seven, whole, atol=1e-5)


def test_forecasts_between_two_steps_do_not_change_the_second(keras):
    # Keras draws masks of recurrent dropout at inference too; left alone, a validation changes the training.
    weights = []
    for forecasts in (0, 2):
        learner, batches = Learner(recurrent_model(seed=0), settings()), Batches(samples(20))
        for inputs, targets in batches.shuffled(batch_size=10, seed=0, epoch=0):
            learner.train_batch(inputs, targets)
            for _ in range(forecasts):
                learner.predict(batches, between=NOTHING)
        weights.append(flat(learner.model))
    np.testing.assert_array_equal(*weights)


def test_forecasts_are_of_the_weights_of_the_moment_and_without_dropout(keras):
    learner, batches = Learner(recurrent_model(seed=0), settings()), Batches(samples(20))
    before = learner.predict(batches, between=NOTHING)
    np.testing.assert_array_equal(learner.predict(batches, between=NOTHING), before)
    for inputs, targets in batches.shuffled(batch_size=20, seed=0, epoch=0):
        learner.train_batch(inputs, targets)
    windows = np.stack([samples(20).inputs[start : start + 4] for start in range(20)])
    expected = learner.model(windows, training=False).numpy()[:, 0]
    np.testing.assert_allclose(learner.predict(batches, between=NOTHING), expected, atol=1e-6)
    assert not np.allclose(before, expected)


def test_two_learners_with_one_seed_end_alike(keras):
    weights = []
    for _ in range(2):
        learner = Learner(recurrent_model(seed=3), settings())
        before = flat(learner.model)
        for inputs, targets in Batches(samples(20)).shuffled(batch_size=10, seed=3, epoch=0):
            learner.train_batch(inputs, targets)
        weights.append(flat(learner.model))
    np.testing.assert_array_equal(*weights)
    assert not np.allclose(before, weights[1])
