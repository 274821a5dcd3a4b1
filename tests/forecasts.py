"""A small network that forecasts every hour, and station files for it; loaded as a pytest plugin."""

import csv
import json

import numpy as np
import pytest
from conftest import refused
from station_files import write_station_file

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.synthetic import synthetic_series
from jenacast.training.run import train

START = np.datetime64("2026-06-01T00:10:00")
SEEN = ["temperature_c", "pressure_mbar:change_3h", "dew_point_c:mean_6h", "max_wind_east_m_per_s", "hour_cos_1"]
NEEDED_HOURS = 12 + 5  # the history, and what the mean over 6 hours looks back from its first step
DAY = np.timedelta64(24, "h")
T = NAMES.index(TARGET)


@pytest.fixture(scope="session")
def run(_synthetic_data_dir, tmp_path_factory):
    """A run folder: 12 h of history, every hour of the next day, calibrated."""
    small = ["data.history_hours=12", "data.every_hour=true", "model.units=4", "train.epochs=2"]
    folder = tmp_path_factory.mktemp("forecast") / "run"
    config = load_recipe("dense", [*small, f"data.columns={json.dumps(SEEN)}"])
    train(config, data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture
def tell(jenacast, run):
    """A function that forecasts with `run`, or `path`, and returns the JSON answer; nothing else is on stdout."""

    def forecast(*arguments, path=run):
        done = jenacast("forecast", path, *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return forecast


@pytest.fixture
def refuse(jenacast, run):
    """A function that sees a forecast with `run` refused, with these texts in the message, and returns that."""

    def forecast(arguments, *texts):
        done = jenacast("forecast", run, *arguments)
        refused(done, *texts)
        return done.stderr.split("error: ")[1]

    return forecast


def weather(rows, step_minutes=60):
    """Rows from 1 June 2026, 00:10, on."""
    times, values = synthetic_series(rows=rows, step_minutes=step_minutes, seed=7, warts=False)
    return times - times[0] + START, values


def station_file(path, rows, step_minutes=60, without=()):
    """A station file without some of its rows."""
    times, values = weather(rows, step_minutes)
    kept = ~np.isin(np.arange(rows), without)
    return write_station_file(path, times[kept], values[kept])


def hour(number, minute=10):
    """The time of an hourly row, for --at."""
    return f"{START - np.timedelta64(10, 'm') + np.timedelta64(60 * number + minute, 'm')}"


def seconds(text):
    return text if len(text) > 16 else f"{text}:00"


def table(path):
    """A CSV file's columns: times, and numbers (NaN where blank)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        name: np.array([row[name] for row in rows], "datetime64[s]")
        if name in ("valid_at", "last_observation")
        else np.array([float(row[name] or "nan") for row in rows])
        for name in rows[0]
    }


OF_THE_NETWORK = ("checkpoint", "checkpoint_sha256", "network")
OF_THE_TRUTH = ("is_newest", "truth_c", "truth_at", "error_c", "baseline_error_c")


def without(answer, *names):
    """A JSON forecast without some of its keys, at any depth."""
    if isinstance(answer, list):
        return [without(each, *names) for each in answer]
    if isinstance(answer, dict):
        return {key: without(value, *names) for key, value in answer.items() if key not in names}
    return answer


def same(one, other):
    """Two JSON forecasts agree, figures up to what another batch size may change."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one == pytest.approx(other, abs=1e-4) if isinstance(one, float) else one == other
