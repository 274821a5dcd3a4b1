import csv
import json
import math
import sys
import tomllib

import numpy as np
import pytest
from conftest import refused

from jenacast.config import load_config
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Batches, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.models.build import build_model
from jenacast.models.checkpoint import load_checkpoint, read_metadata
from jenacast.models.inference import forward_function, predict
from jenacast.runtime import set_seed
from jenacast.training import loop
from jenacast.training.learner import Learner

SMALL = ("--set", "data.history_hours=12", "--set", "model.units=4")
UNTIMED = ("epoch", "train_loss", "train_mae_c", "val_mae_c", "val_rmse_c", "learning_rate")


@pytest.fixture
def train(jenacast, data_dir, tmp_path):
    """A function that trains a small dense network for two epochs into `tmp_path`/NAME, and returns that."""

    def run(name, *arguments, model="dense", epochs=2):
        which = ("--model", model) if model else ()
        where = ("--data-dir", data_dir, "--run-dir", tmp_path / name)
        done = jenacast("train", *which, *SMALL, "--epochs", epochs, *where, *arguments)
        assert done.exit_code == 0, done.output
        return tmp_path / name

    return run


def weights(folder, name="best.keras"):
    return np.concatenate([w.ravel() for w in load_checkpoint(folder / name).model.get_weights()])


