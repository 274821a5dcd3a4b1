import csv
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from conftest import refused
from warm import Command

from jenacast.config import load_config, load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.locks import process_lock
from jenacast.models.checkpoint import load_checkpoint, read_metadata
from jenacast.training import finish, run_folder
from jenacast.training.learner import Learner
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


def weights(path):
    return [variable.numpy() for variable in load_checkpoint(path).model.weights]


def calibration(run, name="best.keras"):
    return read_metadata(run / name).calibration


def history(run):
    with (run / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def outcome(run):
    metrics = json.loads((run / "metrics.json").read_text())
    return {key: value for key, value in metrics.items() if key not in ("seconds", "run_dir", "checkpoint")}


def assert_same_run(run, reference):
    assert history(run) == history(reference)
    assert outcome(run) == outcome(reference)
    for name in ("best.keras", "last.keras"):
        for mine, theirs in zip(weights(run / name), weights(reference / name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert calibration(run, name) == calibration(reference, name)
    assert bool(calibration(run)) is (outcome(run)["val_mae_c"] is not None)  # a refit has no validation
    assert not list(run.glob(".*"))
    assert not (run / "train.lock").exists()


# Every setting that has a state of its own: averaged weights, a schedule, decay, noise.
STATEFUL = (
    *("model.engine=tied", "model.noise=0.1", "train.optimizer=adamw", "train.weight_decay=0.01", "train.ema=0.9"),
    *("train.schedule=cosine", "train.warmup_steps=5", "train.loss=mae", "data.target=change"),
    'data.columns=["temperature_c:mean_3h", "pressure_mbar:change_3h", "wind_east_m_per_s", "hour_cos_1"]',
)


# The train windows are a multiple of the batch, since XLA compiles a smaller last one for seconds.
NETWORKS = {
    "keras": ("lstm-dropout", ("train.batch_size=35",)),
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
    about, metrics = read_metadata(run / "best.keras"), json.loads((run / "metrics.json").read_text())
    assert (about.epoch, about.val_mae_c) == (metrics["best_epoch"], metrics["val_mae_c"])
    assert (about.calibration, metrics["finished"]) == (None, False)
    assert 1 <= metrics["best_epoch"] <= metrics["epochs"] == len(history(run))
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
    metrics = json.loads((run / "metrics.json").read_text())
    first = {key: float(value) for key, value in history(run)[0].items() if key in metrics}
    earlier = {"epochs": 1, "best_epoch": 1, "steps": metrics["steps"] // 2, "finished": False}
    (run / "metrics.json").write_text(json.dumps(metrics | first | earlier))  # as an earlier sitting left it
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
    assert list(cut.glob(".best-*.keras"))
    resumed = jenacast("train", "--resume", cut)
    assert resumed.exit_code == 0, resumed.output
    assert_same_run(cut, whole)


def test_a_run_stopped_after_its_last_epoch_is_not_finished_until_it_is_calibrated(
    whole, data_dir, tmp_path, jenacast, monkeypatch
):
    cut = tmp_path / "cut"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    write = run_folder.write_history

    def stopped_at_the_end(path, epochs):
        write(path, epochs)
        if len(epochs) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(run_folder, "write_history", stopped_at_the_end)
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


EVERYTHING = (
    *('data.columns=["temperature_c", "temperature_c:departure:mean_24h", "pressure_mbar:change_6h", "year_sin_1"]',),
    *("data.history_hours=6", "data.target=departure-change", "model.units=4", "model.dropout=0.25"),
    *("train.batch_size=1024", "train.epochs=3", "train.loss=mae", "train.optimizer=adamw", "train.weight_decay=0.01"),
    *("train.schedule=cosine", "train.warmup_steps=5", "train.ema=0.9", "train.save_every_seconds=1e-9"),
)


def test_a_run_with_everything_that_has_a_state_goes_on_from_the_middle_of_an_epoch(tmp_path, jenacast, monkeypatch):
    write_csv(tmp_path / CSV_NAME, *synthetic_series(rows=17_600, step_minutes=60, seed=3, warts=False))
    prepare(tmp_path, synthetic=True)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    chosen = [part for setting in EVERYTHING for part in ("--set", setting)]
    options = ("--model", "dense", *chosen, "--data-dir", tmp_path, "--run-dir")
    done = jenacast("train", *options, whole)
    assert done.exit_code == 0, done.output
    falls = [(1 + math.cos(math.pi * (9 * epoch - 5) / (27 - 5))) / 2 for epoch in (1, 2, 3)]  # after 5 steps of rise
    assert [float(row["learning_rate"]) for row in history(whole)] == pytest.approx([0.001 * fall for fall in falls])

    train_batch, steps = Learner.train_batch, []

    def stopped_before_the_fifteenth_step(self, inputs, targets):
        steps.append(1)
        if len(steps) == 15:
            raise KeyboardInterrupt
        train_batch(self, inputs, targets)

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "train_batch", stopped_before_the_fifteenth_step)
        assert jenacast("train", *options, cut).exit_code == 130
    resumed = jenacast("train", "--resume", cut)
    assert "continuing in epoch 2, after step 5 of 9" in resumed.stderr
    assert_same_run(cut, whole)
    with np.load(cut / "state.npz") as mine, np.load(whole / "state.npz") as theirs:
        assert mine.files == theirs.files
        for name in set(mine.files) - {"about"}:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_more_epochs_than_a_schedule_was_made_for_are_refused(trained_run, jenacast):
    config = trained_run / "config.toml"
    config.write_text(config.read_text().replace('schedule = "constant"', 'schedule = "cosine"'))
    refused(
        jenacast("train", "--resume", trained_run, "--epochs", 3),
        "--epochs 3: the learning rate of this run has fallen to 0 by epoch 2, as train.schedule=cosine says; start a "
        "new run with more epochs",
    )


def test_a_run_of_a_version_with_other_settings_goes_on(trained_run, tmp_path, jenacast):
    old = shutil.copytree(trained_run, tmp_path / "old")
    first = {
        "data": {"history_hours", "lead_hours", "windows_per_hour"},
        "train": {"epochs", "batch_size", "optimizer", "learning_rate", "clip_norm", "patience", "save_every_seconds"}
        | {"seed", "deterministic"},
    }
    config = tomllib.loads((old / "config.toml").read_text())
    with np.load(old / "state.npz") as state:
        arrays = dict(state)
    about = json.loads(str(arrays["about"]))
    for sections in (config, about["config"]):
        for section, keys in first.items():
            sections[section] = {key: value for key, value in sections[section].items() if key in keys}
        sections["train"]["quantile"] = 0.5  # retired
    (old / "config.toml").write_text(tomli_w.dumps(config))
    np.savez(old / "state.npz", **arrays | {"about": np.array(json.dumps(about))})
    for run in (old, trained_run):
        resumed = jenacast("train", "--resume", run, "--epochs", 3)
        assert resumed.exit_code == 0, resumed.stderr
    assert_same_run(old, trained_run)


def test_changed_data_are_refused_by_their_hash(trained_run, data_dir, jenacast):
    record = json.loads((trained_run / "run.json").read_text())
    (trained_run / "run.json").write_text(json.dumps(record | {"data_dir": str(data_dir)}))
    manifest = data_dir / "prepared" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "source_sha256": "0" * 64}))
    refused(jenacast("train", "--resume", trained_run, "--epochs", 3), content["source_sha256"], "0" * 64)


def test_a_second_process_on_a_run_is_refused_with_the_first_ones_id(trained_run, jenacast):
    holder = (
        "import sys, time; from pathlib import Path; from jenacast.locks import process_lock\n"
        "with process_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    lock = trained_run / "train.lock"
    with subprocess.Popen([sys.executable, "-c", holder, lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        refused(jenacast("train", "--resume", trained_run), f"in use by process {process.pid}")
        process.kill()
    assert lock.exists()  # left behind by a process that died
    assert jenacast("train", "--resume", trained_run).exit_code == 0


def test_a_lock_is_gone_after_its_block(tmp_path):
    with process_lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "lock").exists()


def test_resume_goes_with_epochs_alone(trained_run, jenacast):
    assert jenacast("train", "--resume", trained_run, "--seed", 1).exit_code == 2
    refused(jenacast("train", "--resume", trained_run.parent), "not a run folder")
