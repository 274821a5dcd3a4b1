import json
import math

import numpy as np
import pytest
from conftest import refused
from runs import history, metrics, weights

from jenacast.config import load_config
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Batches, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.models.build import build_model
from jenacast.models.checkpoint import read_metadata
from jenacast.models.inference import forward_function, predict
from jenacast.models.intervals import spread_inputs
from jenacast.runtime import set_seed
from jenacast.training import loop
from jenacast.training.learner import Learner

SMALL = ("--set", "data.history_hours=12", "--set", "model.units=4")


def test_a_run_leaves_a_folder_that_explains_itself(jenacast, data_dir, tmp_path):
    run = tmp_path / "new" / "run"
    done = jenacast("train", "--model", "dense", *SMALL, "--epochs", 2, "--data-dir", data_dir, "--run-dir", run)
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
    assert (outcome["model"], outcome["seed"], outcome["epochs"]) == ("dense", 0, 2)
    assert 1 <= outcome["best_epoch"] <= 2
    assert outcome["steps"] == 2 * 3  # 665 train windows in batches of 256
    assert outcome["synthetic"] is True
    assert [row["epoch"] for row in history(run)] == ["1", "2"]
    assert (run / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((data_dir / "prepared" / "manifest.json").read_text())
    record = json.loads((run / "run.json").read_text())
    assert record["data_dir"] == str(data_dir)
    assert record["source_sha256"] == manifest["source_sha256"]
    assert "epoch 2/2: MAE train" in done.stderr
    assert f"jenacast evaluate {run / 'best.keras'} --data-dir {data_dir}" in done.stderr

    judged = jenacast("evaluate", run, "--data-dir", data_dir, "--json")
    assert judged.exit_code == 0, judged.output
    assert json.loads(judged.stdout)["model"] == "dense"


def test_a_finished_run_knows_how_sure_it_is_and_is_otherwise_the_same(trained_run, train_small, data_dir, monkeypatch):
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
    plain = train_small("plain")
    assert metrics(plain)["finished"] is False
    assert read_metadata(plain / "best.keras") == about.model_copy(update={"calibration": None})
    for name in ("best.keras", "last.keras"):
        np.testing.assert_array_equal(weights(plain, name), weights(trained_run, name))
    assert history(plain) == history(trained_run)


def test_too_few_windows_of_validation_leave_a_run_without_intervals(train_small, data_dir):
    # 350 hours of validation hold 350 - (history + lead - 1) windows: here 18, and 19 would do.
    run = train_small("run", "--set", f"data.history_hours={350 - 23 - 18}", epochs=1)
    assert json.loads((run / "run.json").read_text())["val_windows"] == 18
    assert read_metadata(run / "best.keras").calibration is None
    assert metrics(run)["finished"] is True
    assert evaluate(run, data_dir=data_dir).scores.intervals is None


def test_a_network_that_forecasts_every_hour_is_calibrated_for_each(train_small, data_dir):
    run = train_small("run", "--set", "data.every_hour=true", "--set", "data.target=change")
    leads = read_metadata(run / "best.keras").calibration.leads
    assert len(leads) == 24
    (found,) = (evaluate(run, data_dir=data_dir, split="val"),)
    for number, lead in enumerate(found.leads):
        where = spread_inputs(found.leads.histories, lead.hours)
        quantiles_c = found.leads.calibration.quantiles_c(number, lead.forecast_c, where)
        inside = (quantiles_c[:, 0] - 1e-6 <= lead.truth_c) & (lead.truth_c <= quantiles_c[:, -1] + 1e-6)
        assert inside.mean() == pytest.approx((301 - 15 + 1) / 315, abs=2.1 / 315)
    # The next hour is surer than the same one tomorrow.
    widths_c = [float((lead.quantiles_c[:, -1] - lead.quantiles_c[:, 0]).mean()) for lead in found.leads]
    assert widths_c[0] < 0.7 * widths_c[-1]


def test_the_validation_baseline_is_that_of_the_baseline_command(train_small, jenacast, data_dir, monkeypatch):
    # The command measures windows of 120 h, so the network must see as many.
    run = train_small("run", "--set", "data.history_hours=120", epochs=1)
    splits = json.loads(jenacast("baseline", "--data-dir", data_dir, "--json").stdout)["splits"]
    assert metrics(run)["val_baseline_mae_c"] == pytest.approx(splits["val"]["mae_c"], rel=1e-9)


def test_training_lowers_the_error_of_the_untrained_network(train_small, data_dir):
    run = train_small("run", epochs=3)
    config = load_config(run / "config.toml")
    prepared = load_prepared(data_dir)
    encoding = fit_encoding(prepared, config.data)
    samples = split_samples(prepared, "val", encoding)
    set_seed(config.train.seed)
    untrained = build_model(config)
    outputs = predict(forward_function(untrained), Batches(samples))
    assert metrics(run)["val_mae_c"] < 0.9 * measure(outputs[:, -1], samples.truth_c[:, -1]).mae_c


def test_one_seed_gives_one_run_bit_for_bit(train_small):
    options = {"model": "lstm-dropout", "epochs": 1}
    whole_batches = ("--set", "train.batch_size=133")  # a fifth of the windows
    first, second = (train_small(name, "--seed", 5, *whole_batches, **options) for name in ("first", "second"))
    np.testing.assert_array_equal(weights(first, "last.keras"), weights(second, "last.keras"))
    assert history(first) == history(second)


def test_a_row_of_train_counts_and_the_test_split_is_never_read(train_small, trained_run, data_dir):
    file = data_dir / "prepared" / "values.npy"
    values, test = np.load(file), load_prepared(data_dir).manifest.splits["test"]
    manifest = json.loads(file.with_name("manifest.json").read_text())
    del manifest["sha256"]  # of what is changed here
    file.with_name("manifest.json").write_text(json.dumps(manifest))
    values[test.start : test.stop] = np.nan
    np.save(file, values)
    after = train_small("after")
    np.testing.assert_array_equal(weights(trained_run), weights(after))
    assert history(trained_run) == history(after)
    values[300] += 1
    np.save(file, values)
    assert not np.array_equal(weights(trained_run), weights(train_small("of-other-rows")))


def test_patience_stops_after_so_many_epochs_without_a_better_one(train_small):
    # A rate that moves no weight: every epoch is as good as the first, and none is better.
    run = train_small("run", "--set", "train.learning_rate=1e-30", "--patience", 3, epochs=50)
    assert (metrics(run)["epochs"], metrics(run)["best_epoch"]) == (4, 1)
    assert len(history(run)) == 4


def test_best_is_the_epoch_of_least_error_on_validation_and_last_the_last(train_small, jenacast, data_dir, monkeypatch):
    steps, step = [], Learner.train_batch

    def spoilt_after_two_epochs(self, inputs, targets):
        steps.append(step(self, inputs, targets))
        if len(steps) > 2 * 3:
            self.model.trainable_variables[-1].assign([20.0])  # the output's bias

    monkeypatch.setattr(Learner, "train_batch", spoilt_after_two_epochs)
    run = train_small("run", epochs=4)
    errors = [float(row["val_mae_c"]) for row in history(run)]
    assert min(errors) < errors[-1] - 5
    assert metrics(run)["val_mae_c"] == min(errors)
    assert metrics(run)["best_epoch"] == errors.index(min(errors)) + 1
    for name, expected in (("best.keras", min(errors)), ("last.keras", errors[-1])):
        done = jenacast("evaluate", run / name, "--split", "val", "--data-dir", data_dir, "--json")
        assert json.loads(done.stdout)["mae_c"] == pytest.approx(expected, abs=1e-6)
        assert read_metadata(run / name).val_mae_c == expected


def test_the_mean_of_the_weights_is_what_is_judged_and_kept(train_small, jenacast, data_dir, monkeypatch):
    steps, step = [], Learner.train_batch

    def watched(self, inputs, targets):
        steps.append(flat(self.model)) if not steps else None
        step(self, inputs, targets)
        steps.append(flat(self.model))

    def flat(model):
        return np.concatenate([w.ravel() for w in model.get_weights()])

    monkeypatch.setattr(Learner, "train_batch", watched)
    columns = 'data.columns=["temperature_c", "temperature_c:change_6h", "hour_cos_1"]'
    run = train_small(
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
        told_c = float(history(run)[epoch - 1]["val_mae_c"])
        assert json.loads(judged.stdout)["mae_c"] == pytest.approx(told_c, abs=1e-6)


def test_an_hour_of_the_series_gives_as_many_windows_as_asked(place_csv, jenacast, ramp, tmp_path):
    folder, run = place_csv(*ramp(6_000, step_minutes=10, slope_c=0.001)), tmp_path / "run"
    assert jenacast("prepare", "--data-dir", folder).exit_code == 0
    setting = ("--set", "data.windows_per_hour=2", "--set", "train.batch_size=4096", "--epochs", 1)
    done = jenacast("train", "--model", "dense", *SMALL, *setting, "--data-dir", folder, "--run-dir", run)
    assert done.exit_code == 0, done.output
    everything = 3_000 - 6 * (12 + 24 - 1)  # half of the rows, less the span of a window
    assert json.loads((run / "run.json").read_text())["train_windows"] == math.ceil(everything / 3)


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
