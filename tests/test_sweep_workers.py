"""What workers make of trials, tried with trials that take no time."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import optuna
import pytest

from jenacast.cli.app import Terminated
from jenacast.errors import JenacastError
from jenacast.experiments.run_set import RunSet
from jenacast.sweep import worker
from jenacast.sweep.results import read_trials
from jenacast.sweep.run import StudyLocation
from jenacast.sweep.samplers import make_pruner, make_sampler
from jenacast.sweep.space_file import load_space
from jenacast.sweep.storage import STUDY_FILE, open_storage
from jenacast.sweep.study import SweepPlan, SweepRequest, join_study
from jenacast.sweep.trials import Objective

SPACE = """
train.epochs = 27
train.learning_rate = { low = 1e-3, high = 1e-2, log = true }
"""
PLAN = SweepPlan({"settings": {}, "search": {}}, [0], "random", "none", "", "strict", True)
LOST = "its worker was lost or stopped"


@dataclass(frozen=True)
class Quick(Objective):
    """Trials that take no time, so that workers meet each other as often as they can."""

    def _train(self, trial, first):
        trial.set_user_attr("pid", os.getpid())
        return self.request.space.suggest(trial)["train.learning_rate"]


def request_of(folder, trials=2):
    (folder / "space.toml").write_text(SPACE)
    return SweepRequest(load_space(folder / "space.toml"), trials, 1, "random", "none", folder, folder)


@pytest.fixture
def request_2(tmp_path):
    """Two trials that are wanted."""
    return request_of(tmp_path)


@pytest.fixture
def study():
    """A study in memory."""
    return optuna.create_study()


def states(study):
    return [trial.state.name for trial in study.get_trials()]


def work_quickly(folder, request, together):
    study = join_study(open_storage(folder / STUDY_FILE), "quick", PLAN)
    together.wait(100)  # else the first may be done before the last has started
    worker.work(study, Quick(request))


@pytest.mark.system
def test_many_processes_share_the_file_and_begin_hardly_a_trial_too_many(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    together, request = spawn.Barrier(3), request_of(tmp_path, 15)
    processes = [spawn.Process(target=work_quickly, args=(tmp_path, request, together)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * 3
    trials = join_study(open_storage(tmp_path / STUDY_FILE), "quick", PLAN).get_trials()
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert 15 <= len(trials) <= 17  # all three may begin the last one at the same moment
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len({trial.user_attrs["pid"] for trial in trials}) > 1


def test_workers_that_come_at_the_same_moment_share_a_new_folder(tmp_path):
    """As on a file system that machines share, where no lock keeps them apart."""
    for attempt in range(20):
        folder = tmp_path / str(attempt)

        def come(number, folder=folder):
            location = StudyLocation("made", "")
            assert RunSet(folder, "sweep.json", StudyLocation, "a sweep").join(location) == location
            (folder / f"trial-{number}").mkdir()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(come, range(8)))


def test_a_worker_waits_for_the_last_trial_of_another_one(study, request_2, monkeypatch, caplog):
    other = study.ask()
    other.set_user_attr("host", "there")
    monkeypatch.setattr(worker.time, "sleep", lambda _: study.tell(other, 1.0))
    with caplog.at_level("INFO"):
        worker.work(study, Quick(request_2))
    assert states(study) == ["COMPLETE", "COMPLETE"]
    assert "waiting for other workers: trial 0" in caplog.messages


def test_a_trial_whose_worker_said_nothing_is_not_waited_for(study, request_2):
    study.ask()  # by a worker that was lost at that moment
    worker.work(study, Quick(request_2))
    assert states(study) == ["RUNNING", "COMPLETE", "COMPLETE"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated, optuna.exceptions.StorageInternalError])
def test_an_interrupted_trial_is_queued_again_and_taken_over(study, request_2, error, monkeypatch):
    objective, firsts = Quick(request_2), []

    def interrupted(self, trial, first):
        firsts.append(first)
        value = original(self, trial, first)
        if len(firsts) == 1:
            raise error
        return value

    original = Quick._train
    monkeypatch.setattr(Quick, "_train", interrupted)
    if error is not optuna.exceptions.StorageInternalError:  # of the database, which may be back at once
        with pytest.raises(error):
            worker.work(study, objective)
        assert states(study) == ["FAIL", "WAITING"]
    worker.work(study, objective)
    trials = study.get_trials()
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert trials[1].params == trials[0].params
    assert firsts == [0, 0, 2]  # the second try knows whose folder it continues in
    first = read_trials(trials)[0]
    assert (first.state, first.reason) == ("stopped", f"{LOST}; tried again as trial 1")


@pytest.mark.parametrize("is_reporting", [True, False])
def test_a_suspended_worker_loses_its_trial_and_takes_the_next(study, request_2, is_reporting, monkeypatch, caplog):
    def suspended(self, trial, first):
        value = original(self, trial, first)
        if not trial.number:  # meanwhile another worker has given up on it
            study._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
        if is_reporting:
            trial.report(value, 1)
        return value

    original = Quick._train
    monkeypatch.setattr(Quick, "_train", suspended)
    worker.work(study, Quick(request_2))
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert "trial 0 was given to another worker, since this one was not heard of" in caplog.messages


def test_a_sweep_of_one_worker_can_be_repeated(request_2):
    one, two = (optuna.create_study(sampler=make_sampler("tpe", request_2.space, [0, 0])) for _ in range(2))
    for study in (one, two):
        worker.work(study, Quick(replace(request_2, trials=15)))  # after ten, results guide the choice
    assert [trial.params for trial in one.get_trials()] == [trial.params for trial in two.get_trials()]
    assert len({trial.value for trial in one.get_trials()}) == 15


def test_no_trial_begins_when_the_time_is_over(study, request_2):
    worker.work(study, Quick(replace(request_2, timeout_s=0.0)))
    assert study.get_trials() == []


def test_a_line_says_how_far_the_sweep_is(study, request_2):
    study.enqueue_trial({"train.learning_rate": 0.002})
    worker.work(study, Quick(replace(request_2, trials=1)))
    study.ask()
    said = worker.describe_trial(study.get_trials(), 0, wanted=11, most_s=0.0)
    assert said == "trial 0: validation MAE 0.002 °C; best 0.002 °C (trial 0); 1 of 11 done; about 0 s left"


def test_failures_of_before_and_lost_workers_do_not_stop_a_sweep(study):
    for reason in ("it diverged", None, "it diverged", None, "it diverged"):
        trial = study.ask()
        if reason:
            trial.set_user_attr("reason", reason)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    trials = study.get_trials()
    worker.raise_after_failures(trials, {0, 2, 4})
    worker.raise_after_failures(trials, {2})
    with pytest.raises(JenacastError, match=r"it diverged \(3 of them\)"):
        worker.raise_after_failures(trials, ())


def test_trials_of_earlier_versions_that_did_nothing_are_not_shown(study):
    for _ in range(2):
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    study.ask().set_user_attr("surplus", True)
    assert [(trial.number, trial.reason) for trial in read_trials(study.get_trials())] == [(0, LOST), (1, LOST)]


@pytest.mark.parametrize(
    ("pruner", "first", "share"),
    [("none", None, 1.0), ("halving", 3, 0.34), ("hyperband", 3, 0.67), ("median", 5, 0.67)],
)
def test_no_pruner_judges_by_the_first_epochs(pruner, first, share, request_2):
    """On 60 made-up trials of 27 epochs, whose order at the beginning says nothing of that at the end."""
    study = optuna.create_study(pruner=make_pruner(pruner, request_2.space))
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
