import itertools
import re
import tomllib

import numpy as np
import pytest
import tomli_w
from conftest import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from jenacast.config import Config, default_settings, dump_config, load_config, load_recipe, recipe_names
from jenacast.errors import ConfigError, JenacastError
from jenacast.sweep import Sampler, space_file
from jenacast.sweep.samplers import draw
from jenacast.sweep.space_file import load_space

LR = "train.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n"
OWNED = {"train.seed": "--seeds says how many", "data.fit_on": "trials are judged on validation"}
TYPES = {
    f"{section}.{key}": field.annotation
    for section in ("data", "model", "train")
    for key, field in Config.model_fields[section].annotation.model_fields.items()
    if f"{section}.{key}" not in OWNED
}
# For every setting, values that it may have; where it is not used by itself, what else must be set
CHOICES = {
    "data.history_hours": [24, 120, 1440],
    "data.lead_hours": [1, 24, 336],
    "data.windows_per_hour": [0, 1, 2, 3, 6],
    "data.columns": {"few": ["temperature_c", "pressure_mbar:change_3h"], "one": ["dew_point_c"]},
    "data.target": ["absolute", "change", "departure", "departure-change"],
    "data.every_hour": [False, True],
    "model.architecture": ["conv1d", "dense", "dense-batchnorm", "lagged", "recurrent"],
    "model.cell": ["gru", "lstm", "simple"],
    "model.units": [1, 32, 4096],
    "model.layers": [1, 2, 16],
    "model.dropout": [0.0, 0.5],
    "model.noise": [0, 0.1, 10],
    "model.recurrent_dropout": [0.0, 0.3],
    "model.engine": ["keras", "tied", "weight-drop"],
    "model.bidirectional": [False, True],
    "model.unroll": [True, False],
    "model.any_history": [True, False],
    "model.change_hours": {"none": [], "some": [1, 24]},
    "model.mean_hours": {"one": [6], "two": [6, 48]},
    "train.epochs": [1, 100_000],
    "train.stop_epoch": [0, 10],
    "train.batch_size": [1, 65_536],
    "train.loss": ["mse", "mae", "huber"],
    "train.optimizer": ["rmsprop", "adam", "adamw"],
    "train.weight_decay": [0.0, 0.1],
    "train.learning_rate": [1e-5, 0.001, 10],
    "train.schedule": ["constant", "cosine"],
    "train.warmup_steps": [0, 1000],
    "train.ema": [0.0, 0.99],
    "train.clip_norm": [0.0, 1.5],
    "train.patience": [0, 3],
    "train.save_every_seconds": [0.5, 600],
    "train.deterministic": [False, True],
}
RANGES = {
    "data.history_hours": (1, 1440),
    "data.lead_hours": (1, 336),
    "model.units": (1, 4096),
    "model.layers": (1, 16),
    "model.dropout": (0.0, 0.9),
    "model.noise": (0.0, 10.0),
    "model.recurrent_dropout": (0.0, 0.9),
    "train.epochs": (1, 100_000),
    "train.stop_epoch": (0, 10),
    "train.batch_size": (1, 65_536),
    "train.weight_decay": (0.0, 0.9),
    "train.learning_rate": (1e-6, 10.0),
    "train.warmup_steps": (0, 10_000),
    "train.ema": (0.0, 0.999),
    "train.clip_norm": (0.0, 100.0),
    "train.patience": (0, 20),
    "train.save_every_seconds": (1.0, 600.0),
}
ALONGSIDE = {
    "model.change_hours": {"model": {"architecture": "lagged"}},
    "model.mean_hours": {"model": {"architecture": "lagged"}},
    "train.weight_decay": {"train": {"optimizer": "adamw"}},
    "train.warmup_steps": {"train": {"schedule": "cosine"}},
}


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """A function that writes a search space to a file and loads it; to be quick, it has few combinations tried."""
    path = tmp_path_factory.mktemp("space") / "mine.toml"

    def load(content, draws=10):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(space_file, "DRAWS", draws)
            return load_space(path)

    return load


def space_of(setting, domain):
    """The TOML of a space that searches one setting."""
    section, key = setting.split(".")
    content = {name: dict(values) for name, values in ALONGSIDE.get(setting, {}).items()}
    content.setdefault(section, {})[key] = domain
    return tomli_w.dumps(content)


def value_of(config, setting):
    section, key = setting.split(".")
    return getattr(getattr(config, section), key)


def values_drawn(space, setting, count):
    return [chosen[setting] for chosen in draw(space, count)]


def trial_settings(config):
    return config.model_dump(exclude={"name", "summary", "source"})


def problems(error):
    """The problems that an error lists, less its head, which must count them."""
    head, *lines = str(error.value).splitlines()
    assert re.fullmatch(rf"{len(lines)} problem\(s\) in the search space \(.*mine\.toml\):", head)
    return [line.removeprefix("  ") for line in lines]


# What can be searched


def test_the_tables_of_this_test_have_every_setting():
    assert set(CHOICES) == set(TYPES)
    assert set(RANGES) == {setting for setting, kind in TYPES.items() if kind in (int, float)}


