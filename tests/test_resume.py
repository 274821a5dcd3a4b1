import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import refused
from runs import assert_same_run, calibration, history, metrics, outcome
from warm import Command

from jenacast.config import load_config, load_recipe
from jenacast.models.checkpoint import read_metadata
from jenacast.training import finish
from jenacast.training import history as epochs_file
from jenacast.training.run import train

KILLS = int(os.environ.get("JENACAST_KILLS", "1"))  # for each network; `make crash-test` asks for many
# 665 train windows in batches of 95: there is no smaller last one, which would be traced apart.
SMALL = ("data.history_hours=12", "model.units=4", "train.batch_size=95", "train.save_every_seconds=0.01")


def settings(epochs):
    return [part for setting in (*SMALL, f"train.epochs={epochs}") for part in ("--set", setting)]


def run_to_end(*arguments):
    done = Command("train", *arguments)
    assert done.wait() == 0, done.stderr


def start_and_wait_for_training(*arguments):
    """A process that has said that it trains."""
    process = Command("train", *arguments)
    process.wait_until(lambda: "steps an epoch" in process.stderr)
    return process


# Every setting that has a state of its own: averaged weights, a schedule, decay, noise.
STATEFUL = (
    *("model.engine=tied", "model.noise=0.1", "train.optimizer=adamw", "train.weight_decay=0.01", "train.ema=0.9"),
    *("train.schedule=cosine", "train.warmup_steps=5", "train.loss=mae", "data.target=change"),
    'data.columns=["temperature_c:mean_3h", "pressure_mbar:change_3h", "wind_east_m_per_s", "hour_cos_1"]',
)


# The train windows are a multiple of the batch, since XLA compiles a smaller last one for seconds.
NETWORKS = {
    "keras": ("lstm-dropout", ("model.engine=keras", "train.batch_size=35")),
    "stateful": ("lstm-dropout", (*STATEFUL, "data.history_hours=14", "train.batch_size=33")),
    "weight-drop": ("stacked-gru", ("model.engine=weight-drop", "train.batch_size=35")),  # see also test_learner.py
}


@pytest.mark.system
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("network", NETWORKS if KILLS > 1 else ["keras", "stateful"])
def test_a_run_killed_at_random_moments_and_resumed_is_the_same_run(network, data_dir, tmp_path):
    recipe, changes = NETWORKS[network]
    epochs = 3 + 3 * KILLS
    changed = [word for change in changes for word in ("--set", change)]
    options = ("--model", recipe, *settings(epochs), *changed, "--data-dir", data_dir, "--run-dir")
    reference, run = tmp_path / "reference", tmp_path / "run"
    run_to_end(*options, reference)

    moments, kills = random.Random(recipe), 0
    arguments = (*options, run)
    while kills < KILLS:
        process = start_and_wait_for_training(*arguments)
        process.wait_until((run / "history.csv").exists)  # until then there is little to lose
        time.sleep(moments.uniform(0, 1.5 if kills else 0.2))
        process.send_signal(signal.SIGKILL)
        ended = process.wait()
        kills += ended == -signal.SIGKILL
        arguments = ("--resume", run)
        if ended == 0:
            break
    run_to_end("--resume", run)
    assert_same_run(run, reference)
    assert kills == KILLS
    print(f"\n{network}: {kills} kills, {kills} resumes, differences: none", file=sys.stderr)


@pytest.mark.system
@pytest.mark.parametrize(
    ("model", "number", "code", "message"),
    [
        ("lstm-dropout", signal.SIGTERM, 143, "error: terminated"),
        ("dense", signal.SIGINT, 130, "error: interrupted"),
    ],
)
def test_a_signal_ends_a_run_at_once_keeps_what_it_has_and_tells_how_to_go_on(
    model, number, code, message, data_dir, tmp_path
):
    run, scratch = tmp_path / "run", tmp_path / "scratch"
    scratch.mkdir()
    options = ("--model", model, *settings(100_000), "--data-dir", data_dir, "--run-dir", run)
    process = Command("train", *options, TMPDIR=scratch)
    process.wait_until((run / "history.csv").exists)
    sent = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=20) == code
    assert time.monotonic() - sent < 10
    told = process.stderr
    assert told.splitlines()[-1] == message
    assert f"jenacast train --resume {run}" in told
    assert "Traceback" not in told
    assert process.stdout == ""
    assert (run / "state.npz").exists()
    about, found = read_metadata(run / "best.keras"), metrics(run)
    assert (about.epoch, about.val_mae_c) == (found["best_epoch"], found["val_mae_c"])
    assert (about.calibration, found["finished"]) == (None, False)
    assert 1 <= found["best_epoch"] <= found["epochs"] == len(history(run))
    assert load_recipe(model).train.epochs < load_config(run / "config.toml").train.epochs == 100_000
    assert not [path.name for path in run.iterdir() if path.name.startswith(".") or path.suffix == ".lock"]
    assert not list(scratch.iterdir())


