import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings_texts import problems

from jenacast.config import (
    RecipeConfig,
    default_settings,
    dump_config,
    load_config,
    load_recipe,
    recipe_names,
    with_train,
)
from jenacast.errors import ConfigError

SECTIONS = ("data", "model", "train")


def test_a_recipe_changes_what_it_states_and_nothing_else(load):
    mine = load("[model]\nunits = 5\n[train]\nlearning_rate = 1\n")
    expected = default_settings()
    expected["model"]["units"], expected["train"]["learning_rate"] = 5, 1.0
    assert mine.model_dump(include=set(SECTIONS)) == expected
    assert (mine.name, mine.summary) == ("mine", "")


def test_loading_leaves_no_trace_in_the_next(load):
    load("", "train.epochs=99")
    assert load("").train.epochs == default_settings()["train"]["epochs"]


@pytest.mark.parametrize(
    ("assignment", "section", "key", "value"),
    [
        ("train.epochs=5", "train", "epochs", 5),
        (" train.epochs = 5 ", "train", "epochs", 5),
        ("train.seed=4294967295", "train", "seed", 2**32 - 1),
        ("train.learning_rate=1e-3", "train", "learning_rate", 0.001),
        ("train.learning_rate=2", "train", "learning_rate", 2.0),
        ("model.dropout=0", "model", "dropout", 0.0),
        ("train.optimizer=adam", "train", "optimizer", "adam"),
        ('train.optimizer="adam"', "train", "optimizer", "adam"),
        ("model.architecture=any=thing", "model", "architecture", "any=thing"),
        ("model.unroll=true", "model", "unroll", True),
        ("data.windows_per_hour=6", "data", "windows_per_hour", 6),
    ],
)
def test_an_assignment_has_the_type_it_looks_like(load, assignment, section, key, value):
    settings = load("", assignment).model_dump()
    assert settings[section][key] == value
    assert type(settings[section][key]) is type(value)


def test_assignments_beat_the_file_which_beats_the_default(load):
    text = "[train]\nepochs = 3\nseed = 4\n"
    mine = load(text, "train.epochs=7", "train.epochs=8")
    assert (mine.train.epochs, mine.train.seed) == (8, 4)
    assert mine.train.batch_size == default_settings()["train"]["batch_size"]


def test_options_beat_assignments_unless_absent(load):
    mine = load("", "train.epochs=7", "train.seed=2")
    changed = with_train(mine, epochs=9, seed=None, patience=0)
    assert (changed.train.epochs, changed.train.seed) == (9, 2)
    assert with_train(mine, epochs=None) == mine
    assert changed.model == mine.model
    with pytest.raises(ConfigError, match="epochs: expected greater than or equal to 1, received 0"):
        with_train(mine, epochs=0)


