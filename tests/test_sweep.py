"""Sweeps by their command: two with real trainings, the others with made-up ones."""

import json
import re
import signal
import socket
import statistics
import sys
from itertools import accumulate
from pathlib import Path

import pytest
from conftest import refused
from made_sweeps import SPACE
from warm import Command

from jenacast.config import load_config
from jenacast.models.build import with_engine
from jenacast.sweep import storage as storages
from jenacast.sweep.results import read_result
from jenacast.sweep.run import open_study
from jenacast.training import run_folder
from jenacast.training.history import read_history


def result_of(folder):
    return read_result(open_study(str(folder), "")[0])


def test_a_sweep_is_run_folders_and_a_study_and_its_winner_can_be_trained(place, jenacast, tmp_path):
    announced = re.findall("^# (.*)", jenacast(*place(trials=2), "--dry-run").stdout, flags=re.MULTILINE)
    done = jenacast(*place(trials=2), "--json")
    assert done.exit_code == 0, done.stderr
    told, result = json.loads(done.stdout), result_of(tmp_path / "sweep")
    assert [trial.number for trial in result.trials] == [0, 1]
    params = [", ".join(f"{name}={value}" for name, value in trial.params.items()) for trial in result.trials]
    assert params == announced
    for trial in result.trials:
        outcome, epochs = run_folder.read_outcome(Path(trial.run)), read_history(Path(trial.run))
        config = load_config(Path(trial.run) / run_folder.CONFIG)
        assert trial.params == {"train.learning_rate": config.train.learning_rate, "model.units": config.model.units}
        assert trial.curve_c == list(accumulate((epoch["val_mae_c"] for epoch in epochs), min))
        assert (trial.state, trial.epochs, trial.host) == ("complete", 3, socket.gethostname())
        assert (outcome.finished, outcome.val_mae_c) == (True, trial.val_mae_c)
    best = min(result.trials, key=lambda trial: trial.val_mae_c)
    assert (told["best"]["number"], told["best"]["val_mae_c"]) == (best.number, best.val_mae_c)
    assert (told["complete"], told["pruned"], told["failed"]) == (2, 0, 0)
    lines = [line for line in done.stderr.splitlines() if line.startswith("trial ")]
    assert [line.split(":")[0] for line in lines] == ["trial 0", "trial 1"]
    assert lines[-1].endswith(f"best {best.val_mae_c:.3f} °C (trial {best.number}); 2 of 2 done")
    compared = json.loads(jenacast("compare", *(trial.run for trial in result.trials), "--format", "json").stdout)
    assert sorted(row["val_mae_c"] for row in compared) == sorted(trial.val_mae_c for trial in result.trials)

    report = tmp_path / "sweep" / "report"
    assert jenacast("sweep-report", tmp_path / "sweep").stdout.strip() == str(report / "winner.toml")
    assert {path.name for path in report.iterdir()} == {"report.html", "history.png", "parallel.png", "winner.toml"}
    winner = with_engine(load_config(report / "winner.toml"))  # a run has recorded what `auto` stood for
    trained = load_config(Path(best.run) / run_folder.CONFIG)
    assert winner.model_dump(include={"data", "model", "train"}) == trained.model_dump(
        include={"data", "model", "train"}
    )
    assert len((report / "winner.toml").read_text().splitlines()) < 40
    refused(jenacast("sweep-report", tmp_path / "sweep"), "--force")
    assert jenacast("sweep-report", tmp_path / "sweep", "--force").exit_code == 0
    refused(jenacast("sweep-report", tmp_path), "sweep.json not found")


def test_the_same_command_continues_a_sweep_and_another_plan_is_refused(place, jenacast, tmp_path, made_up):
    best = jenacast(*place()).stdout
    params = [trial.params for trial in result_of(tmp_path / "sweep").trials]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("trial-*/*")}
    assert jenacast(*place()).stdout == best
    more = jenacast(*place(trials=4))
    assert "continuing the sweep small, which has begun 3 trials" in more.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [trial.params for trial in result_of(tmp_path / "sweep").trials[:3]] == params

    other = SPACE.replace("high = 6", "high = 8").replace("epochs = 3", "epochs = 2")
    refused(
        jenacast(*place(other)),
        *("'small'", "space.settings.dense.train.epochs: 3, now 2", "space.search.model.units.high: 6, now 8"),
    )
    refused(jenacast(*place(seeds=2)), "seeds: [0], now [0, 1]")
    refused(jenacast(*place(SPACE.replace("small", "other"))), "is of the sweep 'small' in its own file")


def test_a_trial_with_seeds_counts_by_their_mean_and_is_a_folder_of_seeds(place, jenacast, tmp_path, made_up):
    assert jenacast(*place(trials=1, seeds=2)).exit_code == 0
    trial = result_of(tmp_path / "sweep").trials[0]
    maes = [run_folder.read_outcome(Path(trial.run) / f"seed-{seed}").val_mae_c for seed in (0, 1)]
    assert trial.val_mae_c == pytest.approx(statistics.mean(maes), rel=1e-12)
    assert trial.val_mae_std_c == pytest.approx(statistics.stdev(maes), rel=1e-12)
    assert trial.epochs == 6
    assert len(trial.curve_c) == 3  # of the first seed
    assert json.loads((Path(trial.run) / "summary.json").read_text())["val_maes_c"] == maes


