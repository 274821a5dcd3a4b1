"""The columns of the newer files: rain, radiation, CO2, and the clearness of the sky, from the CSV to a forecast."""

import json

import numpy as np
import pytest
from conftest import refused
from station_files import write_station_file

from jenacast.columns import OPTIONAL_NAMES, UTC_OFFSET_HOURS, measured_columns, parse_column
from jenacast.data.cleaning import clean
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.station import read_station_csv
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.features import sun
from jenacast.features.derived import derive
from jenacast.features.sun import clear_sky_w_per_m2, sun_height

SWDR, CO2 = OPTIONAL_NAMES.index("shortwave_radiation_w_per_m2"), OPTIONAL_NAMES.index("co2_ppm")
TIMES, VALUES = synthetic_series(rows=1400, step_minutes=60, seed=3, warts=False)
CLOUD = 0.5 + 0.4 * np.sin(np.arange(1400) / 9)  # the share of a clear sky's radiation


def also(rows=slice(None)):
    """(rows, optional columns) of the newer files, at `TIMES`."""
    radiation = CLOUD * clear_sky_w_per_m2(sun_height(TIMES))
    wet = np.arange(1400) % 7 == 0
    return np.column_stack([0.2 * wet, 600 * wet, radiation, 2 * radiation, 410 + 10 * CLOUD])[rows]


@pytest.fixture
def newer(tmp_path):
    """A data folder whose series has the optional columns."""
    prepare(tmp_path / "newer", [write_station_file(tmp_path / "newer.csv", TIMES, VALUES, also=also())])
    return tmp_path / "newer"


# The sun


@pytest.mark.parametrize(
    ("day", "clock", "elevation_deg"),
    [  # 12:13:43 less the equation of time of almanacs; 90° - latitude + declination
        ("2017-06-21", "12:15:30", 62.53),
        ("2017-12-21", "12:11:50", 15.65),
        ("2017-11-03", "11:57:20", 23.89),
        ("2024-02-11", "12:28:00", 24.98),
        ("2003-03-21", "12:21:00", 39.25),
    ],
)
def test_the_sun_is_highest_at_true_noon_of_jena(day, clock, elevation_deg):
    seconds = np.datetime64(f"{day}T11:00:00") + np.arange(7200)
    height = sun_height(seconds + sun.HALF_INTERVAL)
    noon = seconds[np.argmax(height)]
    assert abs((noon - np.datetime64(f"{day}T{clock}")).astype(int)) < 60
    assert np.rad2deg(np.arcsin(height.max())) == pytest.approx(elevation_deg, abs=0.1)


def test_the_clear_sky_is_haurwitz_s():
    height = np.sin(np.deg2rad([-20, 0, 5, 30, 90]))
    np.testing.assert_allclose(clear_sky_w_per_m2(height), [0, 0, 48.63, 487.9, 1035.1], rtol=1e-4)


@pytest.mark.real
@pytest.mark.parametrize("name", ["mpi_roof_2017b.zip", "mpi_roof_2024_january_to_may.csv.gz"])
def test_the_station_s_clock_is_an_hour_ahead_of_utc(name, later_files, monkeypatch):
    series = clean(read_station_csv(later_files[0].parent / name), "strict").series
    radiation, alike = series.column("shortwave_radiation_w_per_m2"), {}
    for hours in (0, 0.5, 1, 1.5, 2):
        monkeypatch.setattr(sun, "UTC_OFFSET_HOURS", hours)
        alike[hours] = np.corrcoef(radiation, clear_sky_w_per_m2(sun_height(series.times)))[0, 1]
    monkeypatch.undo()
    assert max(alike, key=alike.get) == UTC_OFFSET_HOURS == 1
    (clearness,) = derive(series, ["clearness"])
    assert 0.9 < np.nanpercentile(clearness, 90) < 1.1  # a clear sky has a clearness of 1


# The columns


def test_clearness_is_the_share_of_a_clear_sky_and_at_night_that_of_the_last_daylight():
    series = Series(TIMES, VALUES.astype(np.float32), optional=also().astype(np.float32))
    (clearness,) = derive(series, ["clearness"])
    up = np.rad2deg(np.arcsin(sun_height(TIMES))) > 5
    np.testing.assert_allclose(clearness[up], CLOUD[up], rtol=1e-5)
    last = np.maximum.accumulate(np.where(up, np.arange(1400), -1))
    known = last >= 0
    np.testing.assert_array_equal(clearness[known], clearness[last[known]])
    assert np.isnan(clearness[~known]).all()  # the night before the first day
    assert (~known).sum() <= parse_column("clearness").look_back_hours
    assert np.isfinite(clearness[19:]).all()
    assert measured_columns(["clearness:mean_24h", "rain_mm"]) == ["rain_mm", "shortwave_radiation_w_per_m2"]