@pytest.mark.parametrize("setting", CHOICES)
def test_every_setting_can_be_searched_by_choices(load, setting):
    choices = CHOICES[setting]
    space = load(space_of(setting, {"choices": choices}))
    assert [chosen[setting] for chosen in space.grid()] == list(choices)
    configs = [space.config(chosen, "trial") for chosen in space.grid()]
    assert [value_of(config, setting) for config in configs] == list(
        choices.values() if isinstance(choices, dict) else choices
    )
    assert set(values_drawn(space, setting, 60)) == set(choices)


@pytest.mark.parametrize("setting", RANGES)
def test_every_number_can_be_searched_by_a_range(load, setting):
    low, high = RANGES[setting]
    space = load(space_of(setting, {"low": low, "high": high}))
    drawn = values_drawn(space, setting, 60)
    assert all(low <= value <= high for value in drawn)
    assert {type(value) for value in drawn} == {TYPES[setting]}
    assert len(set(drawn)) > min(high - low, 20) / 2 or TYPES[setting] is float
    ends = [space.config({setting: end}, "trial") for end in (low, high)]
    assert [value_of(config, setting) for config in ends] == [low, high]


@pytest.mark.parametrize("setting", OWNED)
def test_what_the_sweep_owns_is_no_choice(load, setting):
    with pytest.raises(ConfigError) as error:
        load(space_of(setting, {"choices": ["train", 1]}))
    (problem,) = problems(error)
    assert problem.startswith(f"{setting}: cannot be searched: {OWNED[setting]}")


# What is drawn


def test_a_range_is_spread_evenly(load):
    drawn = values_drawn(load("train.ema = { low = 0.2, high = 0.6 }"), "train.ema", 1000)
    counts, _ = np.histogram(drawn, bins=[0.2, 0.3, 0.4, 0.5, 0.6])
    assert sum(counts) == 1000
    assert all(abs(counts - 250) < 55)  # four standard deviations: 4 * sqrt(1000 * 0.25 * 0.75)