def history(folder, *columns):
    with (folder / "history.csv").open() as file:
        return [[float(line[column]) for column in columns] for line in csv.DictReader(file)]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_leaves_a_folder_that_explains_itself(jenacast, data_dir, tmp_path):
    run = tmp_path / "new" / "run"
    done = jenacast("train", "--model", "gru", *SMALL, "--epochs", 2, "--data-dir", data_dir, "--run-dir", run)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{run / 'best.keras'}\n"
    assert {path.name for path in run.iterdir()} == {
        "best.keras",
        "last.keras",
        "config.toml",
        "history.csv",
        "metrics.json",
        "run.json",
        "learning_curves.png",
        "state.npz",
    }
    outcome = metrics(run)
    assert outcome["run_dir"] == str(run)
    assert outcome["checkpoint"] == str(run / "best.keras")
    assert (outcome["model"], outcome["seed"], outcome["epochs"]) == ("gru", 0, 2)
    assert 1 <= outcome["best_epoch"] <= 2
    assert outcome["steps"] == 2 * 3  # 665 train windows in batches of 256
    assert outcome["synthetic"] is True
    assert [epoch for (epoch,) in history(run, "epoch")] == [1, 2]
    assert (run / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((data_dir / "prepared" / "manifest.json").read_text())
    record = json.loads((run / "run.json").read_text())
    assert record["data_dir"] == str(data_dir)
    assert record["source_sha256"] == manifest["source_sha256"]
    assert "epoch 2/2: train MAE" in done.stderr
    assert f"jenacast evaluate {run / 'best.keras'} --data-dir {data_dir}" in done.stderr

    judged = jenacast("evaluate", run, "--data-dir", data_dir, "--json")
    assert judged.exit_code == 0, judged.output
    assert json.loads(judged.stdout)["model"] == "gru"


def test_a_finished_run_knows_how_sure_it_is_and_is_otherwise_the_same(trained_run, train, data_dir, monkeypatch):
    assert metrics(trained_run)["finished"] is True
    about = read_metadata(trained_run / "best.keras")
    assert len(about.calibration.leads) == 1
    assert read_metadata(trained_run / "last.keras").calibration is None
    # Of 315 windows of validation the outer quantiles have the ranks 316 p, down and up: 15 and 301 of 90 %, and so on.
    intervals = evaluate(trained_run, data_dir=data_dir, split="val").scores.intervals
    expected = {"50": (237 - 79 + 1) / 315, "80": (285 - 31 + 1) / 315, "90": (301 - 15 + 1) / 315}
    assert intervals.coverage == pytest.approx(expected, abs=2.1 / 315)  # a residual that is an end may fall out
    # Without that last act of a training everything else is the same.
    monkeypatch.setattr(loop, "calibrate_best", lambda run: None)
    plain = train("plain")
    assert metrics(plain)["finished"] is False
    assert read_metadata(plain / "best.keras") == about.model_copy(update={"calibration": None})
    for name in ("best.keras", "last.keras"):
        np.testing.assert_array_equal(weights(plain, name), weights(trained_run, name))
    assert history(plain, *UNTIMED) == history(trained_run, *UNTIMED)


def test_too_few_windows_of_validation_leave_a_run_without_intervals(train, data_dir):
    # 350 hours of validation hold 350 - (history + lead - 1) windows: here 18, and 19 would do.
    run = train("run", "--set", f"data.history_hours={350 - 23 - 18}", epochs=1)
    assert json.loads((run / "run.json").read_text())["val_windows"] == 18
    assert read_metadata(run / "best.keras").calibration is None
    assert metrics(run)["finished"] is True
    assert evaluate(run, data_dir=data_dir).scores.intervals is None


def test_a_network_that_forecasts_every_hour_is_calibrated_for_each(train, data_dir):
    run = train("run", "--set", "data.every_hour=true", "--set", "data.target=change")
    leads = read_metadata(run / "best.keras").calibration.leads
    assert len(leads) == 24
    (found,) = (evaluate(run, data_dir=data_dir, split="val"),)
    for lead in found.leads:
        inside = (lead.quantiles_c[:, 0] - 1e-6 <= lead.truth_c) & (lead.truth_c <= lead.quantiles_c[:, -1] + 1e-6)
        assert inside.mean() == pytest.approx((301 - 15 + 1) / 315, abs=2.1 / 315)
    # The next hour is surer than the same one tomorrow.
    widths_c = [float((lead.quantiles_c[:, -1] - lead.quantiles_c[:, 0]).mean()) for lead in found.leads]
    assert widths_c[0] < 0.7 * widths_c[-1]


def test_the_validation_baseline_is_that_of_the_baseline_command(train, jenacast, data_dir, monkeypatch):
    # The command measures windows of 120 h, so the network must see as many.
    run = train("run", "--set", "data.history_hours=120", epochs=1)
    splits = json.loads(jenacast("baseline", "--data-dir", data_dir, "--json").stdout)["splits"]
    assert metrics(run)["val_baseline_mae_c"] == pytest.approx(splits["val"]["mae_c"], rel=1e-9)


def test_training_lowers_the_error_of_the_untrained_network(train, data_dir):
    run = train("run", epochs=3)
    config = load_config(run / "config.toml")
    prepared = load_prepared(data_dir)
    encoding = fit_encoding(prepared, config.data)
    samples = split_samples(prepared, "val", encoding)
    set_seed(config.train.seed)
    untrained = build_model(config)
    outputs = predict(forward_function(untrained), Batches(samples))
    assert metrics(run)["val_mae_c"] < 0.9 * measure(outputs[:, -1], samples.truth_c[:, -1]).mae_c


def test_one_seed_gives_one_run_bit_for_bit(train):
    options = {"model": "lstm-dropout", "epochs": 1}
    whole_batches = ("--set", "train.batch_size=133")  # a fifth of the windows
    first, second = (train(name, "--seed", 5, *whole_batches, **options) for name in ("first", "second"))
    np.testing.assert_array_equal(weights(first, "last.keras"), weights(second, "last.keras"))
    assert history(first, *UNTIMED) == history(second, *UNTIMED)


def test_the_test_split_is_never_read(train, trained_run, data_dir):
    file = data_dir / "prepared" / "values.npy"
    values, test = np.load(file), load_prepared(data_dir).manifest.splits["test"]
    values[test.start : test.stop] = np.nan
    np.save(file, values)
    after = train("after")
    np.testing.assert_array_equal(weights(trained_run), weights(after))
    assert history(trained_run, *UNTIMED) == history(after, *UNTIMED)


def test_one_train_row_changes_the_weights(train, trained_run, data_dir):
    # What the test above relies on.
    file = data_dir / "prepared" / "values.npy"
    values = np.load(file)
    values[300] += 1
    np.save(file, values)
    assert not np.array_equal(weights(trained_run), weights(train("after")))


def test_patience_stops_after_so_many_epochs_without_a_better_one(train):
    # A rate that moves no weight: every epoch is as good as the first, and none is better.
    run = train("run", "--set", "train.learning_rate=1e-30", "--patience", 3, epochs=50)
    assert (metrics(run)["epochs"], metrics(run)["best_epoch"]) == (4, 1)
    assert len(history(run, "epoch")) == 4


def test_best_is_the_epoch_with_the_lowest_validation_error_and_last_the_last(train, jenacast, data_dir, monkeypatch):
    steps, step = [], Learner.train_batch

    def spoilt_after_two_epochs(self, inputs, targets):
        steps.append(step(self, inputs, targets))
        if len(steps) > 2 * 3:
            self.model.trainable_variables[-1].assign([20.0])  # the output's bias

    monkeypatch.setattr(Learner, "train_batch", spoilt_after_two_epochs)
    run = train("run", epochs=4)
    errors = [mae for (mae,) in history(run, "val_mae_c")]
    assert min(errors) < errors[-1] - 5
    assert metrics(run)["val_mae_c"] == min(errors)
    assert metrics(run)["best_epoch"] == errors.index(min(errors)) + 1
    for name, expected in (("best.keras", min(errors)), ("last.keras", errors[-1])):
        done = jenacast("evaluate", run / name, "--split", "val", "--data-dir", data_dir, "--json")
        assert json.loads(done.stdout)["mae_c"] == pytest.approx(expected, abs=1e-6)
        assert read_metadata(run / name).val_mae_c == expected


def test_the_mean_of_the_weights_is_what_is_judged_and_kept(train, jenacast, data_dir, monkeypatch):
    steps, step = [], Learner.train_batch

    def watched(self, inputs, targets):
        steps.append(flat(self.model)) if not steps else None
        step(self, inputs, targets)
        steps.append(flat(self.model))

    def flat(model):
        return np.concatenate([w.ravel() for w in model.get_weights()])

    monkeypatch.setattr(Learner, "train_batch", watched)
    columns = 'data.columns=["temperature_c", "temperature_c:change_6h", "hour_cos_1"]'
    run = train(
        *("run", "--set", columns, "--set", "data.target=change", "--set", "train.ema=0.3"),
        *("--set", "train.learning_rate=0.02"),
        epochs=3,
    )
    mean, means = steps[0], []
    for number, last in enumerate(steps[1:], 1):
        decay = min(0.3, number / (number + 10))
        mean = decay * mean + (1 - decay) * last
        means.append(mean)
    best = metrics(run)["best_epoch"]
    for name, epoch in (("best.keras", best), ("last.keras", 3)):
        np.testing.assert_allclose(weights(run, name), means[3 * epoch - 1], rtol=1e-4, atol=1e-6)
        assert not np.allclose(weights(run, name), steps[3 * epoch], rtol=1e-3)
        # What was told of them is theirs, and the reference of the target is added again.
        judged = jenacast("evaluate", run / name, "--split", "val", "--data-dir", data_dir, "--json")
        (told_c,) = history(run, "val_mae_c")[epoch - 1]
        assert json.loads(judged.stdout)["mae_c"] == pytest.approx(told_c, abs=1e-6)


def test_an_hour_of_the_series_gives_as_many_windows_as_asked(place_csv, jenacast, ramp, tmp_path):
    folder, run = place_csv(*ramp(6_000, step_minutes=10, slope_c=0.001)), tmp_path / "run"
    assert jenacast("prepare", "--data-dir", folder).exit_code == 0
    setting = ("--set", "data.windows_per_hour=2", "--set", "train.batch_size=4096", "--epochs", 1)
    done = jenacast("train", "--model", "dense", *SMALL, *setting, "--data-dir", folder, "--run-dir", run)
    assert done.exit_code == 0, done.output
    everything = 3_000 - 6 * (12 + 24 - 1)  # half of the rows, less the span of a window
    assert json.loads((run / "run.json").read_text())["train_windows"] == math.ceil(everything / 3)


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_was(train, trained_run, jenacast, data_dir):
    before = contents(trained_run)
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", trained_run)
    refused(done, str(trained_run), "holds a run already", "--run-dir", "--force")
    assert contents(trained_run) == before


def test_force_replaces_the_run_and_what_was_measured_of_it(train, trained_run, jenacast, data_dir):
    assert jenacast("evaluate", trained_run, "--data-dir", data_dir).exit_code == 0
    (trained_run / "tensorboard").mkdir()
    (trained_run / "tensorboard" / "events.out").write_text("of the old run")
    before = weights(trained_run)
    mine, left = trained_run / ".best-original.keras", trained_run / ".jenacast-tmp-abcd1234.keras"
    mine.write_text("a hidden file of the user's")
    left.write_text("half of what a killed process wrote")
    train("run", "--force", "--seed", 9)
    assert metrics(trained_run)["seed"] == 9
    assert not np.allclose(weights(trained_run), before)  # another seed is another run
    names = {path.name for path in trained_run.iterdir()}
    assert mine.exists()
    assert not left.exists()
    assert not [name for name in names if name.startswith(("evaluation-", "tensorboard"))]


@pytest.mark.parametrize(("name", "force"), [("metrics.json", []), (".env", ["--force"])])
def test_a_folder_that_is_no_run_is_never_touched(jenacast, data_dir, tmp_path, force, name):
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / name).write_text("{}")
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", folder, *force)
    refused(done, str(folder), "not a run folder", "--run-dir")
    assert contents(folder) == {name: b"{}"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "model.cell=lstm"], "model.cell: received 'lstm'; dense does not use it"),
        (["--set", "model.any_history=true"], "set model.any_history=false"),
        (["--set", "data.history_hours=400"], "or a shorter history"),
        (["--data-dir", "nowhere"], "run: jenacast prepare"),
    ],
)
def test_a_run_that_cannot_begin_leaves_the_old_one_whole(trained_run, jenacast, data_dir, arguments, told):
    before = contents(trained_run)
    done = jenacast(
        "train", "--model", "dense", "--data-dir", data_dir, "--run-dir", trained_run, "--force", *arguments
    )
    refused(done, told)
    assert contents(trained_run) == before


