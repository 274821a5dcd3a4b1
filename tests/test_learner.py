from types import SimpleNamespace

import keras
import numpy as np
import pytest

from jenacast.config import load_recipe
from jenacast.features.datasets import Batches, Samples
from jenacast.models.build import build_model
from jenacast.models.inference import forward_function, predict
from jenacast.runtime import set_seed
from jenacast.training.learner import Learner

RATE = 0.001
NOTHING = lambda: None  # noqa: E731


def settings(*assignments):
    return load_recipe("dense", [f"train.learning_rate={RATE}", *assignments]).train


def zero_model():
    """One weight and one bias, both 0: the output is 0 whatever goes in."""
    inputs = keras.Input((1, 1))
    zeros = keras.layers.Dense(1, kernel_initializer="zeros")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, zeros)


def recurrent_model(seed):
    set_seed(seed)
    columns = 'data.columns=["pressure_mbar", "temperature_c", "dew_point_c"]'
    assignments = ["data.history_hours=2", columns, "model.units=4", "model.layers=1"]
    return build_model(load_recipe("stacked-gru", assignments))


def samples(windows, steps=2, columns=3):
    rng = np.random.default_rng(1)
    nothing = np.zeros(windows, np.float32)
    return Samples(
        inputs=rng.normal(size=(windows + steps, columns)).astype(np.float32),
        starts=np.arange(windows),
        history=steps,
        targets=rng.normal(size=(windows, 1)).astype(np.float32),
        truth_c=nothing[:, None],
        last_observed_c=nothing,
        rows=np.arange(windows) + steps - 1,
        now=np.zeros(windows, "datetime64[s]"),
        valid_at=np.zeros(windows, "datetime64[s]"),
        dropped=0,
    )


def batch(*targets, inputs=1.0):
    return np.full((len(targets), 1, 1), inputs, np.float32), np.array(targets, np.float32)[:, None]


def flat(model):
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


def test_epoch_means_weigh_every_window_alike_whatever_its_batch():
    # A rate so small that the output stays 0: the errors are the targets.
    learner = Learner(zero_model(), settings("train.learning_rate=1e-30"))
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
def test_the_first_step_is_the_one_of_the_named_optimizer(optimizer, first_step):
    model = zero_model()
    Learner(model, settings(f"train.optimizer={optimizer}")).train_batch(*batch(5, 7))
    assert flat(model) == pytest.approx([first_step, first_step], rel=1e-4)  # towards the targets


@pytest.mark.parametrize(("clip_norm", "expected"), [(0, np.sqrt(200)), (1.5, 1.5), (100, np.sqrt(200))])
def test_clip_norm_bounds_the_gradient_of_all_weights_together(clip_norm, expected):
    # The loss is (w x + b - 5)^2 at w = b = 0, x = 1: the gradient is (-10, -10), its length sqrt(200).
    learner = Learner(zero_model(), settings("train.optimizer=rmsprop", f"train.clip_norm={clip_norm}"))
    learner.train_batch(*batch(5))
    squares = [v.numpy().sum() for v in learner.optimizer.variables if "velocity" in v.path]
    assert len(squares) == 2
    assert np.sqrt(sum(squares) / 0.1) == pytest.approx(expected, rel=1e-5)  # a tenth of each square


def test_forecasts_do_not_depend_on_the_size_of_their_batches():
    batches, forward = Batches(samples(50)), forward_function(recurrent_model(seed=0))
    whole = predict(forward, batches)
    by_seven = predict(forward, SimpleNamespace(in_order=lambda: batches.in_order(batch_size=7)))
    assert whole.shape == (50, 1)
    np.testing.assert_allclose(by_seven, whole, atol=1e-5)


def test_forecasts_between_two_steps_do_not_change_the_second():
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


def test_forecasts_are_of_the_weights_of_the_moment_and_without_dropout():
    learner, batches = Learner(recurrent_model(seed=0), settings()), Batches(samples(20))
    before = learner.predict(batches, between=NOTHING)
    np.testing.assert_array_equal(learner.predict(batches, between=NOTHING), before)
    for inputs, targets in batches.shuffled(batch_size=20, seed=0, epoch=0):
        learner.train_batch(inputs, targets)
    windows = np.stack([samples(20).inputs[start : start + 2] for start in range(20)])
    expected = learner.model(windows, training=False).numpy()
    np.testing.assert_allclose(learner.predict(batches, between=NOTHING), expected, atol=1e-6)
    assert not np.allclose(before, expected)


