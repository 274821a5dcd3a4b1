"""Where a network errs, and how sure it is: errors by group and lead, intervals."""

import json
import math
import zipfile

import numpy as np
import pandas as pd
import pytest
from conftest import files, refused

from jenacast.columns import NAMES, TARGET
from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_prepared
from jenacast.models.intervals import CALENDAR_TERMS, Calibration, LeadCalibration

HISTORY, LEAD = 12, 24
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
        heads, _, lines = table.partition("---")
        head = f"{kind} windows MAE °C 95 % interval baseline °C skill bias °C in 50 % in 80 % in 90 %"
        assert sorted(heads.split()) == sorted(head.split())  # in several lines
        found = [line for line in lines.splitlines() if line.count("%") > 3]
        for line, group in zip(found, answer["by"][kind], strict=True):
            figures = [f"{group['windows']:,}", f"{group['mae_c']:.3f}", "-", f"{group['baseline_mae_c']:.3f}"]
            figures += [f"{group['skill']:+.1%}", f"{group['bias_c']:+.3f}"]
            shares = [f"{share:.1%}" for share in group["coverage"].values()]
            assert line.split()[-len(figures + shares) :] == [*figures, *shares]
            assert group["label"].startswith(line.split()[0])


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
    names = {f"evaluation-linear-test{of}" for of in (".json", "-days.json", ".png", "-by-month.png")}
    assert {path.name for path in files(tmp_path / "out")} == names
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
        ([sound | {"quantiles": [*quantiles[:-1], math.inf]}], "Infinity is not JSON"),
        ([sound | {"quantiles": quantiles[:-1]}], "at least 19 items"),
        ([sound | {"more": 1}], "more: Extra inputs are not permitted"),
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
