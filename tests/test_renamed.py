"""Recipes by the names that earlier versions gave them."""

import json

import pytest

from jenacast.models.checkpoint import read_metadata

SMALL = "[data]\nhistory_hours = 12\n[model]\narchitecture = 'dense'\nunits = 2\n[train]\nepochs = 1\n"
OLD = f'name = "best"\nsource = "docs/experiments.md"\n{SMALL}'


@pytest.fixture
def old_run(tmp_path, data_dir, jenacast, monkeypatch):
    """A run folder as an earlier version left it, of its recipe `best`."""
    (tmp_path / "old.toml").write_text(OLD)
    with monkeypatch.context() as earlier:
        earlier.setattr("jenacast.toml_files.RENAMED", {})
        options = ("--config", tmp_path / "old.toml", "--data-dir", data_dir, "--run-dir", tmp_path / "run")
        assert jenacast("train", *options).exit_code == 0
        assert read_metadata(tmp_path / "run" / "best.keras").model == "best"
    return tmp_path / "run"


@pytest.mark.parametrize(("old", "new"), [("best", "lagged"), ("wide", "lagged-wide")])
def test_an_old_name_is_understood_with_a_note(jenacast, old, new):
    asked = jenacast("models", old)
    assert asked.stdout == jenacast("models", new).stdout
    assert asked.stderr == f"note: the recipe {old} is now called {new}\n"


def test_a_run_begun_under_the_old_name_continues_and_is_shown_under_the_new(jenacast, old_run, data_dir):
    done = jenacast("train", "--resume", old_run, "--epochs", "2", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "lagged"
    (row,) = json.loads(jenacast("compare", old_run, "--format", "json").stdout)
    assert row["model"] == "lagged"


def test_a_checkpoint_of_the_old_name_is_shown_under_the_new(jenacast, old_run, data_dir):
    done = jenacast("evaluate", old_run / "best.keras")
    assert done.stdout.startswith("lagged on test: ")


def test_settings_of_ones_own_may_be_called_best(jenacast, tmp_path, data_dir):
    (tmp_path / "best.toml").write_text(SMALL)
    run = tmp_path / "mine"
    jenacast("train", "--config", tmp_path / "best.toml", "--data-dir", data_dir, "--run-dir", run)
    assert jenacast("evaluate", run / "best.keras").stdout.startswith("best on test: ")
