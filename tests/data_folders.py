"""Data folders with made-up series, most of them prepared; loaded as a pytest plugin."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from regional import regional_series

from jenacast.columns import COLUMNS, NAMES, TARGET
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv


@pytest.fixture
def place_csv(tmp_path):
    """A function that writes a series as the CSV of a data folder and returns the folder."""

    def place(times, values, name="data"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        write_csv(folder / CSV_NAME, times, values)
        return folder

    return place


@pytest.fixture
def ramp():
    """A function that makes hourly or finer rows whose temperature rises by `slope_c` a row."""

    def make(rows, step_minutes=60, slope_c=0.01):
        times = np.datetime64("2009-01-01T00:10:00") + np.arange(rows) * np.timedelta64(step_minutes, "m")
        middles = [(column.low + column.high) / 2 for column in COLUMNS]
        wiggle = np.sin(np.arange(rows))[:, None] * [(column.high - column.low) / 10 for column in COLUMNS]
        values = np.array(middles) + wiggle
        values[:, NAMES.index(TARGET)] = -20 + slope_c * np.arange(rows)
        return times.astype("datetime64[s]"), values

    return make


@pytest.fixture(scope="session")
def _synthetic_data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "data"
    folder.mkdir()
    write_csv(folder / CSV_NAME, *synthetic_series(rows=1400, step_minutes=60, seed=3, warts=False))
    prepare(folder, synthetic=True)
    return folder


@pytest.fixture(scope="session")
def years(tmp_path_factory):
    """A data folder with three years of hourly rows, 2009-01-01T00:10 to 2011-12-31T23:10, prepared under `strict`."""
    folder = tmp_path_factory.mktemp("years")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=3 * 365 * 24, step_minutes=60, seed=3, warts=False))
    prepare(folder, synthetic=True)
    return folder


@pytest.fixture(scope="session")
def broken_dir(tmp_path_factory):
    """A data folder with four years of hourly rows from 2009 on whose temperature steps by 1 °C in March 2010."""
    folder = tmp_path_factory.mktemp("broken")
    write_csv(folder / CSV_NAME, *regional_series(2009, 4, [("2010-03", 1.0)]))
    prepare(folder)
    return folder


@pytest.fixture
def data_dir(_synthetic_data_dir, tmp_path):
    """A data folder of its own with a small hourly synthetic series, prepared under `strict`."""
    return Path(shutil.copytree(_synthetic_data_dir, tmp_path / "data"))


@pytest.fixture
def ramp_dir(place_csv, ramp):
    """Hourly rows whose temperature rises by 0.01 degC each: -20 degC in row 0."""
    folder = place_csv(*ramp(1_400), name="ramp")
    prepare(folder)
    return folder


@pytest.fixture
def series():
    """Times and values of 1,400 faultless hourly rows."""
    return synthetic_series(rows=1400, step_minutes=60, seed=3, warts=False)
