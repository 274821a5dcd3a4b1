"""`compare` and `report`: the difference of each run or recipe to the first, paired by day."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_page import Page

from jenacast.config import load_config, load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.evaluation import OVER_DAYS
from jenacast.evaluation.bootstrap import mean_interval
from jenacast.experiments.compare import compare
from jenacast.report.page import digits, span
from jenacast.training.run import train
from jenacast.training.run_folder import write_config

pytestmark = pytest.mark.system  # many trainings

SMALL = ["data.history_hours=12", "model.units=4", "train.epochs=1"]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A data folder with 300 days of hourly rows: the test split has 75."""
    folder = tmp_path_factory.mktemp("days")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=300 * 24, step_minutes=60, seed=3, warts=False))
    prepare(folder, synthetic=True)
    return folder


@pytest.fixture(scope="module")
def _runs(days, tmp_path_factory):
    """Two seeds of one recipe and one run of another."""
    folder = tmp_path_factory.mktemp("paired")
    for name, settings in (("a", ["train.seed=1"]), ("b", ["train.seed=2"]), ("c", ["train.learning_rate=0.003"])):
        train(load_recipe("dense", [*SMALL, *settings]), data_dir=days, run_dir=folder / name)
    compare([folder / name for name in "abc"])  # which judges them
    return folder


@pytest.fixture
def runs(_runs, tmp_path):
    return [Path(shutil.copytree(_runs / name, tmp_path / name)) for name in "abc"]


