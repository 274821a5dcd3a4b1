import json
import shutil
import signal
import statistics

import pytest
from conftest import refused
from held_out_runs import SETTINGS, SMALL
from runs import in_this_process
from warm import Command

from jenacast.config import load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.evaluate import evaluate
from jenacast.locks import process_lock
from jenacast.training.run import train
from jenacast.training.run_folder import data_of_run

pytestmark = pytest.mark.system  # many trainings

pytest_plugins = ["held_out_runs"]
CONFIG = load_recipe("dense", SMALL)


@pytest.fixture(autouse=True)
def _one_after_the_other(request, monkeypatch):
    if not request.node.get_closest_marker("system"):
        monkeypatch.setattr("jenacast.experiments.held_out.run_side_by_side", in_this_process)


@pytest.fixture
def copied(held_out, tmp_path):
    """A copy of them."""
    return shutil.copytree(held_out[0], tmp_path / "years")


def test_a_years_figures_are_those_of_a_network_trained_on_the_rest(held_out, tmp_path):
    folder, told = held_out
    year = told["years"][1]
    assert (year["year"], year["runs"]) == (2010, [str(folder / "2010" / f"seed-{seed}") for seed in (0, 1)])
    outcome = train(CONFIG, data_dir=folder / "2010", run_dir=tmp_path / "alone")
    assert year["val_maes_c"][0] == pytest.approx(outcome.val_mae_c, rel=1e-5)
    scores = evaluate(folder / "2010" / "seed-0", data_dir=folder / "2010", split="val").scores
    assert year["val_maes_c"][0] == pytest.approx(scores.mae_c, rel=1e-4)
    assert year["baseline_mae_c"] == pytest.approx(scores.baseline_mae_c, rel=1e-6)
    # 12 observations and a target 24 h after the last: 35 rows of the year make no window.
    assert year["windows"] == scores.windows == 365 * 24 - 35
    rest = load_prepared(folder / "2010").windows("train", history_hours=12, lead_hours=24)
    assert json.loads((folder / "2010" / "seed-0" / "run.json").read_text())["train_windows"] == len(rest)


def test_the_answer_counts_every_year_once(held_out, jenacast):
    folder, told = held_out
    assert told == json.loads((folder / "summary.json").read_text())
    assert [year["year"] for year in told["years"]] == [2009, 2010]
    for year in told["years"]:
        assert year["val_mae_c"] == pytest.approx(statistics.mean(year["val_maes_c"]), rel=1e-12)
        assert year["skill"] == pytest.approx(1 - year["val_mae_c"] / year["baseline_mae_c"], rel=1e-12)
    for key in ("val_mae_c", "baseline_mae_c"):
        assert told[key] == pytest.approx(statistics.mean(year[key] for year in told["years"]), rel=1e-12)
    assert told["val_mae_std_c"] == pytest.approx(statistics.stdev(year["val_mae_c"] for year in told["years"]))
    firsts, seconds = zip(*(year["val_maes_c"] for year in told["years"]), strict=True)
    assert told["val_maes_c"] == pytest.approx([statistics.mean(firsts), statistics.mean(seconds)], rel=1e-12)

    shown = jenacast("train", "--resume", folder)
    assert shown.exit_code == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert "SYNTHETIC" in shown.stdout.splitlines()[0]
    assert [row[0] for row in rows[3:]] == ["2009", "2010", "mean"]
    mean = f"{told['val_mae_c']:.3f} ± {told['val_mae_std_c']:.3f} {told['baseline_mae_c']:.3f}"
    assert rows[-1][1:5] == mean.split()
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())


def test_with_all_years_there_is_no_test_split(all_years, tmp_path, jenacast):
    folder = all_years[0]
    told = json.loads((folder / "summary.json").read_text())
    assert [year["year"] for year in told["years"]] == [2009, 2010, 2011]
    run, data = folder / "2011" / "seed-0", folder / "2011"
    refused(jenacast("evaluate", run), "has no test split", "--split val")
    on_year = json.loads(jenacast("evaluate", run, "--split", "val", "--json", "--out", tmp_path / "scores").stdout)
    assert on_year["mae_c"] == pytest.approx(told["years"][2]["val_maes_c"][0], rel=1e-4)
    manifest = load_prepared(data).manifest
    assert (manifest.splits["test"].windows, manifest.splits["train"].stop) == (0, 3 * 365 * 24)


