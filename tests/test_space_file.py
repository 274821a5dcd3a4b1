"""What is refused of a search space, and how conditions are resolved."""

import re

import pytest
import tomli_w
from conftest import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_sweeps import load
from test_space import KINDS, LR, values_of

from jenacast.config import Config
from jenacast.errors import ConfigError, JenacastError
from jenacast.sweep.samplers import draw
from jenacast.sweep.space_file import NOT_SEARCHABLE, NOTHING_SEARCHED, load_space

NO_SUCH = "no such setting; `jenacast models NAME` prints those there are"
RANGE = 'missing; write { low = ..., high = ... } or { choices = ["...", "..."] }'
NAME = "name: expected at most 40 lower-case letters, digits, - and _, received"
LABEL = "expected text in one line, a finite number, true or false, received"
WHEN = 'expected a table such as { train.optimizer = "adam" }, received'
LOSS = "train.loss = { choices = ['mse', 'mae'] }\n"
EMA = "train.ema = { low = 0, high = 0.1, when = "
# A domain, and how the problems that it makes begin
DOMAINS = [
    ("train.epoch = { low = 1, high = 3 }", f"train.epoch: {NO_SUCH}"),
    ("trian.epochs = { low = 1, high = 3 }", f"trian.epochs: {NO_SUCH}"),
    ("name.first = { low = 1, high = 3 }", f"name.first: {NO_SUCH}", f"{NAME} {{'first': "),
    ("train.seed = { low = 1, high = 3 }", "train.seed: cannot be searched: --seeds says how many"),
    ("data.lead_hours = { choices = [6, 12] }", "data.lead_hours: cannot be searched: trials with other windows"),
    ("data.history_hours = { low = 12, high = 24 }", "data.history_hours: cannot be searched: trials with other"),
    ("data.fit_on = { choices = ['train'] }", "data.fit_on: cannot be searched: trials are judged on validation"),
    (
        "train.optimizer = { low = 1 }",
        'train.optimizer.choices: missing; write { choices = ["...", "..."] }',
        "train.optimizer.low: no such key here; there are when, choices",
    ),
    ("train.epochs = { low = 5, high = 5 }", "train.epochs: low=5 must lie below high=5"),
    ("train.epochs = { low = 1.5, high = 3 }", "train.epochs.low: expected integer, received 1.5"),
    ("train.ema = { low = '0', high = true }", "train.ema.low: expected number, received '0'", "train.ema.high"),
    ("train.ema = { low = 0, high = 0.9, log = true }", "train.ema: a log range begins above 0, not at low=0.0"),
    ("train.ema = { low = 0, high = 0.9, log = 1 }", "train.ema.log: expected boolean, received 1"),
    ("train.ema = { low = 0.1, high = 0.9, step = 0.1, log = true }", "train.ema: a log range has no step, received"),
    ("train.ema = { low = 0, high = 0.9, step = 0.2 }", "train.ema: from low=0.0 to high=0.9 goes no whole number of"),
    ("model.units = { low = 1, high = 8, step = 2 }", "model.units: from low=1 to high=8 goes no whole number of"),
    ("model.units = { low = 1, high = 8, step = 0 }", "model.units.step: expected greater than 0, received 0"),
    ("train.clip_norm = { low = 0, high = 1e300, step = 1e-300 }", "train.clip_norm: step=1e-300 makes more than"),
    ("train.ema = { low = nan, high = 0.5 }", "train.ema.low: expected a finite number, received nan"),
    (
        f"train.patience = {{ low = 0, high = 1{'0' * 400} }}",
        f"train.patience.high: expected less than or equal to {2**53}, received 1{'0' * 79}...",
    ),
    ("train.ema = { low = 0.1 }", f"train.ema.high: {RANGE}"),
    ("train.ema = { choices = [0.1], low = 0.0 }", "train.ema.low: no such key here; there are when, choices"),
    ("train.loss = { choices = [] }", "train.loss.choices: expected at least one value, received none"),
    ("train.loss = { choices = 'mse' }", "train.loss.choices: expected a list, or a table of named values, received"),
    ("train.loss = { choices = ['mse', 'mse'] }", "train.loss.choices: expected every choice once, received ['mse', "),
    ("data.columns = { choices = [['dew_point_c']] }", "data.columns.choices: name the choices that are lists: { all"),
    ("train.ema = { choices = [0.5, nan] }", f"train.ema.choices: {LABEL} nan"),
    ("train.loss = { choices = [1979-05-27] }", f"train.loss.choices: {LABEL} datetime.date(1979, 5, 27)"),
    ('data.columns = { choices = { "a\\nb" = ["dew_point_c"] } }', rf"data.columns.choices: {LABEL} 'a\nb'"),
    ("recipe = { low = 1 }", "recipe.choices: missing", "recipe.low: no such"),
    ("train.loss = { choices = ['mse'], when = {} }", f"train.loss.when: {WHEN} {{}}"),
    ("train.loss = { choices = ['mse'], when = 'adam' }", f"train.loss.when: {WHEN} 'adam'"),
]
CONDITIONS = [
    (LR + EMA + "{ train.loss = 'mse' } }", "train.ema.when: train.loss has no choices here"),
    (LR + EMA + "{ train.learning_rate = 0.001 } }", "train.ema.when: train.learning_rate has no choices here"),
    (LOSS + EMA + "{ train.loss = 'huber' } }", "train.ema.when: train.loss = 'huber' is not one of ['mse', 'mae']"),
    (LOSS + EMA + "{ train.loss = [] } }", "train.ema.when: expected at least one value, received none"),
    (
        "train.loss = { choices = ['mse'], when = { train.schedule = 'cosine' } }\n"
        "train.schedule = { choices = ['cosine'], when = { train.loss = 'mse' } }",
        "these wait for each other with `when`: train.",
    ),
    ("recipe = { choices = ['gru'], when = { train.loss = 'mse' } }\n" + LOSS, "recipe.when: every trial has a recipe"),
    (
        LOSS + "train.schedule = { choices = ['cosine'], when = { train.loss = 'mse' } }\n"
        "train.warmup_steps = { low = 1, high = 3, when = { train.loss = 'mae', train.schedule = 'cosine' } }",
        "train.warmup_steps.when: asks for choices that exclude each other, so never holds",
    ),
]
VALUES = [
    ("train.epochs = 3", NOTHING_SEARCHED),
    (LR + "train.fast = 1", f"train.fast: {NO_SUCH}"),
    (LR + "[zoo]", f"zoo: {NO_SUCH}"),
    (f"name = '{'a' * 41}'\n{LR}", f"{NAME} '{'a' * 41}'"),
    (f"name = 'My sweep'\n{LR}", f"{NAME} 'My sweep'"),
    (f"name = 5\n{LR}", f"{NAME} 5"),
    (f"summary = {{ choices = ['a'] }}\n{LR}", "summary: expected string, received {'choices': ['a']}"),
    (f"recipe = ['best']\n{LR}", "recipe: model \"['best']\" is not known"),
    ("recipe = { choices = ['gru', 'demo'] }", "recipe: these differ in data.windows_per_hour"),
    ("recipe = { choices = ['gru', 'nope', 7] }", "recipe: model 'nope' is not", "recipe: model '7' is not"),
    ("train = 5\nmodel.units = { low = 1, high = 4 }", "train: expected a table, received 5"),
    (f"train.seed = 'x'\n{LR}", "train.seed: expected integer, received 'x'"),
    (f"data.fit_on = 'train+val'\n{LR}", "data.fit_on: trials are judged on validation, so expected 'train', received"),
    ('model.units = { choices = [8, "many"] }', "model.units: expected integer, received 'many' (chosen: model.units="),
    (
        "train.learning_rate = { low = 0, high = 17 }",
        "train.learning_rate: expected greater than 0, received 0.0",
        "train.learning_rate: expected less than or equal to 10, received 17.0",
    ),
    ("train.loss = { choices = ['mse', 'rmse'] }", "train.loss: expected 'mse', 'mae' or 'huber', received 'rmse'"),
    ("data.columns = { choices = { good = ['dew_point_c'], bad = ['dew_point'] } }", "data.columns: 'dew_point'"),
    # What does not fit together
    (
        "train.epochs = { choices = [5, 10, 20] }\ntrain.stop_epoch = { low = 1, high = 12 }",
        "train: stop_epoch=12 lies beyond train.epochs=5; lower it, or raise that (chosen: train.epochs=5, "
        "train.stop_epoch=12; `when` keeps apart what does not fit together)",
    ),
    (
        "train.loss = { choices = ['mse', 'mae'] }\ntrain.schedule = { choices = ['cosine', 'constant'] }\n"
        "train.warmup_steps = { choices = [0, 5] }",
        "train: warmup_steps is used with train.schedule=cosine alone",  # as all at their last have it
    ),
    ("train.weight_decay = { low = 1e-5, high = 0.1 }", "train: weight_decay is used with train.optimizer=adamw alone"),
    (
        "recipe = { choices = ['dense', 'gru'] }\nmodel.recurrent_dropout = { low = 0.1, high = 0.5 }",
        "model.recurrent_dropout: received 0.1; dense does not use it (chosen: recipe='dense', model.recurrent",
    ),
    ("model.architecture = { choices = ['gru', 'dense'] }", "model.architecture: expected one of conv1d, dense, "),
]


