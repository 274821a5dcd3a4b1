"""The widths of a forecast's intervals, by the errors that its files show."""

from dataclasses import replace

import numpy as np
import pytest
from forecasts import NEEDED_HOURS, T, station_file, weather
from station_files import write_station_file

from jenacast.data.station import read_station_csv
from jenacast.forecasting.forecast import forecast_from
from jenacast.models.checkpoint import HeldOut
from jenacast.models.opening import open_checked

pytest_plugins = ["forecasts"]


@pytest.fixture
def width_of(run, tmp_path):
    """A function that gives the width of the last interval from the end of a file, whose year may have been `seen`."""

    def width(file, *, seen=False):
        checkpoint, encoding = open_checked(run, tmp_path)
        year = HeldOut(year=2026, windows=1, mae_c=1, baseline_mae_c=1, bias_c=0, coverage={})
        about = {"trained_on": "train+val+test", "held_out": (year,)} if seen else {}
        checkpoint = replace(checkpoint, metadata=checkpoint.metadata.model_copy(update=about))
        made = forecast_from(checkpoint, encoding, [read_station_csv(file)], source=file, max_gap_hours=3)
        return made.interval_widths[0, -1]

    return width


def shaken(path, first_day, last_day):
    """A station file of 120 days, of which the temperatures of some are disturbed."""
    times, values = weather(24 * 120)
    rows = slice(24 * first_day, 24 * last_day)
    values[rows, T] += np.random.default_rng(0).normal(0, 12, 24 * (last_day - first_day)).astype(values.dtype)
    values[:, T] = np.clip(values[:, T], -50, 55)
    return write_station_file(path, times, values)


def test_a_file_as_long_as_a_history_leaves_them_as_calibrated(tell, width_of, tmp_path):
    file = station_file(tmp_path / "file.csv", NEEDED_HOURS)
    assert width_of(file) == tell("--csv", file)["interval_width"] == 1


def test_they_grow_with_errors_and_forget_them(width_of, tmp_path):
    calm = width_of(shaken(tmp_path / "calm.csv", 0, 0))
    assert width_of(shaken(tmp_path / "now.csv", 70, 118)) > calm + 0.2
    assert width_of(shaken(tmp_path / "before.csv", 10, 60)) == pytest.approx(calm, abs=1e-6)


def test_days_that_the_network_was_trained_on_do_not_count(width_of, tmp_path):
    file = shaken(tmp_path / "file.csv", 70, 118)
    assert width_of(file) > width_of(file, seen=True) == 1


def test_an_older_network_forecasts_no_more_than_is_asked(run, tmp_path):
    checkpoint, encoding = open_checked(run, tmp_path)
    about, windows = checkpoint.metadata, []

    def forward(inputs):
        windows.append(len(inputs))
        return checkpoint.forward(inputs)

    def forecast(calibration):
        windows.clear()
        network = replace(checkpoint, forward=forward, metadata=about.model_copy(update={"calibration": calibration}))
        file = [read_station_csv(station_file(tmp_path / "file.csv", 24 * 10))]
        return forecast_from(network, encoding, file, source="file", max_gap_hours=3).interval_widths, sum(windows)

    leads = [lead.model_copy(update={"mean_distance": None}) for lead in about.calibration.leads]
    widths, forecasts = forecast(about.calibration.model_copy(update={"leads": tuple(leads)}))
    assert (widths == 1).all()
    assert forecasts == 1
    assert forecast(about.calibration)[1] == 24 * 10 - NEEDED_HOURS + 1


def test_the_answer_says_how_wide(tell, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 24 * 40)
    answer = tell("--csv", file)
    short = tell("--csv", station_file(tmp_path / "short.csv", 24 * 40, without=range(24 * 40 - NEEDED_HOURS)))
    assert answer["temperature_c"] == pytest.approx(short["temperature_c"], abs=1e-4)
    for name in ("50", "80", "90"):
        span, usual = (np.ptp(each["intervals"][name]) for each in (answer, short))
        assert span == pytest.approx(usual * answer["interval_width"], rel=1e-4)
    assert answer["hours"][-1]["interval_width"] == answer["interval_width"] != 1
