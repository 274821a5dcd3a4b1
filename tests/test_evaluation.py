import csv
import json
import math
import re
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.features.encoding import fit_encoding
from jenacast.models.checkpoint import Metadata, load_checkpoint, read_metadata, save_checkpoint
from jenacast.models.intervals import CALENDAR_TERMS, Calibration, LeadCalibration
from jenacast.runtime import load_tensorflow

HISTORY, LEAD = 12, 24
T = NAMES.index(TARGET)


@pytest.fixture
def linear(tmp_path):
    """A function that writes a checkpoint which forecasts `weight` times the last temperature plus `shift_c`."""
    load_tensorflow()
    import keras

    def write(data_dir, weight, shift_c, name="linear.keras", history=HISTORY, lead=LEAD, outputs=1, calibration=None):
        prepared = load_prepared(data_dir)
        manifest = prepared.manifest
        every_hour = f"data.every_hour={str(outputs > 1).lower()}"
        config = load_recipe("dense", [f"data.history_hours={history}", f"data.lead_hours={lead}", every_hour])
        encoding = fit_encoding(prepared, config.data)
        inputs = keras.Input((history, len(NAMES)))
        output = keras.layers.Dense(outputs)
        model = keras.Model(inputs, output(keras.layers.Flatten()(inputs)))
        kernel = np.zeros((history, len(NAMES), outputs))
        kernel[-1, T] = weight * manifest.columns[TARGET].deviation
        bias = weight * manifest.columns[TARGET].mean + shift_c
        output.set_weights([kernel.reshape(-1, outputs), np.full(outputs, bias)])
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
            calibration=calibration,
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


def _table(done):
    """The lines of the first table; that of the intervals stands below it."""
    return done.stdout.split("\n\n")[0].splitlines()


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
    assert [answer[key] for key in answer if "against" in key] == [None] * 4
    assert "by" not in answer


def test_the_table_rounds_the_same_figures(trained_run, jenacast, data_dir, scores):
    whole_series = ("--csv", data_dir / CSV_NAME)
    answer = scores(trained_run, *whole_series)
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    for figure in ("mae", "baseline_mae", "difference"):
        low, high = answer[f"{figure}_ci95_c"]
        assert low < answer[f"{figure}_c"] < high
    done = jenacast("evaluate", trained_run, *whole_series)
    assert done.exit_code == 0
    mine, baseline, difference = (line.split() for line in _table(done)[-3:])
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


def test_two_weeks_are_too_few_days_for_an_interval(trained_run, jenacast, data_dir, scores):
    answer = scores(trained_run, "--data-dir", data_dir)
    assert [answer[key] for key in ("mae_ci95_c", "baseline_mae_ci95_c", "difference_ci95_c")] == [None] * 3
    assert answer["difference_c"] == pytest.approx(answer["mae_c"] - answer["baseline_mae_c"])
    mine, baseline, difference = _table(jenacast("evaluate", trained_run, "--data-dir", data_dir))[-3:]
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
    assert answer["against_mae_c"] == pytest.approx(0.3, abs=1e-4)
    assert answer["difference_to_against_c"] == pytest.approx(-0.2, abs=1e-4)  # negative is better
    assert answer["difference_to_against_ci95_c"] == pytest.approx([-0.2, -0.2], abs=1e-4)
    there, difference = _table(jenacast("evaluate", *arguments))[-2:]
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
    ends = [f"{end}_{name}_c" for name in ("50", "80", "90") for end in ("low", "high")]
    assert list(rows[0]) == ["valid_at", "forecast_c", "truth_c", "baseline_c", *ends]
    assert len(rows) == answer["windows"]
    columns = {name: np.array([float(row[name]) for row in rows]) for name in list(rows[0])[1:]}
    forecast_c, truth_c, baseline_c = columns["forecast_c"], columns["truth_c"], columns["baseline_c"]
    for name in ("50", "80", "90"):
        inside = (columns[f"low_{name}_c"] <= truth_c) & (truth_c <= columns[f"high_{name}_c"])
        assert inside.mean() == pytest.approx(answer["intervals"]["coverage"][name], abs=0.01)
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