def test_a_log_range_is_spread_evenly_over_orders_of_magnitude(load):
    space = load("train.learning_rate = { low = 1e-5, high = 1e-1, log = true }")
    counts, _ = np.histogram(values_drawn(space, "train.learning_rate", 1000), bins=[1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    assert sum(counts) == 1000
    assert all(abs(counts - 250) < 55)


def test_whole_numbers_reach_both_ends_and_all_between_alike(load):
    space = load("train.patience = { low = 2, high = 5 }\nmodel.units = { low = 1, high = 4, log = true }\n")
    drawn = draw(space, 1000)
    counts = np.bincount([chosen["train.patience"] for chosen in drawn])
    assert list(counts[:2]) == [0, 0]
    assert all(abs(counts[2:] - 250) < 55)
    units = np.bincount([chosen["model.units"] for chosen in drawn])
    assert list(np.argsort(-units)) == [1, 2, 3, 4, 0]  # the smaller, the oftener; never 0
    assert units[4] > 0


def test_steps_are_hit_as_they_are_written(load):
    text = "model.dropout = { low = 0, high = 0.7, step = 0.1 }\nmodel.units = { low = 16, high = 64, step = 16 }\n"
    space = load(text)
    drawn = draw(space, 200)
    dropouts = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]  # no 0.30000000000000004
    assert sorted({chosen["model.dropout"] for chosen in drawn}) == dropouts
    assert sorted({chosen["model.units"] for chosen in drawn}) == [16, 32, 48, 64]
    assert {repr(chosen["model.dropout"]) for chosen in space.grid()} == set(map(repr, dropouts))
    offset = load("train.ema = { low = 0.05, high = 0.95, step = 0.3 }")
    assert [chosen["train.ema"] for chosen in offset.grid()] == [0.05, 0.35, 0.65, 0.95]


@given(numerator=st.integers(1, 400), steps=st.integers(1, 40), at=st.integers(0, 40), offset=st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_any_step_a_sampler_takes_is_the_decimal_that_was_meant(load, numerator, steps, at, offset):
    at = min(at, steps)
    low, step, high = (f"{number / 1000:.3f}" for number in (offset, numerator, offset + steps * numerator))
    space = load(f"train.clip_norm = {{ low = {low}, high = {high}, step = {step} }}")
    sampled = min(float(low) + at * float(step), float(high))  # with the floats' own error
    meant = float(f"{(offset + at * numerator) / 1000:.3f}")
    assert space.suggest(FixedTrial({"train.clip_norm": sampled})) == {"train.clip_norm": meant}
    assert space.grid()[at] == {"train.clip_norm": meant}
    assert len(space.grid()) == steps + 1


def test_draws_come_again_and_change_with_the_seed(load):
    text = LR + "model.units = { low = 8, high = 4096 }\n"
    assert draw(load(text), 20) == draw(load(text), 20)
    assert draw(load(text), 20)[:5] == draw(load(text), 5)
    assert draw(load(text), 5) != draw(load(text + "train.seed = 1\n"), 5)
    assert load(text + "train.seed = 7\n").first_seed == 7


# What a trial's settings are


def test_named_choices_reach_the_config(load):
    space = load("""
        model.architecture = "lagged"
        data.columns = { choices = { few = ["temperature_c", "hour_cos_1"], one = ["dew_point_c:mean_24h"] } }
        model.change_hours = { choices = { short = [1, 2], none = [] }, when = { data.columns = "few" } }
    """)
    config = space.config({"data.columns": "few", "model.change_hours": "none"}, "trial")
    assert config.data.columns == ["temperature_c", "hour_cos_1"]
    assert config.model.change_hours == []
    config = space.config({"data.columns": "one"}, "trial")
    assert config.data.columns == ["dew_point_c:mean_24h"]
    assert config.model.change_hours == default_settings()["model"]["change_hours"]
    assert space.grid() == [
        {"data.columns": "few", "model.change_hours": "short"},
        {"data.columns": "few", "model.change_hours": "none"},
        {"data.columns": "one"},
    ]


@pytest.mark.parametrize("condition", ["train.optimizer", '"train.optimizer"'])
def test_a_conditional_setting_appears_where_the_condition_holds_and_keeps_its_value_elsewhere(load, condition):
    space = load(f"""
        train.weight_decay = {{ low = 1e-3, high = 0.1, log = true, when = {{ {condition} = "adamw" }} }}
        train.optimizer = {{ choices = ["rmsprop", "adam", "adamw"] }}
    """)
    drawn = draw(space, 100)
    assert {chosen["train.optimizer"] for chosen in drawn} == {"rmsprop", "adam", "adamw"}
    for chosen in drawn:
        config = space.config(chosen, "trial")
        is_enabled = chosen["train.optimizer"] == "adamw"
        assert ("train.weight_decay" in chosen) is is_enabled
        assert (1e-3 <= config.train.weight_decay <= 0.1) if is_enabled else config.train.weight_decay == 0


def test_conditions_chain_and_take_one_of_several(load):
    space = load("""
        train.ema = { choices = [0.9, 0.99], when = { train.warmup_steps = [10, 20], train.loss = "mae" } }
        train.warmup_steps = { choices = [0, 10, 20], when = { train.schedule = "cosine" } }
        train.schedule = { choices = ["constant", "cosine"] }
        train.loss = { choices = ["mse", "mae"] }
    """)
    drawn = draw(space, 150)
    for chosen in drawn:
        is_warm = chosen["train.schedule"] == "cosine" and chosen["train.warmup_steps"] > 0
        assert ("train.warmup_steps" in chosen) is (chosen["train.schedule"] == "cosine")
        assert ("train.ema" in chosen) is (is_warm and chosen["train.loss"] == "mae")
    # constant: 2 losses; cosine: 3 warm-ups of mse, 0 steps of mae, and twice two of mae
    assert len(space.grid()) == 2 + 3 + 1 + 4
    assert {frozenset(chosen.items()) for chosen in drawn} == {frozenset(chosen.items()) for chosen in space.grid()}


def test_the_recipe_can_be_a_choice(load):
    space = load("""
        recipe = { choices = ["dense", "stacked-gru"] }
        train.epochs = 3
        model.recurrent_dropout = { choices = [0.1, 0.2], when = { recipe = "stacked-gru" } }
    """)
    assert space.grid() == [
        {"recipe": "dense"},
        {"recipe": "stacked-gru", "model.recurrent_dropout": 0.1},
        {"recipe": "stacked-gru", "model.recurrent_dropout": 0.2},
    ]
    expected = [
        load_recipe("dense", ["train.epochs=3"]),
        load_recipe("stacked-gru", ["train.epochs=3", "model.recurrent_dropout=0.1"]),
        load_recipe("stacked-gru", ["train.epochs=3", "model.recurrent_dropout=0.2"]),
    ]
    assert [trial_settings(space.config(chosen, "t")) for chosen in space.grid()] == list(map(trial_settings, expected))


def test_recipes_may_have_names_of_their_own(load):
    space = load('recipe = { choices = { small = "dense", large = "stacked-gru" } }')
    config = space.config({"recipe": "large"}, "trial")
    assert trial_settings(config) == trial_settings(load_recipe("stacked-gru"))


def test_without_a_recipe_trials_change_the_default(load):
    config = load(LR).config({"train.learning_rate": 0.004}, "mine-0")
    expected = default_settings()
    expected["train"]["learning_rate"] = 0.004
    assert trial_settings(config) == expected
    assert (config.name, config.source) == ("mine-0", "mine")
    assert "mine" in config.summary


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_trial_is_the_recipe_with_these_assignments(load, recipe):
    space = load(
        f"""
        recipe = "{recipe}"
        train.epochs = 77  # beats the recipe's
        data.lead_hours = {{ choices = [6, 12] }}
        train.batch_size = {{ low = 32, high = 512, log = true }}
        """
        + LR
    )
    for chosen in draw(space, 3):
        assignments = ["train.epochs=77", *(f"{setting}={label}" for setting, label in chosen.items())]
        assert len(assignments) == 4
        config = space.config(chosen, "trial")
        assert trial_settings(config) == trial_settings(load_recipe(recipe, assignments))


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        (LR, default_settings()["train"]["epochs"]),
        (LR + "train.epochs = 12\n", 12),
        ("train.epochs = { low = 2, high = 9 }", 9),
        ("train.epochs = { choices = [30, 5] }", 30),
        ("train.epochs = { choices = { short = 5, long = 40 } }", 40),
        (
            'recipe = "stacked-gru"\ntrain.loss = { choices = ["mse", "mae"] }\n'
            'train.epochs = { low = 2, high = 9, when = { train.loss = "mae" } }',
            load_recipe("stacked-gru").train.epochs,
        ),
    ],
)
def test_the_longest_training_is_known(load, text, epochs):
    assert load(text).most_epochs == epochs


