"""`jenacast evaluate`: whose errors on which windows, beside the baseline and another checkpoint."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import files

from jenacast.columns import TARGET
from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_prepared

HISTORY, LEAD = 12, 24


def _table(done):
    """The lines of the first table, a path on a line of its own with the next; the intervals' table stands below."""
    return re.sub(r"^(/\S+)\n", r"\1", done.stdout.split("\n\n")[0], flags=re.MULTILINE).splitlines()


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


def test_a_perfect_network_has_no_error_and_a_constant_one_errs_by_the_constant(linear, ramp_dir, scores):
    perfect = scores(linear(ramp_dir, weight=1, shift_c=LEAD * 0.01), "--data-dir", ramp_dir)
    assert max(perfect["mae_c"], perfect["rmse_c"]) < 1e-4
    assert perfect["baseline_mae_c"] == pytest.approx(0.24, abs=1e-5)
    assert perfect["skill"] == pytest.approx(1, abs=1e-3)
    assert perfect["synthetic"] is False
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
    assert [answer[key] for key in answer if "against" in key] == [None] * 9
    assert "by" not in answer


def test_the_table_rounds_the_same_figures(trained_run, jenacast, data_dir, scores):
    whole_series = ("--csv", data_dir / CSV_NAME)
    answer = scores(trained_run, *whole_series)
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    for figure in ("mae", "bias", "baseline_mae", "difference"):
        low, high = answer[f"{figure}_ci95_c"]
        assert low < answer[f"{figure}_c"] < high
    done = jenacast("evaluate", trained_run, *whole_series)
    assert done.exit_code == 0
    mine, baseline, difference = (line.split() for line in _table(done)[-4:-1])
    low, high = answer["bias_ci95_c"]
    assert _table(done)[-1] == f"95 % interval of the bias: {low:+.3f} .. {high:+.3f} °C"
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
        "+0.0%",
    ]
    assert difference == [
        *("difference", "to", "it", f"{answer['difference_c']:+.3f}"),
        *(f"{answer['difference_ci95_c'][0]:+.3f}", "..", f"{answer['difference_ci95_c'][1]:+.3f}"),
    ]


def test_two_weeks_are_too_few_days_for_an_interval(trained_run, jenacast, data_dir, scores):
    answer = scores(trained_run, "--data-dir", data_dir)
    intervals = ("mae_ci95_c", "bias_ci95_c", "baseline_mae_ci95_c", "difference_ci95_c")
    assert [answer[key] for key in intervals] == [None] * 4
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    mine, baseline, difference, reason = _table(jenacast("evaluate", trained_run, "--data-dir", data_dir))[-4:]
    assert reason == "no 95 % intervals: they need windows on 56 days or more"
    assert mine.split()[2] == "-"
    assert baseline.split()[5] == "-"
    assert difference.split() == ["difference", "to", "it", f"{answer['difference_c']:+.3f}", "-"]


def test_the_difference_to_another_checkpoint_is_that_of_their_maes(linear, ramp_dir, jenacast, scores):
    # Errors of 0.1 and 0.3 degC all along the ramp.
    better = linear(ramp_dir, weight=1, shift_c=LEAD * 0.01 + 0.1, name="better.keras")
    worse = linear(ramp_dir, weight=1, shift_c=LEAD * 0.01 - 0.3, name="worse.keras")
    arguments = (better, "--against", worse, "--csv", ramp_dir / CSV_NAME)
    answer = scores(*arguments)
    assert answer["against"] == str(worse)
    assert answer["mae_c"] == pytest.approx(0.1, abs=1e-4)
    assert answer["mae_ci95_c"] == pytest.approx([0.1, 0.1], abs=1e-4)  # a steady error is certain
    assert answer["baseline_mae_ci95_c"] == pytest.approx([0.24, 0.24], abs=1e-4)  # 24 times the ramp's 0.01 degC
    assert answer["difference_c"] == pytest.approx(-0.14, abs=1e-4)
    assert answer["difference_ci95_c"] == pytest.approx([-0.14, -0.14], abs=1e-4)
    assert answer["bias_ci95_c"] == pytest.approx([0.1, 0.1], abs=1e-4)
    assert answer["against_bias_ci95_c"] == pytest.approx([-0.3, -0.3], abs=1e-4)
    assert answer["against_mae_c"] == pytest.approx(0.3, abs=1e-4)
    assert answer["difference_to_against_c"] == pytest.approx(-0.2, abs=1e-4)  # negative is better
    assert answer["difference_to_against_ci95_c"] == pytest.approx([-0.2, -0.2], abs=1e-4)
    lines = _table(jenacast("evaluate", *arguments))
    biases = next(line for line in lines if line.startswith("95 % interval of the bias"))
    there, difference = lines[lines.index(biases) - 2 : lines.index(biases)]
    assert biases == "95 % interval of the bias: +0.100 .. +0.100 °C; of the other -0.300 .. -0.300 °C"
    assert there.split() == [str(worse), "0.300", "0.300", "..", "0.300", "0.300", "-0.300", "-25.0%"]
    assert [str(better), "0.100"] in [line.split()[:2] for line in _table(jenacast("evaluate", *arguments))]
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
