import json
import multiprocessing
import os
import re
import signal
import socket
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import optuna
import pytest
from conftest import refused
from warm import Command

from jenacast.config import load_config
from jenacast.experiments.run_set import RunSet
from jenacast.sweep import Pruner, worker
from jenacast.sweep import storage as storages
from jenacast.sweep import study as studies
from jenacast.sweep.results import read_result
from jenacast.sweep.run import Place, open_study
from jenacast.sweep.samplers import make_pruner
from jenacast.sweep.space_file import load_space
from jenacast.sweep.trials import Objective
from jenacast.training import run_folder

SPACE = """
name = "small"
recipe = "dense"
data.history_hours = 12
train.epochs = 3
train.batch_size = 64
train.learning_rate = { low = 1e-3, high = 1e-2, log = true }
model.units = { low = 2, high = 6 }
"""
# A climatology takes a year, and the made-up series has two months
FAILING = SPACE.replace('"dense"', '"best"').replace("units = { low = 2, high = 6 }", "units = { low = 16, high = 18 }")


@pytest.fixture
def place(tmp_path, data_dir):
    """A function that writes a space and returns the arguments of its sweep."""

    def arguments(space=SPACE, folder="sweep", **options):
        (tmp_path / "space.toml").write_text(space)
        given = {"trials": 3, "pruner": "none", "run-dir": tmp_path / folder, "data-dir": data_dir} | options
        return [
            "sweep",
            tmp_path / "space.toml",
            *(part for key, value in given.items() for part in (f"--{key}", value)),
        ]

    return arguments


def result_of(folder):
    return read_result(open_study(str(folder), "")[0])


def test_a_sweep_is_run_folders_and_a_study_and_goes_on_with_the_same_command(place, jenacast, tmp_path):
    announced = re.findall("^# (.*)", jenacast(*place(), "--dry-run").stdout, flags=re.MULTILINE)
    done = jenacast(*place(), "--json")
    assert done.exit_code == 0, done.stderr
    told, result = json.loads(done.stdout), result_of(tmp_path / "sweep")
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    params = [", ".join(f"{name}={value}" for name, value in trial.params.items()) for trial in result.trials]
    assert params == announced
    outcomes = [run_folder.read_outcome(Path(trial.run)) for trial in result.trials]
    assert [trial.val_mae_c for trial in result.trials] == [outcome.val_mae_c for outcome in outcomes]
    for trial, outcome in zip(result.trials, outcomes, strict=True):
        config, epochs = load_config(Path(trial.run) / run_folder.CONFIG), run_folder.read_history(Path(trial.run))
        assert trial.params == {"train.learning_rate": config.train.learning_rate, "model.units": config.model.units}
        assert trial.curve_c == list(accumulate((epoch["val_mae_c"] for epoch in epochs), min))
        assert (trial.state, trial.epochs, trial.host) == ("complete", 3, socket.gethostname())
        assert outcome.finished
    best = min(result.trials, key=lambda trial: trial.val_mae_c)
    assert (told["best"]["number"], told["best"]["val_mae_c"]) == (best.number, best.val_mae_c)
    assert (told["complete"], told["pruned"], told["failed"]) == (3, 0, 0)
    lines = [line for line in done.stderr.splitlines() if line.startswith("trial ")]
    assert [line.split(":")[0] for line in lines] == ["trial 0", "trial 1", "trial 2"]
    assert f"best {best.val_mae_c:.3f} °C (trial {best.number}); 3 of 3 done" in lines[-1]

    # Nothing is left to do; then one more is wanted.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sweep").glob("trial-*/*")}
    assert jenacast(*place()).stdout.strip() == best.run
    more = jenacast(*place(trials=4))
    assert "going on with the sweep small, which has begun 3 trials" in more.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [trial.params for trial in result_of(tmp_path / "sweep").trials[:3]] == [t.params for t in result.trials]

    compared = json.loads(jenacast("compare", *(trial.run for trial in result.trials), "--format", "json").stdout)
    assert sorted(row["val_mae_c"] for row in compared) == sorted(trial.val_mae_c for trial in result.trials)

    # Another plan under the same name is refused, with what differs.
    other = SPACE.replace("high = 6", "high = 8").replace("epochs = 3", "epochs = 2")
    refused(
        jenacast(*place(other)),
        *("'small'", "space.settings.dense.train.epochs: 3, now 2", "space.search.model.units.high: 6, now 8"),
    )
    refused(jenacast(*place(), "--seeds", 2), "seeds: [0], now [0, 1]")


