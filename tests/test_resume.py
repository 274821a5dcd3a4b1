import csv
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from jenacast.checkpoint import load_checkpoint
from jenacast.lock import process_lock

KILLS = int(os.environ.get("JENACAST_KILLS", "1"))  # for each network; `make crash-test` asks for many
SMALL = ("data.history_hours=12", "model.units=4", "train.batch_size=32", "train.save_every_seconds=0.01")


def command(*arguments):
    return [sys.executable, "-m", "jenacast", "train", *map(str, arguments)]


def settings(epochs):
    return [part for setting in (*SMALL, f"train.epochs={epochs}") for part in ("--set", setting)]


def finish(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return done


def start_and_wait_for_training(*arguments):
    """A process that has said that it trains, its stderr drained from then on."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    heard = []
    for line in process.stderr:
        heard.append(line)
        if "steps an epoch" in line:
            break
    else:
        pytest.fail("".join(heard))
    threading.Thread(target=lambda: heard.extend(process.stderr), daemon=True).start()
    return process, heard


def weights(path):
    return [variable.numpy() for variable in load_checkpoint(path).model.weights]


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
    assert not list(run.glob(".*"))
    assert not (run / "train.lock").exists()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("recipe", "engine"), [("lstm-dropout", "keras"), ("lstm-dropout", "tied"), ("stacked-gru", "weight-drop")]
)
def test_a_run_killed_at_random_moments_and_resumed_is_the_same_run(recipe, engine, data_dir, tmp_path):
    epochs = 6 + 3 * KILLS
    chosen = ("--model", recipe, "--set", f"model.engine={engine}")
    options = (*chosen, *settings(epochs), "--data-dir", data_dir, "--run-dir")
    reference, run = tmp_path / "reference", tmp_path / "run"
    finish(*options, reference)

    moments, kills = random.Random(recipe), 0
    arguments = (*options, run)
    while kills < KILLS:
        process, _ = start_and_wait_for_training(*arguments)
        time.sleep(moments.uniform(0, 1.5))
        process.kill()
        process.wait()
        kills += process.returncode == -signal.SIGKILL
        arguments = ("--resume", run)
        if process.returncode == 0:
            break
    finish("--resume", run)
    assert_same_run(run, reference)
    assert kills == KILLS
    print(f"\n{recipe}, {engine}: {kills} kills, {kills} resumes, differences: none", file=sys.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_the_state_at_once_and_tells_how_to_go_on(number, code, data_dir, tmp_path):
    run = tmp_path / "run"
    options = ("--model", "lstm-dropout", *settings(500), "--data-dir", data_dir, "--run-dir", run)
    process, heard = start_and_wait_for_training(*options)
    time.sleep(1)
    sent = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=20) == code
    assert time.monotonic() - sent < 10
    time.sleep(0.2)
    told = "".join(heard)
    assert f"jenacast train --resume {run}" in told
    assert "Traceback" not in told
    assert (run / "state.npz").exists()
    assert not (run / "train.lock").exists()


def test_a_finished_run_says_so_and_may_be_trained_further(data_dir, tmp_path, jenacast):
    short, long = tmp_path / "short", tmp_path / "long"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    assert jenacast("train", *options, short).exit_code == 0
    again = jenacast("train", "--resume", short)
    assert again.exit_code == 0
    assert "finished: nothing to do" in again.stderr
    assert again.stdout == f"{short / 'best.keras'}\n"

    assert jenacast("train", "--resume", short, "--epochs", 4).exit_code == 0
    assert jenacast("train", *options, long, "--epochs", 4).exit_code == 0
    assert_same_run(short, long)
    lowered = jenacast("train", "--resume", short, "--epochs", 3)
    assert lowered.exit_code == 1
    assert "may only be raised" in lowered.stderr


def test_a_run_killed_before_its_first_state_starts_from_its_beginning(data_dir, tmp_path, jenacast):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    assert jenacast("train", *options, whole).exit_code == 0
    assert jenacast("train", *options, cut).exit_code == 0
    for file in cut.iterdir():
        if file.name not in ("config.toml", "run.json"):
            file.unlink()
    assert jenacast("train", "--resume", cut).exit_code == 0
    assert_same_run(cut, whole)


def test_a_run_killed_between_its_last_state_and_its_report_is_reported(data_dir, tmp_path, jenacast):
    run, other = tmp_path / "run", tmp_path / "other"
    options = ("--model", "dense", *settings(2), "--data-dir", data_dir, "--run-dir")
    assert jenacast("train", *options, run).exit_code == 0
    assert jenacast("train", *options, other, "--epochs", 1).exit_code == 0
    told = outcome(run)
    (run / "metrics.json").write_bytes((other / "metrics.json").read_bytes())  # as an earlier sitting left it
    assert jenacast("train", "--resume", run).exit_code == 0
    assert outcome(run) == told


@pytest.fixture
def finished(data_dir, tmp_path, jenacast):
    run = tmp_path / "run"
    done = jenacast("train", "--model", "dense", *settings(1), "--data-dir", data_dir, "--run-dir", run)
    assert done.exit_code == 0, done.stderr
    return run


def test_changed_settings_are_refused_by_name(finished, jenacast):
    config = finished / "config.toml"
    config.write_text(config.read_text().replace("learning_rate = 0.001", "learning_rate = 0.002"))
    refused = jenacast("train", "--resume", finished, "--epochs", 2)
    assert refused.exit_code == 1
    assert "train.learning_rate: 0.001, now 0.002" in refused.stderr


def test_changed_data_are_refused_by_their_hash(finished, data_dir, jenacast):
    manifest = data_dir / "prepared" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "source_sha256": "0" * 64}))
    refused = jenacast("train", "--resume", finished, "--epochs", 2)
    assert refused.exit_code == 1
    assert content["source_sha256"] in refused.stderr
    assert "0" * 64 in refused.stderr


def test_a_damaged_state_is_an_error_with_what_is_left(finished, jenacast):
    state = finished / "state.npz"
    state.write_bytes(state.read_bytes()[:1000])
    refused = jenacast("train", "--resume", finished, "--epochs", 2)
    assert refused.exit_code == 1
    assert "best.keras can be used" in refused.stderr


def test_a_second_process_on_a_run_is_refused_with_the_first_ones_id(finished, jenacast):
    holder = (
        "import sys, time; from pathlib import Path; from jenacast.lock import process_lock\n"
        "with process_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    lock = finished / "train.lock"
    with subprocess.Popen([sys.executable, "-c", holder, lock], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        refused = jenacast("train", "--resume", finished, "--epochs", 2)
        assert refused.exit_code == 1
        assert f"in use by process {process.pid}" in refused.stderr
        process.kill()
    assert lock.exists()  # left behind by a process that died
    assert jenacast("train", "--resume", finished, "--epochs", 2).exit_code == 0


def test_a_lock_is_gone_after_its_block(tmp_path):
    with process_lock(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / "lock").exists()


def test_resume_goes_with_epochs_alone(finished, jenacast):
    assert jenacast("train", "--resume", finished, "--seed", 1).exit_code == 2
    refused = jenacast("train", "--resume", finished.parent)
    assert refused.exit_code == 1
    assert "not a run folder" in refused.stderr


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_step(data_dir, tmp_path, jenacast):
    values = np.load(data_dir / "prepared" / "values.npy")
    values[400] = 1e38  # finite, and so taken; its square is not
    np.save(data_dir / "prepared" / "values.npy", values)
    options = ("--model", "dense", *settings(3), "--data-dir", data_dir, "--run-dir", tmp_path / "run")
    done = jenacast("train", *options)
    assert done.exit_code == 1
    assert "not finite at step" in done.stderr
    assert "train.learning_rate" in done.stderr
