"""`jenacast backtest`: what it refuses before any training."""

import numpy as np
import pytest
from conftest import refused

from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series

ROWS = 3 * 365 * 24  # hourly
SETTINGS = ("--model", "dense", "--set", "data.history_hours=12")
WHEN = ("--from", "2010-07", "--step", "6m")


def test_a_folder_of_something_else_is_refused(trained_run, years, jenacast):
    done = jenacast("backtest", *SETTINGS, *WHEN, "--data-dir", years, "--run-dir", trained_run, "--force")
    refused(done, "exists and holds no backtest")


def test_a_period_without_windows_is_refused_before_any_training(place_csv, jenacast, tmp_path):
    times, values = synthetic_series(rows=ROWS, step_minutes=60, seed=3, warts=False)
    keep = (times < np.datetime64("2010-09-01")) | (times >= np.datetime64("2010-10-02"))
    folder = place_csv(times[keep], values[keep])
    prepare(folder)
    options = ("--from", "2010-08", "--step", "1m", "--data-dir", folder, "--run-dir", tmp_path / "run")
    done = jenacast("backtest", *SETTINGS, *options)
    refused(done, "the period 2010-09-01/2010-10-01 holds no window", "longer steps")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("day", "step", "texts"),
    [
        ("2010", "6m", ("2009-07-01", "less than a year", "first possible day is 2010-07-01")),
        ("2010-12-31", "1y", ("first possible day is 2011-01-01",)),
        ("31.12.2010", "1y", ("first possible day is 2011-01-01",)),
        ("0001", "99y", ("first possible day is 2109-01-01",)),
        ("2012", "6m", ("no test period can begin on 2012-01-01", "ends on 2011-12-31T23:10:00", "begin earlier")),
        ("2011-12", "6m", ("56 days",)),
        ("9999", "99y", ("begin earlier",)),
    ],
)
def test_a_start_too_early_or_too_late_is_refused_with_what_is_possible(day, step, texts, years, tmp_path, jenacast):
    options = ("--from", day, "--step", step, "--data-dir", years, "--run-dir", tmp_path / "run")
    refused(jenacast("backtest", *SETTINGS, *options), *texts)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--from", "2012"),
        ("--from", "2012", "--model", "dense", "--config", "x.toml"),
        ("--model", "dense"),
        *(("--model", "dense", "--from", day) for day in ("12", "2012-13", "2012-02-30", "2012-1-1", "soon", "")),
        *(("--model", "dense", "--from", "2012", "--step", step) for step in ("0y", "1", "y", "100y", "2w", "-1y", "")),
        ("--resume", "x", "--from", "2012"),
        ("--resume", "x", "--step", "1y"),
        ("--resume", "x", "--force"),
    ],
)
def test_wrong_usage_is_told(arguments, jenacast):
    done = jenacast("backtest", *arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
