"""`jenacast train --resume` with every setting that has a state, and what it refuses."""

import json
import math
import os
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import tomli_w
from conftest import refused
from runs import assert_same_run, history

from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.locks import process_lock
from jenacast.training.learner import Learner

EVERYTHING = (
    *('data.columns=["temperature_c", "temperature_c:departure:mean_24h", "pressure_mbar:change_6h", "year_sin_1"]',),
    *("data.history_hours=6", "data.target=departure-change", "model.units=4", "model.dropout=0.25"),
    *("train.batch_size=1024", "train.epochs=2", "train.loss=mae", "train.optimizer=adamw", "train.weight_decay=0.01"),
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
    falls = [(1 + math.cos(math.pi * (9 * epoch - 5) / (18 - 5))) / 2 for epoch in (1, 2)]  # after 5 steps of rise
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
        del sections["model"]["engine"]
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