# The grid


def test_a_grid_is_the_full_product(load):
    space = load("""
        model.units = { low = 8, high = 24, step = 8 }
        train.loss = { choices = ["mse", "mae"] }
        train.patience = { low = 3, high = 5 }
        model.dropout = { low = 0.0, high = 0.5, step = 0.25 }
    """)
    grid = {tuple(chosen[key] for key in space.domains) for chosen in space.grid()}
    product = itertools.product([8, 16, 24], ["mse", "mae"], [3, 4, 5], [0.0, 0.25, 0.5])
    order = ["model.units", "train.loss", "train.patience", "model.dropout"]
    assert grid == {tuple(dict(zip(order, each, strict=True))[key] for key in space.domains) for each in product}
    assert len(space.grid()) == 3 * 2 * 3 * 3


def test_a_grid_without_an_end_is_refused(load):
    space = load(LR + "model.dropout = { low = 0, high = 0.5 }\nmodel.units = { low = 8, high = 64, log = true }\n")
    with pytest.raises(ConfigError, match=r"needs choices, or a range with a step, for train\.learning_rate, model"):
        space.grid()


def test_a_grid_of_astronomic_size_is_refused_at_once(load):
    steps = "train.patience = { low = 0, high = 9007199254740992 }\nmodel.units = { low = 1, high = 4096 }\n"
    with pytest.raises(ConfigError, match="a grid of more than 10000 combinations"):
        load(steps).grid()
    assert len(load("train.patience = { low = 1, high = 10000 }").grid()) == 10_000


POOL = ["data.lead_hours", "model.units", "model.layers", "train.batch_size", "train.patience"]


@st.composite
def conditional_choices(draw):
    """Choices of a few settings, that depend on each other without a cycle, in any order."""
    names = draw(st.permutations(POOL))[: draw(st.integers(1, 5))]
    found = {}
    for number, name in enumerate(names):
        choices = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True))
        deciding = draw(st.lists(st.sampled_from(names[:number]), max_size=2, unique=True)) if number else []
        labels = {
            other: draw(st.lists(st.sampled_from(found[other]["choices"]), min_size=1, unique=True))
            for other in deciding
        }
        found[name] = {"choices": choices} | ({"when": labels} if labels else {})
    return dict(draw(st.permutations(list(found.items()))))


def enumerated(domains):
    """Every combination: all full assignments, less the settings that are off in them."""

    def is_on(setting, full):
        when = domains[setting].get("when", {})
        return all(is_on(other, full) and full[other] in labels for other, labels in when.items())

    fulls = [
        dict(zip(domains, values, strict=True))
        for values in itertools.product(*(domain["choices"] for domain in domains.values()))
    ]
    return {frozenset((key, value) for key, value in full.items() if is_on(key, full)) for full in fulls}


@given(domains=conditional_choices())
@settings(max_examples=40, deadline=None)
def test_any_grid_is_what_can_be_chosen_and_nothing_twice(load, domains):
    content = {}
    for setting, domain in domains.items():
        section, key = setting.split(".")
        content.setdefault(section, {})[key] = domain
    expected = enumerated(domains)
    never = {setting for setting in domains if not any(setting in dict(each) for each in expected)}
    if never:
        with pytest.raises(ConfigError) as error:
            load(tomli_w.dumps(content))
        told = ".when: asks for choices that exclude each other, so never holds"
        assert set(problems(error)) == {setting + told for setting in never}
        return
    space = load(tomli_w.dumps(content))
    grid = [frozenset(chosen.items()) for chosen in space.grid()]
    assert len(grid) == len(set(grid))
    assert set(grid) == expected
    assert {frozenset(chosen.items()) for chosen in draw(space, 10)} <= expected
    tried = {each for chosen in space.extremes() for each in chosen.items()}
    assert tried == {(setting, label) for setting, domain in domains.items() for label in domain["choices"]}


# What is refused

