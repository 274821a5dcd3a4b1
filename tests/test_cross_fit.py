import json
import shutil

import numpy as np
import pytest
from conftest import refused
from runs import in_this_process

from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_prepared
from jenacast.features.datasets import split_samples
from jenacast.models.checkpoint import load_checkpoint, read_metadata
from jenacast.models.inference import forecast_leads_c, forward_function
from jenacast.models.intervals import spread_inputs

pytestmark = pytest.mark.system  # many trainings

pytest_plugins = ["held_out_runs"]


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch):
    for module in ("held_out", "seeds"):
        monkeypatch.setattr(f"jenacast.experiments.{module}.run_side_by_side", in_this_process)


def forecasts_of(years, year, seed):
    """A year's windows, and forecasts of them by the network of a seed that left it out."""
    checkpoint = load_checkpoint(years / str(year) / f"seed-{seed}" / "best.keras")
    samples = split_samples(load_prepared(years / str(year)), "val", checkpoint.metadata.encoding)
    return samples, forecast_leads_c(forward_function(checkpoint.model), samples, checkpoint.metadata.encoding)[:, -1]


def test_a_network_of_all_years_is_calibrated_by_networks_that_had_not_seen_each(all_years, years):
    about = read_metadata(all_years[1] / "seed-1" / "best.keras")
    assert (about.trained_on, about.val_mae_c) == ("train+val+test", None)
    assert [year.year for year in about.held_out] == [2009, 2010, 2011]
    everything = load_prepared(years).windows("train+val+test", history_hours=12, lead_hours=24)
    assert json.loads((all_years[1] / "seed-1" / "run.json").read_text())["train_windows"] == len(everything)
    told = json.loads((all_years[0] / "summary.json").read_text())["years"]
    below = []
    for year, found in zip(about.held_out, told, strict=True):
        samples, said_c = forecasts_of(all_years[0], year.year, seed=1)
        truth_c = samples.truth_c[:, -1]
        assert year.windows == len(truth_c)
        assert year.mae_c == pytest.approx(np.abs(said_c - truth_c).mean(), rel=1e-5)
        assert year.mae_c == pytest.approx(found["val_maes_c"][1], rel=1e-4)
        assert year.bias_c == pytest.approx((said_c - truth_c).mean(), abs=1e-4)
        assert year.baseline_mae_c == pytest.approx(found["baseline_mae_c"], rel=1e-6)
        # The calibration is of these residuals: so many lie below each level.
        own = split_samples(load_prepared(all_years[0] / str(year.year)), "val", about.encoding)
        quantiles_c = about.calibration.quantiles_c(0, said_c, spread_inputs(own, 24))
        below.append(truth_c[:, None] <= quantiles_c)
    np.testing.assert_allclose(np.concatenate(below).mean(axis=0), np.arange(1, 20) / 20, atol=0.001)


def test_intervals_of_years_that_calibrated_nothing_hold_about_as_often_as_they_say(all_years):
    about = read_metadata(all_years[1] / "seed-0" / "best.keras")
    windows = [year.windows for year in about.held_out]
    for name, wanted in (("50", 0.5), ("80", 0.8), ("90", 0.9)):
        held = np.average([year.coverage[name] for year in about.held_out], weights=windows)
        assert held == pytest.approx(wanted, abs=0.06)  # of networks that err by 10 °C
    # The year's own residuals are left out: with them the shares would be exact.
    assert {year.coverage["80"] for year in about.held_out}.isdisjoint({0.8})