def test_a_run_folder_gets_its_scores_and_plots_and_no_other_folder_does(
    trained_run, data_dir, jenacast, scores, tmp_path
):
    before = files(trained_run)
    answer = scores(trained_run, "--data-dir", data_dir, "--by", "hour")
    new = {name: content for name, content in files(trained_run).items() if name not in before}
    names = {f"evaluation-test{of}.png" for of in ("", "-reliability", "-by-hour")}
    assert set(new) == {"evaluation-test.json", *names}
    assert json.loads(new["evaluation-test.json"]) == answer
    assert {name: content for name, content in files(trained_run).items() if name in before} == before
    assert jenacast("compare", trained_run).exit_code == 0  # which takes the scores as they are

    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(trained_run / "best.keras", lone)
    scores(lone / "best.keras", "--data-dir", data_dir)
    assert set(files(lone)) == {"best.keras"}


def test_the_last_network_does_not_take_the_place_of_the_best(trained_run, data_dir, scores):
    scores(trained_run, "--data-dir", data_dir)
    best = (trained_run / "evaluation-test.json").read_bytes()
    last = scores(trained_run / "last.keras", "--data-dir", data_dir)
    assert (trained_run / "evaluation-test.json").read_bytes() == best
    assert json.loads((trained_run / "evaluation-last-test.json").read_text()) == last
    assert last["checkpoint"] == str(trained_run / "last.keras")


def test_out_says_where_scores_and_plots_go_and_format_as_what(trained_run, data_dir, scores, tmp_path):
    before = files(trained_run)
    options = ("--split", "val", "--format", "svg", "--by", "month", "--by", "lead")
    answer = scores(trained_run, "--data-dir", data_dir, "--out", tmp_path / "out", *options)
    written = files(tmp_path / "out")
    pictures = {f"evaluation-val{of}.svg" for of in ("", "-reliability", "-by-month", "-by-lead")}
    assert set(written) == {"evaluation-val.json", *pictures}
    assert json.loads(written["evaluation-val.json"]) == answer
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


# --- where it errs, and how sure it is ----------------------------------------------------------------------------

# Quantiles from 9 steps below the forecast to 9 above: the ends of the intervals are 5, 8 and 9 steps from it.
STEPS = {"50": 5, "80": 8, "90": 9}


def stepwise(*steps_c):
    """A calibration whose quantiles are multiples of a constant number of degrees, one for each output."""
    return Calibration(
        leads=[
            LeadCalibration(
                coefficients=[math.log(step_c), *[0.0] * (CALENDAR_TERMS + len(NAMES) - 1)],
                least_c=step_c / 2,
                most_c=step_c * 2,
                quantiles=range(-9, 10),
            )
            for step_c in steps_c
        ]
    )


