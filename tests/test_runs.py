"""`jenacast runs`: rows of what a folder holds."""

import json
import math
import re
import shutil

import pytest
from conftest import files, refused

from jenacast.config import load_config
from jenacast.experiments.seeds import SeedsPlan, seeds_in
from jenacast.files import write_json
from jenacast.locks import process_lock
from jenacast.training.learner import Learner


@pytest.fixture
def listed(jenacast):
    """A function that lists a folder and returns the rows by name; nothing in it may change."""

    def rows(folder):
        before = files(folder)
        done = jenacast("runs", folder, "--json")
        assert done.exit_code == 0, done.output
        assert files(folder) == before
        return {row["name"]: row for row in json.loads(done.stdout)}

    return rows


@pytest.fixture
def stop(trained_run):
    """A function that makes a copy of the run as one that was stopped after its first epoch."""

    def make(folder):
        shutil.copytree(trained_run, folder)
        outcome = json.loads((folder / "metrics.json").read_text())
        write_json(folder / "metrics.json", outcome | {"finished": False, "epochs": 1})
        return folder

    return make


@pytest.fixture
def seeds(trained_run, tmp_path):
    """A folder of two seeds, 0 and 1, of which the second has not begun."""
    folder = tmp_path / "all" / "dense"
    folder.mkdir(parents=True)
    plan = SeedsPlan(str(tmp_path / "data"), [0, 1], require_cudnn=False, tensorboard=False)
    seeds_in(folder).write(load_config(trained_run / "config.toml"), plan)
    shutil.copytree(trained_run, folder / "seed-0")
    return folder


def test_a_run_tells_its_recipe_and_errors_and_the_test_mae_where_it_was_measured(
    trained_run, data_dir, listed, jenacast, tmp_path
):
    shutil.move(trained_run, tmp_path / "all" / "deep" / "one")
    run = tmp_path / "all" / "deep" / "one"
    outcome = json.loads((run / "metrics.json").read_text())
    row = listed(tmp_path / "all")["deep/one"]
    assert (row["kind"], row["state"], row["model"], row["seeds"]) == ("run", "finished", "dense", [0])
    assert (row["epochs"], row["val_mae_c"], row["test_mae_c"]) == (2, outcome["val_mae_c"], None)
    assert row["settings"] == ["data.history_hours=12", "model.units=4", "train.epochs=2"]
    measured = json.loads(jenacast("evaluate", run, "--data-dir", data_dir, "--json").stdout)
    assert listed(tmp_path / "all")["deep/one"]["test_mae_c"] == measured["mae_c"]
    assert listed(run)["one"] == listed(tmp_path / "all" / "deep")["one"]


def test_what_was_stopped_names_the_command_that_continues_it(stop, data_dir, listed, jenacast, tmp_path):
    run = stop(tmp_path / "all" / "it's mine")
    row = listed(tmp_path / "all")["it's mine"]
    assert (row["state"], row["epochs"]) == ("stopped", 1)
    told = jenacast("runs", tmp_path / "all").stdout
    assert f"  to continue: {row['resume']}\n" in told
    with process_lock(run / "train.lock"):
        row = listed(tmp_path / "all")["it's mine"]
    assert (row["state"], row["resume"]) == ("running", None)


def test_a_training_that_diverges_has_failed_until_it_is_continued(jenacast, listed, tmp_path, data_dir, monkeypatch):
    run, train_batch = tmp_path / "all" / "run", Learner.train_batch

    def poisoned(self, inputs, targets):
        self.model.trainable_variables[-1].assign([math.nan])
        train_batch(self, inputs, targets)

    small = ("--set", "data.history_hours=12", "--set", "model.units=4", "--epochs", 1)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "train_batch", poisoned)
        jenacast("train", "--model", "dense", *small, "--data-dir", data_dir, "--run-dir", run)
    row = listed(run.parent)["run"]
    assert (row["state"], row["resume"]) == ("failed", f"jenacast train --resume {run}")
    assert row["note"].startswith("the loss is not finite at step 1")
    assert "the loss is not finite" in jenacast("runs", run.parent).stdout
    assert jenacast("train", "--resume", run).exit_code == 0
    assert listed(run.parent)["run"]["state"] == "finished"