def test_what_is_missing_is_trained_and_the_rest_is_kept(held_out, copied, jenacast):
    assert data_of_run(copied / "2010" / "seed-0") == copied / "2010"  # a copy has its own data
    shutil.rmtree(copied / "2010" / "seed-1")
    kept = copied / "2010" / "seed-0" / "best.keras"
    before = kept.stat().st_mtime_ns
    done = jenacast("train", "--resume", copied, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["val_mae_c"] == pytest.approx(held_out[1]["val_mae_c"], rel=1e-4)
    assert kept.stat().st_mtime_ns == before
    shutil.rmtree(copied / "2009")
    plan = json.loads((copied / "years.json").read_text())
    (copied / "years.json").write_text(json.dumps(plan | {"source_sha256": "0" * 64}))
    refused(jenacast("train", "--resume", copied), "holds another series or protocol", "0" * 12)


def test_force_replaces_the_years_of_before_and_nothing_else(copied, years, jenacast):
    mine = [copied / "notes.txt", copied / "2009" / "notes.txt"]
    for path in mine:
        path.write_text("mine")
    options = ("train", "--folds", *SETTINGS, "--data-dir", years, "--run-dir", copied)
    before = set(copied.rglob("*"))
    refused(jenacast(*options), "holds held-out years already", "--resume", "--force")
    with process_lock(copied / "2010" / "seed-1" / "train.lock"):
        refused(jenacast(*options, "--force"), "is in use by process")
    assert set(copied.rglob("*")) == before
    done = jenacast(*options, "--force")
    assert done.exit_code == 0, done.stderr
    assert sorted(path.parent.name for path in copied.glob("*/*/best.keras")) == ["seed-0", "seed-0"]
    assert [path.read_text() for path in mine] == ["mine", "mine"]


def test_settings_and_options_that_do_not_fit_are_refused(years, data_dir, trained_run, tmp_path, jenacast):
    options = ("train", "--folds", *SETTINGS, "--run-dir", tmp_path / "years", "--data-dir")
    refused(jenacast(*options, data_dir), "fewer than two years", "330 days")
    refused(jenacast(*options, years, "--set", "data.fit_on=train+val"), "data.fit_on=train+val", "expected train")
    assert not (tmp_path / "years").exists()
    assert jenacast("train", "--all-years", *SETTINGS).exit_code == 2
    assert jenacast("train", "--folds", "--refit", trained_run).exit_code == 2
    assert jenacast("train", "--folds", "--resume", trained_run).exit_code == 2


def test_recipes_are_compared_year_by_year_with_the_best(held_out, copied, years, trained_run, tmp_path, jenacast):
    other = tmp_path / "other"
    options = (
        "train",
        "--folds",
        *SETTINGS,
        "--set",
        "train.learning_rate=0.01",
        "--data-dir",
        years,
        "--run-dir",
        other,
    )
    told = json.loads(jenacast(*options, "--json").stdout)
    done = jenacast("compare", held_out[0], other, "--format", "json")
    assert done.exit_code == 0, done.stderr
    best, behind = json.loads(done.stdout)
    assert best["val_mae_c"] == min(told["val_mae_c"], held_out[1]["val_mae_c"])
    assert best["difference_c"] is None
    differences = [mae_c - best_c for mae_c, best_c in zip(behind["maes_c"], best["maes_c"], strict=True)]
    assert behind["difference_c"] == pytest.approx(behind["val_mae_c"] - best["val_mae_c"], rel=1e-9)
    assert behind["difference_std_c"] == pytest.approx(statistics.stdev(differences), rel=1e-9)
    assert behind["years_behind"] == sum(difference > 0 for difference in differences)
    shown = jenacast("compare", held_out[0], other).stdout
    assert "2009, 2010, each held out in turn" in shown
    assert f"of {len(differences)}" in shown
    assert jenacast("compare", held_out[0], other, "--format", "csv").stdout.count("\n") >= 3
    assert jenacast("compare", held_out[0], "--plot", tmp_path / "a.png").exit_code == 2

    refused(jenacast("compare", held_out[0], trained_run), "holds no held-out years", "compare each kind by itself")
    plan = json.loads((other / "years.json").read_text())
    (other / "years.json").write_text(json.dumps(plan | {"protocol": "book"}))
    refused(jenacast("compare", held_out[0], other), "not measured alike", "protocol book", "protocol strict")
    (copied / "summary.json").unlink()
    refused(jenacast("compare", copied), "is not finished", f"jenacast train --resume {copied}")


def test_no_network_stands_for_all_years(held_out, tmp_path, jenacast):
    for words in (("evaluate",), ("ensemble", "-o", tmp_path / "mean.keras")):
        done = jenacast(*words, held_out[0])
        refused(done, "networks that have each not seen one year", "2009/seed-0", "jenacast compare", "train --refit")


def test_the_report_shows_the_years(held_out, tmp_path, jenacast):
    done = jenacast("report", held_out[0], "-o", tmp_path / "report.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "dense, years held out" in page
    assert "dense, seed 1, without 2010" in page
    assert f"{held_out[1]['years'][1]['val_mae_c']:.3f}" in page


@pytest.mark.system
def test_years_that_were_killed_and_resumed_have_the_same_figures(years, tmp_path):
    cut, options = tmp_path / "cut", ("train", "--folds", *SETTINGS, "--epochs", 2, "--data-dir", years, "--run-dir")
    undisturbed, process = Command(*options, tmp_path / "whole", "--json"), Command(*options, cut)
    process.wait_until(lambda: list(cut.glob("*/seed-0/state.npz")), timeout=120)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert f"jenacast train --resume {cut}" in process.stderr
    resumed = Command("train", "--resume", cut, "--json")
    assert (undisturbed.wait(), resumed.wait()) == (0, 0), resumed.stderr
    figures = [
        [(year["year"], year["val_maes_c"], year["best_epochs"]) for year in json.loads(done.stdout)["years"]]
        for done in (undisturbed, resumed)
    ]
    assert figures[0] == figures[1]
    assert "without 2010: epoch 2/2" in undisturbed.stderr
