"""What can be searched, what is drawn from it, and the settings that a trial gets."""

from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sweeps import load
from optuna.trial import FixedTrial

from jenacast.config import RecipeConfig, default_settings, load_recipe, recipe_names
from jenacast.models.build import BUILDERS
from jenacast.sweep.samplers import draw
from jenacast.sweep.space_file import NOT_SEARCHABLE

LR = "train.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n"
KINDS = {
    f"{section}.{key}": field.annotation
    for section in ("data", "model", "train")
    for key, field in RecipeConfig.model_fields[section].annotation.model_fields.items()
    if f"{section}.{key}" not in NOT_SEARCHABLE
}
# Where a setting is not used by itself, what else must be set
ALONGSIDE = {
    "model.members": 'model.architecture = "lagged"\n',
    "model.feature_noise": 'model.architecture = "lagged"\n',
    "model.change_hours": 'model.architecture = "lagged"\n',
    "model.mean_hours": 'model.architecture = "lagged"\n',
    "train.weight_decay": 'train.optimizer = "adamw"\n',
    "train.warmup_steps": 'train.schedule = "cosine"\n',
}


def values_of(setting):
    """Values that a setting may have: all, or the default and another one; of lists by name."""
    kind, (section, key) = KINDS[setting], setting.split(".")
    default = default_settings()[section][key]
    if kind is int:
        return [default, default + 1]
    if kind is float:
        return sorted([float(default), default / 2 or 0.5])
    if kind in (bool, str):
        return [False, True] if kind is bool else list(BUILDERS)
    return list(get_args(kind)) if get_origin(kind) is Literal else {"all": default, "few": default[:1] or [6]}


def trial_settings(config):
    return config.model_dump(exclude={"name", "summary", "source"})


@pytest.mark.parametrize("setting", KINDS)
def test_every_setting_can_be_searched(setting):
    values, (section, key) = values_of(setting), setting.split(".")
    given = tomli_w.dumps({"x": {"choices": values}}).replace("[x]", f"[{setting}]").replace("[x.", f"[{setting}.")
    space = load(ALONGSIDE.get(setting, "") + given)
    assert [chosen[setting] for chosen in space.grid()] == list(values)
    configs = [space.config(chosen, "trial").model_dump() for chosen in space.grid()]
    assert [config[section][key] for config in configs] == list(values.values() if isinstance(values, dict) else values)
    assert {chosen[setting] for chosen in draw(space, 60)} == set(values)
    if KINDS[setting] in (int, float):
        low, high = values
        space = load(f"{ALONGSIDE.get(setting, '')}{setting} = {{ low = {low}, high = {high} }}")
        drawn = [chosen[setting] for chosen in draw(space, 60)]
        assert {type(value) for value in drawn} == {KINDS[setting]}
        assert low <= min(drawn) < max(drawn) <= high
        assert len(set(drawn)) == (2 if KINDS[setting] is int else 60)


