"""What a run folder holds, for tests that compare runs."""

import csv
import json

import numpy as np
from typer.testing import CliRunner

from jenacast.cli import app
from jenacast.models.checkpoint import load_checkpoint, read_metadata


def in_this_process(jobs):
    """In place of `run_side_by_side`: the same commands, one after the other."""
    return [name for name, arguments in jobs.items() if CliRunner().invoke(app, arguments).exit_code]


def weights(run, name="best.keras"):
    """All weights of a run's checkpoint, one after the other."""
    return np.concatenate([weight.ravel() for weight in load_checkpoint(run / name).model.get_weights()])


def history(run):
    """The epochs, as text by column, without their seconds."""
    with (run / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def metrics(run):
    """`metrics.json`."""
    return json.loads((run / "metrics.json").read_text())


def outcome(run):
    """The figures of `metrics.json`: what two runs with one seed have in common."""
    return {key: value for key, value in metrics(run).items() if key not in ("seconds", "run_dir", "checkpoint")}


def calibration(run, name="best.keras"):
    """What a checkpoint knows of its intervals."""
    return read_metadata(run / name).calibration


def assert_same_run(run, reference):
    """Two runs have the same epochs, figures, weights and intervals to the last bit, and the first left nothing."""
    assert history(run) == history(reference)
    assert outcome(run) == outcome(reference)
    for name in ("best.keras", "last.keras"):
        np.testing.assert_array_equal(weights(run, name), weights(reference, name))
        assert calibration(run, name) == calibration(reference, name)
    assert bool(calibration(run)) is (outcome(run)["val_mae_c"] is not None)  # a refit has no validation
    assert not list(run.glob(".*"))
    assert not (run / "train.lock").exists()
