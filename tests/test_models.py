import numpy as np
import pytest

from jenacast.columns import COLUMNS
from jenacast.config import default_settings, load_recipe, recipe_names
from jenacast.errors import ConfigError
from jenacast.models.build import BUILDERS, build_model, check_model
from jenacast.models.checkpoint import load_checkpoint
from jenacast.runtime import load_tensorflow, set_seed
from jenacast.training.learner import Learner

LONG = {"conv1d": 72, "lagged": 25, "lagged-mean": 25, "lagged-wide": 25}  # filters that span 69 hours, changes over 24
STEPS = dict.fromkeys(recipe_names(), 6) | LONG
LAYERS = ("architecture", "cell", "engine", "bidirectional", "unroll")
ENGINES = [f"{name} {engine}" for name in ("lstm-dropout", "stacked-gru") for engine in ("tied", "weight-drop")]


def small(name, *assignments):
    """A recipe with 4 units, on another engine where its name is followed by one."""
    recipe, _, engine = name.partition(" ")
    chosen = [f"model.engine={engine}"] if engine else []
    return load_recipe(recipe, [f"data.history_hours={STEPS[recipe]}", "model.units=4", *chosen, *assignments])


def kind(name):
    """The layers a recipe is made of, whatever their number and size."""
    model = small(name).model
    return (*(getattr(model, key) for key in LAYERS), model.recurrent_dropout > 0)


KINDS = {kind(name): name for name in [*recipe_names(), *ENGINES]}.values()


def build(name):
    set_seed(0)
    return build_model(small(name))


def standardised(steps, windows=5, columns=len(COLUMNS)):
    return np.random.default_rng(0).normal(size=(windows, steps, columns)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def built(request):
    """Name and network of the last recipe of its kind, windows and forecasts; the tests of the contract share them."""
    model, inputs = build(request.param), inputs_of(request.param)
    return request.param, model, inputs, model(inputs, training=False).numpy()


def inputs_of(name, windows=5):
    return standardised(STEPS[name.partition(" ")[0]], windows, len(small(name).data.columns))


def test_a_window_becomes_finite_numbers(built):
    name, _, _, outputs = built
    data = small(name).data
    assert outputs.shape == (5, data.lead_hours if data.every_hour else 1)
    assert outputs.dtype == np.float32
    assert np.isfinite(outputs).all()
    assert len(np.unique(outputs)) == outputs.size  # other windows, other forecasts


def test_saved_and_loaded_it_predicts_the_same(built, tmp_path):
    _, model, inputs, expected = built
    model.save(tmp_path / "model.keras")
    loaded = load_checkpoint(tmp_path / "model.keras").model
    assert loaded(inputs, training=False).numpy().tobytes() == expected.tobytes()


def test_dropout_works_in_training_alone(built):
    name, model, inputs, asked = built
    settings = small(name).model
    np.testing.assert_array_equal(asked, model(inputs, training=False).numpy())
    trained = [model(inputs, training=True).numpy() for _ in range(2)]
    assert np.allclose(*trained) == (settings.dropout == settings.recurrent_dropout == 0)


@pytest.fixture
def _untraced():
    """Functions run operation by operation: for a single step, tracing takes longer."""
    load_tensorflow().config.run_functions_eagerly(True)
    yield
    load_tensorflow().config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_untraced")
def test_one_step_moves_every_trainable_variable(built):
    """The last test of a network, which it changes."""
    name, model, inputs, outputs = built
    before = [variable.numpy() for variable in model.trainable_variables]
    settings = small(name, "train.warmup_steps=0").train  # a warm-up begins at a rate of 0
    Learner(model, settings).train_batch(inputs, np.full(outputs.shape, 10, np.float32))
    after = [variable.numpy() for variable in model.trainable_variables]
    still = [v.path for v, a, b in zip(model.trainable_variables, before, after, strict=True) if (a == b).all()]
    assert before
    assert not still
    assert all(np.isfinite(values).all() for values in after)


@pytest.mark.parametrize("name", ENGINES)
def test_another_engine_has_the_same_weights_and_forecasts(name):
    """So what was trained on one can be used on another."""
    plain, engine = build(name.partition(" ")[0]), build(name)
    assert [w.shape for w in plain.get_weights()] == [w.shape for w in engine.get_weights()]
    plain.set_weights(engine.get_weights())
    np.testing.assert_allclose(plain(inputs_of(name)), engine(inputs_of(name)), rtol=1e-5, atol=1e-6)


def test_two_builds_with_one_seed_begin_alike():
    weights = [np.concatenate([w.ravel() for w in build("stacked-gru").get_weights()]) for _ in range(2)]
    np.testing.assert_array_equal(*weights)


def test_an_unknown_architecture_is_refused_and_the_known_are_named():
    config = small("dense", "model.architecture=transformer")
    with pytest.raises(ConfigError, match=r"model\.architecture: expected one of .*'transformer'") as caught:
        build_model(config)
    assert all(name in str(caught.value) for name in BUILDERS)


def test_every_setting_that_has_no_effect_is_refused_at_once():
    config = small("dense", "model.recurrent_dropout=0.25", "model.cell=lstm")
    with pytest.raises(ConfigError) as caught:
        check_model(config)
    assert "2 problem(s)" in str(caught.value)
    assert "model.recurrent_dropout: received 0.25; dense does not use it" in str(caught.value)
    assert "model.cell: received 'lstm'; dense does not use it" in str(caught.value)


def test_a_setting_without_effect_may_stand_at_its_default():
    cell = default_settings()["model"]["cell"]
    config = small("dense", f"model.cell={cell}")
    check_model(config)
    assert config == small("dense")


def test_noise_is_added_in_training_alone():
    model = build_model(small("dense", "model.noise=0.5"))
    inputs = inputs_of("dense")
    quiet = model(inputs, training=False).numpy()
    np.testing.assert_array_equal(quiet, model(inputs, training=False).numpy())
    assert (model(inputs, training=True).numpy() != quiet).all()