def test_a_missing_optional_value_is_that_of_hours_before_and_no_longer(tmp_path):
    optional = also()
    optional[100:110, CO2] = -9999
    optional[200, CO2] = 5000.0  # out of range
    series = Series(TIMES, VALUES.astype(np.float32), optional=optional.astype(np.float32))
    for protocol in ("strict", "book"):
        found = clean(series, protocol).series.column("co2_ppm")
        np.testing.assert_array_equal(found[100:106], np.float32(optional[99, CO2]))
        assert np.isnan(found[106:110]).all()
        assert found[200] == np.float32(optional[199, CO2])


def test_missing_values_cost_no_window_of_a_recipe_that_does_not_see_them(tmp_path, newer, train_small):
    bare = tmp_path / "bare"
    optional = also()
    optional[:700, CO2] = -9999
    prepare(bare, [write_station_file(tmp_path / "holes.csv", TIMES, VALUES, also=optional)])
    counts = [load_prepared(folder).manifest.splits["train"].windows for folder in (bare, newer)]
    assert counts[0] == counts[1]
    np.testing.assert_array_equal(load_prepared(bare).series.values, load_prepared(newer).series.values)


SEEN = '["temperature_c", "shortwave_radiation_w_per_m2:change_1h", "clearness", "rain_mm:mean_3h", "co2_ppm"]'


def test_a_network_sees_them_from_training_to_forecast(newer, train_small, jenacast, tmp_path):
    run = train_small("run", "--set", f"data.columns={SEEN}", "--data-dir", newer)
    evaluated = jenacast("evaluate", run, "--data-dir", newer, "--json")
    assert evaluated.exit_code == 0, evaluated.output
    columns = json.loads((run / "run.json").read_text())
    assert columns["needed_hours"] == 12 + 19

    forecast = ("forecast", run, "--json", "--data-dir", newer)
    whole = jenacast(*forecast, tmp_path / "newer.csv")
    assert whole.exit_code == 0, whole.output
    answer = json.loads(whole.stdout)
    # What the network sees of a file alone is what it sees of the prepared series.
    made = jenacast("evaluate", run, "--csv", tmp_path / "newer.csv", "--predictions", tmp_path / "made.csv", "--json")
    assert made.exit_code == 0, made.output
    earlier = jenacast(*forecast, tmp_path / "newer.csv", "--at", str(TIMES[-25]))
    last_c = float((tmp_path / "made.csv").read_text().splitlines()[-1].split(",")[1])
    assert json.loads(earlier.stdout)["temperature_c"] == pytest.approx(last_c, abs=1e-3)
    assert answer["last_observation"] == str(TIMES[-1])

    old = tmp_path / "old.csv"
    write_csv(old, TIMES, VALUES)
    without = jenacast(*forecast, old)
    refused(without, "is complete")
    assert "no valid value at all in the column(s) 'rain (mm)', 'SWDR (W/m²)', 'CO2 (ppm)'" in without.stderr
    exported = jenacast("export", run, "--format", "json+weights", "--out", tmp_path / "exported")
    assert exported.exit_code == 0, exported.output


@pytest.fixture
def mixed(tmp_path):
    """A data folder with three years, of which the first two lack the optional columns."""
    times, values = synthetic_series(rows=3 * 365 * 24, step_minutes=60, seed=3, warts=False)
    new = times > np.datetime64("2011-01-01T00:00:00")
    write_csv(tmp_path / "old.csv", times[~new], values[~new])
    write_station_file(tmp_path / "new.csv", times[new], values[new])
    prepare(tmp_path / "mixed", [tmp_path / "new.csv", tmp_path / "old.csv"])
    return tmp_path / "mixed"


def test_years_that_lack_them_are_named(mixed, jenacast, tmp_path):
    columns = 'data.columns=["temperature_c", "rain_mm"]'
    options = ("--set", columns, "--data-dir", mixed, "--run-dir", tmp_path / "run")
    told = ("the train split: 2009 to 2010 have no value of rain_mm", "no year of these rows has it", "Give files of")
    refused(jenacast("train", "--model", "dense", *options), *told)
    assert not list((tmp_path / "run").glob("*.keras"))
    small = ("--set", "train.epochs=1", "--set", "data.history_hours=12")
    done = jenacast("train", "--model", "dense", *small, "--data-dir", mixed, "--run-dir", tmp_path / "bare")
    assert done.exit_code == 0, done.output
