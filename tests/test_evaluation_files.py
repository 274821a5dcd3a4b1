"""What an evaluation writes: scores, pictures, every forecast as CSV."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from conftest import files

from jenacast.columns import TARGET
from jenacast.data.prepared import load_prepared
from jenacast.models.checkpoint import load_checkpoint, read_metadata, save_checkpoint

HISTORY, LEAD = 12, 24


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
    assert {path.name for path in new} == {"evaluation-test.json", "evaluation-test-days.json", *names}
    assert json.loads(new[trained_run / "evaluation-test.json"]) == answer
    assert {name: content for name, content in files(trained_run).items() if name in before} == before
    assert jenacast("compare", trained_run).exit_code == 0  # which takes the scores as they are

    lone = tmp_path / "lone"
    lone.mkdir()
    shutil.copy(trained_run / "best.keras", lone)
    scores(lone / "best.keras", "--data-dir", data_dir)
    assert list(files(lone)) == [lone / "best.keras"]


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
    assert {path.name for path in written} == {"evaluation-val.json", "evaluation-val-days.json", *pictures}
    assert json.loads(written[tmp_path / "out" / "evaluation-val.json"]) == answer
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


def test_scores_of_before_there_were_intervals_can_still_be_compared(trained_run, data_dir, jenacast, scores):
    kept = scores(trained_run, "--data-dir", data_dir)
    file = trained_run / "evaluation-test.json"
    file.write_text(json.dumps({key: kept[key] for key in kept if not re.search("ci95|difference|against", key)}))
    before = file.read_bytes()
    done = jenacast("compare", trained_run, "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["test_mae_c"] == kept["mae_c"]
    assert file.read_bytes() == before


def test_a_run_finds_its_own_data_and_one_that_was_interrupted_or_refitted_says_why_it_has_no_intervals(
    trained_run, jenacast, scores, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # whose folder `data` is not prepared
    assert "CRPS" in jenacast("evaluate", trained_run).stdout
    mae_c = scores(trained_run / "best.keras")["mae_c"]
    monkeypatch.setenv("JENACAST_DATA_DIR", str(tmp_path / "named"))
    assert "named/prepared" in jenacast("evaluate", trained_run).stderr
    monkeypatch.delenv("JENACAST_DATA_DIR")
    model, about = load_checkpoint(trained_run).model, read_metadata(trained_run / "best.keras")
    metrics = json.loads((trained_run / "metrics.json").read_text())
    (trained_run / "metrics.json").write_text(json.dumps(metrics | {"finished": False}))
    for changes, told in (
        ({"trained_on": "train"}, f"its run is not finished; continue it: jenacast train --resume {trained_run}"),
        ({"trained_on": "train+val"}, "it was trained on validation too, and nothing was left to calibrate them on"),
    ):
        about = about.model_copy(update={"calibration": None, **changes})
        save_checkpoint(model, about, trained_run / "best.keras")
        shown = " ".join(jenacast("evaluate", trained_run).stdout.split())
        assert f"no intervals of 50, 80 and 90 %: {told}" in shown
        assert scores(trained_run)["mae_c"] == mae_c
