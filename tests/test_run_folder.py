"""What `jenacast train` does with folders and settings."""

import sys
import tomllib
from datetime import datetime

import numpy as np
import pytest
from conftest import files, refused
from runs import history, metrics, weights

from jenacast.training import run_folder

SMALL = ("--set", "data.history_hours=12", "--set", "model.units=4")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_was(train_small, trained_run, jenacast, data_dir):
    before = contents(trained_run)
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", trained_run)
    refused(done, str(trained_run), "holds a run already", "--run-dir", "--force")
    assert contents(trained_run) == before


def test_force_replaces_the_run_and_what_was_measured_of_it(train_small, trained_run, jenacast, data_dir):
    assert jenacast("evaluate", trained_run, "--data-dir", data_dir).exit_code == 0
    (trained_run / "tensorboard").mkdir()
    (trained_run / "tensorboard" / "events.out.tfevents.1").write_text("of the old run")
    before = weights(trained_run)
    mine = [trained_run / name for name in (".best-original.keras", "evaluation-notes.md", "evaluation-notes/one.txt")]
    left = trained_run / ".jenacast-tmp-abcd1234.keras"
    mine[2].parent.mkdir()
    for file in (*mine, left):
        file.write_text("the user's, or half of what a killed process wrote")
    train_small("run", "--force", "--seed", 9)
    assert metrics(trained_run)["seed"] == 9
    assert not np.allclose(weights(trained_run), before)  # another seed is another run
    names = {path.name for path in trained_run.iterdir()}
    assert all(file.exists() for file in mine)
    assert not left.exists()
    assert not [name for name in names if name.startswith(("evaluation-test", "tensorboard"))]


def test_force_removes_nothing_where_a_file_of_the_run_is_a_folder(trained_run, jenacast, data_dir):
    (trained_run / "evaluation-test.json").mkdir()
    before = files(trained_run)
    options = ("--data-dir", data_dir, "--force", "--run-dir")
    done = jenacast("train", "--model", "dense", *SMALL, *options, trained_run)
    refused(done, "evaluation-test.json is not a regular file, so the run is not replaced")
    assert files(trained_run) == before


def test_two_trainings_in_one_second_get_folders_of_their_own(jenacast, data_dir, tmp_path, monkeypatch):
    class Clock:
        def now():
            return datetime(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(run_folder, "datetime", Clock)
    monkeypatch.chdir(tmp_path)
    options = ("train", "--model", "dense", *SMALL, "--epochs", 1, "--data-dir", data_dir)
    for name in ("dense-20260102-030405", "dense-20260102-030405-2"):
        assert jenacast(*options).stdout == f"runs/{name}/best.keras\n"
    assert jenacast(*options, "--set", "model.cell=lstm").exit_code == 1
    assert len(list((tmp_path / "runs").iterdir())) == 2  # what cannot begin leaves no folder


@pytest.mark.parametrize(("name", "force"), [("metrics.json", []), (".env", ["--force"])])
def test_a_folder_that_is_no_run_is_never_touched(jenacast, data_dir, tmp_path, force, name):
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / name).write_text("{}")
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", folder, *force)
    refused(done, str(folder), "not a run folder", "--run-dir")
    assert contents(folder) == {name: b"{}"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "model.cell=lstm"], "model.cell: received 'lstm'; dense does not use it"),
        (["--set", "model.any_history=true"], "set model.any_history=false"),
        (["--set", "data.history_hours=400"], "or a shorter history"),
        (["--data-dir", "nowhere"], "run: jenacast prepare"),
    ],
)
def test_a_run_that_cannot_begin_leaves_the_old_one_whole(trained_run, jenacast, data_dir, arguments, told):
    before = contents(trained_run)
    done = jenacast(
        "train", "--model", "dense", "--data-dir", data_dir, "--run-dir", trained_run, "--force", *arguments
    )
    refused(done, told)
    assert contents(trained_run) == before


def test_the_config_of_a_run_repeats_it(train_small, trained_run, jenacast, data_dir, tmp_path):
    again = tmp_path / "again"
    done = jenacast("train", "--config", trained_run / "config.toml", "--data-dir", data_dir, "--run-dir", again)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(weights(again), weights(trained_run))
    assert history(again) == history(trained_run)
    assert (again / "config.toml").read_text() == (trained_run / "config.toml").read_text()


def test_options_go_over_set_and_set_over_the_file(train_small, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        "[model]\narchitecture = 'dense'\n[train]\nlearning_rate = 0.01\nseed = 1\nepochs = 7\n", encoding="utf-8"
    )
    run = train_small("run", "--config", file, "--set", "train.seed=2", "--set", "train.epochs=6", model=None, epochs=1)
    settings = tomllib.loads((run / "config.toml").read_text())
    assert settings["name"] == "mine"
    assert settings["train"]["learning_rate"] == 0.01  # the file, over the defaults
    assert settings["train"]["seed"] == 2  # --set, over the file
    assert settings["train"]["epochs"] == 1  # --epochs, over --set
    assert settings["train"]["batch_size"] == 256  # nobody but the defaults


def test_tensorboard_without_tensorboard_names_the_remedy(jenacast, data_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    run = tmp_path / "run"
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", run, "--tensorboard")
    refused(done, "--tensorboard", "pip install '.[tensorboard]'")
    assert not run.exists()


def test_tensorboard_gets_the_figures_of_every_epoch(train_small):
    pytest.importorskip("tensorboard")
    run = train_small("run", "--tensorboard")
    logged = b"".join(path.read_bytes() for path in (run / "tensorboard").glob("events*"))
    for name in (b"train_loss", b"train_mae_c", b"val_mae_c", b"learning_rate"):
        assert logged.count(name) == 2
