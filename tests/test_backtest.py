import json
import shutil
import signal

import numpy as np
import pytest
from conftest import refused
from runs import weights
from typer.testing import CliRunner
from warm import Command

from jenacast.cli import app
from jenacast.config import load_recipe
from jenacast.data.prepare import prepare, prepare_fold
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series
from jenacast.evaluation.evaluate import evaluate
from jenacast.experiments import plots
from jenacast.experiments.folds import Fold, FoldScores
from jenacast.locks import process_lock
from jenacast.training.run import train
from jenacast.training.run_folder import data_of_run

pytestmark = pytest.mark.system  # many trainings

ROWS = 3 * 365 * 24  # hourly
SMALL = ("data.history_hours=12", "model.units=4", "train.epochs=1", "train.batch_size=4096")
CONFIG = load_recipe("dense", SMALL)
SETTINGS = ("--model", "dense", *(word for setting in SMALL for word in ("--set", setting)))
WHEN = ("--from", "2010-07", "--step", "6m")
NAMED = ["2010-07-01", "2011-01-01", "2011-07-01"]


@pytest.fixture(scope="module")
def whole(years, tmp_path_factory):
    """A backtest of three folds that nothing disturbed: its folder, its JSON and its log."""
    folder = tmp_path_factory.mktemp("whole") / "backtest"
    words = ("backtest", *SETTINGS, *WHEN, "--data-dir", years, "--run-dir", folder, "--json")
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.stderr
    return folder, json.loads(done.stdout), done.stderr


@pytest.fixture
def copied(whole, tmp_path):
    """A copy of that backtest."""
    return shutil.copytree(whole[0], tmp_path / "backtest")


def figures(answer):
    """All figures of a backtest by fold and name, without the places and seconds."""
    folds = {fold["test_first_time"]: fold for fold in answer["folds"]}
    found = {(day, name): value for day, fold in folds.items() for name, value in fold.items()}
    found |= {("all", name): value for name, value in answer.items() if name not in ("folder", "folds")}
    return {key: value for key, value in found.items() if key[1] not in ("run", "seconds")}


@pytest.fixture(scope="module")
def alone(whole, tmp_path_factory):
    """A training on the data of the second fold alone: what it gave, and its folder."""
    run = tmp_path_factory.mktemp("alone") / "run"
    return train(CONFIG, data_dir=whole[0] / NAMED[1], run_dir=run), run


def test_what_comes_after_a_folds_validation_changes_nothing_in_its_network(whole, alone, place_csv, tmp_path):
    times, values = synthetic_series(rows=ROWS, step_minutes=60, seed=3, warts=False)
    later = times >= np.datetime64("2011-01-01")
    values[later] = synthetic_series(rows=ROWS, step_minutes=60, seed=4, warts=False)[1][later]
    values[-100:, 0] = -9999
    folder = place_csv(times, values)
    prepare(folder)
    prepared, fold = load_prepared(folder), Fold(*map(np.datetime64, ("2010-07-01", "2011-01-01", "2011-07-01")))
    manifest = prepare_fold(prepared, fold.borders(times), tmp_path / "changed", fold=fold.period)
    assert manifest.columns == load_prepared(whole[0] / fold.name).manifest.columns
    train(CONFIG, data_dir=tmp_path / "changed", run_dir=tmp_path / "run-of-changed")
    np.testing.assert_array_equal(weights(tmp_path / "run-of-changed"), weights(alone[1]))


def test_a_folds_figures_are_those_of_train_and_evaluate(whole, alone):
    place, (outcome, run) = whole[0] / NAMED[1], alone
    scores = evaluate(run, data_dir=place).scores
    fold = whole[1]["folds"][1]
    assert (fold["epochs"], fold["best_epoch"]) == (1, outcome.best_epoch)
    assert fold["val_mae_c"] == pytest.approx(outcome.val_mae_c, rel=1e-5)
    for key, value in (("test_mae_c", scores.mae_c), ("baseline_mae_c", scores.baseline_mae_c)):
        assert fold[key] == pytest.approx(value, rel=1e-5)
    assert fold["test_mae_ci95_c"] == pytest.approx(scores.mae_ci95_c, rel=1e-5)
    assert (fold["skill"], fold["test_windows"]) == (pytest.approx(scores.skill, rel=1e-4), scores.windows)
    # 12 observations, the target 24 h after: the first 35 rows of the series are the target of no window.
    assert (fold["train_windows"], fold["val_windows"], fold["test_windows"]) == (
        (365 + 181) * 24 - 35,
        184 * 24,
        181 * 24,
    )
    assert json.loads((place / "run" / "evaluation-test.json").read_text())["mae_c"] == fold["test_mae_c"]