@pytest.mark.parametrize(
    ("domain", "edges"),
    [
        ("train.ema = { low = 0.2, high = 0.6 }", [0.2, 0.3, 0.4, 0.5, 0.6]),
        ("train.learning_rate = { low = 1e-5, high = 1e-1, log = true }", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
        ("train.patience = { low = 2, high = 5 }", [2, 3, 4, 5, 6]),
    ],
)
def test_a_range_is_spread_evenly(domain, edges):
    counts, _ = np.histogram([next(iter(chosen.values())) for chosen in draw(load(domain), 1000)], bins=edges)
    assert sum(counts) == 1000
    assert all(abs(counts - 250) < 55)  # four standard deviations: 4 * sqrt(1000 * 0.25 * 0.75)


def test_a_log_range_of_integers_reaches_both_bounds():
    drawn = draw(load("model.units = { low = 1, high = 4, log = true }"), 1000)
    units = np.bincount([chosen["model.units"] for chosen in drawn])
    assert list(np.argsort(-units)) == [1, 2, 3, 4, 0]  # the smaller, the oftener; never 0
    assert units[4] > 0


@given(numerator=st.integers(1, 400), steps=st.integers(1, 40), at=st.integers(0, 40), offset=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_any_step_a_sampler_takes_is_the_decimal_that_was_meant(numerator, steps, at, offset):
    at = min(at, steps)
    low, step, high = (f"{number / 1000:.3f}" for number in (offset, numerator, offset + steps * numerator))
    space = load(f"train.clip_norm = {{ low = {low}, high = {high}, step = {step} }}")
    sampled = min(float(low) + at * float(step), float(high))  # with the floats' own error
    meant = float(f"{(offset + at * numerator) / 1000:.3f}")
    assert space.suggest(FixedTrial({"train.clip_norm": sampled})) == {"train.clip_norm": meant}
    assert space.grid()[at] == {"train.clip_norm": meant}
    assert len(space.grid()) == steps + 1


def test_draws_come_again_and_change_with_the_seed():
    text = LR + "model.units = { low = 8, high = 4096 }\n"
    assert draw(load(text), 20) == draw(load(text), 20)
    assert draw(load(text), 20)[:5] == draw(load(text), 5)
    assert draw(load(text), 5) != draw(load(text + "train.seed = 1\n"), 5)
    assert load(text + "train.seed = 7\n").first_seed == 7


def test_named_choices_reach_the_config():
    space = load("""
        model.architecture = "lagged"
        data.columns = { choices = { few = ["temperature_c", "hour_cos_1"], one = ["dew_point_c:mean_24h"] } }
        model.change_hours = { choices = { short = [1, 2], none = [] }, when = { data.columns = "few" } }
    """)
    config = space.config({"data.columns": "few", "model.change_hours": "none"}, "trial")
    assert (config.data.columns, config.model.change_hours) == (["temperature_c", "hour_cos_1"], [])
    config = space.config({"data.columns": "one"}, "trial")
    assert config.data.columns == ["dew_point_c:mean_24h"]
    assert config.model.change_hours == default_settings()["model"]["change_hours"]


@pytest.mark.parametrize("condition", ["train.optimizer", '"train.optimizer"'])
def test_a_conditional_setting_appears_where_the_condition_holds_and_keeps_its_value_elsewhere(condition):
    space = load(f"""
        train.weight_decay = {{ low = 1e-3, high = 0.1, log = true, when = {{ {condition} = "adamw" }} }}
        train.optimizer = {{ choices = ["rmsprop", "adam", "adamw"] }}
    """)
    drawn = draw(space, 30)
    assert {chosen["train.optimizer"] for chosen in drawn} == {"rmsprop", "adam", "adamw"}
    for chosen in drawn:
        config = space.config(chosen, "trial")
        is_enabled = chosen["train.optimizer"] == "adamw"
        assert ("train.weight_decay" in chosen) is is_enabled
        assert (1e-3 <= config.train.weight_decay <= 0.1) if is_enabled else config.train.weight_decay == 0


def test_the_recipe_can_be_a_choice():
    space = load("""
        recipe = { choices = { small = "dense", large = "stacked-gru" } }
        train.epochs = 3
        model.recurrent_dropout = { choices = [0.1, 0.2], when = { recipe = "large" } }
    """)
    assert space.grid() == [
        {"recipe": "small"},
        {"recipe": "large", "model.recurrent_dropout": 0.1},
        {"recipe": "large", "model.recurrent_dropout": 0.2},
    ]
    expected = [
        load_recipe("dense", ["train.epochs=3"]),
        load_recipe("stacked-gru", ["train.epochs=3", "model.recurrent_dropout=0.1"]),
        load_recipe("stacked-gru", ["train.epochs=3", "model.recurrent_dropout=0.2"]),
    ]
    assert [trial_settings(space.config(chosen, "t")) for chosen in space.grid()] == list(map(trial_settings, expected))


def test_without_a_recipe_trials_change_the_default():
    config = load(LR).config({"train.learning_rate": 0.004}, "mine-0")
    expected = default_settings()
    expected["train"]["learning_rate"] = 0.004
    assert trial_settings(config) == expected
    assert (config.name, config.source) == ("mine-0", "mine")
    assert "mine" in config.summary


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_trial_is_the_recipe_with_these_assignments(recipe):
    space = load(
        f"""
        recipe = "{recipe}"
        train.epochs = 77  # beats the recipe's
        train.loss = {{ choices = ["mse", "mae"] }}
        train.batch_size = {{ low = 32, high = 512, log = true }}
        """
        + LR
    )
    (chosen,) = draw(space, 1)
    assignments = ["train.epochs=77", *(f"{setting}={label}" for setting, label in chosen.items())]
    assert len(assignments) == 4
    assert trial_settings(space.config(chosen, "trial")) == trial_settings(load_recipe(recipe, assignments))


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        (LR, default_settings()["train"]["epochs"]),
        ("train.epochs = { low = 2, high = 9 }", 9),
        ("train.epochs = { choices = { short = 5, long = 40 } }", 40),
        (
            'recipe = "stacked-gru"\ntrain.loss = { choices = ["mse", "mae"] }\n'
            'train.epochs = { low = 2, high = 9, when = { train.loss = "mae" } }',
            load_recipe("stacked-gru").train.epochs,
        ),
    ],
)
def test_the_longest_training_is_known(text, epochs):
    assert load(text).most_epochs == epochs