def test_an_ensemble_is_calibrated_by_the_mean_of_those_that_left_out_the_same_year(
    all_years, years, tmp_path, jenacast
):
    out = tmp_path / "mean.keras"
    done = jenacast("ensemble", all_years[1], "--data-dir", years, "-o", out, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)["held_out"]
    assert [year["year"] for year in told] == [2009, 2010, 2011]
    for year in told:
        (samples, one_c), (_, other_c) = (forecasts_of(all_years[0], year["year"], seed) for seed in (0, 1))
        mae_c = np.abs((one_c + other_c) / 2 - samples.truth_c[:, -1]).mean()
        assert year["mae_c"] == pytest.approx(mae_c, rel=1e-5)
    assert read_metadata(out).calibration is not None
    assert f"{told[2]['mae_c']:.3f}" in done.stderr

    shown = jenacast("evaluate", out, "--data-dir", years)
    assert "trained on these windows" in shown.stdout
    assert "What to expect of it" in shown.stdout
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    scores = json.loads(jenacast("evaluate", out, "--data-dir", years, "--json").stdout)
    assert (scores["has_seen"], scores["held_out"]) == (True, told)
    assert scores["intervals"]["coverage"]["90"] > 0

    # Nothing says what calibrated a file by itself.
    alone = shutil.copy(all_years[1] / "seed-0" / "best.keras", tmp_path / "alone.keras")
    done = jenacast("ensemble", alone, "--data-dir", years, "-o", tmp_path / "other.keras", "--json")
    assert json.loads(done.stdout)["held_out"] == []
    assert read_metadata(tmp_path / "other.keras").calibration is None


def test_a_network_of_all_years_says_what_it_has_seen(all_years, years, tmp_path, jenacast):
    run, csv = all_years[1] / "seed-0", years / CSV_NAME
    asked = ("evaluate", run, "--data-dir", years, "--out", tmp_path, "--json")
    done = jenacast(*asked)
    assert f"warning: {run}/best.keras was trained on 2011: its errors there are too small" in done.stderr
    assert "another series" not in jenacast(*asked).stderr  # years say more

    later = tmp_path / "later.csv"  # the same weather, four years on
    later.write_text(
        csv.read_text().replace(".2011 ", ".2015 ").replace(".2010 ", ".2014 ").replace(".2009 ", ".2013 ")
    )
    done = jenacast("evaluate", run, "--csv", later, "--out", tmp_path, "--json")
    assert (json.loads(done.stdout)["has_seen"], "warning" in done.stderr) == (False, False)

    at = ("--at", "2010-06-22T08:10")
    done = jenacast("forecast", run, csv, *at)
    assert "was trained on 2010: its errors there are too small" in done.stderr
    assert "It was trained on every year at hand, 3 from 2009 to 2011." in done.stdout
    assert json.loads(jenacast("forecast", run, csv, *at, "--json").stdout)["trained_years"] == [2009, 2010, 2011]
    done = jenacast("forecast", run, later)  # nothing to compare with
    assert done.exit_code == 0
    assert "was trained on" not in done.stderr

    told = jenacast("info", run).stdout
    assert "calibrated on years that networks of the same settings left out" in " ".join(told.split())
    assert [line.split()[0] for line in told.splitlines() if line[:4] in ("2009", "2010", "2011")] == [
        "2009",
        "2010",
        "2011",
    ]


def test_without_all_years_the_test_split_is_left_to_judge(held_out, years, tmp_path, jenacast):
    done = jenacast("train", "--refit", held_out[0], "--data-dir", years, "--run-dir", tmp_path / "all")
    assert done.exit_code == 0, done.stderr
    assert "in 80 %" in done.stderr
    about = read_metadata(tmp_path / "all" / "best.keras")
    assert (about.trained_on, [year.year for year in about.held_out]) == ("train+val", [2009, 2010])
    for split, seen in (("test", False), ("val", True)):
        scores = jenacast("evaluate", tmp_path / "all", "--split", split, "--json", "--out", tmp_path / split)
        assert json.loads(scores.stdout)["has_seen"] == seen


def test_what_would_not_be_calibrated_honestly_is_refused(all_years, years, data_dir, tmp_path, jenacast):
    def refit(*words, data=years):
        return jenacast("train", "--refit", all_years[0], "--data-dir", data, "--run-dir", tmp_path / "run", *words)

    refused(refit("--set", "model.units=5"), "model.units: 4, now 5", "a refit keeps them")
    refused(refit("--seed", 7), "no networks of seed 7, only of 0, 1")
    refused(refit("--seeds", 3), "no networks of seed 2")
    refused(refit(data=data_dir), "holds another series or protocol")
    cut = shutil.copytree(all_years[0], tmp_path / "cut")
    (cut / "2010" / "seed-1" / "metrics.json").unlink()
    refused(jenacast("train", "--refit", cut, "--run-dir", tmp_path / "run"), "2010/seed-1 is not finished", "--resume")
    assert not (tmp_path / "run").exists()
