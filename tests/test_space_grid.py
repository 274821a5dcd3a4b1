"""Grids of a search space, and trials before any is run."""

import itertools
import re
import tomllib

import pytest
import tomli_w
from conftest import refused
from made_sweeps import load

from jenacast.config import load_config
from jenacast.errors import ConfigError
from jenacast.sweep.samplers import draw
from jenacast.sweep.space_file import load_space

LR = "train.learning_rate = { low = 1e-4, high = 1e-2, log = true }\n"


def test_a_grid_is_the_full_product_of_values_as_they_are_written():
    space = load("""
        model.units = { low = 8, high = 24, step = 8 }
        train.loss = { choices = ["mse", "mae"] }
        train.patience = { low = 3, high = 5 }
        model.dropout = { low = 0, high = 0.7, step = 0.1 }
        train.ema = { low = 0.05, high = 0.95, step = 0.3 }
    """)
    values = {
        "model.units": [8, 16, 24],
        "train.loss": ["mse", "mae"],
        "train.patience": [3, 4, 5],
        "model.dropout": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],  # no 0.30000000000000004
        "train.ema": [0.05, 0.35, 0.65, 0.95],
    }
    grid = [tuple(chosen[setting] for setting in values) for chosen in space.grid()]
    assert sorted(grid) == sorted(itertools.product(*values.values()))


def test_a_grid_without_an_end_or_of_astronomic_size_is_refused_at_once():
    space = load(LR + "model.dropout = { low = 0, high = 0.5 }\nmodel.units = { low = 8, high = 64, log = true }\n")
    with pytest.raises(ConfigError, match=r"needs choices, or a range with a step, for train\.learning_rate, model"):
        space.grid()
    steps = "train.patience = { low = 0, high = 9007199254740992 }\nmodel.units = { low = 1, high = 4096 }\n"
    with pytest.raises(ConfigError, match="a grid of more than 10000 combinations"):
        load(steps).grid()
    assert len(load("train.patience = { low = 1, high = 10000 }").grid()) == 10_000


def test_a_dry_run_prints_the_first_trials_as_configs_and_does_nothing(jenacast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there are no data
    path = tmp_path / "mine.toml"
    path.write_text(
        LR
        + """
        recipe = "stacked-gru"
        train.optimizer = { choices = ["adam", "adamw"] }
        train.weight_decay = { low = 1e-5, high = 0.1, log = true, when = { train.optimizer = "adamw" } }
        data.columns = { choices = { all = ["temperature_c", "dew_point_c"], one = ["temperature_c"] } }
        """
    )
    done = jenacast("sweep", path, "--trials", 3, "--dry-run")
    shown = [tomllib.loads(text) for text in re.split(r"(?m)^(?=# )", done.stdout) if text]
    assert len(shown) == 3
    space = load_space(path)
    for number, (trial, chosen) in enumerate(zip(shown, draw(space, 3, "tpe"), strict=True)):
        (tmp_path / "trial.toml").write_text(tomli_w.dumps(trial))
        assert load_config(tmp_path / "trial.toml") == space.config(chosen, f"mine-{number}")
        (tmp_path / "trial.toml").unlink()
    refused(jenacast("sweep", path, "--trials", 3, "--sampler", "grid", "--dry-run"), "train.learning_rate")
    path.write_text("model.units = { low = 16, high = 64, step = 16 }")
    done = jenacast("sweep", path, "--trials", 2, "--sampler", "grid", "--dry-run")
    assert "units = 16" in done.stdout
    assert done.stdout.count("# model.units=") == 2
    assert list(tmp_path.iterdir()) == [path]
