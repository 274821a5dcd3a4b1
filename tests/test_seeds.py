import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from ctypes.util import find_library

import pytest
from test_resume import assert_same_run

from jenacast.experiments import workers
from jenacast.files import process_lock
from jenacast.training.run_folder import is_run_dir, read_outcome

SETTINGS = (
    *("--model", "dense", "--set", "data.history_hours=12", "--set", "model.units=4"),
    *("--set", "train.batch_size=32", "--set", "train.save_every_seconds=0.01"),
)


def start(*arguments, python=()):
    command = [sys.executable, *python, "-m", "jenacast", "train", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def holders(locks):
    """Process ids that hold these locks."""
    return [int(lock.read_text()) for lock in locks if lock.exists() and lock.read_text().strip()]


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def whole(_synthetic_data_dir, tmp_path_factory):
    """Two seeds trained without a break, as `--json` tells of them."""
    folder = tmp_path_factory.mktemp("seeds") / "whole"
    process = start(*SETTINGS, "--epochs", 5, "--seeds", 2, "--seed", 5, "--data-dir", _synthetic_data_dir,
                    "--run-dir", folder, "--json", python=("-X", "importtime"))  # fmt: skip
    told, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    return folder, json.loads(told), log


def test_the_summary_is_of_the_runs_and_they_are_ordinary(whole, jenacast):
    folder, told, log = whole
    assert told == json.loads((folder / "summary.json").read_text())
    assert told["seeds"] == [5, 6]
    maes = [read_outcome(folder / f"seed-{seed}").val_mae_c for seed in (5, 6)]
    assert told["val_maes_c"] == maes
    assert told["val_mae_c"] == pytest.approx(statistics.mean(maes), rel=1e-12)
    assert told["val_mae_std_c"] == pytest.approx(statistics.stdev(maes), rel=1e-12)
    assert "seed 6: epoch 5/5" in log
    compared = jenacast("compare", *(folder / f"seed-{seed}" for seed in (5, 6)), "--format", "json")
    assert json.loads(compared.stdout)[0]["seeds"] == [5, 6]


def test_the_process_that_only_waits_for_the_others_does_not_import_tensorflow(whole):
    try:
        ctypes.CDLL(workers.DRIVER_LIBRARY)
    except OSError:
        imported = {line.split("|")[2].strip() for line in whole[2].splitlines() if line.count("|") == 2}
        assert "jenacast.experiments.workers" in imported
        assert not imported & {"tensorflow", "keras"}
    else:
        pytest.skip("there is a driver here, and TensorFlow is asked for the GPUs")


def test_each_seed_ends_as_it_does_alone(whole, data_dir, tmp_path, jenacast):
    place = ("--data-dir", data_dir, "--run-dir", tmp_path / "alone")
    assert jenacast("train", *SETTINGS, "--epochs", 5, "--seed", 6, *place).exit_code == 0
    alone, beside = read_outcome(tmp_path / "alone"), read_outcome(whole[0] / "seed-6")
    assert beside.val_mae_c == pytest.approx(alone.val_mae_c, rel=1e-5)
    assert beside.best_epoch == alone.best_epoch


def test_seeds_that_were_terminated_and_killed_and_resumed_are_the_same_seeds(whole, data_dir, tmp_path):
    folder = tmp_path / "seeds"
    process = start(*SETTINGS, "--epochs", 5, "--seeds", 2, "--seed", 5, "--data-dir", data_dir,
                    "--run-dir", folder)  # fmt: skip
    wait_for(lambda: list(folder.glob("seed-*/state.npz")))
    children = holders(folder.glob("seed-*/train.lock"))
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"jenacast train --resume {folder}" in log
    assert "Traceback" not in log
    assert children
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert not (folder / "summary.json").exists()

    # One that is killed is named, and the others are kept.
    process = start("--resume", folder)
    lock = folder / "seed-6" / "train.lock"
    wait_for(lambda: holders([lock]))
    os.kill(*holders([lock]), signal.SIGKILL)
    _, log = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error: seed 6 failed" in log
    assert f"jenacast train --resume {folder}" in log
    assert read_outcome(folder / "seed-5").finished
    finished = (folder / "seed-5" / "best.keras").stat().st_mtime_ns

    process = start("--resume", folder, "--json")
    told, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert json.loads(told)["val_maes_c"] == whole[1]["val_maes_c"]
    for seed in (5, 6):
        assert_same_run(folder / f"seed-{seed}", whole[0] / f"seed-{seed}")
    assert (folder / "seed-5" / "best.keras").stat().st_mtime_ns == finished


def test_force_replaces_the_seeds_of_before_and_nothing_else(whole, data_dir, tmp_path, jenacast):
    folder = shutil.copytree(whole[0], tmp_path / "seeds")
    mine = [folder / "seed-5" / "notes.txt", folder / "seed-6-copy" / "metrics.json", folder / "seed-7" / "notes.txt"]
    shutil.copytree(folder / "seed-6", mine[1].parent)
    mine[2].parent.mkdir()
    for path in (mine[0], mine[2]):
        path.write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    options = (*SETTINGS, "--epochs", 1, "--seeds", 1, "--seed", 8, "--data-dir", data_dir, "--run-dir", folder)

    with process_lock(folder / "seed-6" / "train.lock"):
        refused = jenacast("train", *options, "--force")
    assert refused.exit_code == 1
    assert f"{folder / 'seed-6'} is in use by process {os.getpid()}" in refused.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    done = jenacast("train", *options, "--force")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(folder)
    runs = [path for path in folder.glob("seed-*") if is_run_dir(path)]
    assert sorted(runs) == [folder / "seed-6-copy", folder / "seed-8"]
    assert read_outcome(folder / "seed-8").finished
    assert not (folder / "seed-6").exists()
    assert [path.read_bytes() for path in mine] == [before[path] for path in mine]
    assert [path.name for path in (folder / "seed-5").iterdir()] == ["notes.txt"]


def test_nothing_is_overwritten_unasked(trained_run, data_dir, tmp_path, jenacast):
    options = ("train", "--model", "dense", "--seeds", 2, "--data-dir", data_dir, "--run-dir")
    refused = jenacast(*options, trained_run)
    assert refused.exit_code == 1
    assert "exists and holds no seeds" in refused.stderr

    folder = tmp_path / "seeds"
    folder.mkdir()
    (folder / "plan.json").write_text('{"data_dir": "data", "seeds": "five"}')
    assert "continue with --resume" in jenacast(*options, folder).stderr
    damaged = jenacast("train", "--resume", folder)
    assert damaged.exit_code == 1
    assert "plan.json is damaged (seeds" in damaged.stderr


def test_wrong_usage_is_told(tmp_path, jenacast):
    assert jenacast("train", "--model", "dense", "--seeds", 0).exit_code == 2
    (tmp_path / "plan.json").write_text("{}")
    assert jenacast("train", "--resume", tmp_path, "--epochs", 9).exit_code == 2
    assert jenacast("train", "--resume", tmp_path, "--seeds", 2).exit_code == 2


@pytest.mark.parametrize(
    ("jobs", "cores", "gpus", "visible", "expected"),
    [
        (2, {0, 1, 2, 3}, 0, None, [({0, 2}, None), ({1, 3}, None)]),
        (8, {4, 6}, 0, None, [({4}, None), ({6}, None)]),
        (1, {0, 1}, 0, None, [({0, 1}, None)]),
        (4, {0, 1, 2}, 2, None, [({0, 2}, "0"), ({1}, "1")]),
        (4, {0, 1}, 2, "3,5", [({0}, "3"), ({1}, "5")]),
        (1, {0, 1}, 2, None, [({0, 1}, "0")]),
        (0, {0, 1}, 0, None, []),
    ],
)
def test_the_machine_is_cut_into_shares(jobs, cores, gpus, visible, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(workers, "DRIVER_LIBRARY", find_library("c") if gpus else "libabsent.so.1")
    monkeypatch.setattr(workers, "count_gpus", lambda: gpus or pytest.fail("TensorFlow is asked"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [(set(share.cores), share.gpu) for share in workers.shares(jobs)] == expected


@pytest.mark.parametrize(
    ("at_once", "cores", "gpus", "expected"),
    [
        (2, {0, 1, 2, 3}, 0, [({0, 2}, None), ({1, 3}, None)]),
        (3, {4, 6}, 0, [({4}, None), ({6}, None), ({4}, None)]),
        (3, {0, 1, 2}, 2, [({0}, "0"), ({1}, "1"), ({2}, "0")]),
    ],
)
def test_as_many_shares_as_wanted_even_where_they_overlap(at_once, cores, gpus, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(workers, "_count_gpus", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [(set(share.cores), share.gpu) for share in workers.shares(at_once, at_once)] == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="binds processes to cores on Linux alone")
def test_a_process_is_bound_to_its_share(whole):
    record = json.loads((whole[0] / "seed-5" / "run.json").read_text())
    shares = workers.shares(2)
    assert record["device"] == f"CPU, {len(shares[0].cores)} core{'' if len(shares[0].cores) == 1 else 's'}"
