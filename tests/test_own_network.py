"""Commands on runs of a network of the user's own: what they do with its file, and that they run no other."""

import json
import shutil

import pytest
from conftest import refused
from runs import assert_same_run

from jenacast.models import own
from jenacast.network_file import read_code
from jenacast.runtime import load_tensorflow
from jenacast.training import history as epochs_file

NETWORK = '''
"""A scale for each column, then a dense layer."""
import pathlib

import keras

with pathlib.Path({mark!r}).open("a") as file:  # every time that it is run
    file.write("x")


@keras.saving.register_keras_serializable("tests")
class Scale(keras.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale


def build(inputs, *, outputs, units=4):
    x = keras.layers.Flatten()(Scale()(inputs))
    x = keras.layers.Dropout(0.1)(keras.layers.Dense(units, activation="relu")(x))
    return keras.layers.Dense(outputs)(x)
'''
SMALL = ("--set", "data.history_hours=12", "--set", "train.batch_size=95", "--epochs", "2")


def forget():
    """What a new process does not know: the files that were named, and their layers."""
    load_tensorflow()
    import keras

    own._named.clear()
    keras.saving.get_custom_objects().pop("tests>Scale", None)


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch):
    monkeypatch.setattr(own, "_named", {})
    forget()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a network, my_net.py, that leaves a mark where it is run."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "my_net.py").write_text(NETWORK.format(mark=str(folder / "mark")))
    return folder


@pytest.fixture
def trained(place, jenacast, _synthetic_data_dir):
    """A run of the network of `place`, trained once; nothing is named afterwards."""
    run = place / "run"
    if not run.exists():
        arguments = ("--model", place / "my_net.py", *SMALL, "--data-dir", _synthetic_data_dir, "--run-dir", run)
        done = jenacast("train", *arguments)
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{run / 'best.keras'}\n"
        forget()
    (place / "mark").unlink(missing_ok=True)
    return run


def test_a_run_keeps_the_file_and_its_hash(trained, place):
    assert (trained / "my_net.py").read_bytes() == (place / "my_net.py").read_bytes()
    config = (trained / "config.toml").read_text()
    assert 'architecture = "my_net.py"' in config
    assert f'code_sha256 = "{read_code(trained / "my_net.py").sha256}"' in config


def test_nothing_runs_code_that_was_not_named(trained, place, jenacast, tmp_path):
    """A folder that somebody sent, with a checkpoint whose layers are its own."""
    received = shutil.copytree(trained, tmp_path / "received")
    code = received / "my_net.py"
    named = (f"--code {code}", "where you trust")
    for words in (
        ("evaluate", received),
        ("explain", received),
        ("export", received, "--format", "keras"),
        ("ensemble", received, "--out", tmp_path / "mean.keras"),
        ("train", "--resume", received),
        ("train", "--refit", received),
        ("train", "--config", received / "config.toml"),
        ("backtest", "--config", received / "config.toml", "--from", "2010"),
    ):
        refused(jenacast(*words), *named)
    for words in (("runs", received.parent), ("info", received), ("models", code)):
        assert jenacast(*words).exit_code == 0
    assert not (place / "mark").exists()


def test_a_checkpoint_with_layers_of_its_own_is_evaluated_with_the_file(trained, place, ask, jenacast):
    assert ask("evaluate", trained, "--split", "val", "--code", place / "my_net.py")["model"] == "my_net"
    other = place / "other.py"
    other.write_text((place / "my_net.py").read_text() + "\n")
    forget()
    refused(
        jenacast("evaluate", trained, "--code", other),
        "Scale",
        f"--code {trained / 'my_net.py'}",
        "other.py is another",
    )


def test_a_copy_that_was_changed_is_refused(trained, place, jenacast, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    with (run / "my_net.py").open("a") as file:
        file.write("# another\n")
    for words in (("train", "--resume", run), ("train", "--refit", run), ("train", "--config", run / "config.toml")):
        refused(jenacast(*words, "--code", run / "my_net.py"), "my_net.py has changed: its SHA-256 was")
    assert "has changed" in json.loads(jenacast("runs", run.parent, "--json").stdout)[0]["note"]
    assert not (place / "mark").exists()


def test_a_run_that_was_stopped_goes_on_exactly(trained, place, jenacast, data_dir, tmp_path, monkeypatch):
    run, write = tmp_path / "cut", epochs_file.write_history

    def stopped(path, epochs):
        write(path, epochs)
        raise KeyboardInterrupt

    arguments = ("--model", place / "my_net.py", *SMALL, "--data-dir", data_dir, "--run-dir", run)
    with monkeypatch.context() as patched:
        patched.setattr(epochs_file, "write_history", stopped)
        done = jenacast("train", *arguments)
    assert done.exit_code == 130
    assert f"--resume {run} --code {run / 'my_net.py'}" in done.stderr
    assert jenacast("train", "--resume", run, "--code", run / "my_net.py").exit_code == 0
    own.register_layers()
    assert_same_run(run, trained)


def test_a_run_is_replaced_with_its_file(trained, place, jenacast, data_dir, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", run, "--force")
    assert done.exit_code == 0, done.stderr
    assert not (run / "my_net.py").exists()


def test_a_network_that_does_not_hold_leaves_nothing(jenacast, tmp_path, data_dir):
    (tmp_path / "bad.py").write_text("def build(inputs, *, outputs):\n    return inputs\n")
    where = ("--data-dir", data_dir, "--run-dir", tmp_path / "run")
    refused(jenacast("train", "--model", tmp_path / "bad.py", *where), "bad.py, line 2: build returns a tensor")
    refused(jenacast("train", "--model", tmp_path / "bad.py", *where, "--seeds", 2), "bad.py, line 2")
    assert not (tmp_path / "run").exists()


@pytest.mark.system
def test_a_sweep_searches_its_settings(place, jenacast, tmp_path, data_dir):
    space, folder = place / "space.toml", tmp_path / "sweep"
    space.write_text(
        "data.history_hours = 12\ntrain.epochs = 1\n[model]\n"
        'architecture = "my_net.py"\nunits = { low = 2, high = 3 }\n'
    )
    words = ("sweep", space, "--trials", 2, "--sampler", "grid", "--data-dir", data_dir, "--run-dir", folder)
    refused(jenacast(*words), "--code")
    assert jenacast(*words, "--code", place / "my_net.py").exit_code == 0
    done = jenacast("sweep-report", folder)
    assert done.exit_code == 0, done.stderr
    winner = folder / "report" / "winner.toml"
    assert (winner.parent / "my_net.py").read_bytes() == (place / "my_net.py").read_bytes()
    done = jenacast("train", "--config", winner, "--data-dir", data_dir, "--run-dir", tmp_path / "winner")
    assert done.exit_code == 0, done.stderr  # it was named for the sweep
    space.write_text(space.read_text().replace("units =", "unitz ="))
    refused(jenacast(*words), "model.unitz: no such setting", "did you mean model.units?")


@pytest.mark.system
def test_seeds_are_processes_that_have_the_file_named(place, jenacast, data_dir, tmp_path):
    arguments = ("--model", place / "my_net.py", "--seeds", 2, *SMALL, "--data-dir", data_dir)
    done = jenacast("train", *arguments, "--run-dir", tmp_path / "seeds")
    assert done.exit_code == 0, done.stderr
    assert len(list((tmp_path / "seeds").glob("seed-*/my_net.py"))) == 2