def test_what_was_taken_out_in_the_middle_and_put_back_goes_on_as_if_nothing_had_been():
    """With two layers that each draw masks; whole runs of other networks are killed in `test_resume.py`."""
    about = ["data.history_hours=2", 'data.columns=["pressure_mbar", "temperature_c", "dew_point_c"]']
    config = load_recipe("stacked-gru", [*about, "model.engine=weight-drop", "model.units=4"])
    ways = []
    for seed in (0, 1):
        set_seed(seed)
        ways.append(Learner(build_model(config), config.train))
    whole, other = ways
    first, second, third = Batches(samples(30)).shuffled(batch_size=10, seed=0, epoch=0)
    whole.train_batch(*first)
    taken = whole.variables()
    for _ in range(2):
        other.train_batch(*first)
    other.restore(taken)
    for learner in ways:
        learner.train_batch(*second)
        learner.train_batch(*third)
    for mine, theirs in zip(other.variables(), whole.variables(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert not np.array_equal(taken[0], whole.variables()[0])


def test_two_learners_with_one_seed_end_alike():
    weights = []
    for _ in range(2):
        learner = Learner(recurrent_model(seed=3), settings())
        before = flat(learner.model)
        for inputs, targets in Batches(samples(20)).shuffled(batch_size=10, seed=3, epoch=0):
            learner.train_batch(inputs, targets)
        weights.append(flat(learner.model))
    np.testing.assert_array_equal(*weights)
    assert not np.allclose(before, weights[1])


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["train.loss=mse"], lambda error: error**2),
        (["train.loss=mae"], abs),
        (["train.loss=huber"], lambda error: np.where(abs(error) < 1, error**2 / 2, abs(error) - 1 / 2)),
    ],
)
def test_the_loss_is_the_mean_of_its_formula(assignments, expected):
    targets = np.array([-3, -1, -0.25, 0, 0.5, 1, 4], np.float32)
    learner = Learner(zero_model(), settings("train.learning_rate=1e-30", *assignments))
    learner.train_batch(*batch(*targets))
    assert learner.epoch_means() == pytest.approx((expected(-targets).mean(), abs(targets).mean()), rel=1e-6)


@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        (0, {0: RATE, 6: RATE / 2, 12: 0}),
        (4, {0: 0, 1: RATE / 4, 4: RATE, 8: RATE / 2, 12: 0}),
    ],
)
def test_a_cosine_schedule_rises_and_falls_to_nothing_at_the_last_step(warmup, expected):
    learner = Learner(zero_model(), settings("train.schedule=cosine", f"train.warmup_steps={warmup}"), steps=12)
    rates, moves = [], []
    for _ in range(12):
        before = flat(learner.model)
        rates.append(learner.learning_rate)
        learner.train_batch(*batch(5))
        moves.append(np.abs(flat(learner.model) - before).max())
    rates.append(learner.learning_rate)
    assert {step: rates[step] for step in expected} == pytest.approx(expected, abs=1e-9)
    assert np.argmax(rates) == warmup
    np.testing.assert_array_equal(np.array(moves) == 0, np.array(rates[:12]) == 0)  # it is the rate that is used


@pytest.mark.parametrize(("decay", "left"), [(0.5, 1 - 0.1 * 0.5), (0, 1)])
def test_adamw_takes_its_share_off_every_weight_where_there_is_no_error(decay, left):
    adamw = ["train.optimizer=adamw", "train.learning_rate=0.1", f"train.weight_decay={decay}"]
    learner = Learner(zero_model(), settings(*adamw))
    learner.model.set_weights([np.array([[2.0]]), np.array([1.0])])
    learner.train_batch(*batch(3))
    assert flat(learner.model) == pytest.approx([2 * left, 1 * left], rel=1e-6)


def test_the_mean_of_the_weights_is_that_of_its_recursion_and_goes_as_it_came():
    learner = Learner(zero_model(), settings("train.ema=0.5", "train.learning_rate=0.1"))
    expected = flat(learner.model)
    for step in range(1, 21):
        learner.train_batch(*batch(5, inputs=step / 10))
        decay = min(0.5, step / (step + 10))  # from the tenth step on it is 0.5
        last = flat(learner.model)
        expected = decay * expected + (1 - decay) * last
        with learner.averaged():
            np.testing.assert_allclose(flat(learner.model), expected, rtol=1e-5)
        np.testing.assert_array_equal(flat(learner.model), last)
    assert np.abs(last - expected).min() > 0.01
    with pytest.raises(KeyboardInterrupt), learner.averaged():
        raise KeyboardInterrupt
    np.testing.assert_array_equal(flat(learner.model), last)


def test_without_a_mean_the_weights_are_the_last():
    learner = Learner(zero_model(), settings())
    learner.train_batch(*batch(5))
    last = flat(learner.model)
    with learner.averaged():
        np.testing.assert_array_equal(flat(learner.model), last)


def test_what_is_not_known_of_many_outputs_counts_for_nothing():
    """The loss is the mean over outputs, the MAE told that of the last; a gap leaves its output's weights alone."""
    inputs = keras.Input((1, 1))
    model = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer="zeros")(keras.layers.Flatten()(inputs)))
    learner = Learner(model, settings("train.loss=mae"))
    targets = np.array([[np.nan, 2, -4], [np.nan, 1, 8]], np.float32)
    learner.train_batch(np.ones((2, 1, 1), np.float32), targets)
    loss, mae = learner.epoch_means()
    assert loss == pytest.approx((0 + 0 + 2 + 1 + 4 + 8) / 6)
    assert mae == pytest.approx((4 + 8) / 2)
    kernel, bias = (weights[..., 0] for weights in model.get_weights())
    assert kernel == 0
    assert bias == 0
    assert learner.first_bad_step() is None