def test_a_grid_is_gone_through_once(place, jenacast, tmp_path, made_up):
    space = SPACE.replace("{ low = 1e-3, high = 1e-2, log = true }", "{ choices = [0.001, 0.01] }")
    done = jenacast(*place(space.replace("high = 6", "high = 3"), trials=50, sampler="grid"))
    assert "4 of 4 done" in done.stderr
    params = [tuple(trial.params.values()) for trial in result_of(tmp_path / "sweep").trials]
    assert sorted(params) == [(0.001, 2), (0.001, 3), (0.01, 2), (0.01, 3)]
    refused(jenacast(*place(folder="endless", sampler="grid")), "a grid needs", "train.learning_rate")
    assert not (tmp_path / "endless").exists()


def test_trials_worse_than_the_median_of_the_others_end_early(place, jenacast, tmp_path, made_up):
    space = SPACE.replace("{ low = 1e-3, high = 1e-2, log = true }", "{ choices = [1e-2, 1e-3, 1e-4] }")
    done = jenacast(*place(space, trials=8, pruner="median", sampler="random"))
    found = result_of(tmp_path / "sweep").trials
    for trial in found:
        rates = [other.params["train.learning_rate"] for other in found[: trial.number] if other.state == "complete"]
        is_worse = len(rates) >= 5 and trial.params["train.learning_rate"] < statistics.median(rates)
        assert (trial.state, trial.epochs) == (("pruned", 1) if is_worse else ("complete", 3))
        if is_worse:
            assert not run_folder.read_outcome(Path(trial.run)).finished
            assert f"trial {trial.number}: pruned after epoch 1" in done.stderr
    assert {trial.state for trial in found} == {"complete", "pruned"}


def test_three_failures_in_a_row_stop_the_sweep_with_their_cause(place, jenacast, tmp_path):
    # A climatology takes a year, and the made-up series has two months
    space = SPACE.replace('"dense"', '"lagged"').replace("low = 2, high = 6", "low = 16, high = 18")
    done = jenacast(*place(space, trials=5))
    refused(done, "the last 3 trials failed", "a climatology is fitted on a year or more", "(3 of them)", "Mend this")
    found = result_of(tmp_path / "sweep").trials
    assert [trial.state for trial in found] == ["failed"] * 3
    assert all("a climatology is fitted on a year or more" in trial.reason for trial in found)
    assert "trial 2: failed: " in done.stderr

    # Given again, it tries again; what was found before is told.
    refused(jenacast(*place(space, trials=5)), "the last 3 trials failed")
    assert len(result_of(tmp_path / "sweep").trials) == 6
    refused(jenacast("sweep-report", tmp_path / "sweep"), "no trial of 'small' is complete")


def test_what_is_not_a_sweeps_is_left_alone(place, jenacast, tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "notes.txt").write_text("mine")
    refused(jenacast(*place()), "holds no sweep")
    (tmp_path / "file").write_text("mine")
    refused(jenacast(*place(folder="file")), "is not a folder")
    refused(jenacast(*place(folder="new", **{"data-dir": tmp_path / "nowhere"})), "jenacast prepare")
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["notes.txt"]


def test_without_the_extra_it_says_what_to_install(place, jenacast, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    refused(jenacast(*place()), "sweeps need optuna", "pip install '.[sweep]'")


def test_a_winner_behind_the_baseline_is_said_so(place, jenacast, made_up):
    slow = SPACE.replace("epochs = 3", "epochs = 1").replace("low = 1e-3, high = 1e-2", "low = 1e-5, high = 1e-4")
    told = jenacast(*place(slow, trials=1)).stderr
    assert "warning: the best trial is behind the baseline, the same as now, with 2.500 °C on validation" in told


@pytest.mark.system
def test_terminated_workers_leave_their_trials_and_others_continue_them(place, tmp_path, jenacast, monkeypatch):
    monkeypatch.setenv(storages.HEARTBEAT_VARIABLE, "1")
    space = SPACE.replace("epochs = 3", "epochs = 8\ntrain.save_every_seconds = 0.05")
    order = [*place(space, trials=2), "--workers", 2]
    sweep = Command(*order)
    sweep.wait_until(lambda: len(list((tmp_path / "sweep").glob("trial-*/state.npz"))) == 2, timeout=120)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait() == 143
    assert "warning: stopped. To continue, give the same command again" in sweep.stderr
    states = [trial.state for trial in result_of(tmp_path / "sweep").trials]
    assert states.count("waiting") == states.count("stopped") >= 1
    assert "running" not in states
    assert "Traceback" not in sweep.stderr

    assert jenacast(*order[:-2]).exit_code == 0
    result = result_of(tmp_path / "sweep")
    assert len({trial.run for trial in result.complete}) == len(result.complete) >= 2
    for trial in result.complete:
        assert run_folder.read_outcome(Path(trial.run)).val_mae_c == trial.val_mae_c
        assert len(trial.curve_c) == 8  # those before the interruption too
    given_up = [trial for trial in result.trials if trial.state == "stopped"]
    for trial in given_up:
        again = result.trials[int(trial.reason.split()[-1])]
        assert (again.run, again.params) == (trial.run, trial.params)