NO_SUCH = "no such setting; `jenacast models NAME` prints those there are"
NOTHING = (
    "nothing is searched; say, for example, under [train]: learning_rate = { low = 1e-4, high = 1e-2, log = true }"
)
RANGE = "missing; write { low = ..., high = ... } or { choices = [...] }"
NAME = "name: expected at most 40 lower-case letters, digits, - and _, received"
LABEL = "expected text in one line, a finite number, true or false, received"
WHEN = 'expected a table such as { train.optimizer = "adam" }, received'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [NOTHING]),
        ("train.epochs = 3", [NOTHING]),
        ("train.epoch = { low = 1, high = 3 }", [f"train.epoch: {NO_SUCH}"]),
        ("trian.epochs = { low = 1, high = 3 }", [f"trian.epochs: {NO_SUCH}"]),
        ("name.first = { low = 1, high = 3 }", [f"name.first: {NO_SUCH}", f"{NAME} {{'first': "]),
        (LR + "train.fast = 1", [f"train.fast: {NO_SUCH}"]),
        (LR + "[zoo]", [f"zoo: {NO_SUCH}"]),
        (
            "train.optimizer = { low = 1, high = 3 }",
            [
                'train.optimizer.choices: missing; write { choices = ["...", "..."] }',
                "train.optimizer.low: no such key here; there are when, choices",
                "train.optimizer.high: no such key here; there are when, choices",
            ],
        ),
        ("train.epochs = { low = 7, high = 5 }", ["train.epochs: low=7 must lie below high=5"]),
        ("train.epochs = { low = 5, high = 5 }", ["train.epochs: low=5 must lie below high=5"]),
        ("train.epochs = { low = 1.5, high = 3 }", ["train.epochs.low: expected integer, received 1.5"]),
        ("train.ema = { low = '0', high = true }", ["train.ema.low: expected number, received '0'", "train.ema.high"]),
        (
            "train.ema = { low = 0, high = 0.9, log = true }",
            ["train.ema: a log range begins above 0, not at low=0.0"],
        ),
        ("train.ema = { low = 0, high = 0.9, log = 1 }", ["train.ema.log: expected boolean, received 1"]),
        (
            "train.ema = { low = 0.1, high = 0.9, step = 0.1, log = true }",
            ["train.ema: a log range has no step, received step=0.1"],
        ),
        (
            "train.ema = { low = 0, high = 0.9, step = 0.2 }",
            ["train.ema: from low=0.0 to high=0.9 goes no whole number of step=0.2"],
        ),
        (
            "model.units = { low = 1, high = 8, step = 2 }",
            ["model.units: from low=1 to high=8 goes no whole number of step=2"],
        ),
        ("model.units = { low = 1, high = 8, step = 0 }", ["model.units.step: expected greater than 0, received 0"]),
        (
            "train.clip_norm = { low = 0, high = 1e300, step = 1e-300 }",
            ["train.clip_norm: step=1e-300 makes more than 10000 steps; take a longer one, or none"],
        ),
        ("train.ema = { low = nan, high = 0.5 }", ["train.ema.low: expected a finite number, received nan"]),
        ("train.ema = { low = 0.1, high = inf }", ["train.ema.high: expected a finite number, received inf"]),
        (
            f"train.patience = {{ low = 0, high = 1{'0' * 400} }}",
            [f"train.patience.high: expected less than or equal to {2**53}, received 1{'0' * 79}..."],
        ),
        (f"train.clip_norm = {{ low = 0, high = 1{'0' * 400} }}", ["train.clip_norm.high: expected number, received"]),
        (
            "train.ema = { low = 0.1, high = 0.5, lgo = true }",
            ["train.ema.lgo: no such key here; there are when, low, high, log, step"],
        ),
        ("train.ema = {}", [f"train.ema.low: {RANGE}", f"train.ema.high: {RANGE}"]),
        ("train.ema = { low = 0.1 }", [f"train.ema.high: {RANGE}"]),
        (
            "train.ema = { choices = [0.1], low = 0.0 }",
            ["train.ema.low: no such key here; there are when, choices"],
        ),
        ("train.loss = { choices = [] }", ["train.loss.choices: expected at least one value, received none"]),
        ("data.columns = { choices = {} }", ["data.columns.choices: expected at least one value, received none"]),
        (
            "train.loss = { choices = 'mse' }",
            ["train.loss.choices: expected a list, or a table of named values, received 'mse'"],
        ),
        (
            "train.loss = { choices = ['mse', 'mae', 'mse'] }",
            ["train.loss.choices: expected every choice once, received ['mse', 'mae', 'mse']"],
        ),
        (
            "data.columns = { choices = [['dew_point_c'], ['temperature_c']] }",
            ["data.columns.choices: name the choices that are lists: { all = [...], few = [...] }"],
        ),
        ("train.ema = { choices = [0.5, nan] }", [f"train.ema.choices: {LABEL} nan"]),
        ("train.loss = { choices = [1979-05-27] }", [f"train.loss.choices: {LABEL} datetime.date(1979, 5, 27)"]),
        ('data.columns = { choices = { "a\\nb" = ["dew_point_c"] } }', [rf"data.columns.choices: {LABEL} 'a\nb'"]),
        ('model.units = { choices = [8, "many"] }', ["model.units: expected integer, received 'many'"]),
        ("model.units = { choices = [8, true] }", ["model.units: expected integer, received True"]),
        (
            "model.units = { choices = [0, 8, 5000] }",
            [
                "model.units: expected greater than or equal to 1, received 0",
                "model.units: expected less than or equal to 4096, received 5000",
            ],
        ),
        (
            "train.learning_rate = { low = 0, high = 17 }",
            [
                "train.learning_rate: expected greater than 0, received 0.0",
                "train.learning_rate: expected less than or equal to 10, received 17.0",
            ],
        ),
        (
            "train.loss = { choices = ['mse', 'rmse'] }",
            ["train.loss: expected 'mse', 'mae' or 'huber', received 'rmse'"],
        ),
        (
            "data.columns = { choices = { good = ['dew_point_c'], bad = ['dew_point'] } }",
            ["data.columns: 'dew_point'"],
        ),
        (LR + "train.ema = { low = 0, high = 0.1, when = { train.loss = 'mse' } }", ["train.ema.when: train.loss has"]),
        (
            LR + "train.ema = { low = 0, high = 0.1, when = { train.learning_rate = 0.001 } }",
            ["train.ema.when: train.learning_rate has no choices here"],
        ),
        (
            "train.loss = { choices = ['mse'] }\ntrain.ema = { low = 0, high = 0.1, when = { train.loss = 'mae' } }",
            ["train.ema.when: train.loss = 'mae' is none of ['mse']"],
        ),
        ("train.loss = { choices = ['mse'], when = {} }", [f"train.loss.when: {WHEN} {{}}"]),
        ("train.loss = { choices = ['mse'], when = { train = {} } }", [f"train.loss.when: {WHEN}"]),
        ("train.loss = { choices = ['mse'], when = 'adam' }", [f"train.loss.when: {WHEN} 'adam'"]),
        (
            "train.loss = { choices = ['mse'] }\ntrain.ema = { low = 0, high = 0.1, when = { train.loss = [] } }",
            ["train.ema.when: expected at least one value, received none"],
        ),
        (
            "train.loss = { choices = ['mse'], when = { train.loss = 'mse' } }",
            ["these wait for each other with `when`: train.loss"],
        ),
        (
            "train.loss = { choices = ['mse'], when = { train.schedule = 'cosine' } }\n"
            "train.schedule = { choices = ['cosine'], when = { train.loss = 'mse' } }",
            ["these wait for each other with `when`: train."],
        ),
        (
            "recipe = { choices = ['gru'], when = { train.loss = 'mse' } }\ntrain.loss = { choices = ['mse'] }",
            ["recipe.when: every trial has a recipe"],
        ),
        (f"name = '{'a' * 41}'\n{LR}", [f"{NAME} '{'a' * 41}'"]),
        (f"name = 'My sweep'\n{LR}", [f"{NAME} 'My sweep'"]),
        (f"name = 5\n{LR}", [f"{NAME} 5"]),
        ('name = "a\\n"\n' + LR, [f"{NAME} 'a\\n'"]),
        (f"name = {{ choices = ['a'] }}\n{LR}", [f"{NAME} {{'choices': ['a']}}"]),
        (f"summary = {{ choices = ['a'] }}\n{LR}", ["summary: expected string, received {'choices': ['a']}"]),
        (f"recipe = 'nope'\n{LR}", ["recipe: model 'nope' is not known; choose one of: best, "]),
        (f"recipe = 5\n{LR}", ["recipe: model '5' is not known"]),
        (f"recipe = ['best']\n{LR}", ["recipe: model \"['best']\" is not known"]),
        ("recipe = { choices = ['gru', 'nope', 7] }", ["recipe: model 'nope' is not", "recipe: model '7' is not"]),
        ("recipe = { low = 1, high = 2 }", ["recipe.choices: missing", "recipe.low: no such", "recipe.high: no such"]),
        ("train = 5\nmodel.units = { low = 1, high = 4 }", ["train: expected a table, received 5"]),
        (f"train.seed = 'x'\n{LR}", ["train.seed: expected integer, received 'x'"]),
        (f"train.seed = -1\n{LR}", ["train.seed: expected greater than or equal to 0, received -1"]),
        (
            f"data.fit_on = 'train+val'\n{LR}",
            ["data.fit_on: trials are judged on validation, so expected 'train', received 'train+val'"],
        ),
        # What does not fit together
        (
            "train.epochs = { choices = [5, 10, 20] }\ntrain.stop_epoch = { low = 1, high = 12 }",
            ["train: stop_epoch=12 lies beyond train.epochs=5; lower it, or raise that (chosen: train.epochs=5, "],
        ),
        (
            "train.loss = { choices = ['mse', 'mae'] }\n"
            "train.schedule = { choices = ['cosine'], when = { train.loss = 'mse' } }\n"
            "train.warmup_steps = { low = 1, high = 3, when = { train.loss = 'mae', train.schedule = 'cosine' } }",
            ["train.warmup_steps.when: asks for choices that exclude each other, so never holds"],
        ),
        (
            "train.optimizer = { choices = ['adam', 'adamw'] }\ntrain.weight_decay = { low = 1e-5, high = 0.1 }",
            [
                "train: weight_decay is used with train.optimizer=adamw alone; set that, or leave it at its default "
                "(chosen: train.optimizer='adam', train.weight_decay=1e-05; `when` keeps apart what does not fit "
                "together)"
            ],
        ),
        ("train.weight_decay = { low = 1e-5, high = 0.1 }", ["train: weight_decay is used with train.optimizer=adamw"]),
        (
            "recipe = 'dense'\nmodel.cell = { choices = ['gru', 'lstm'] }",
            ["model.cell: received 'lstm'; dense does not use it (chosen: model.cell='lstm'; "],
        ),
        (
            "recipe = { choices = ['dense', 'gru'] }\nmodel.recurrent_dropout = { low = 0.1, high = 0.5 }",
            ["model.recurrent_dropout: received 0.1; dense does not use it"],
        ),
        (
            "model.architecture = { choices = ['gru', 'dense'] }",
            ["model.architecture: expected one of conv1d, dense, dense-batchnorm, lagged, recurrent, received 'gru'"],
        ),
    ],
)
def test_a_problem_is_told_with_setting_rule_and_value(load, text, expected):
    with pytest.raises(ConfigError) as error:
        load(text)
    told = problems(error)
    assert len(told) == len(expected), told
    assert all(any(line.startswith(each) for line in told) for each in expected), told


