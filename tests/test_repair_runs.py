"""Repaired breaks from training to forecast."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from jenacast.columns import TARGET
from jenacast.data.prepared import load_prepared

MARCH = np.datetime64("2010-03-01T00:00:00")  # the break of `broken_dir`
SMALL = ("--model", "dense", "--set", "data.history_hours=12", "--set", "model.units=4", "--epochs", 1)


@pytest.fixture(scope="module")
def homogenised_run(broken_dir, tmp_path_factory):
    from typer.testing import CliRunner

    from jenacast.cli import app

    run = tmp_path_factory.mktemp("homogenised") / "run"
    command = ["train", *SMALL, "--set", "data.homogenise=true", "--set", "data.target=change"]
    done = CliRunner().invoke(app, [*map(str, command), "--data-dir", str(broken_dir), "--run-dir", str(run)])
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr
    assert "in 2010-03: the rows before are raised by that" in done.stderr
    return run


def test_training_on_an_unrepaired_break_is_warned_of(broken_dir, jenacast, tmp_path):
    done = jenacast("train", *SMALL, "--data-dir", broken_dir, "--run-dir", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "in 2010-03: forecasts will be too cold or too warm; --set data.homogenise=true repairs it" in done.stderr


def test_the_checkpoint_and_the_run_say_what_was_done(homogenised_run, broken_dir):
    from jenacast.models.checkpoint import read_metadata

    (found,) = load_prepared(broken_dir).manifest.homogeneity.breaks
    repairs = [{"until": "2010-03-01T00:00:00", "step_c": found.step_c}]
    metadata = read_metadata(homogenised_run / "best.keras")
    assert [dict(each) for each in metadata.encoding.repairs] == repairs
    assert metadata.config["data"]["homogenise"] is True
    assert json.loads((homogenised_run / "run.json").read_text())["repairs"] == repairs


def test_scores_compare_with_what_was_measured(homogenised_run, broken_dir, scores, tmp_path):
    """Also over the windows before the break, where forecasts are lowered as the inputs were raised."""
    (csv,), table = broken_dir.glob("*.csv"), tmp_path / "forecasts.csv"
    scores(homogenised_run, "--csv", csv, "--predictions", table, "--data-dir", broken_dir, "--out", tmp_path / "out")
    said = np.genfromtxt(table, delimiter=",", names=True, dtype=None, encoding="utf-8")
    prepared = load_prepared(broken_dir)
    measured = dict(zip(prepared.series.times.astype(str), prepared.series.column(TARGET).tolist(), strict=True))
    times = [str(np.datetime64(time, "s")) for time in said["valid_at"]]
    assert said["truth_c"] == pytest.approx([measured[time] for time in times], abs=1e-3)
    before = np.array(times) <= str(MARCH)
    errors_c = said["forecast_c"] - said["truth_c"]
    assert abs(errors_c[before].mean() - errors_c[~before].mean()) < 0.3  # a step of 1 °C would show


def test_a_resumed_run_keeps_to_its_repairs(homogenised_run, broken_dir, jenacast, tmp_path):
    run = Path(shutil.copytree(homogenised_run, tmp_path / "run"))
    assert jenacast("train", "--resume", run, "--epochs", 2).exit_code == 0
    record = json.loads((run / "run.json").read_text())
    record["repairs"][0]["step_c"] = 0.5
    (run / "run.json").write_text(json.dumps(record))
    done = jenacast("train", "--resume", run, "--epochs", 3)
    assert done.exit_code == 1
    assert "other breaks than the run began with" in done.stderr


def test_forecasts_of_later_files_need_nothing_of_it(homogenised_run, broken_dir, jenacast, tmp_path):
    """A file after the break, and the same file with a network that has forgotten its repairs."""
    from jenacast.models.checkpoint import load_checkpoint, save_checkpoint

    best = load_checkpoint(homogenised_run / "best.keras")
    forgetful = best.metadata.model_copy(update={"encoding": best.metadata.encoding.model_copy(update={"repairs": ()})})
    save_checkpoint(best.model, forgetful, tmp_path / "forgetful.keras")
    head, *lines = next(broken_dir.glob("*.csv")).read_text().splitlines()
    (tmp_path / "later.csv").write_text("\n".join([head, *lines[-100:]]))
    said = []
    for network in (homogenised_run, tmp_path / "forgetful.keras"):
        done = jenacast("forecast", network, "--csv", tmp_path / "later.csv", "--json", "--data-dir", os.devnull)
        assert done.exit_code == 0, done.output
        answer = json.loads(done.stdout)
        said.append({key: value for key, value in answer.items() if not key.startswith("checkpoint")})
    assert said[0] == said[1]


def test_compare_names_the_setting(homogenised_run, jenacast):
    done = jenacast("compare", homogenised_run, "--format", "csv")
    assert done.exit_code == 0, done.output
    assert "data.homogenise=true" in done.stdout


def test_an_export_repairs_as_its_checkpoint_does(homogenised_run, broken_dir, jenacast, scores, tmp_path):
    exported = tmp_path / "exported"
    done = jenacast("export", homogenised_run, "--format", "json+weights", "--out", exported)
    assert done.exit_code == 0, done.output
    (csv,) = broken_dir.glob("*.csv")
    answers = [
        scores(network, "--csv", csv, "--data-dir", broken_dir, "--out", tmp_path / f"out-{number}")
        for number, network in enumerate((homogenised_run, exported))
    ]
    assert answers[0]["mae_c"] == pytest.approx(answers[1]["mae_c"], abs=1e-5)


def test_a_space_may_search_it(tmp_path):
    from jenacast.sweep.space_file import load_space

    (tmp_path / "space.toml").write_text('recipe = "dense"\n[data]\nhomogenise = { choices = [true, false] }\n')
    assert load_space(tmp_path / "space.toml").domains["data.homogenise"].bounds() == [True, False]