def test_the_report_says_it_all_and_its_winner_can_be_trained(place, jenacast, tmp_path):
    assert jenacast(*place()).exit_code == 0
    done = jenacast("sweep-report", tmp_path / "sweep")
    report = tmp_path / "sweep" / "report"
    assert done.stdout.strip() == str(report / "winner.toml")
    assert {path.name for path in report.iterdir()} == {"report.html", "history.png", "parallel.png", "winner.toml"}
    best = result_of(tmp_path / "sweep").complete[0]
    winner, trained = load_config(report / "winner.toml"), load_config(Path(best.run) / run_folder.CONFIG)
    assert winner.model_copy(update={"name": "", "summary": "", "source": ""}) == trained.model_copy(
        update={"name": "", "summary": "", "source": ""}
    )
    assert len((report / "winner.toml").read_text().splitlines()) < 40
    refused(jenacast("sweep-report", tmp_path / "sweep"), "--force")
    assert jenacast("sweep-report", tmp_path / "sweep", "--force").exit_code == 0
    refused(jenacast("sweep-report", tmp_path), "sweep.json not found")


def test_a_sweep_of_one_worker_can_be_repeated(place, jenacast, tmp_path):
    for folder in ("one", "two"):
        assert jenacast(*place(folder=folder, trials=2)).exit_code == 0
    one, two = (result_of(tmp_path / folder).trials for folder in ("one", "two"))
    assert [(trial.params, trial.val_mae_c) for trial in one] == [(trial.params, trial.val_mae_c) for trial in two]
    assert len({tuple(trial.params.values()) for trial in one}) == 2


def test_a_trial_with_seeds_counts_by_their_mean_and_is_a_folder_of_seeds(place, jenacast, tmp_path):
    assert jenacast(*place(trials=1), "--seeds", 2).exit_code == 0
    trial = result_of(tmp_path / "sweep").trials[0]
    maes = [run_folder.read_outcome(Path(trial.run) / f"seed-{seed}").val_mae_c for seed in (0, 1)]
    assert trial.val_mae_c == pytest.approx(statistics.mean(maes), rel=1e-12)
    assert trial.val_mae_std_c == pytest.approx(statistics.stdev(maes), rel=1e-12)
    assert trial.epochs == 6
    assert json.loads((Path(trial.run) / "summary.json").read_text())["val_maes_c"] == maes


def test_a_grid_is_gone_through_once(place, jenacast, tmp_path):
    space = SPACE.replace("{ low = 1e-3, high = 1e-2, log = true }", "{ choices = [0.001, 0.01] }").replace(
        "= 6", "= 3"
    )
    assert jenacast(*place(space.replace("epochs = 3", "epochs = 1"), trials=50), "--sampler", "grid").exit_code == 0
    params = [tuple(trial.params.values()) for trial in result_of(tmp_path / "sweep").trials]
    assert sorted(params) == [(0.001, 2), (0.001, 3), (0.01, 2), (0.01, 3)]
    refused(jenacast(*place(folder="endless"), "--sampler", "grid"), "a grid needs", "train.learning_rate")
    assert not (tmp_path / "endless").exists()


def test_trials_worse_than_the_median_of_the_others_end_early(place, jenacast, tmp_path):
    space = SPACE.replace("{ low = 1e-3, high = 1e-2, log = true }", "{ choices = [1e-2, 1e-3, 1e-4] }")
    done = jenacast(*place(space, trials=8), "--pruner", "median", "--sampler", "random")
    assert done.exit_code == 0, done.stderr
    trials = result_of(tmp_path / "sweep").trials
    complete = [trial for trial in trials if trial.state == "complete"]

    def is_worse(trial, epoch):
        others = [other for other in complete if other.number < trial.number]
        median = statistics.median(other.curve_c[epoch - 1] for other in others)
        return min(trial.curve_c[:epoch]) > median

    for trial in trials[5:]:  # the first five are whole ones to compare with
        verdicts = [is_worse(trial, epoch) for epoch in range(1, min(trial.epochs, 2) + 1)]  # the last does not matter
        assert verdicts == [False] * (len(verdicts) - 1) + [trial.state == "pruned"]
    pruned = [trial for trial in trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs == 3 for trial in complete)
    for trial in pruned:
        outcome = run_folder.read_outcome(Path(trial.run))
        assert not outcome.finished
        assert outcome.epochs == trial.epochs == len(trial.curve_c) < 3
        assert f"trial {trial.number}: pruned after epoch {trial.epochs}" in done.stderr