def test_an_unlucky_combination_that_no_end_shows_is_found(load):
    with pytest.raises(ConfigError) as error:
        load("train.stop_epoch = { choices = [0, 3] }\ntrain.epochs = { choices = [9, 2, 8, 7] }", space_file.DRAWS)
    (problem,) = problems(error)  # with the first choices elsewhere, 3 meets 9 alone and 2 meets 0 alone
    assert problem.startswith("train: stop_epoch=3 lies beyond train.epochs=2; ")
    load("train.stop_epoch = { choices = [0, 3] }\ntrain.epochs = { choices = [9, 3, 8, 7] }", space_file.DRAWS)


def test_all_problems_of_a_file_come_at_once(load):
    with pytest.raises(ConfigError) as error:
        load("""
            recipe = "nope"
            name = "A"
            colour = "red"
            data = { lead_hours = 0, windows_per_hour = { choices = [4] }, fit_on = "train+val" }
            [model]
            units = { low = 0, high = 5000 }
            cell = { choices = ["gru", "lstm"] }
            width = { low = 1, high = 2 }
            [train]
            seed = { low = 1, high = 2 }
            fast = true
            ema = { low = 0.5, high = 0.1 }
            clip_norm = { low = 0.5, high = 1, when = { "model.cell" = "rnn", "train.loss" = "mse" } }
            loss = { choices = [nan] }
        """)
    starts = {
        "recipe: model 'nope' is not known",
        f"{NAME} 'A'",
        f"colour: {NO_SUCH}",
        "data.lead_hours: expected greater than or equal to 1, received 0",
        "data.windows_per_hour: expected 0, 1, 2, 3 or 6, received 4",
        "data.fit_on: trials are judged on validation",
        "model.units: expected greater than or equal to 1, received 0",
        "model.units: expected less than or equal to 4096, received 5000",
        f"model.width: {NO_SUCH}",
        "train.seed: cannot be searched",
        f"train.fast: {NO_SUCH}",
        "train.ema: low=0.5 must lie below high=0.1",
        "train.clip_norm.when: model.cell = 'rnn' is none of ['gru', 'lstm']",
        f"train.loss.choices: {LABEL} nan",  # and not that clip_norm waits for what has no choices
    }
    told = problems(error)
    assert len(told) == len(starts), told
    assert all(any(line.startswith(start) for line in told) for start in starts), told


