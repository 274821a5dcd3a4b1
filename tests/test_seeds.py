import ctypes
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import assert_same_run, in_this_process

from jenacast import runtime
from jenacast.config import load_recipe
from jenacast.errors import ExistsError, InUseError, JenacastError
from jenacast.experiments import seeds, workers
from jenacast.experiments.seeds import SeedsPlan, resume_seeds, train_seeds
from jenacast.locks import process_lock
from jenacast.training.run_folder import is_run_dir, read_outcome

SMALL = ("data.history_hours=12", "model.units=4", "train.epochs=2", "train.batch_size=133")  # of 665 windows
CONFIG = load_recipe("dense", SMALL)


@pytest.fixture(scope="module")
def trained(_synthetic_data_dir, tmp_path_factory):
    """Two seeds, and their summary."""
    folder = tmp_path_factory.mktemp("seeds") / "seeds"
    plan = SeedsPlan(str(_synthetic_data_dir), [5, 6], require_cudnn=False, tensorboard=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "run_side_by_side", in_this_process)
        return folder, train_seeds(CONFIG, plan, folder)


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of these seeds."""
    return Path(shutil.copytree(trained[0], tmp_path / "my seeds"))


@pytest.fixture
def asked(monkeypatch):
    """The jobs that are asked for, which all fail."""
    jobs = {}
    monkeypatch.setattr(seeds, "run_side_by_side", lambda wanted: jobs.update(wanted) or list(wanted))
    return jobs


def test_the_summary_is_of_the_runs_and_they_are_ordinary(trained, jenacast, tmp_path, data_dir):
    folder, summary = trained
    written = json.loads((folder / "summary.json").read_text())
    assert written == summary.__dict__
    assert written["runs"] == [str(folder / "seed-5"), str(folder / "seed-6")]
    maes = [read_outcome(folder / f"seed-{seed}").val_mae_c for seed in (5, 6)]
    assert (summary.seeds, summary.val_maes_c) == ([5, 6], maes)
    assert summary.val_mae_c == pytest.approx(statistics.mean(maes), rel=1e-12)
    assert summary.val_mae_std_c == pytest.approx(statistics.stdev(maes), rel=1e-12)
    mean = jenacast("evaluate", folder, "--data-dir", data_dir, "--json")
    assert json.loads(mean.stdout)["members"] == [str(folder / f"seed-{seed}" / "best.keras") for seed in (5, 6)]
    assert "the mean of 2 networks" in mean.stderr

    # Each seed has the result that it has alone.
    settings = [word for setting in SMALL for word in ("--set", setting)]
    place = ("--data-dir", data_dir, "--run-dir", tmp_path / "alone")
    assert jenacast("train", "--model", "dense", *settings, "--seed", 6, *place).exit_code == 0
    assert read_outcome(tmp_path / "alone").val_mae_c == pytest.approx(maes[1], rel=1e-5)


def test_finished_seeds_are_kept_and_the_others_continue_or_begin(copied, asked, caplog):
    plan, metrics = copied / "plan.json", copied / "seed-6" / "metrics.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"seeds": [5, 6, 7, 8], "require_cudnn": True}))
    metrics.write_text(metrics.read_text().replace('"finished": true', '"finished": false'))
    (copied / "seed-7").mkdir()
    shutil.copy(copied / "seed-6" / "config.toml", copied / "seed-7")  # killed before it wrote its record
    with pytest.raises(JenacastError, match="seed 6, seed 7, seed 8 failed"):
        resume_seeds(copied)
    assert f"To continue: jenacast train --resume '{copied}'" in caplog.text
    assert asked["seed 6"] == ["train", "--resume", str(copied / "seed-6")]
    for seed in ("7", "8"):
        words = {"--force", "--require-cudnn", "--seed", seed, str(copied / f"seed-{seed}")}
        assert words < set(asked.pop(f"seed {seed}"))
    assert set(asked) == {"seed 6"}


def test_force_replaces_the_old_seeds_and_nothing_else(copied, monkeypatch, data_dir):
    mine = [copied / "seed-5" / "notes.txt", copied / "seed-6-copy" / "metrics.json", copied / "seed-7" / "notes.txt"]
    shutil.copytree(copied / "seed-6", mine[1].parent)
    mine[2].parent.mkdir()
    for path in (mine[0], mine[2]):
        path.write_text("mine")
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    plan = SeedsPlan(str(data_dir), [8], require_cudnn=False, tensorboard=False)

    with (
        process_lock(copied / "seed-6" / "train.lock"),
        pytest.raises(InUseError, match=f"seed-6 is in use by process {os.getpid()}"),
    ):
        train_seeds(CONFIG, plan, copied, force=True)
    (copied / "seed-6" / "evaluation-val.png").mkdir()
    with pytest.raises(ExistsError, match=r"evaluation-val.png is not a regular file"):
        train_seeds(CONFIG, plan, copied, force=True)
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before
    (copied / "seed-6" / "evaluation-val.png").rmdir()

    monkeypatch.setattr(seeds, "run_side_by_side", in_this_process)
    assert train_seeds(CONFIG, plan, copied, force=True).seeds == [8]
    runs = [path for path in copied.glob("seed-*") if is_run_dir(path)]
    assert sorted(runs) == [copied / "seed-6-copy", copied / "seed-8"]
    assert not (copied / "seed-6").exists()
    assert [path.read_bytes() for path in mine] == [before[path] for path in mine]
    assert [path.name for path in (copied / "seed-5").iterdir()] == ["notes.txt"]


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


def test_wrong_usage_is_reported(tmp_path, jenacast):
    assert jenacast("train", "--model", "dense", "--seeds", 0).exit_code == 2
    (tmp_path / "plan.json").write_text("{}")
    assert jenacast("train", "--resume", tmp_path, "--epochs", 9).exit_code == 2
    assert jenacast("train", "--resume", tmp_path, "--seeds", 2).exit_code == 2


# --- as processes -----------------------------------------------------------------------------------------------


def start(*arguments, python=()):
    command = [sys.executable, *python, "-m", "jenacast", "train", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.system
def test_processes_that_were_terminated_and_resumed_train_the_same_seeds(data_dir, tmp_path):
    settings = (*SMALL[:2], "train.epochs=5", "train.batch_size=19", "train.save_every_seconds=0.01")
    options = ["--model", "dense", *(word for setting in settings for word in ("--set", setting)), "--seeds", 2]
    options += ["--seed", 5, "--data-dir", data_dir, "--run-dir"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = start(*options, whole, "--json", python=("-X", "importtime"))
    answer, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert json.loads(answer) == json.loads((whole / "summary.json").read_text())
    assert "seed 6: epoch 5/5" in log
    cores = len(workers.device_shares(2)[0].cores)
    if hasattr(os, "sched_setaffinity"):
        device = json.loads((whole / "seed-5" / "run.json").read_text())["device"]
        assert device == f"CPU, {cores} core{'' if cores == 1 else 's'}"
    if not has_driver():  # else TensorFlow is asked for the GPUs
        imported = {line.split("|")[2].strip() for line in log.splitlines() if line.count("|") == 2}
        assert "jenacast.experiments.workers" in imported
        assert not imported & {"tensorflow", "keras"}

    process = start(*options, cut)
    until = time.monotonic() + 60
    while not list(cut.glob("seed-*/state.npz")):
        assert time.monotonic() < until
        time.sleep(0.05)
    children = [int(lock.read_text()) for lock in cut.glob("seed-*/train.lock")]
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"jenacast train --resume {cut}" in log
    assert "Traceback" not in log
    assert children
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert not (cut / "summary.json").exists()

    process = start("--resume", cut, "--json")
    resumed, log = process.communicate(timeout=120)
    assert process.returncode == 0, log
    assert json.loads(resumed)["val_maes_c"] == json.loads(answer)["val_maes_c"]
    for seed in (5, 6):
        assert_same_run(cut / f"seed-{seed}", whole / f"seed-{seed}")


def has_driver():
    try:
        ctypes.CDLL(runtime.DRIVER_LIBRARY)
    except OSError:
        return False
    return True