def problems(error):
    """The problems that an error lists, less its head, which must count them."""
    head, *lines = str(error.value).splitlines()
    assert re.fullmatch(rf"{len(lines)} problem\(s\) in the search space \(.*mine\.toml\):", head)
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize(("text", "expected"), [(text, expected) for text, *expected in DOMAINS + CONDITIONS + VALUES])
def test_a_problem_is_told_with_setting_rule_and_value(text, expected):
    with pytest.raises(ConfigError) as error:
        load(text)
    told = problems(error)
    assert len(told) == len(expected), told
    assert all(any(line.startswith(each) for line in told) for each in expected), told


def test_all_problems_of_a_file_come_at_once():
    with pytest.raises(ConfigError) as error:
        load("""
            name = "A"
            data = { lead_hours = 0, columns = { choices = { one = ["x"] } } }
            [train]
            fast = true
            ema = { low = 0.5, high = 0.1 }
            clip_norm = { low = 0.5, high = 1, when = { "model.cell" = "rnn", "train.loss" = "mse" } }
            loss = { choices = [nan] }
            weight_decay = { low = 1e-5, high = 0.1 }
            [model]
            cell = { choices = ["gru", "lstm"] }
        """)
    starts = {
        f"{NAME} 'A'",
        "data.lead_hours: expected greater than or equal to 1, received 0",
        "data.columns: ",
        f"train.fast: {NO_SUCH}",
        "train.ema: low=0.5 must lie below high=0.1",
        "train.clip_norm.when: model.cell = 'rnn' is not one of ['gru', 'lstm']",
        f"train.loss.choices: {LABEL} nan",  # and not that clip_norm waits for what has no choices
    }  # nor that weight_decay takes adamw: whether settings fit together is asked when each is sound
    told = problems(error)
    assert len(told) == len(starts), told
    assert all(any(line.startswith(start) for line in told) for start in starts), told


