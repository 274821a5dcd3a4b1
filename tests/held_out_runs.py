"""Networks that have each not seen one year of the series of `years`; loaded as a pytest plugin."""

import json

import pytest
from runs import in_this_process
from typer.testing import CliRunner

from jenacast.cli import app

SMALL = ("data.history_hours=12", "model.units=4", "train.epochs=1", "train.batch_size=1024")
SETTINGS = ("--model", "dense", *(word for setting in SMALL for word in ("--set", setting)))


def run_all(*commands):
    """What several commands print, whose trainings are not run side by side."""
    answers = []
    with pytest.MonkeyPatch.context() as patch:
        for module in ("held_out", "seeds"):
            patch.setattr(f"jenacast.experiments.{module}.run_side_by_side", in_this_process)
        for words in commands:
            done = CliRunner().invoke(app, [str(word) for word in words])
            assert done.exit_code == 0, done.stderr
            answers.append(done.stdout)
    return answers


@pytest.fixture(scope="session")
def held_out(years, tmp_path_factory):
    """Two years held out, with two seeds, and the last year left to test: the folder and the JSON."""
    folder = tmp_path_factory.mktemp("held") / "years"
    words = ("train", "--folds", *SETTINGS, "--seeds", 2, "--data-dir", years, "--run-dir", folder, "--json")
    return folder, json.loads(run_all(words)[0])


@pytest.fixture(scope="session")
def all_years(years, tmp_path_factory):
    """Every year held out, two seeds each, and both seeds trained on all years: the two folders."""
    folder = tmp_path_factory.mktemp("all")
    first = ("train", "--folds", "--all-years", *SETTINGS, "--seeds", 2, "--run-dir", folder / "years")
    then = ("train", "--refit", folder / "years", "--seeds", 2, "--run-dir", folder / "all")
    run_all(*((*words, "--data-dir", years) for words in (first, then)))
    return folder / "years", folder / "all"