def test_seeds_are_one_row_and_their_folder_lists_each(seeds, listed, jenacast):
    row = listed(seeds.parent)["dense"]
    assert (row["kind"], row["state"], row["seeds"]) == ("seeds", "stopped", [0, 1])
    assert row["note"] == "1 of 2 runs finished"
    assert row["resume"] == f"jenacast train --resume {seeds}"
    assert list(listed(seeds)) == ["seed-0"]
    shutil.copytree(seeds / "seed-0", seeds / "seed-1")
    metrics = json.loads((seeds / "seed-1" / "metrics.json").read_text())
    write_json(seeds / "seed-1" / "metrics.json", metrics | {"val_mae_c": metrics["val_mae_c"] + 1})
    row = listed(seeds.parent)["dense"]
    assert (row["state"], row["resume"], row["test_mae_c"]) == ("finished", None, None)
    assert row["val_mae_c"] == pytest.approx(metrics["val_mae_c"] + 0.5)
    assert row["val_mae_std_c"] == pytest.approx(0.5**0.5)


def test_a_sweep_is_one_row_with_its_best_trial(trained_run, stop, listed, tmp_path):
    sweep = tmp_path / "all" / "sweep-rates"
    shutil.copytree(trained_run, sweep / "trial-0000")
    stop(sweep / "trial-0001")
    write_json(sweep / "sweep.json", {"study": "rates", "storage": ""})
    row = listed(tmp_path / "all")["sweep-rates"]
    outcome = json.loads((trained_run / "metrics.json").read_text())
    assert (row["kind"], row["state"], row["val_mae_c"]) == ("sweep", "idle", outcome["val_mae_c"])
    assert row["note"].startswith("1 of 2 trials finished; jenacast sweep-report ")
    trial = listed(sweep)["trial-0001"]
    assert (trial["state"], trial["resume"]) == ("stopped", None)  # by the sweep, which alone may continue it


@pytest.mark.parametrize("name", ["config.toml", "run.json", "metrics.json", "plan.json", "seed-0/run.json"])
def test_what_is_damaged_is_a_row_that_says_so(seeds, listed, jenacast, name):
    path = seeds / name if (seeds / name).exists() else seeds / "seed-0" / name
    path.write_text("{")
    row = listed(seeds.parent)["dense"] if path.parent == seeds else listed(seeds)["seed-0"]
    assert row["state"] == "damaged"
    assert str(path) in row["note"]
    told = jenacast("runs", seeds.parent).stdout
    assert "dense: damaged; " in " ".join(told.split())
    assert max(len(line) for line in told.splitlines() if "/" not in line) <= 80


def test_a_folder_without_runs_is_told_and_one_that_is_not_there_refused(jenacast, listed, tmp_path):
    (tmp_path / "empty" / "data").mkdir(parents=True)
    assert jenacast("runs", tmp_path / "empty").stdout == f"no runs below {tmp_path / 'empty'}\n"
    assert listed(tmp_path / "empty") == {}
    refused(jenacast("runs", tmp_path / "none"), str(tmp_path / "none"), "is no folder")


def test_the_table_fits_a_terminal_and_shows_what_differs(trained_run, jenacast, tmp_path):
    shutil.copytree(trained_run, tmp_path / "all" / "run")
    told = jenacast("runs", tmp_path / "all").stdout
    assert re.search(r"^run +dense +1 +2 +\d+\.\d{3} +- +finished$", told, flags=re.MULTILINE)
    assert "train.epochs=2" in told
    assert "SYNTHETIC SERIES, not Jena: run" in told
    assert max(map(len, told.splitlines())) <= 80