def with_calibration(path, source, calibration):
    """A copy of a checkpoint whose `jenacast.json` says this of its calibration, whatever the rules are."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "jenacast.json":
                content = json.dumps(json.loads(content) | {"calibration": calibration}).encode()
            new.writestr(name, content)
    return path


def cut_csv(path, folder, *, lines_left_out=(), parts=1):
    """The station file without some of its rows, in several files that follow one another."""
    header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines) if number not in lines_left_out]
    ends = np.linspace(0, len(kept), parts + 1).astype(int)
    files = [folder / f"part-{number}.csv" for number in range(parts)]
    for file, begin, end in zip(files, ends[:-1], ends[1:], strict=True):
        file.write_text("".join([header, *kept[begin:end]]), encoding="utf-8")
    return files


def test_every_hour_of_a_network_that_repeats_the_present_errs_as_persistence_does(linear, data_dir, scores, tmp_path):
    gap = 700
    (file,) = cut_csv(data_dir / CSV_NAME, tmp_path, lines_left_out=[gap])
    temperature_c = load_prepared(data_dir).series.column(TARGET).astype(np.float64)
    widths_c = [0.7 + hours / 100 for hours in range(1, LEAD + 1)]
    checkpoint = linear(data_dir, 1, 0.25, outputs=LEAD, calibration=stepwise(*widths_c))
    answer = scores(checkpoint, "--csv", file, "--by", "lead")
    leads = answer["by"]["lead"]
    assert [lead["label"] for lead in leads] == [f"{hours} h" for hours in range(1, LEAD + 1)]
    rows = np.arange(HISTORY - 1, 1_400 - LEAD)
    whole = (gap < rows - HISTORY + 1) | (gap > rows)  # an hour on the way costs no window, but that hour of it
    rows = rows[whole & (rows + LEAD != gap)]
    assert answer["windows"] == len(rows)
    for hours, lead in enumerate(leads, start=1):
        known = rows[rows + hours != gap]
        change_c = temperature_c[known] - temperature_c[known + hours]
        assert lead["windows"] == len(known) == len(rows) - (hours < LEAD)
        assert lead["baseline_mae_c"] == pytest.approx(np.abs(change_c).mean(), abs=1e-5)
        assert lead["mae_c"] == pytest.approx(np.abs(change_c + 0.25).mean(), abs=1e-4)
        assert lead["bias_c"] == pytest.approx((change_c + 0.25).mean(), abs=1e-4)
        for name, steps in STEPS.items():
            inside = np.abs(change_c + 0.25) <= steps * widths_c[hours - 1]
            assert lead["coverage"][name] == pytest.approx(inside.mean(), abs=2 / len(known))
    assert leads[-1]["mae_c"] == pytest.approx(answer["mae_c"], abs=1e-6)
    assert leads[-1]["coverage"] == pytest.approx(answer["intervals"]["coverage"], abs=2 / len(rows))
    assert answer["intervals"]["width_c"] == {name: pytest.approx(2 * s * widths_c[-1]) for name, s in STEPS.items()}


def test_the_scores_of_intervals_are_those_of_the_forecasts_written_down(linear, data_dir, jenacast, tmp_path):
    checkpoint, table = linear(data_dir, 0.9, 1, calibration=stepwise(0.5)), tmp_path / "forecasts.csv"
    done = jenacast("evaluate", checkpoint, "--data-dir", data_dir, "--predictions", table, "--json")
    intervals, rows = json.loads(done.stdout)["intervals"], pd.read_csv(table)
    for (name, steps), level in zip(STEPS.items(), (0.25, 0.1, 0.05), strict=True):
        low_c, high_c = rows[f"low_{name}_c"], rows[f"high_{name}_c"]
        np.testing.assert_allclose(high_c - rows.forecast_c, steps / 2, atol=2e-4)
        np.testing.assert_allclose(rows.forecast_c - low_c, steps / 2, atol=2e-4)
        inside = (low_c <= rows.truth_c) & (rows.truth_c <= high_c)
        assert intervals["coverage"][name] == pytest.approx(inside.mean(), abs=2 / len(rows))
        losses = [
            share * np.maximum(rows.truth_c - end_c, 0) + (1 - share) * np.maximum(end_c - rows.truth_c, 0)
            for end_c, share in ((low_c, level), (high_c, 1 - level))
        ]
        assert intervals["pinball_c"][name] == pytest.approx(np.mean(losses), abs=2e-4)
    below = [(rows.truth_c <= rows.forecast_c + 0.5 * step).mean() for step in range(-9, 10)]
    np.testing.assert_allclose(intervals["reliability"], below, atol=2 / len(rows))


def test_groups_of_a_run_s_windows_hold_all_of_them(trained_run, data_dir, scores):
    kinds = ("month", "season", "hour", "year", "change", "lead")
    answer = scores(trained_run, "--csv", data_dir / CSV_NAME, *(word for kind in kinds for word in ("--by", kind)))
    assert list(answer["by"]) == list(kinds)
    for kind, groups in answer["by"].items():
        windows = np.array([group["windows"] for group in groups])
        assert windows.sum() == answer["windows"], kind
        for key in ("mae_c", "bias_c", "baseline_mae_c"):
            mean = windows @ [group[key] for group in groups] / windows.sum()
            assert mean == pytest.approx(answer[key], abs=1e-6), (kind, key)
        for name, share in answer["intervals"]["coverage"].items():
            mean = windows @ [group["coverage"][name] for group in groups] / windows.sum()
            assert mean == pytest.approx(share, abs=1e-9), (kind, name)
    # The first target is 35 hours after 2009-01-01 00:10, the last 1,399.
    assert [group["label"] for group in answer["by"]["month"]] == ["Jan", "Feb"]
    assert [group["windows"] for group in answer["by"]["month"]] == [31 * 24 - 35, 1_400 - 31 * 24]
    assert [group["label"] for group in answer["by"]["season"]] == ["winter"]
    assert [group["label"] for group in answer["by"]["year"]] == ["2009"]
    assert [group["label"] for group in answer["by"]["hour"]] == [f"{hour:02d}" for hour in range(24)]
    assert answer["by"]["year"][0]["mae_ci95_c"] == pytest.approx(answer["mae_ci95_c"], abs=1e-6)
    assert answer["by"]["month"][0]["mae_ci95_c"] is None
    assert [group["label"] for group in answer["by"]["lead"]] == ["24 h"]


def test_the_tables_of_groups_stand_below_with_their_coverage(trained_run, data_dir, jenacast, scores):
    arguments = (trained_run, "--data-dir", data_dir, "--by", "change", "--by", "month")
    answer, done = scores(*arguments), jenacast("evaluate", *arguments)
    _, intervals, *tables = done.stdout.split("\n\n")
    head = "interval holds the truth in mean width °C pinball loss °C"
    assert " ".join(intervals.splitlines()[0].split()) == head
    assert intervals.splitlines()[-1] == f"CRPS {answer['intervals']['crps_c']:.3f} °C"
    for kind, table in zip(("change", "month"), tables, strict=True):
        header, _, *lines = table.splitlines()
        head = f"{kind} windows MAE °C 95 % interval baseline °C skill bias °C in 50 % in 80 % in 90 %"
        assert " ".join(header.split()) == head
        for line, group in zip(lines, answer["by"][kind], strict=True):
            figures = [f"{group['windows']:,}", f"{group['mae_c']:.3f}", "-", f"{group['baseline_mae_c']:.3f}"]
            figures += [f"{group['skill']:+.1%}", f"{group['bias_c']:+.3f}"]
            shares = [f"{share:.1%}" for share in group["coverage"].values()]
            assert line.split() == [*group["label"].split(), *figures, *shares]


@pytest.mark.parametrize("wrong", [("--by", "week"), ("--format", "gif")])
def test_a_kind_of_group_or_of_picture_that_there_is_not_is_wrong_usage(wrong, trained_run, data_dir, jenacast):
    before = files(trained_run)
    done = jenacast("evaluate", trained_run, "--data-dir", data_dir, *wrong)
    assert done.exit_code == 2
    assert wrong[0] in done.stderr
    assert done.stdout == ""
    assert files(trained_run) == before


def test_a_station_file_cut_into_several_scores_as_the_whole(trained_run, data_dir, scores, tmp_path):
    parts = cut_csv(data_dir / CSV_NAME, tmp_path, parts=3)
    whole = scores(trained_run, "--csv", data_dir / CSV_NAME, "--by", "hour", "--data-dir", "nowhere")
    assert (whole["split"], whole["protocol"]) == ("csv", "strict")
    assert whole["windows"] == 1_400 - (HISTORY + LEAD - 1)
    for order in ((2, 0, 1), (1, 2, 0, 1)):  # turned, and one of them twice
        cut = (word for number in order for word in ("--csv", parts[number]))
        assert scores(trained_run, *cut, "--by", "hour") == whole


def test_a_series_that_never_changes_has_no_skill_to_tell(trained_run, jenacast, ramp, place_csv):
    folder = place_csv(*ramp(100, slope_c=0), name="steady")
    refused(jenacast("evaluate", trained_run, "--csv", folder / CSV_NAME), "the baseline makes no error")


def test_one_of_several_station_files_that_is_not_there_is_told_by_its_name(trained_run, data_dir, jenacast):
    done = jenacast("evaluate", trained_run, "--csv", data_dir / CSV_NAME, "--csv", "absent.csv")
    refused(done, "absent.csv")


def test_a_checkpoint_without_calibration_is_judged_without_intervals(linear, data_dir, jenacast, tmp_path):
    checkpoint, table = linear(data_dir, 1, 0), tmp_path / "forecasts.csv"
    arguments = (checkpoint, "--data-dir", data_dir, "--by", "month", "--out", tmp_path / "out")
    done = jenacast("evaluate", *arguments, "--predictions", table, "--json")
    answer = json.loads(done.stdout)
    assert answer["intervals"] is None
    assert [group["coverage"] for group in answer["by"]["month"]] == [None]
    names = {"evaluation-linear-test.json", "evaluation-linear-test.png", "evaluation-linear-test-by-month.png"}
    assert set(files(tmp_path / "out")) == names
    assert list(pd.read_csv(table)) == ["valid_at", "forecast_c", "truth_c", "baseline_c"]
    told = jenacast("evaluate", *arguments).stdout
    assert "CRPS" not in told
    assert "in 50 %" not in told


def test_a_mean_of_several_has_no_intervals_and_one_lead(linear, data_dir, scores):
    several = [linear(data_dir, 1, n, f"{n}.keras", outputs=LEAD, calibration=stepwise(*[1.0] * LEAD)) for n in (0, 1)]
    answer = scores(*several, "--data-dir", data_dir, "--by", "lead")
    assert answer["intervals"] is None
    assert [(group["label"], group["coverage"]) for group in answer["by"]["lead"]] == [("24 h", None)]
    assert answer["by"]["lead"][0]["mae_c"] == pytest.approx(answer["mae_c"], abs=1e-6)


def test_a_calibration_that_breaks_its_rules_is_refused_in_words(linear, data_dir, jenacast, tmp_path):
    (sound,) = stepwise(1.0).model_dump(mode="json")["leads"]
    quantiles, path = sound["quantiles"], tmp_path / "bad.keras"
    checkpoint = linear(data_dir, 1, 0)
    for leads, told in (
        ([sound, sound], "(2 calibrated outputs, expected 1)"),
        ([], "at least 1 item"),
        ([sound | {"quantiles": quantiles[::-1]}], "quantiles that cross"),
        ([sound | {"quantiles": [math.nan, *quantiles[1:]]}], "NaN is not JSON"),
        ([sound | {"quantiles": quantiles[:-1]}], "at least 19 items"),
        ([sound | {"coefficients": [math.nan, *sound["coefficients"][1:]]}], "NaN is not JSON"),
        (
            [sound | {"coefficients": sound["coefficients"][:-1]}],
            "(a calibration of other columns, expected 29 coefficients)",
        ),
        ([sound | {"least_c": 0}], "greater than 0"),
        ([sound | {"most_c": math.inf}], "Infinity is not JSON"),
    ):
        done = jenacast("evaluate", with_calibration(path, checkpoint, {"leads": leads}), "--data-dir", data_dir)
        refused(done, f"{path}: jenacast.json is damaged", told)
    done = jenacast("evaluate", with_calibration(path, checkpoint, {"leads": [sound]}), "--data-dir", data_dir)
    assert done.exit_code == 0  # what the others were made of


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
@pytest.mark.parametrize(
    "absurd",
    [{"coefficients": [1e308] * 29}, {"quantiles": [-1e308] * 9 + [1e308] * 10, "most_c": 1e300, "least_c": 1e9}],
)
def test_a_calibration_of_absurd_numbers_is_refused_and_not_written_down(absurd, linear, data_dir, jenacast, tmp_path):
    (sound,) = stepwise(1.0).model_dump(mode="json")["leads"]
    path = with_calibration(tmp_path / "bad.keras", linear(data_dir, 1, 0), {"leads": [sound | absurd]})
    done = jenacast("evaluate", path, "--data-dir", data_dir, "--out", tmp_path / "out")
    refused(done, "calibration gives intervals that are not finite")
    assert not (tmp_path / "out").exists()