@pytest.fixture
def rows(jenacast):
    """A function that compares runs and returns the rows and what was said."""

    def compare(*paths):
        done = jenacast("compare", *paths, "--format", "json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout), done.stderr

    return compare


def test_seeds_of_two_recipes_are_paired_by_the_day(runs, rows, jenacast, tmp_path):
    (first, second), _ = rows(*runs)
    assert (first["difference_to_first_c"], first["difference_to_first_ci95_c"], first["reading"]) == (None, None, None)
    assert second["difference_to_first_c"] == pytest.approx(second["test_mae_c"] - first["test_mae_c"], abs=1e-9)
    errors_c = {}
    for run in runs:
        table = tmp_path / f"{run.name}.csv"
        assert jenacast("evaluate", run, "--predictions", table).exit_code == 0
        forecasts = pd.read_csv(table)
        errors_c[str(run)] = np.abs(forecasts["forecast_c"] - forecasts["truth_c"]).to_numpy()
    mine_c, other_c = (np.mean([errors_c[run] for run in row["runs"]], axis=0) for row in (second, first))
    expected = mean_interval(mine_c - other_c, forecasts["valid_at"].to_numpy().astype("datetime64[s]"))
    assert second["difference_to_first_ci95_c"] == pytest.approx(expected, abs=2e-4)  # of four decimals
    low, high = second["difference_to_first_ci95_c"]
    assert second["reading"] == ("may be chance" if low <= 0 <= high else "worse" if low > 0 else "better")


def test_a_pair_of_runs_has_the_difference_that_evaluate_against_gives_and_equal_runs_none(runs, rows, scores):
    (best, other), _ = rows(runs[0], runs[2])
    answer = scores(*other["runs"], "--against", *best["runs"])
    assert other["difference_to_first_c"] == pytest.approx(answer["difference_to_against_c"], abs=1e-9)
    assert other["difference_to_first_ci95_c"] == pytest.approx(answer["difference_to_against_ci95_c"], abs=1e-9)
    twin = Path(shutil.copytree(runs[0], runs[0].parent / "twin"))
    config = load_config(twin / "config.toml")
    write_config(twin, config.model_copy(update={"name": "twin"}))
    (_, same), _ = rows(runs[0], twin)
    assert (same["difference_to_first_c"], same["difference_to_first_ci95_c"]) == (0.0, [0.0, 0.0])


def test_runs_that_keep_no_errors_by_day_are_compared_all_the_same_and_told_how_to_get_them(runs, rows, jenacast):
    (_, whole), told = rows(*runs)
    assert "errors by day" not in told
    best = min(runs, key=lambda run: json.loads((run / "metrics.json").read_text())["val_mae_c"])
    for change in (Path.unlink, lambda path: path.write_text(path.read_text().replace('sha256": "', 'sha256": "0'))):
        change(best / "evaluation-test-days.json")
        (_, row), told = rows(*runs)
        assert (row["difference_to_first_c"], row["reading"]) == (None, "no errors by day")
        assert row["test_mae_c"] == whole["test_mae_c"]
        assert told.count("keeps no errors by day") == 1
        assert f"run: jenacast evaluate {best}" in told
        assert jenacast("evaluate", best).exit_code == 0
        assert rows(*runs)[0][1] == whole


def test_new_weights_get_new_errors_by_day(runs, rows):
    rows(*runs)
    before = (runs[2] / "evaluation-test-days.json").read_bytes()
    shutil.copyfile(runs[1] / "best.keras", runs[2] / "best.keras")
    (first, second), _ = rows(runs[1], runs[2])
    assert (runs[2] / "evaluation-test-days.json").read_bytes() != before
    assert second["difference_to_first_ci95_c"] == [0.0, 0.0]
    assert first["test_mae_c"] == second["test_mae_c"]


def test_runs_whose_networks_were_removed_are_paired_by_what_they_keep(runs, rows):
    (_, whole), _ = rows(*runs)
    for run in runs:
        (run / "best.keras").unlink()
    assert rows(*runs)[0][1] == whole


def test_the_errors_of_a_mean_are_not_taken_for_those_of_its_first_network(runs, rows, jenacast):
    alone, _ = rows(runs[0])
    assert jenacast("evaluate", *runs[:2], "--out", runs[0]).exit_code == 0
    assert json.loads((runs[0] / "evaluation-test.json").read_text())["mae_c"] != alone[0]["test_mae_c"]
    again, told = rows(runs[0])
    assert "is not of the weights" in told
    assert again == alone


def test_other_windows_are_not_paired_and_the_remedy_is_named(runs, rows, jenacast, data_dir):
    assert jenacast("evaluate", runs[2], "--data-dir", data_dir).exit_code == 0
    (first, second), told = rows(runs[0], runs[2])
    assert (second["difference_to_first_c"], second["reading"]) == (None, "other windows")
    assert f"jenacast evaluate {second['runs'][0]} --against {first['runs'][0]}" in told


@pytest.mark.pictures
def test_table_csv_markdown_and_picture_show_the_difference(runs, rows, jenacast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for short paths
    (_, second), _ = rows("a", "b", "c")
    low, high = second["difference_to_first_ci95_c"]
    shown = f"{second['difference_to_first_c']:+.3f}", f"{low:+.3f} .. {high:+.3f}", second["reading"]
    text = jenacast("compare", "a", "b", "c", "--plot", "plot.svg").stdout
    assert max(map(len, text.splitlines())) <= 80
    below = text.split("test MAE less that of dense (1), paired by day:")[1].splitlines()[3]
    assert below.split() == ["dense", "(2)", *" ".join(shown).split()]
    assert " | ".join(shown) in jenacast("compare", "a", "b", "c", "--format", "markdown").stdout
    row = list(csv.DictReader(io.StringIO(jenacast("compare", "a", "b", "c", "--format", "csv").stdout)))[1]
    ends = [float(row[f"difference_to_first_{end}_c"]) for end in ("low", "high")]
    assert ends == [low, high]
    picture = Path("plot.svg").read_text()
    assert "paired by day" in picture
    assert "the first: dense" in picture
    assert "paired by day" not in jenacast("compare", "a", "b").stdout  # one recipe: nothing to compare it with


def test_the_report_has_the_same_differences_also_where_the_data_are_gone(runs, rows, jenacast, tmp_path):
    (_, second), _ = rows(*runs)
    ends = span(second["difference_to_first_ci95_c"], "+.3f")
    paired = [digits(second["difference_to_first_c"], "+.3f"), ends, second["reading"]]
    pages = []
    for name in ("with", "without"):
        done = jenacast("report", *runs, "-o", tmp_path / f"{name}.html")
        assert done.exit_code == 0, done.stderr
        pages.append(Page((tmp_path / f"{name}.html").read_text(encoding="utf-8")))
        for record in (run / "run.json" for run in runs):
            record.write_text(record.read_text().replace('"data_dir": "', '"data_dir": "/gone'))
    for page in pages:
        assert len(page.rows("Mean and standard deviation over seeds")) == 2
        (row,) = page.rows("Test MAE less that of the first recipe")
        assert row[2:] == paired
        assert re.search(r"Of 2 runs \d are worse and \d better than dense, seed \d", page.text)
        assert OVER_DAYS in " ".join(page.text.split())
    beside, of_stored = (page.rows("Test MAE less that of dense, seed") for page in pages)
    assert beside == of_stored
    assert all(" to " in row[2] and row[3] in ("better", "worse", "may be chance") for row in beside)
    biases = [row[3] for row in pages[0].rows("RMSE and bias")[:3]]
    kept = [json.loads((run / "evaluation-test.json").read_text())["bias_ci95_c"] for run in runs]
    assert sorted(biases) == sorted(span(each, "+.3f") for each in kept)


@pytest.mark.system
def test_two_trainings_and_a_comparison_as_processes(days, jenacast_process, tmp_path):
    for name, rate in (("one", 0.001), ("two", 0.003)):
        words = [word for setting in (*SMALL, f"train.learning_rate={rate}") for word in ("--set", setting)]
        done = jenacast_process("train", "--model", "dense", *words, "--data-dir", days, "--run-dir", tmp_path / name)
        assert done.returncode == 0, done.stderr
    done = jenacast_process("compare", tmp_path / "one", tmp_path / "two", "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert first["difference_to_first_c"] is None
    low, high = second["difference_to_first_ci95_c"]
    assert low <= second["difference_to_first_c"] <= high
    assert second["difference_to_first_c"] == pytest.approx(second["test_mae_c"] - first["test_mae_c"], abs=1e-9)
