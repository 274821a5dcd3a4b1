"""Spaces and sweeps, made by hand; loaded as a pytest plugin for `place` and `made_up`."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest

from jenacast.files import write_json
from jenacast.sweep.results import SweepResult, TrialResult
from jenacast.sweep.space_file import load_space
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


def load(text):
    """The search space of a file mine.toml with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text)
        return load_space(path)


def trial(number, mae_c=None, state=None, **said):
    """A trial that is complete where it has an error, and pruned elsewhere unless `state` says otherwise."""
    known = {
        "params": {"train.learning_rate": 0.001 * (number + 1)},
        "val_mae_std_c": None,
        "curve_c": [3.0, 2.9],
        "epochs": 2,
        "seconds": 30.0,
        "run": f"/runs/{number}",
        "host": "here",
        "reason": "",
    }
    state = state or ("pruned" if mae_c is None else "complete")
    return TrialResult(number=number, state=state, val_mae_c=mae_c, **(known | said))


def sweep(*trials, **said):
    """A sweep of these trials."""
    known = {"name": "rates", "baseline_mae_c": 2.62, "protocol": "strict", "synthetic": False, "seeds": 1}
    return SweepResult(trials=list(trials), **(known | {"importance": {}, "log": []} | said))


def whole_sweep(**said):
    """One with something of everything: 12 complete trials of which 7 is the best, one far off, 4 pruned, 3 failed."""
    trials = []
    for number in range(19):
        params = {
            "train.learning_rate": 10 ** -(2 + number % 4),
            "train.optimizer": ("adam", "adamw")[number % 2],
            "model.recurrent_dropout": 0.05 * (number % 7),
            "model.bidirectional": number % 3 == 0,
        }
        if number % 2:
            params["train.weight_decay"] = 0.001 * number
        if number in (3, 9, 14):
            reason = "the loss is no number" if number != 9 else "out of memory"
            trials.append(trial(number, state="failed", params=params, curve_c=[], epochs=0, run="", reason=reason))
        elif number in (4, 8, 12, 16):
            trials.append(trial(number, params=params, curve_c=[3.0, 2.9 if number == 4 else 90.0]))
        else:
            mae_c = 40.0 if number == 2 else 2.4 + 0.01 * abs(number - 7)
            trials.append(trial(number, mae_c, params=params))
    importance = {"train.learning_rate": 0.75, "train.optimizer": 0.25, "model.bidirectional": 0.0}
    return sweep(*trials, **({"importance": importance} | said))


def made_up_training(config, *, data_dir, run_dir, callback=None):
    """In place of a training, in no time: the lower the learning rate, the higher the error at every epoch."""
    settings = config.train
    maes_c = [2 - 10 * settings.learning_rate + 0.1 * settings.seed + 1 / (n + 1) for n in range(settings.epochs)]
    ends = (epoch for epoch, mae_c in enumerate(maes_c, start=1) if callback and callback(epoch, mae_c))
    epochs = next(ends, settings.epochs)
    outcome = run_folder.Outcome(
        *(str(run_dir), "", config.name, settings.seed, epochs, epochs, maes_c[epochs - 1], 2.5),
        *(epochs == settings.epochs, "strict", True, 1, epochs, 1.0, "cpu"),
    )
    write_json(run_dir / run_folder.METRICS, asdict(outcome))
    return outcome


@pytest.fixture
def place(tmp_path, _synthetic_data_dir):
    """A function that writes a space and returns the arguments of its sweep."""

    def arguments(space=SPACE, folder="sweep", **options):
        (tmp_path / "space.toml").write_text(space)
        given = {"trials": 3, "pruner": "none", "run-dir": tmp_path / folder, "data-dir": _synthetic_data_dir} | options
        return ["sweep", tmp_path / "space.toml", *(f"--{name}={value}" for name, value in given.items())]

    return arguments


@pytest.fixture
def made_up(monkeypatch):
    """Trainings that take no time."""
    monkeypatch.setattr("jenacast.sweep.trials.train_or_resume", made_up_training)
