import csv
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from jenacast.checkpoint import Metadata, load_checkpoint, read_metadata, save_checkpoint
from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.download import CSV_NAME
from jenacast.encoding import fit_encoding
from jenacast.prepare import prepare
from jenacast.prepared import load_prepared
from jenacast.rundir import evaluation_stem
from jenacast.runtime import load_tensorflow

HISTORY, LEAD = 12, 24
T = NAMES.index(TARGET)


@pytest.fixture
def linear(tmp_path):
    """A function that writes a checkpoint which forecasts `weight` times the last temperature plus `shift_c`."""
    load_tensorflow()
    import keras

    def write(data_dir, weight, shift_c, name="linear.keras", history=HISTORY, lead=LEAD):
        prepared = load_prepared(data_dir)
        manifest = prepared.manifest
        config = load_recipe("dense", [f"data.history_hours={history}", f"data.lead_hours={lead}"])
        encoding = fit_encoding(prepared, config.data)
        inputs = keras.Input((history, len(NAMES)))
        output = keras.layers.Dense(1)
        model = keras.Model(inputs, output(keras.layers.Flatten()(inputs)))
        kernel = np.zeros((history, len(NAMES)))
        kernel[-1, T] = weight * manifest.columns[TARGET].deviation
        bias = weight * manifest.columns[TARGET].mean + shift_c
        output.set_weights([kernel.reshape(-1, 1), np.array([bias])])
        metadata = Metadata(
            format=1,
            model="linear",
            config=config.model_dump(),
            encoding=encoding,
            protocol=manifest.protocol,
            source_sha256=manifest.source_sha256,
            synthetic=manifest.synthetic,
            seed=0,
            epoch=1,
            val_mae_c=1.0,
            versions={},
        )
        save_checkpoint(model, metadata, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def ramp_dir(place_csv, ramp):
    """Hourly rows whose temperature rises by 0.01 degC each: -20 degC in row 0."""
    folder = place_csv(*ramp(1_400), name="ramp")
    prepare(folder)
    return folder


@pytest.fixture
def scores(jenacast):
    """A function that evaluates a checkpoint and returns the JSON answer."""

    def evaluate(*arguments):
        done = jenacast("evaluate", *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return evaluate


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_network_that_repeats_the_last_temperature_is_the_baseline(linear, data_dir, scores, split):
    repeats = scores(linear(data_dir, weight=1, shift_c=0), "--split", split, "--data-dir", data_dir)
    assert repeats["mae_c"] == pytest.approx(repeats["baseline_mae_c"], abs=1e-4)
    assert repeats["rmse_c"] == pytest.approx(repeats["baseline_rmse_c"], abs=1e-4)
    assert repeats["skill"] == pytest.approx(0, abs=1e-4)
    prepared = load_prepared(data_dir)
    rows, temperature_c = prepared.manifest.splits[split], prepared.series.column(TARGET).astype(np.float64)
    # Hourly rows without a gap: every row of the split is a target but the first 12 + 24 - 1.
    targets = np.arange(rows.start + HISTORY + LEAD - 1, rows.stop)
    assert repeats["windows"] == len(targets)
    day_before_c = np.abs(temperature_c[targets] - temperature_c[targets - LEAD])
    assert repeats["baseline_mae_c"] == pytest.approx(day_before_c.mean(), abs=1e-6)


def test_a_perfect_network_has_no_error_and_skill_1(linear, ramp_dir, scores):
    perfect = scores(linear(ramp_dir, weight=1, shift_c=LEAD * 0.01), "--data-dir", ramp_dir)
    assert perfect["mae_c"] < 1e-4
    assert perfect["rmse_c"] < 1e-4
    assert perfect["baseline_mae_c"] == pytest.approx(0.24, abs=1e-5)
    assert perfect["skill"] == pytest.approx(1, abs=1e-3)
    assert perfect["synthetic"] is False


def test_a_constant_network_is_as_wrong_as_the_constant(linear, ramp_dir, scores):
    constant = scores(linear(ramp_dir, weight=0, shift_c=1.5), "--data-dir", ramp_dir)
    truth_c = -20 + 0.01 * np.arange(1_050 + HISTORY + LEAD - 1, 1_400)  # the last quarter, less a window's span
    assert constant["windows"] == 315
    assert constant["mae_c"] == pytest.approx(np.abs(1.5 - truth_c).mean(), abs=1e-4)
    assert constant["rmse_c"] == pytest.approx(np.sqrt(np.square(1.5 - truth_c).mean()), abs=1e-4)
    assert constant["bias_c"] == pytest.approx((1.5 - truth_c).mean(), abs=1e-4)  # too warm is positive
    assert constant["skill"] == pytest.approx(1 - constant["mae_c"] / 0.24, abs=1e-3)


def test_the_answer_tells_whose_scores_on_what(trained_run, data_dir, scores):
    answer = scores(trained_run, "--data-dir", data_dir)
    assert answer["checkpoint"] == str(trained_run / "best.keras")
    assert (answer["model"], answer["split"], answer["windows"]) == ("dense", "test", 315)
    assert (answer["protocol"], answer["trained_protocol"]) == ("strict", "strict")
    assert answer["scaling"] == "the checkpoint's"
    assert answer["synthetic"] is True
    for key in ("mae_c", "rmse_c", "bias_c", "baseline_mae_c", "baseline_rmse_c", "skill"):
        assert np.isfinite(answer[key]), key
    assert answer["skill"] == pytest.approx(1 - answer["mae_c"] / answer["baseline_mae_c"])


def test_the_table_rounds_the_same_figures(trained_run, jenacast, data_dir, scores):
    whole_series = ("--csv", data_dir / CSV_NAME)
    answer = scores(trained_run, *whole_series)
    done = jenacast("evaluate", trained_run, *whole_series)
    assert done.exit_code == 0
    mine, baseline, difference = (line.split() for line in done.stdout.splitlines()[-3:])
    assert mine == [
        "dense",
        f"{answer['mae_c']:.3f}",
        *(f"{answer['mae_ci95_c'][0]:.3f}", "..", f"{answer['mae_ci95_c'][1]:.3f}"),
        f"{answer['rmse_c']:.3f}",
        f"{answer['bias_c']:+.3f}",
        f"{answer['skill']:+.1%}",
    ]
    assert baseline[4:] == [
        f"{answer['baseline_mae_c']:.3f}",
        *(f"{answer['baseline_mae_ci95_c'][0]:.3f}", "..", f"{answer['baseline_mae_ci95_c'][1]:.3f}"),
        f"{answer['baseline_rmse_c']:.3f}",
        "0.0%",
    ]
    assert difference == [
        *("difference", "to", "it", f"{answer['difference_c']:+.3f}"),
        *(f"{answer['difference_ci95_c'][0]:+.3f}", "..", f"{answer['difference_ci95_c'][1]:+.3f}"),
    ]


def test_the_intervals_hold_their_figures(trained_run, data_dir, scores):
    answer = scores(trained_run, "--csv", data_dir / CSV_NAME)
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    for figure, interval in (
        ("mae_c", "mae_ci95_c"),
        ("baseline_mae_c", "baseline_mae_ci95_c"),
        ("difference_c", "difference_ci95_c"),
    ):
        low, high = answer[interval]
        assert low < answer[figure] < high


def test_a_steady_error_is_certain_and_so_is_its_difference_to_the_baseline(linear, ramp_dir, scores):
    # Every error is 0.1 degC, every one of the baseline 24 times the ramp's 0.01 degC.
    steady = scores(linear(ramp_dir, weight=1, shift_c=LEAD * 0.01 + 0.1), "--csv", ramp_dir / CSV_NAME)
    assert steady["mae_ci95_c"] == pytest.approx([0.1, 0.1], abs=1e-4)
    assert steady["baseline_mae_ci95_c"] == pytest.approx([0.24, 0.24], abs=1e-4)
    assert steady["difference_c"] == pytest.approx(-0.14, abs=1e-4)
    assert steady["difference_ci95_c"] == pytest.approx([-0.14, -0.14], abs=1e-4)


def test_two_weeks_are_too_few_days_for_an_interval(trained_run, jenacast, data_dir, scores):
    answer = scores(trained_run, "--data-dir", data_dir)
    assert [answer[key] for key in ("mae_ci95_c", "baseline_mae_ci95_c", "difference_ci95_c")] == [None] * 3
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    mine, baseline, difference = jenacast("evaluate", trained_run, "--data-dir", data_dir).stdout.splitlines()[-3:]
    assert mine.split()[2] == "-"
    assert baseline.split()[5] == "-"
    assert difference.split() == ["difference", "to", "it", f"{answer['difference_c']:+.3f}", "-"]


def test_against_itself_a_checkpoint_differs_by_nothing_for_sure(trained_run, data_dir, scores):
    answer = scores(trained_run, "--against", trained_run / "best.keras", "--csv", data_dir / CSV_NAME)
    assert answer["against"] == str(trained_run / "best.keras")
    assert answer["against_mae_c"] == answer["mae_c"]
    assert answer["difference_to_against_c"] == 0
    assert answer["difference_to_against_ci95_c"] == [0, 0]


def test_without_against_nothing_stands_there(trained_run, data_dir, scores):
    answer = scores(trained_run, "--data-dir", data_dir)
    assert {answer[key] for key in answer if "against" in key} == {None}
    assert sum("against" in key for key in answer) == 4


def test_the_difference_to_another_checkpoint_is_that_of_their_maes(linear, ramp_dir, jenacast, scores):
    # Errors of 0.1 and 0.3 degC all along the ramp.
    better = linear(ramp_dir, weight=1, shift_c=LEAD * 0.01 + 0.1, name="better.keras")
    worse = linear(ramp_dir, weight=1, shift_c=LEAD * 0.01 - 0.3, name="worse.keras")
    arguments = (better, "--against", worse, "--csv", ramp_dir / CSV_NAME)
    answer = scores(*arguments)
    assert answer["against"] == str(worse)
    assert answer["mae_c"] == pytest.approx(0.1, abs=1e-4)
    assert answer["against_mae_c"] == pytest.approx(0.3, abs=1e-4)
    assert answer["difference_to_against_c"] == pytest.approx(-0.2, abs=1e-4)  # negative is better
    assert answer["difference_to_against_ci95_c"] == pytest.approx([-0.2, -0.2], abs=1e-4)
    there, difference = jenacast("evaluate", *arguments).stdout.splitlines()[-2:]
    assert there.split() == [str(worse), "0.300"]
    assert difference.split() == ["difference", "to", "it", "-0.200", "-0.200", "..", "-0.200"]


def test_checkpoints_of_other_histories_are_compared_on_the_windows_that_both_have(
    linear, trained_run, data_dir, jenacast, scores, tmp_path
):
    other = linear(data_dir, weight=1, shift_c=0, history=24)
    table = tmp_path / "alone.csv"
    assert jenacast("evaluate", trained_run, "--data-dir", data_dir, "--predictions", table).exit_code == 0
    alone = pd.read_csv(table)[12:]  # the first twelve windows of 12 h have not 24 h behind them
    answer = scores(trained_run, "--against", other, "--data-dir", data_dir)
    assert (answer["windows"], answer["windows_dropped"]) == (303, 12)
    assert answer["mae_c"] == pytest.approx((alone.forecast_c - alone.truth_c).abs().mean(), abs=1e-4)
    assert answer["baseline_mae_c"] == pytest.approx((alone.baseline_c - alone.truth_c).abs().mean(), abs=1e-4)
    assert answer["against_mae_c"] == pytest.approx(answer["baseline_mae_c"], abs=1e-4)  # it repeats what it sees
    turned = scores(other, "--against", trained_run, "--data-dir", data_dir)
    assert (turned["windows"], turned["windows_dropped"]) == (303, 0)
    assert turned["difference_to_against_c"] == pytest.approx(-answer["difference_to_against_c"], abs=1e-9)


@pytest.mark.parametrize("hours", [{"lead": 12}, {"lead": 12, "history": 24}])  # the latter with the same targets
def test_a_checkpoint_of_another_lead_is_no_match(linear, trained_run, data_dir, jenacast, hours):
    other = linear(data_dir, weight=1, shift_c=0, **hours)
    before = files(trained_run)
    done = jenacast("evaluate", trained_run, "--against", other, "--data-dir", data_dir)
    assert done.exit_code == 1
    assert f"{trained_run / 'best.keras'} forecasts 24 h ahead, {other} forecasts 12 h ahead" in done.stderr
    assert "these are different tasks" in done.stderr
    assert done.stdout == ""
    assert files(trained_run) == before


def test_an_against_that_is_not_there_is_told_by_its_name(trained_run, data_dir, jenacast):
    done = jenacast("evaluate", trained_run, "--against", "absent.keras", "--data-dir", data_dir)
    assert done.exit_code == 1
    assert "absent.keras not found" in done.stderr


def test_scores_of_before_there_were_intervals_can_still_be_compared(trained_run, data_dir, jenacast, scores):
    kept = scores(trained_run, "--data-dir", data_dir)
    file = trained_run / "evaluation-test.json"
    file.write_text(json.dumps({key: kept[key] for key in kept if not re.search("ci95|difference|against", key)}))
    before = file.read_bytes()
    done = jenacast("compare", trained_run, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["test_mae_c"] == kept["mae_c"]
    assert file.read_bytes() == before


def test_a_synthetic_series_is_said_to_be_one(trained_run, jenacast, data_dir, ramp_dir):
    done = jenacast("evaluate", trained_run, "--data-dir", data_dir)
    assert "SYNTHETIC" in done.stdout
    # Trained on a made-up series, the scores on any other file say so too.
    elsewhere = jenacast("evaluate", trained_run, "--data-dir", ramp_dir)
    assert "SYNTHETIC" in elsewhere.stdout
    assert "trained on another series" in elsewhere.stderr


def test_another_protocol_than_the_trained_one_is_told(linear, ramp_dir, jenacast):
    checkpoint = linear(ramp_dir, weight=1, shift_c=0)
    assert jenacast("prepare", "--protocol", "book", "--force", "--data-dir", ramp_dir).exit_code == 0
    done = jenacast("evaluate", checkpoint, "--data-dir", ramp_dir)
    assert "protocol book, trained under strict" in done.stdout
    assert "note: trained under strict, evaluated under book" in done.stderr
    assert "another series" not in done.stderr


def test_a_csv_is_evaluated_on_all_of_its_windows(linear, data_dir, scores):
    checkpoint = linear(data_dir, weight=1, shift_c=0)
    answer = scores(checkpoint, "--csv", data_dir / CSV_NAME, "--data-dir", "nowhere")  # it holds all it needs
    assert (answer["split"], answer["protocol"]) == ("csv", "strict")
    assert answer["windows"] == 1_400 - (HISTORY + LEAD - 1)
    assert answer["skill"] == pytest.approx(0, abs=1e-4)


def test_an_hour_that_is_missing_costs_the_windows_that_need_it(linear, data_dir, scores, tmp_path):
    lines = (data_dir / CSV_NAME).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "gap.csv").write_text("".join(lines[:500] + lines[501:]), encoding="utf-8")
    answer = scores(linear(data_dir, weight=1, shift_c=0), "--csv", tmp_path / "gap.csv")
    # Twelve windows have it in their history, one as its target.
    assert answer["windows"] == 1_400 - (HISTORY + LEAD - 1) - 13


def test_a_csv_without_a_whole_window_is_refused(linear, data_dir, jenacast, tmp_path):
    lines = (data_dir / CSV_NAME).read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "day.csv").write_text("".join(lines[: 1 + HISTORY + LEAD - 1]), encoding="utf-8")
    done = jenacast("evaluate", linear(data_dir, weight=1, shift_c=0), "--csv", tmp_path / "day.csv")
    assert done.exit_code == 1
    assert f"{tmp_path / 'day.csv'} (35 rows) holds no window of 12 h of history and 24 h of lead" in done.stderr
    assert "give a longer file" in done.stderr


def test_every_forecast_can_be_had_as_csv(trained_run, jenacast, data_dir, tmp_path):
    table = tmp_path / "new" / "forecasts.csv"
    done = jenacast("evaluate", trained_run, "--data-dir", data_dir, "--predictions", table, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["valid_at", "forecast_c", "truth_c", "baseline_c"]
    assert len(rows) == answer["windows"]
    forecast_c, truth_c, baseline_c = (np.array([float(row[name]) for row in rows]) for name in list(rows[0])[1:])
    assert np.abs(forecast_c - truth_c).mean() == pytest.approx(answer["mae_c"], abs=1e-4)
    assert np.abs(baseline_c - truth_c).mean() == pytest.approx(answer["baseline_mae_c"], abs=1e-4)
    prepared = load_prepared(data_dir)
    first = prepared.manifest.splits["test"].start + HISTORY + LEAD - 1
    assert [row["valid_at"] for row in rows] == [str(time) for time in prepared.series.times[first:]]
    np.testing.assert_allclose(truth_c, prepared.series.column(TARGET)[first:], atol=1e-4)
    np.testing.assert_allclose(baseline_c, prepared.series.column(TARGET)[first - LEAD : -LEAD], atol=1e-4)


def test_forecasts_that_stand_there_are_not_overwritten_unasked(trained_run, jenacast, data_dir, tmp_path):
    table = tmp_path / "forecasts.csv"
    table.write_text("mine")
    arguments = ("evaluate", trained_run, "--data-dir", data_dir, "--predictions", table)
    before = files(tmp_path)
    done = jenacast(*arguments)
    assert done.exit_code == 1
    assert f"{table} exists; --force overwrites it" in done.stderr
    assert done.stdout == ""
    assert files(tmp_path) == before
    assert jenacast(*arguments, "--force").exit_code == 0
    assert table.read_text().startswith("valid_at,")


def test_a_run_folder_gets_its_scores_and_plots(trained_run, data_dir, scores):
    before = files(trained_run)
    answer = scores(trained_run, "--data-dir", data_dir)
    new = {name: content for name, content in files(trained_run).items() if name not in before}
    assert set(new) == {"evaluation-test.json", "evaluation-test.png"}
    assert json.loads(new["evaluation-test.json"]) == answer
    assert new["evaluation-test.png"].startswith(b"\x89PNG")
    assert {name: content for name, content in files(trained_run).items() if name in before} == before


def test_the_last_network_does_not_take_the_place_of_the_best(trained_run, data_dir, scores):
    scores(trained_run, "--data-dir", data_dir)
    best = (trained_run / "evaluation-test.json").read_bytes()
    last = scores(trained_run / "last.keras", "--data-dir", data_dir)
    assert (trained_run / "evaluation-test.json").read_bytes() == best
    assert json.loads((trained_run / "evaluation-last-test.json").read_text()) == last
    assert last["checkpoint"] == str(trained_run / "last.keras")


def test_scores_of_other_windows_have_other_names(trained_run):
    stems = [
        evaluation_stem(trained_run / checkpoint, split)
        for checkpoint in ("best.keras", "last.keras")
        for split in ("val", "test", "csv")
    ]
    assert len(set(stems)) == 6


def test_a_lone_checkpoint_gets_nothing_written_beside_it(trained_run, data_dir, scores, tmp_path):
    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(trained_run / "best.keras", lone)
    before = files(tmp_path)
    scores(lone / "best.keras", "--data-dir", data_dir)
    assert files(tmp_path) == before


def test_out_says_where_scores_and_plots_go(trained_run, data_dir, scores, tmp_path):
    before = files(trained_run)
    answer = scores(trained_run, "--split", "val", "--data-dir", data_dir, "--out", tmp_path / "new" / "out")
    assert set(files(tmp_path / "new")) == {"out/evaluation-val.json", "out/evaluation-val.png"}
    assert json.loads((tmp_path / "new" / "out" / "evaluation-val.json").read_text()) == answer
    assert files(trained_run) == before


def test_a_network_that_forecasts_nan_is_not_scored(trained_run, jenacast, data_dir):
    checkpoint = load_checkpoint(trained_run)
    checkpoint.model.layers[-1].set_weights([np.full((4, 1), np.nan), np.zeros(1)])
    save_checkpoint(checkpoint.model, read_metadata(trained_run / "best.keras"), trained_run / "best.keras")
    before = files(trained_run)
    done = jenacast("evaluate", trained_run, "--data-dir", data_dir)
    assert done.exit_code == 1
    assert "315 of 315 forecasts or truths are not finite" in done.stderr
    assert done.stdout == ""
    assert files(trained_run) == before