@pytest.mark.parametrize(
    "content", ["train.ema = {", "= 3", "train.ema = { low = 0 }\ntrain.ema = 1", b"name = '\xff'"]
)
def test_a_file_that_is_no_toml_is_refused(load, content):
    with pytest.raises(ConfigError, match=r"mine\.toml is not valid TOML"):
        load(content)


def test_the_file_names_the_sweep_and_a_file_that_makes_no_name_is_refused(tmp_path):
    for name, is_good in (("my-sweep_2.toml", True), ("My Sweep.toml", False), (f"{'a' * 41}.toml", False)):
        path = tmp_path / name
        path.write_text(LR)
        if is_good:
            assert load_space(path).name == "my-sweep_2"
        else:
            with pytest.raises(ConfigError, match=re.escape(NAME)):
                load_space(path)


KEYS = st.sampled_from([setting.partition(".")[2] for setting in [*TYPES, *OWNED]]) | st.text(max_size=3)
ODD_NUMBERS = st.sampled_from([-1, 0, 1e308, 2**64, float("nan"), float("inf"), -0.0, 5e-324])
NUMBERS = st.integers(1, 30) | st.floats(0, 1) | ODD_NUMBERS
WORDS = st.sampled_from(["adam", "adamw", "mse", "huber", "dense", "lagged", "best", "gru", "recipe", "train.loss"])
SCALARS = NUMBERS | WORDS | st.booleans() | st.text(max_size=3) | st.dates()
NESTED = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2), max_leaves=4
)
LABELS = st.lists(SCALARS, max_size=4) | st.dictionaries(WORDS, NESTED, max_size=3) | NESTED
CONDITIONS = st.dictionaries(st.sampled_from(["train.loss", "train.optimizer", "recipe", "train"]), NESTED, max_size=2)
ODD_PARTS = {
    "choices": LABELS,
    "low": NESTED,
    "high": NESTED,
    "log": NESTED,
    "step": NESTED,
    "when": CONDITIONS | NESTED,
}
DOMAINS = st.one_of(
    st.fixed_dictionaries({}, optional=ODD_PARTS),
    st.fixed_dictionaries({"choices": LABELS}),
    st.fixed_dictionaries({"low": NUMBERS, "high": NUMBERS}, optional={"log": st.booleans(), "step": NUMBERS}),
)
SECTIONS = st.dictionaries(KEYS, DOMAINS | NESTED, max_size=3)
PARTS = {
    "recipe": NESTED | DOMAINS,
    "data": SECTIONS,
    "model": SECTIONS,
    "train": SECTIONS,
    "name": NESTED,
    "zoo": NESTED,
}