def test_every_problem_comes_at_once(load):
    text = """
    summary = 3
    colour = "red"
    [data]
    history_hours = 0
    lead_hours = "24"
    windows_per_hour = 4
    [model]
    cell = "rnn"
    dropout = 1.0
    width = 3
    [train]
    batch_size = 2.5
    learning_rate = nan
    clip_norm = -0.1
    seed = true
    """
    with pytest.raises(ConfigError) as error:
        load(text, "train.epochs=", "train.patience=never", "train.fast=1", "zoo.size=1", "epochs=3", "epochs")
    no_such = "no such setting; `jenacast models NAME` prints those there are"
    form = "expected SECTION.KEY=VALUE, such as train.epochs=5"
    assert sorted(problems(error)) == sorted(
        [
            "summary: expected string, received 3",
            f"colour: {no_such}",
            "data.history_hours: expected greater than or equal to 1, received 0",
            "data.lead_hours: expected integer, received '24'",
            "data.windows_per_hour: expected 0, 1, 2, 3 or 6, received 4",
            "model.cell: expected 'gru', 'lstm' or 'simple', received 'rnn'",
            "model.dropout: expected less than 1, received 1.0",
            f"model.width: {no_such}",
            "train.batch_size: expected integer, received 2.5",
            "train.learning_rate: expected a finite number, received nan",
            "train.clip_norm: expected greater than or equal to 0, received -0.1",
            "train.seed: expected integer, received True",
            "train.epochs: expected integer, received ''",
            "train.patience: expected integer, received 'never'",
            f"train.fast: {no_such}",
            f"--set zoo.size=1: {form}",
            f"--set epochs=3: {form}",
            f"--set epochs: {form}",
        ]
    )


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("train.seed=-1", "train.seed: expected greater than or equal to 0, received -1"),
        ("train.seed=4294967296", "train.seed: expected less than 4294967296, received 4294967296"),
        ("data.history_hours=1441", "data.history_hours: expected less than or equal to 1440, received 1441"),
        ("train.learning_rate=0", "train.learning_rate: expected greater than 0, received 0"),
        ("train.learning_rate=inf", "train.learning_rate: expected a finite number, received inf"),
        ("model.units=[1, 2]", "model.units: expected integer, received [1, 2]"),
        ("model.bidirectional=1", "model.bidirectional: expected boolean, received 1"),
        ("train.optimizer=sgd", "train.optimizer: expected 'rmsprop', 'adam' or 'adamw', received 'sgd'"),
        ("train.loss=rmse", "train.loss: expected 'mse', 'mae' or 'huber', received 'rmse'"),
        ("train.quantile=0.5", "train.quantile: no such setting; `jenacast models NAME` prints those there are"),
        ("train.ema=1.0", "train.ema: expected less than 1, received 1.0"),
        ("train.warmup_steps=-1", "train.warmup_steps: expected greater than or equal to 0, received -1"),
        ("data.columns=temperature_c", "data.columns: expected list, received 'temperature_c'"),
        ('data.columns=["dew_point_c", "dew_point_c"]', "data.columns: 'dew_point_c' more than once"),
        (
            'data.columns=["dew_point_c:departure"]',
            "data.columns: 'dew_point_c:departure': expected operations such as change_6h or mean_24h, or "
            "temperature_c:departure, received 'departure'",
        ),
        (
            "data.target=anomaly",
            "data.target: expected 'absolute', 'change', 'departure' or 'departure-change', received 'anomaly'",
        ),
    ],
)
def test_a_broken_rule_is_told_with_key_rule_and_value(load, assignment, problem):
    with pytest.raises(ConfigError) as error:
        load("", assignment)
    assert problems(error) == [problem]


def test_a_retired_setting_of_a_stored_config_is_forgotten_unless_it_had_an_effect(load):
    assert load("[train]\nquantile = 0.5\n") == load("")
    with pytest.raises(ConfigError) as error:
        load('[train]\nloss = "pinball"\nquantile = 0.9\n')
    assert [problem.partition(",")[0] for problem in problems(error)] == [
        "train.loss: expected 'mse'",
        "train.quantile: no such setting; `jenacast models NAME` prints those there are",
    ]


def test_texts_lists_and_steps_have_an_end(load):
    with pytest.raises(ConfigError) as error:
        load(f'summary = "{"x" * 100_000}"\nsource = "{"y" * 10_001}"\n', f"model.mean_hours={[1] * 1001}")
    assert [problem.partition(", received")[0] for problem in problems(error)] == [
        "summary: expected at most 10000 characters",
        "source: expected at most 10000 characters",
        "model.mean_hours: expected List should have at most 1000 items after validation, not 1001",
    ]
    assert len(str(error.value)) < 1000
    with pytest.raises(ConfigError, match=r"warmup_steps: expected less than or equal to 1000000000"):
        load("", f"train.warmup_steps={10**24}")


@pytest.mark.parametrize("name", ["Mine", "my config", "-mine", "..", "a/b", ""])
def test_a_name_that_makes_no_folder_is_refused(load, name):
    with pytest.raises(ConfigError) as error:
        load(f'name = "{name}"\n')
    assert problems(error) == [f"name: expected lower-case letters, digits, - and _, received {name!r}"]


def test_a_name_has_an_end(load):
    with pytest.raises(ConfigError, match="name: expected at most 60 characters, received 'xxx"):
        load(f'name = "{"x" * 300}"\n')


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    summary=TEXT,
    architecture=TEXT,
    dropout=st.floats(0, 1, exclude_max=True),
    learning_rate=st.floats(0, 10, exclude_min=True),
    clip_norm=st.floats(0, 1e300),
    seed=st.integers(0, 2**32 - 1),
    unroll=st.booleans(),
)
def test_any_config_comes_back_from_its_dump(tmp_path_factory, summary, **values):
    settings = load_recipe(recipe_names()[0]).model_dump() | {"summary": summary}
    for key, value in values.items():
        section = next(name for name in SECTIONS if key in settings[name])
        settings[section][key] = value
    config = RecipeConfig.model_validate(settings)
    path = tmp_path_factory.getbasetemp() / "drawn.toml"
    path.write_text(dump_config(config), encoding="utf-8", newline="")
    assert load_config(path) == config
    assert tomllib.loads(dump_config(config))["summary"] == summary
