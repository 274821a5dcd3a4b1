import csv
import io
import json
import shutil
import statistics
from pathlib import Path

import pytest

from jenacast.config import load_recipe
from jenacast.training.run import train

SMALL = ("data.history_hours=12", "model.units=4", "train.epochs=1")


@pytest.fixture(scope="module")
def trained(_synthetic_data_dir, tmp_path_factory):
    """Two seeds of one recipe and one of another, on the same data."""
    folder = tmp_path_factory.mktemp("compare") / "runs"
    for name, model, seed in (("a", "dense", 0), ("b", "dense", 1), ("c", "gru", 0)):
        config = load_recipe(model, [*SMALL, f"train.seed={seed}"])
        train(config, data_dir=_synthetic_data_dir, run_dir=folder / name)
    return folder


@pytest.fixture
def runs(trained, tmp_path):
    """Folders of one's own of these runs, which nobody has evaluated yet."""
    return sorted(Path(shutil.copytree(trained, tmp_path / "runs")).iterdir())


def test_seeds_of_one_recipe_become_mean_and_deviation(runs, jenacast):
    done = jenacast("compare", *runs, "--format", "json")
    assert done.exit_code == 0, done.stderr
    rows = {row["model"]: row for row in json.loads(done.stdout)}
    tests = [json.loads((run / "evaluation-test.json").read_text()) for run in runs[:2]]
    maes = [scores["mae_c"] for scores in tests]
    assert rows["dense"]["seeds"] == [0, 1]
    assert rows["dense"]["test_mae_c"] == pytest.approx(statistics.mean(maes))
    assert rows["dense"]["test_mae_spread_c"] == pytest.approx(statistics.stdev(maes))
    assert rows["gru"]["test_mae_spread_c"] is None
    assert rows["dense"]["skill"] == pytest.approx(1 - statistics.mean(maes) / tests[0]["baseline_mae_c"])


def test_evaluations_that_stand_are_read_and_those_older_than_their_checkpoint_made_again(runs, jenacast):
    jenacast("compare", runs[0])
    scores = runs[0] / "evaluation-test.json"
    marked = {**json.loads(scores.read_text()), "mae_c": 99.0}
    scores.write_text(json.dumps(marked))
    assert json.loads(jenacast("compare", runs[0], "--format", "json").stdout)[0]["test_mae_c"] == 99.0
    (runs[0] / "best.keras").touch()
    assert json.loads(jenacast("compare", runs[0], "--format", "json").stdout)[0]["test_mae_c"] < 99.0


def test_the_other_formats_hold_the_same_rows(runs, jenacast, tmp_path):
    plot = tmp_path / "plot.png"
    table = jenacast("compare", *runs, "--plot", plot)
    assert "dense" in table.stdout
    assert "baseline" in table.stdout
    assert plot.stat().st_size > 5_000
    assert jenacast("compare", *runs, "--plot", plot).exit_code == 1  # not overwritten unasked
    rows = list(csv.DictReader(io.StringIO(jenacast("compare", *runs, "--format", "csv").stdout)))
    assert {row["model"] for row in rows} == {"dense", "gru"}
    assert jenacast("compare", *runs, "--format", "markdown").stdout.startswith("| model |")


def test_runs_that_were_not_measured_alike_are_not_ranked(runs, data_dir, tmp_path, jenacast):
    assert jenacast("prepare", "--protocol", "book", "--force", "--data-dir", data_dir).exit_code == 0
    other = tmp_path / "other"
    train(load_recipe("dense", SMALL), data_dir=data_dir, run_dir=other)
    done = jenacast("compare", runs[0], other)
    assert done.exit_code == 1
    assert "cannot be ranked" in done.stderr
    assert "protocol book" in done.stderr
    assert str(other) in done.stderr


def test_a_folder_that_is_no_run_is_an_error(tmp_path, jenacast):
    done = jenacast("compare", tmp_path)
    assert done.exit_code == 1
    assert "run.json not found" in done.stderr


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
def test_a_run_folder_with_damaged_records_is_an_error_that_names_the_file(name, runs, jenacast):
    (runs[0] / name).write_text("{}")
    done = jenacast("compare", runs[0])
    assert done.exit_code == 1
    assert f"{name} is damaged" in done.stderr


def test_a_run_that_is_not_finished_is_compared_and_said_to_be_so(runs, jenacast):
    metrics = runs[0] / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"finished": true', '"finished": false'))
    done = jenacast("compare", runs[0])
    assert done.exit_code == 0
    assert "is not finished: 1 epochs so far" in done.stderr