def test_the_answer_pools_the_windows_of_all_folds(whole, jenacast):
    folder, told, log = whole
    assert told == json.loads((folder / "backtest.json").read_text())
    assert [path.name for path in sorted(folder.glob("2*"))] == NAMED
    windows = [fold["test_windows"] for fold in told["folds"]]
    assert told["test_windows"] == sum(windows)
    for key in ("test_mae_c", "baseline_mae_c"):
        absolute = sum(fold[key] * count for fold, count in zip(told["folds"], windows, strict=True))
        assert told[key] == pytest.approx(absolute / sum(windows), rel=1e-12)
    bias = sum(fold["test_bias_c"] * count for fold, count in zip(told["folds"], windows, strict=True))
    assert told["test_bias_c"] == pytest.approx(bias / sum(windows), rel=1e-9)
    assert told["difference_c"] == pytest.approx(told["test_mae_c"] - told["baseline_mae_c"])
    for figure in ("test_mae", "test_bias", "baseline_mae", "difference"):
        low, high = told[f"{figure}_ci95_c"]
        assert low < told[f"{figure}_c"] < high
        if "baseline" not in figure:  # three folds together are known better than one
            assert high - low < max(np.diff(fold[f"{figure}_ci95_c"])[0] for fold in told["folds"])
    assert told["skill"] == pytest.approx(1 - told["test_mae_c"] / told["baseline_mae_c"], rel=1e-12)
    assert told["synthetic"]
    for number in (1, 2):
        assert f"fold {number} of 3: test MAE {told['folds'][number - 1]['test_mae_c']:.3f} °C" in log
    assert "s left" in log.split("fold 2 of 3: test MAE")[1].splitlines()[0]

    table = jenacast("backtest", "--resume", folder)
    assert "fold 3 of 3 is done already" in table.stderr
    lines = table.stdout.splitlines()
    first = lines[3].split("  ")[0], f"{told['folds'][0]['test_mae_c']:.3f}"
    assert first == ("2010-07-01 to 2010-12-31", lines[3].split()[4])
    low, high = told["test_mae_ci95_c"]
    everything = [line.split() for line in lines if line.startswith("all")]
    assert everything[0][2:6] == [f"{told['test_mae_c']:.3f}", f"{low:.3f}", "..", f"{high:.3f}"]
    low, high = told["test_bias_ci95_c"]
    assert everything[1][1:5] == [f"{told['test_bias_c']:+.3f}", f"{low:+.3f}", "..", f"{high:+.3f}"]
    assert max(map(len, lines)) <= 80
    assert "SYNTHETIC" in table.stdout.splitlines()[0]
    assert (folder / "backtest.png").exists()


def test_folds_are_not_ranked_in_one_table_since_their_windows_are_others(whole, jenacast):
    runs = [whole[0] / name / "run" for name in NAMED[:2]]
    refused(jenacast("compare", *runs), "fold 2010-07-01/2011-01-01", "fold 2011-01-01/2011-07-01")
    alone = jenacast("compare", runs[0], "--format", "json")
    assert json.loads(alone.stdout)[0]["test_mae_c"] == whole[1]["folds"][0]["test_mae_c"]


@pytest.mark.system
def test_a_backtest_killed_in_its_second_fold_and_resumed_has_the_same_figures(years, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    often = ("--set", "train.epochs=2", "--set", "train.save_every_seconds=0.01")
    options = ("backtest", *SETTINGS, *often, *WHEN, "--data-dir", years, "--run-dir")
    undisturbed, process = Command(*options, whole, "--json"), Command(*options, cut)
    first, second = cut / NAMED[0], cut / NAMED[1]
    process.wait_until((second / "run" / "state.npz").exists)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (first / "scores.json").exists()
    assert not (second / "scores.json").exists()
    trained = (first / "run" / "best.keras").stat().st_mtime_ns

    resumed = Command("backtest", "--resume", cut, "--json")
    assert (undisturbed.wait(), resumed.wait()) == (0, 0), resumed.stderr
    assert "fold 1 of 3 is done already" in resumed.stderr
    assert figures(json.loads(resumed.stdout)) == figures(json.loads(undisturbed.stdout))
    assert (first / "run" / "best.keras").stat().st_mtime_ns == trained


def test_whatever_a_kill_left_of_a_fold_is_continued(whole, copied, jenacast):
    begun, trained, missing = (copied / name for name in NAMED)
    for file in (begun / "run").iterdir():  # killed when the settings alone were written
        if file.name != "config.toml":
            file.unlink()
    (begun / "scores.json").unlink()
    (trained / "scores.json").unlink()  # killed before the test
    (trained / "run" / "evaluation-test.json").unlink()
    shutil.rmtree(missing)
    (copied / "backtest.json").unlink()
    done = jenacast("backtest", "--resume", copied, "--json")
    assert done.exit_code == 0, done.stderr
    told, expected = figures(json.loads(done.stdout)), figures(whole[1])
    assert told.keys() == expected.keys()
    for key, value in expected.items():  # a training after others in one process may differ in the last digits
        assert told[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-4))
    assert done.stderr.count("best checkpoint") == 2
    assert (trained / "run" / "evaluation-test.json").exists()