def test_the_config_of_a_run_repeats_it(train, trained_run, jenacast, data_dir, tmp_path):
    again = tmp_path / "again"
    done = jenacast("train", "--config", trained_run / "config.toml", "--data-dir", data_dir, "--run-dir", again)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(weights(again), weights(trained_run))
    assert history(again, *UNTIMED) == history(trained_run, *UNTIMED)
    assert (again / "config.toml").read_text() == (trained_run / "config.toml").read_text()


def test_options_go_over_set_and_set_over_the_file(train, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        "[model]\narchitecture = 'dense'\n[train]\nlearning_rate = 0.01\nseed = 1\nepochs = 7\n", encoding="utf-8"
    )
    run = train("run", "--config", file, "--set", "train.seed=2", "--set", "train.epochs=6", model=None, epochs=1)
    settings = tomllib.loads((run / "config.toml").read_text())
    assert settings["name"] == "mine"
    assert settings["train"]["learning_rate"] == 0.01  # the file, over the defaults
    assert settings["train"]["seed"] == 2  # --set, over the file
    assert settings["train"]["epochs"] == 1  # --epochs, over --set
    assert settings["train"]["batch_size"] == 256  # nobody but the defaults


@pytest.mark.parametrize(
    ("step", "told", "kept"),
    [(5, "step 5 (epoch 2)", " The best checkpoint, of epoch 1, is kept."), (2, "(epoch 1)", "")],
)
def test_a_diverging_training_stops_and_keeps_the_best_so_far(
    jenacast, data_dir, tmp_path, monkeypatch, step, told, kept
):
    steps, train_batch, run = [], Learner.train_batch, tmp_path / "run"

    def poisoned(self, inputs, targets):
        steps.append(1)
        if len(steps) == step:
            self.model.trainable_variables[-1].assign([math.nan])
        train_batch(self, inputs, targets)

    monkeypatch.setattr(Learner, "train_batch", poisoned)
    where = ("--data-dir", data_dir, "--run-dir", run)
    done = jenacast("train", "--model", "dense", *SMALL, "--epochs", 5, *where)
    refused(done, "the loss is not finite at", told, f"diverges.{kept} Try", "learning_rate", "train.clip_norm=1")
    assert (run / "best.keras").exists() == bool(kept)
    if kept:
        assert metrics(run)["epochs"] == read_metadata(run / "best.keras").epoch == 1


def test_tensorboard_without_tensorboard_names_the_remedy(jenacast, data_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    run = tmp_path / "run"
    done = jenacast("train", "--model", "dense", *SMALL, "--data-dir", data_dir, "--run-dir", run, "--tensorboard")
    refused(done, "--tensorboard", "pip install 'jenacast[tensorboard]'")
    assert not run.exists()


def test_tensorboard_gets_the_figures_of_every_epoch(train):
    pytest.importorskip("tensorboard")
    run = train("run", "--tensorboard")
    logged = b"".join(path.read_bytes() for path in (run / "tensorboard").glob("events*"))
    for name in (b"train_loss", b"train_mae_c", b"val_mae_c", b"learning_rate"):
        assert logged.count(name) == 2
