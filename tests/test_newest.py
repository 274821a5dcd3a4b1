"""`jenacast forecast` without files: the newest hours of the station, how old they are, and the turn of a period."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from archive_site import PAGE, page, versioned
from conftest import refused
from forecasts import same, weather, without
from station_files import write_station_file

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.data.archive import station_dir, update
from jenacast.forecasting.newest import tell_age

pytest_plugins = ["forecasts", "download_server", "archive_site"]
pytestmark = pytest.mark.usefixtures("quick")
STEP = np.timedelta64(10, "m")


@pytest.fixture
def packed(tmp_path):
    """A function that packs rows `first` to `last`, of ten minutes, of which row 0 is the newest, as a station file."""

    def write(name, first, last, hours_ago=0.5):
        ago = np.timedelta64(UTC_OFFSET_HOURS * 60 - int(hours_ago * 60), "m")
        newest = (np.datetime64("now", "m") + ago).astype("datetime64[s]")
        _, values = weather(1 - first, 10)
        times = newest + np.arange(first, last + 1) * STEP
        file = write_station_file(tmp_path / f"{name}.csv", times, values[: last - first + 1])
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(file, file.name)
        return tmp_path / f"{name}.zip"

    return write


@pytest.fixture
def ask(jenacast, run, data):
    """A function that forecasts with `run` from the archive of `data`."""
    return lambda *arguments: jenacast("forecast", run, "--data-dir", data, *arguments)


def test_the_running_file_is_fetched_and_forecast_from(ask, tell, packed, site, data, monkeypatch):
    file = packed("mpi_roof", -6 * 60, 0)
    site.routes[PAGE] = page("mpi_roof.zip")
    site.routes["/wetter/mpi_roof.zip"] = versioned(file.read_bytes())
    monkeypatch.setattr("jenacast.data.archive.PAGES", (site.page,))
    done = ask("--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert site.hits == [PAGE, "/wetter/mpi_roof.zip"]
    assert answer["age_hours"] == pytest.approx(0.5, abs=0.1)
    assert "is 0.5 hours old" in done.stderr
    assert "warning" not in done.stderr
    assert same(without(answer, "age_hours"), without(tell(file), "age_hours"))
    again = ask()
    assert len(site.hits) == 2  # not more than once in ten minutes
    assert "h ago): " in again.stdout.splitlines()[0]
    assert (station_dir(data) / "mpi_roof.zip").read_bytes() == file.read_bytes()


def test_offline_takes_what_is_here_and_says_loudly_that_it_is_old(ask, packed, data):
    refused(ask("--offline"), "has no file of the station")
    update(data, [str(packed("mpi_roof", -6 * 60, 0, hours_ago=5))])
    done = ask("--offline")
    assert done.exit_code == 0, done.output
    assert "warning: THE NEWEST ROW, OF " in done.stderr
    assert "IS 5.0 HOURS OLD" in done.stderr


def test_a_row_of_the_future_is_a_matter_of_this_computers_clock(said):
    tell_age(np.datetime64("2026-06-03T12:00:00"), np.datetime64("2026-06-03T09:00:00"))
    text = "the newest row, of 2026-06-03 12:00, lies 2.0 hours ahead of this computer's clock: set that"
    assert said() == [("WARNING", text)]


def test_after_the_turn_of_a_period_the_one_before_is_read_too(ask, tell, packed, data):
    whole = packed("whole", -6 * 60, 0)
    update(data, [str(packed("mpi_roof", -20, 0))])
    alone = ask("--offline")
    refused(alone, "17 hours", "are missing")
    assert "if more is needed: jenacast download --source station --data-dir" in alone.stderr
    update(data, [str(packed("mpi_roof_2025b", -6 * 60 - 800, -6 * 60 - 400))])  # not the one before
    refused(ask("--offline"), "17 hours", "are missing")
    update(data, [str(packed("mpi_roof_2026a", -6 * 60, -21))])
    done = ask("--offline", "--json")
    assert done.exit_code == 0, done.output
    one, other = json.loads(done.stdout), tell(whole)
    assert one["last_observation"] == other["last_observation"]
    assert one["interpolated_hours"] == 0


@pytest.mark.real
def test_the_stations_clock_is_an_hour_ahead_of_utc_all_year(later_files):
    """Its radiation is centred on the noon of the sun, which stands in Jena at 12:00 UTC less 46 minutes."""
    for file in later_files:
        rows = pd.read_csv(file, encoding="latin-1", skipinitialspace=True)
        times = pd.to_datetime(rows["Date Time"].str.strip(), format="%d.%m.%Y %H:%M:%S") - pd.Timedelta("5min")
        radiation = pd.to_numeric(rows.filter(like="SWDR").iloc[:, 0], errors="coerce").clip(lower=0)
        hours = (times - times.dt.normalize()).dt.total_seconds() / 3600
        by_day = pd.DataFrame({"sum": radiation, "moment": radiation * hours}).groupby(times.dt.normalize()).sum()
        angle = 2 * np.pi * (by_day.index.day_of_year - 81) / 365
        equation_of_time = (9.87 * np.sin(2 * angle) - 7.53 * np.cos(angle) - 1.5 * np.sin(angle)) / 60
        noon_utc = 12 - 11.58 / 15 - equation_of_time
        assert np.median(by_day["moment"] / by_day["sum"] - noon_utc) == pytest.approx(UTC_OFFSET_HOURS, abs=0.2)


@pytest.mark.real
def test_a_forecast_from_a_real_later_file_beats_the_same_as_now(later_files, jenacast):
    file = next(file for file in later_files if file.name == "mpi_roof_2017b.zip")
    done = jenacast("forecast", file, "--every", "7h", "--json")
    assert done.exit_code == 0, done.output
    answers = json.loads(done.stdout)
    known = [each for each in answers if each["truth_c"] is not None]
    errors_c = np.array([(each["error_c"], each["baseline_error_c"]) for each in known])
    assert len(errors_c) > 600
    mae_c, baseline_mae_c = np.abs(errors_c).mean(axis=0)
    assert mae_c == pytest.approx(1.92, abs=0.1)  # of all its windows: 1.924 and 2.198
    assert baseline_mae_c == pytest.approx(2.20, abs=0.1)