@pytest.mark.parametrize(
    ("pruner", "first", "share"),
    [("none", None, 1.0), ("halving", 3, 0.34), ("hyperband", 3, 0.67), ("median", 5, 0.67)],
)
def test_no_pruner_judges_by_the_first_epochs(pruner, first, share, tmp_path):
    """On 60 made-up trials of 27 epochs, whose order at the beginning says nothing of that at the end."""
    (tmp_path / "space.toml").write_text(SPACE.replace("epochs = 3", "epochs = 27"))
    study = optuna.create_study(pruner=make_pruner(Pruner(pruner), load_space(tmp_path / "space.toml")))
    made, ended = np.random.default_rng(0), []
    for _ in range(60):
        trial, curve = study.ask(), np.linspace(made.uniform(3, 4), made.uniform(2, 3), 27)
        for epoch, mae_c in enumerate(curve, start=1):
            trial.report(mae_c, epoch)
            if trial.should_prune():
                break
        ended.append(epoch)
        state = None if epoch == 27 else optuna.trial.TrialState.PRUNED
        study.tell(trial, curve[-1] if state is None else None, state=state)
    assert min(ended) == (first or 27)
    assert sum(ended) / (60 * 27) < share + 0.01


def test_three_failures_in_a_row_stop_the_sweep_with_their_cause(place, jenacast, tmp_path):
    done = jenacast(*place(FAILING, trials=5))
    refused(done, "the last 3 trials failed", "a climatology is fitted on a year or more", "(3 of them)", "Mend this")
    trials = result_of(tmp_path / "sweep").trials
    assert [trial.state for trial in trials] == ["failed"] * 3
    assert all("a climatology is fitted on a year or more" in trial.reason for trial in trials)
    assert "trial 2: failed: " in done.stderr

    # Given again, it tries again; what was found before is told.
    refused(jenacast(*place(FAILING, trials=5)), "the last 3 trials failed")
    assert len(result_of(tmp_path / "sweep").trials) == 6
    refused(jenacast("sweep-report", tmp_path / "sweep"), "no trial of 'small' is complete")


def test_what_is_not_a_sweeps_is_left_alone(place, jenacast, tmp_path, data_dir):
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
    refused(jenacast(*place()), "sweeps need optuna", "pip install 'jenacast[sweep]'")