def test_a_file_that_cannot_be_used_is_refused_before_any_work(jenacast, tmp_path):
    for name, is_good in (("my-sweep_2.toml", True), ("My Sweep.toml", False), (f"{'a' * 41}.toml", False)):
        (tmp_path / name).write_text(LR)
        if is_good:
            assert load_space(tmp_path / name).name == "my-sweep_2"
        else:
            with pytest.raises(ConfigError, match=re.escape(NAME)):
                load_space(tmp_path / name)
    (tmp_path / "bad.toml").write_text("train.ema = { low = 2, high = 1 }\ntrain.fast = true")
    refused(jenacast("sweep", tmp_path / "bad.toml", "--trials", 3), "2 problem(s) in the search space", "train.fast")
    (tmp_path / "bad.toml").write_bytes(b"name = '\xff'")
    refused(jenacast("sweep", tmp_path / "bad.toml", "--trials", 3), "bad.toml is not valid TOML")
    refused(jenacast("sweep", tmp_path, "--trials", 3), "cannot be read: Not a regular file")


def test_conditions_chain_and_take_one_of_several():
    space = load("""
        train.ema = { choices = [0.9, 0.99], when = { train.warmup_steps = [10, 20], train.loss = "mae" } }
        train.warmup_steps = { choices = [0, 10, 20], when = { train.schedule = "cosine" } }
        train.schedule = { choices = ["constant", "cosine"] }
        train.loss = { choices = ["mse", "mae"] }
    """)
    grid = {frozenset(chosen.items()) for chosen in space.grid()}
    # constant: 2 losses; cosine: 3 warm-ups of mse, 0 steps of mae, and twice two of mae
    assert len(space.grid()) == len(grid) == 2 + 3 + 1 + 4
    for chosen in map(dict, grid):
        is_warm = chosen["train.schedule"] == "cosine" and chosen["train.warmup_steps"] > 0
        assert ("train.warmup_steps" in chosen) is (chosen["train.schedule"] == "cosine")
        assert ("train.ema" in chosen) is (is_warm and chosen["train.loss"] == "mae")
    assert {frozenset(chosen.items()) for chosen in draw(space, 150)} == grid
    corners = {frozenset(chosen.items()) for chosen in space.corner_choices()}
    assert corners <= grid
    assert frozenset.union(*corners) == frozenset.union(*grid)


def as_toml(values):
    """TOML of values by setting."""
    content = {}
    for setting, value in values.items():
        section, key = setting.split(".")
        content.setdefault(section, {})[key] = value
    return tomli_w.dumps(content)


SCALARS = (
    st.integers(1, 30)
    | st.floats(0, 1)
    | st.sampled_from([-1, 0, 1e308, 2**64, float("nan"), float("inf"), 5e-324, True, "", "x"])
    | st.sampled_from(["adam", "adamw", "mse", "dense", "lagged", "recipe", "train.loss"])
    | st.dates()
)
KEYS = st.sampled_from(["choices", "low", "high", "step", "log", "when", "train.loss", "recipe", "x"])
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@given(
    known=st.lists(st.sampled_from(list(KINDS)), max_size=3, unique=True),
    odd=st.dictionaries(st.sampled_from([*KINDS, *NOT_SEARCHABLE, "train.x", "zoo.x"]), NESTED, max_size=2),
    top=st.dictionaries(st.sampled_from(["name", "recipe", "summary", "zoo", "train"]), NESTED, max_size=1),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_toml_is_a_space_or_refused(known, odd, top):
    values = {setting: {"choices": values_of(setting)} for setting in known} | odd
    try:
        space = load(as_toml(values) if not top else tomli_w.dumps(top) + as_toml(values))
    except JenacastError:
        return
    for chosen in space.corner_choices():
        assert isinstance(space.config(chosen, "trial"), Config)
    assert space.most_epochs >= 1