@st.composite
def likely_spaces(draw):
    """A few settings by their real names, some of them with the domains of the table above."""
    content = {}
    for setting in draw(st.lists(st.sampled_from(list(CHOICES)), min_size=1, max_size=4, unique=True)):
        section, key = setting.split(".")
        content.setdefault(section, {})[key] = draw(st.just({"choices": CHOICES[setting]}) | DOMAINS)
    return content


@given(content=st.fixed_dictionaries({}, optional=PARTS) | likely_spaces())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_any_toml_is_a_space_or_refused(load, content):
    try:
        space = load(tomli_w.dumps(content))
    except JenacastError:
        return
    for chosen in draw(space, 3):
        assert isinstance(space.config(chosen, "trial"), Config)
    assert space.most_epochs >= 1


# The command


SPACE = """
recipe = "stacked-gru"
train.epochs = 20
train.learning_rate = { low = 1e-4, high = 1e-2, log = true }
train.optimizer = { choices = ["adam", "adamw"] }
train.weight_decay = { low = 1e-5, high = 0.1, log = true, when = { train.optimizer = "adamw" } }
model.units = { low = 16, high = 64, step = 16 }
data.columns = { choices = { all = ["temperature_c", "dew_point_c"], one = ["temperature_c"] } }
"""


@pytest.fixture
def space_path(tmp_path, monkeypatch):
    """A space in a folder of its own, where there are no data."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(SPACE)
    return path


def shown(stdout):
    """The trials of a dry run."""
    return [tomllib.loads(text) for text in re.split(r"(?m)^(?=# )", stdout) if text]


def test_a_dry_run_prints_the_first_trials_as_configs_and_does_nothing(jenacast, jenacast_process, space_path):
    done = jenacast("sweep", space_path, "--trials", 3, "--dry-run")
    assert done.exit_code == 0
    assert list(space_path.parent.iterdir()) == [space_path]
    trials = shown(done.stdout)
    space = load_space(space_path)
    expected = [space.config(chosen, f"mine-{number}") for number, chosen in enumerate(draw(space, 3, Sampler.tpe))]
    assert len(trials) == 3
    for trial, config in zip(trials, expected, strict=True):
        path = space_path.with_name("trial.toml")
        path.write_text(tomli_w.dumps(trial))
        assert load_config(path) == config
        assert config.train.epochs == 20
        assert dump_config(load_config(path)) == dump_config(config)
        path.unlink()
    again = jenacast_process("sweep", space_path, "--trials", 40, "--dry-run")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert list(space_path.parent.iterdir()) == [space_path]


def test_a_dry_run_of_a_grid_prints_its_beginning(jenacast, space_path):
    refused(jenacast("sweep", space_path, "--trials", 3, "--sampler", "grid", "--dry-run"), "train.learning_rate")
    space_path.write_text("model.units = { low = 16, high = 64, step = 16 }")
    done = jenacast("sweep", space_path, "--trials", 2, "--sampler", "grid", "--dry-run")
    assert [trial.get("model", {}) for trial in shown(done.stdout)] == [{"units": 16}, {}]  # 32 is the default


def test_the_command_refuses_a_bad_space_before_any_work(jenacast, space_path):
    space_path.write_text("train.ema = { low = 2, high = 1 }\ntrain.fast = true")
    done = jenacast("sweep", space_path, "--trials", 3)
    refused(done, "2 problem(s) in the search space", "low=2.0 must lie below high=1.0", "train.fast: no such setting")
    refused(jenacast("sweep", "no.toml", "--trials", 3), "no.toml not found")
    refused(jenacast("sweep", space_path.parent, "--trials", 3), "cannot be read: Is a directory")
    assert list(space_path.parent.iterdir()) == [space_path]