def test_workers_that_come_at_the_same_moment_share_a_new_folder(tmp_path):
    """As on a file system that machines share, where no lock keeps them apart."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)

        def come(number, folder=folder):
            assert RunSet(folder, "sweep.json", Place, "a sweep").join(Place("made", "")) == Place("made", "")
            (folder / f"trial-{number}").mkdir()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(come, range(8)))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush-hush@host/db",
        "postgresql://host/db?password=hush-hush",
        "mysql://me:hush-hush@host/db",
        "hush-hush",
        "postgresql://me:hush-hush@host:port/db",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(url, place, jenacast):
    done = jenacast(*place(), "--storage", url)
    refused(done, "--storage", "PGPASSWORD")
    assert "hush" not in done.stderr


def test_addresses_that_are_taken():
    assert storages.check_url("postgresql://me@host:5433/db") == "postgresql://me@host:5433/db"
    assert storages.check_url("postgresql:///?service=jena") == "postgresql:///?service=jena"


def test_the_time_between_heartbeats_is_checked(monkeypatch, place, jenacast):
    monkeypatch.setenv(storages.HEARTBEAT_VARIABLE, "soon")
    refused(jenacast(*place()), storages.HEARTBEAT_VARIABLE, "'soon'")


# Workers


@dataclass(frozen=True)
class Quick(Objective):
    """Trials that take no time, so that workers meet each other as often as they can."""

    def _train(self, trial, first):
        trial.set_user_attr("pid", os.getpid())
        return self.space.suggest(trial)["train.learning_rate"]


PLAN = studies.Plan({}, [0], "random", "none", "", "strict", True)


def quick(folder, wanted):
    (folder / "space.toml").write_text(SPACE)
    study = studies.join(storages.open_storage(storages.file_url(folder)), "quick", PLAN)
    return study, Quick(load_space(folder / "space.toml"), [0], folder, folder, wanted)


def work_quickly(folder, wanted):
    worker.work(*quick(folder, wanted))


def test_many_processes_share_the_file_and_begin_no_trial_too_many(tmp_path):
    processes = [
        multiprocessing.get_context("spawn").Process(target=work_quickly, args=(tmp_path, 30)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * 4
    trials = quick(tmp_path, 30)[0].get_trials()
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert len(done) == 30
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len({trial.user_attrs["pid"] for trial in done}) > 1
    assert all("surplus" in trial.user_attrs for trial in trials if trial not in done)
    assert len(read_result(quick(tmp_path, 30)[0]).trials) == 30


def test_a_trial_whose_worker_said_nothing_is_given_up(tmp_path, monkeypatch):
    study, objective = quick(tmp_path, 2)
    study.ask()  # by a worker that was lost at that moment
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(worker, "grace_seconds", lambda: 0.5)
    worker.work(study, objective)
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_trial_that_the_database_failed_is_tried_again(tmp_path, caplog):
    study, objective = quick(tmp_path, 2)
    failures = []

    class Failing(Quick):
        def _train(self, trial, first):
            value = super()._train(trial, first)
            if not failures:
                failures.append(trial.number)
                raise optuna.exceptions.StorageInternalError
            return value

    worker.work(study, Failing(objective.space, [0], tmp_path, tmp_path, 2))
    trials = study.get_trials()
    assert [trial.state.name for trial in trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].params == trials[0].params
    assert read_result(study).trials[0].reason == "its worker was lost or stopped; tried again as trial 1"


def test_no_trial_begins_when_the_time_is_over(tmp_path, caplog):
    study, objective = quick(tmp_path, 5)
    worker.work(study, objective, timeout_s=0.0)
    assert study.get_trials() == []


def test_failures_of_before_and_lost_workers_do_not_stop_a_sweep(tmp_path):
    study, _ = quick(tmp_path, 9)
    for reason in ("it diverged", None, "it diverged", None, "it diverged"):
        trial = study.ask()
        if reason:
            trial.set_user_attr("reason", reason)
        study.tell(trial, state=worker.load_optuna().trial.TrialState.FAIL)
    trials = study.get_trials()
    worker.refuse_failures(trials, {0, 2, 4})
    worker.refuse_failures(trials, {2})
    with pytest.raises(worker.JenacastError, match=r"it diverged \(3 of them\)"):
        worker.refuse_failures(trials, ())


def test_workers_that_are_terminated_leave_their_trials_and_others_go_on_with_them(place, tmp_path, monkeypatch):
    monkeypatch.setenv(storages.HEARTBEAT_VARIABLE, "1")
    space = SPACE.replace("epochs = 3", "epochs = 20\ntrain.save_every_seconds = 0.05")
    order = [*place(space), "--workers", 2]
    sweep = Command(*order)
    sweep.wait_until(lambda: len(list((tmp_path / "sweep").glob("trial-*/state.npz"))) == 2, timeout=120)
    sweep.send_signal(signal.SIGTERM)
    assert sweep.wait() == 143
    assert "warning: stopped. To go on, give the same command again" in sweep.stderr
    states = [trial.state for trial in result_of(tmp_path / "sweep").trials]
    assert states.count("waiting") == states.count("failed") >= 1
    assert "running" not in states

    sweep = Command(*order)
    assert sweep.wait() == 0, sweep.stderr
    assert "Traceback" not in sweep.stderr
    result = result_of(tmp_path / "sweep")
    assert len({trial.run for trial in result.complete}) == len(result.complete) == 3
    for trial in result.complete:
        assert run_folder.read_outcome(Path(trial.run)).val_mae_c == trial.val_mae_c
        assert len(trial.curve_c) == 20  # those before the interruption too
    given_up = [trial for trial in result.trials if trial.state == "failed"]
    for trial in given_up:
        again = result.trials[int(trial.reason.split()[-1])]
        assert (again.run, again.params) == (trial.run, trial.params)