@pytest.fixture(scope="module")
def whole(_synthetic_data_dir, tmp_path_factory):
    """Two epochs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("resume") / "whole"
    train(load_recipe("dense", [*SMALL, "train.epochs=2"]), data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


def test_a_finished_run_says_so_and_may_be_trained_further(whole, data_dir, tmp_path, jenacast):
    short, long = shutil.copytree(whole, tmp_path / "short"), tmp_path / "long"
    again = jenacast("train", "--resume", short)
    assert again.exit_code == 0
    assert "finished: nothing to do" in again.stderr
    assert again.stdout == f"{short / 'best.keras'}\n"  # where it lies now

    assert jenacast("train", "--resume", short, "--epochs", 3).exit_code == 0
    options = ("--model", "dense", *settings(3), "--data-dir", data_dir, "--run-dir", long)
    assert jenacast("train", *options).exit_code == 0
    assert_same_run(short, long)
    refused(jenacast("train", "--resume", short, "--epochs", 2), "may only be raised")


def test_a_run_killed_before_its_first_state_starts_from_its_beginning(whole, tmp_path, jenacast):
    cut = Path(shutil.copytree(whole, tmp_path / "cut"))
    for file in cut.iterdir():
        if file.name not in ("config.toml", "run.json"):
            file.unlink()
    assert jenacast("train", "--resume", cut).exit_code == 0
    assert_same_run(cut, whole)


def test_a_run_killed_between_its_last_state_and_its_report_is_reported(whole, tmp_path, jenacast):
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    told = metrics(run)
    first = {key: float(value) for key, value in history(run)[0].items() if key in told}
    earlier = {"epochs": 1, "best_epoch": 1, "steps": told["steps"] // 2, "finished": False}
    (run / "metrics.json").write_text(json.dumps(told | first | earlier))  # as an earlier sitting left it
    assert outcome(run) != outcome(whole)
    assert jenacast("train", "--resume", run).exit_code == 0
    assert outcome(run) == outcome(whole)


# A run in a process of its own that is killed while it writes the calibrated network.
KILLED = """
import os, signal, sys
from jenacast.models import checkpoint
from jenacast.training import finish
from jenacast.cli import main

class Killing(checkpoint.zipfile.ZipFile):
    def writestr(self, *arguments):
        os.kill(os.getpid(), signal.SIGKILL)

def save(model, metadata, path, write=finish.save_checkpoint):
    if metadata.calibration:
        checkpoint.zipfile.ZipFile = Killing
    write(model, metadata, path)

finish.save_checkpoint = save
main()
"""


@pytest.mark.system
def test_a_run_killed_while_its_calibration_is_written_gets_it_when_it_goes_on(whole, data_dir, tmp_path, jenacast):
    cut = tmp_path / "cut"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    arguments = [sys.executable, "-c", KILLED, "train", *map(str, options), cut]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert history(cut) == history(whole)
    assert not (cut / "metrics.json").exists()
    assert calibration(cut) is None  # the checkpoint of its best epoch is whole
    assert list(cut.glob(".jenacast-tmp-*.keras"))
    resumed = jenacast("train", "--resume", cut)
    assert resumed.exit_code == 0, resumed.output
    assert_same_run(cut, whole)


def test_a_run_stopped_after_its_last_epoch_is_not_finished_until_it_is_calibrated(
    whole, data_dir, tmp_path, jenacast, monkeypatch
):
    cut = tmp_path / "cut"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    write = epochs_file.write_history

    def stopped_at_the_end(path, epochs):
        write(path, epochs)
        if len(epochs) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(epochs_file, "write_history", stopped_at_the_end)
        assert jenacast("train", *options, cut).exit_code == 143
    assert outcome(cut) == outcome(whole) | {"finished": False}
    assert calibration(cut) is None
    assert jenacast("train", "--resume", cut).exit_code == 0
    assert_same_run(cut, whole)


def test_a_signal_during_the_calibration_waits_for_it(data_dir, tmp_path, jenacast, monkeypatch):
    run = tmp_path / "run"
    calibrate = finish.calibrate

    def stopped(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return calibrate(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(finish, "calibrate", stopped)
        options = ("--model", "dense", *settings(1), "--data-dir", data_dir, "--run-dir", run)
        assert jenacast("train", *options).exit_code == 143
    assert outcome(run)["finished"]
    assert calibration(run)
    assert "finished: nothing to do" in jenacast("train", "--resume", run).stderr
