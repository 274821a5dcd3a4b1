import json
import math
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from runs import assert_same_run, history, weights
from typer.testing import CliRunner

from jenacast.cli import app
from jenacast.columns import NAMES
from jenacast.config import dump_config, load_config, load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.errors import ConfigError, JenacastError
from jenacast.experiments.seeds import refit_settings
from jenacast.files import write_json
from jenacast.models.checkpoint import read_metadata
from jenacast.training.learner import Learner
from jenacast.training.run import train

EPOCHS, BATCH, RATE, WARMUP = 4, 64, 0.004, 5
SETTINGS = (
    *("data.history_hours=12", "data.target=change", "model.units=4", f"train.epochs={EPOCHS}"),
    *(f"train.batch_size={BATCH}", f"train.learning_rate={RATE}", "train.schedule=cosine", "train.optimizer=adam"),
    *(f"train.warmup_steps={WARMUP}", "train.patience=3", "train.save_every_seconds=0.01"),
)
SPAN = 12 + 24 - 1  # hourly rows from a window's first observation to its target


@pytest.fixture(scope="module")
def original(_synthetic_data_dir, tmp_path_factory):
    """A run with a validation."""
    folder = tmp_path_factory.mktemp("refit") / "original"
    train(load_recipe("dense", SETTINGS), data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture(scope="module")
def refit(original, _synthetic_data_dir):
    folder = original.parent / "refitted"
    place = ["--data-dir", str(_synthetic_data_dir), "--run-dir", str(folder)]
    done = CliRunner().invoke(app, ["train", "--refit", str(original), *place, "--json"])
    assert done.exit_code == 0, done.output
    return folder, done


@pytest.fixture
def refitted(refit, tmp_path):
    """A folder of its own of the same run, trained again on train and validation."""
    return Path(shutil.copytree(refit[0], tmp_path / "refitted"))


def read(folder, name):
    return json.loads((folder / name).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def rate_after(steps, of):
    """A rise from 0 over the warm-up, then half a cosine that ends at 0 with the last step."""
    if steps < WARMUP:
        return RATE * steps / WARMUP
    return RATE * (1 + math.cos(math.pi * (steps - WARMUP) / (of - WARMUP))) / 2


def test_a_refit_trains_on_both_splits_up_to_the_best_epoch(original, refit, data_dir):
    folder, done = refit
    best_epoch = read(original, "metrics.json")["best_epoch"]
    splits = load_prepared(data_dir).manifest.splits
    windows = splits["val"].stop - SPAN  # hourly rows without a gap, the first of them 0
    record = read(folder, "run.json")
    assert (record["train_windows"], record["val_windows"], record["fit_on"]) == (windows, 0, "train+val")
    # More than both apart, by those that reach over the border.
    apart = read(original, "run.json")
    assert windows == apart["train_windows"] + apart["val_windows"] + SPAN

    config = load_config(folder / "config.toml")
    assert (config.data.fit_on, config.train.stop_epoch, config.train.epochs) == ("train+val", best_epoch, EPOCHS)
    unchanged = {"fit_on": "train"}, {"stop_epoch": 0}
    before = config.model_copy(
        update={
            "data": config.data.model_copy(update=unchanged[0]),
            "train": config.train.model_copy(update=unchanged[1]),
        }
    )
    assert before == load_config(original / "config.toml")

    outcome = read(folder, "metrics.json")
    assert outcome == json.loads(done.stdout)
    assert (outcome["epochs"], outcome["best_epoch"], outcome["finished"]) == (best_epoch, best_epoch, True)
    assert (outcome["val_mae_c"], outcome["val_baseline_mae_c"]) == (None, None)
    assert outcome["steps"] == best_epoch * math.ceil(windows / BATCH)
    rows = history(folder)
    assert len(rows) == best_epoch
    assert {(row["val_mae_c"], row["val_rmse_c"]) for row in rows} == {("", "")}
    assert "no validation" in done.stderr
    assert "validation MAE" not in done.stderr
    assert (folder / "learning_curves.png").is_file()

    about = read_metadata(folder / "best.keras")
    assert (about.trained_on, about.epoch, about.val_mae_c) == ("train+val", best_epoch, None)
    assert about.calibration is None  # nothing was held out
    np.testing.assert_array_equal(weights(folder), weights(folder, "last.keras"))


def test_columns_are_scaled_over_both_splits(refit, data_dir):
    prepared = load_prepared(data_dir)
    values = prepared.series.values[: prepared.manifest.splits["val"].stop].astype(np.float64)
    about = read_metadata(refit[0] / "best.keras")
    assert [column.name for column in about.encoding.columns] == list(NAMES)
    np.testing.assert_allclose([column.mean for column in about.encoding.columns], values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose([column.deviation for column in about.encoding.columns], values.std(axis=0), rtol=1e-6)


def test_a_run_that_stops_early_keeps_the_length_of_its_schedule(data_dir, tmp_path, jenacast, original):
    run = tmp_path / "run"
    place = ("--data-dir", data_dir, "--run-dir", run)
    done = jenacast("train", "--config", original / "config.toml", "--set", "train.stop_epoch=2", *place)
    assert done.exit_code == 0, done.output
    assert read(run, "metrics.json")["finished"] is True
    steps = math.ceil(read(run, "run.json")["train_windows"] / BATCH)
    rates = [float(row["learning_rate"]) for row in history(run)]
    assert rates == pytest.approx([rate_after(epoch * steps, EPOCHS * steps) for epoch in (1, 2)], rel=1e-5)
    assert rates[-1] > 0.4 * RATE  # two of four epochs: nowhere near the end
    # Until then it is the same run.
    whole, stopped = history(original), history(run)
    assert [row["val_mae_c"] for row in stopped] == [row["val_mae_c"] for row in whole[:2]]
    assert float(whole[-1]["learning_rate"]) == pytest.approx(0, abs=1e-9)

    again = jenacast("train", "--resume", run)
    assert "finished: nothing to do" in again.stderr
    refused(jenacast("train", "--resume", run, "--epochs", 9), "train.stop_epoch=2 ends this run", "start a new one")


def test_an_end_beyond_the_last_epoch_is_refused(original):
    assert load_recipe("dense", ["train.epochs=3", "train.stop_epoch=3"]).train.stop_epoch == 3
    with pytest.raises(ConfigError, match=r"stop_epoch=4 lies beyond train\.epochs=3; lower it, or raise that"):
        load_recipe("dense", ["train.epochs=3", "train.stop_epoch=4"])


def test_a_refit_that_was_stopped_goes_on_as_if_it_never_had_been(
    original, refitted, data_dir, tmp_path, monkeypatch, jenacast
):
    steps = math.ceil(read(refitted, "run.json")["train_windows"] / BATCH)
    last, done_steps, train_batch = steps + 3, 0, Learner.train_batch

    def train_until_stopped(learner, *batch):
        nonlocal done_steps
        train_batch(learner, *batch)
        done_steps += 1
        if done_steps == last:
            signal.raise_signal(signal.SIGTERM)

    run = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "train_batch", train_until_stopped)
        stopped = jenacast("train", "--refit", original, "--data-dir", data_dir, "--run-dir", run)
    assert stopped.exit_code == 143
    assert f"jenacast train --resume {run}" in stopped.stderr
    assert done_steps == last  # in the second epoch, before its end
    assert (read(run, "metrics.json")["epochs"], read(run, "metrics.json")["finished"]) == (1, False)
    assert read(run, "metrics.json")["val_mae_c"] is None

    refused(jenacast("train", "--refit", run), f"{run} is not finished")
    assert jenacast("train", "--resume", run).exit_code == 0
    assert_same_run(run, refitted)


@pytest.mark.parametrize(("best", "median"), [((3, 1, 2), 2), ((1, 4, 1, 2), 2), ((4,), 4)])
def test_of_a_folder_of_seeds_the_median_best_epoch_is_taken(best, median, original, tmp_path):
    config = load_config(original / "config.toml")
    (tmp_path / "config.toml").write_text(dump_config(config), encoding="utf-8")
    plan = {"data_dir": "data", "seeds": list(range(len(best))), "require_cudnn": False, "tensorboard": False}
    write_json(tmp_path / "plan.json", plan)
    shutil.copytree(original, tmp_path / "seed-9-copy")  # it is none of them
    for seed, epoch in enumerate(best):
        run = shutil.copytree(original, tmp_path / f"seed-{seed}")
        write_json(run / "metrics.json", read(original, "metrics.json") | {"best_epoch": epoch})
    settings = refit_settings(tmp_path, ["train.seed=7"])
    assert (settings.train.stop_epoch, settings.data.fit_on, settings.train.seed) == (median, "train+val", 7)
    write_json(run / "metrics.json", read(original, "metrics.json") | {"finished": False})
    with pytest.raises(JenacastError, match=f"{run} is not finished, so its best epoch is not known"):
        refit_settings(tmp_path)
    shutil.rmtree(run)
    with pytest.raises(JenacastError, match=f"{run} is not a whole run folder"):
        refit_settings(tmp_path)


def test_what_cannot_be_refitted_is_refused(original, refitted, data_dir, tmp_path, jenacast):
    run = tmp_path / "run"
    place = ("--data-dir", data_dir, "--run-dir", run)
    reason = "so its best epoch is not known; refit another run"
    refused(jenacast("train", "--refit", refitted, *place), f"{refitted} has no validation, {reason}")
    unfinished = shutil.copytree(original, tmp_path / "unfinished")
    write_json(unfinished / "metrics.json", read(original, "metrics.json") | {"finished": False})
    refused(jenacast("train", "--refit", unfinished, *place), "is not finished", reason)
    refused(jenacast("train", "--refit", tmp_path, *place), "metrics.json not found")
    refused(jenacast("train", "--refit", original, "--epochs", 1, *place), "lies beyond train.epochs=1")
    for with_it in (("--model", "dense"), ("--config", original / "config.toml"), ("--resume", original)):
        done = jenacast("train", "--refit", original, *with_it)
        assert done.exit_code == 2
        assert done.stdout == ""
    assert not run.exists()


def test_refitted_runs_are_compared_with_each_other_alone(original, refitted, data_dir, tmp_path, jenacast):
    original = shutil.copytree(original, tmp_path / "original")
    mixed = jenacast("compare", original, refitted)
    refused(mixed, "cannot be ranked", f"fitted on train: {original}", f"fitted on train+val: {refitted}")

    done = jenacast("compare", refitted, "--plot", tmp_path / "plot.png")
    assert done.exit_code == 0, done.stderr
    header, _, row, *_ = done.stdout.splitlines()
    start = header.index("validation MAE °C")
    assert row[start : header.index("test MAE °C")].strip() == "-"
    test_mae_c = read(refitted, "evaluation-test.json")["mae_c"]
    assert f"{test_mae_c:.3f}" in row
    assert (tmp_path / "plot.png").is_file()
    (answer,) = json.loads(jenacast("compare", refitted, "--format", "json").stdout)
    assert (answer["val_mae_c"], answer["val_mae_spread_c"], answer["test_mae_c"]) == (None, None, test_mae_c)
    assert "| - |" in jenacast("compare", refitted, "--format", "markdown").stdout.replace("  ", "")
    assert "trained under strict on train+val" in jenacast("evaluate", refitted, "--data-dir", data_dir).stdout