def test_a_backtest_that_was_copied_answers_with_its_own_place_and_data(whole, copied, jenacast):
    for name in NAMED:  # an earlier version's: no errors by day, no bias
        (copied / name / "run" / "evaluation-test-days.json").unlink()
        scores = json.loads((copied / name / "scores.json").read_text())
        old = {key: value for key, value in scores.items() if "bias" not in key}
        (copied / name / "scores.json").write_text(json.dumps(old))
    done = jenacast("backtest", "--resume", copied, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["folder"] == str(copied)
    assert [fold["run"] for fold in told["folds"]] == [str(copied / name / "run") for name in NAMED]
    assert f"jenacast evaluate {copied / NAMED[2] / 'run'} --data-dir {copied / NAMED[2]}" in done.stderr
    assert told["test_bias_ci95_c"] == pytest.approx(whole[1]["test_bias_ci95_c"], rel=1e-6)
    run = copied.rename(copied.parent / "moved") / NAMED[0] / "run"
    assert data_of_run(run) == run.parent
    (run / "evaluation-test.json").unlink()
    compared = jenacast("compare", run, "--format", "json")
    assert json.loads(compared.stdout)[0]["test_mae_c"] == pytest.approx(told["folds"][0]["test_mae_c"], rel=1e-6)
    shutil.rmtree(run.parent / "prepared")  # where it was trained there still is one
    assert data_of_run(run) == whole[0] / NAMED[0]


def test_other_data_are_refused_where_a_fold_still_needs_them(copied, jenacast):
    shutil.rmtree(copied / NAMED[2])
    plan = json.loads((copied / "folds.json").read_text())
    (copied / "folds.json").write_text(json.dumps(plan | {"source_sha256": "0" * 64}))
    refused(jenacast("backtest", "--resume", copied), "holds another series or protocol", "0" * 12)
    (copied / "folds.json").write_text(json.dumps(plan | {"edges": 5}))
    refused(jenacast("backtest", "--resume", copied), "folds.json is damaged (edges")
    (copied / "folds.json").unlink()
    refused(jenacast("backtest", "--resume", copied), "folds.json not found")


def test_force_replaces_the_folds_of_before_and_nothing_else(copied, years, jenacast):
    mine = [copied / "notes.txt", copied / NAMED[0] / "notes.txt"]
    for path in mine:
        path.write_text("mine")
    options = ("backtest", *SETTINGS, "--from", "2011-01", "--step", "1y", "--data-dir", years, "--run-dir", copied)
    before = set(copied.rglob("*"))
    refused(jenacast(*options, "--from", "2011"), "holds a backtest already", "--resume", "--force")
    with process_lock(copied / NAMED[1] / "run" / "train.lock"):
        refused(jenacast(*options, "--force"), "is in use by process")
    assert set(copied.rglob("*")) == before

    done = jenacast(*options, "--force", "--set", "train.epochs=1")
    assert done.exit_code == 0, done.stderr
    folds = [path.parent.name for path in sorted(copied.glob("*/scores.json"))]
    assert folds == ["2011-01-01"]
    assert [path.read_text() for path in mine] == ["mine", "mine"]
    assert [path.name for path in (copied / NAMED[0]).iterdir()] == ["notes.txt"]
    assert not (copied / NAMED[2]).exists()


@pytest.mark.pictures
def test_the_picture_shows_folds_with_and_without_an_interval(whole, tmp_path):
    first, *others = (FoldScores(**fold) for fold in whole[1]["folds"])
    short = FoldScores(**first.__dict__ | {"test_mae_ci95_c": None})
    plots.folds(tmp_path / "folds.svg", [short, *others], title="title", synthetic=False)
    text = (tmp_path / "folds.svg").read_text()
    for label in ("baseline: the same as now", "95 % interval", "test MAE (°C)"):
        assert text.count(label) == 1
    plots.folds(tmp_path / "one.svg", [short], title="title", synthetic=True)
    assert "95 % interval" not in (tmp_path / "one.svg").read_text()
