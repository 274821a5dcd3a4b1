"""`jenacast forecast`: what is said of one forecast and of several, and the truth beside it."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from forecasts import hour, station_file, table, weather
from hypothesis import given
from hypothesis import strategies as st
from station_files import write_station_file

from jenacast.columns import NAMES, TARGET
from jenacast.forecasting.summary import age_hours, summarise

pytest_plugins = ["forecasts"]

T = NAMES.index(TARGET)
H = np.timedelta64(1, "h")


@pytest.fixture
def show(jenacast, run):
    """A function that forecasts with `run` and returns the screen's lines: of 80 columns, but for a path."""

    def forecast(*arguments, path=run):
        done = jenacast("forecast", path, *arguments)
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert max(len(line) for line in lines if not line.startswith("Network: ")) <= 80
        return lines

    return forecast


def made_of(temperatures_c, origin, truth_c=None, leads=None):
    """Forecasts by hand: one, without intervals."""
    origin = np.datetime64(origin, "s")
    leads = np.arange(1, len(temperatures_c) + 1) if leads is None else np.array(leads)
    shape = (1, len(temperatures_c))
    return SimpleNamespace(
        model="by hand",
        checkpoint="none",
        sha256=None,
        trained_years=(),
        synthetic=False,
        observations=SimpleNamespace(series=SimpleNamespace(times=np.array([origin]))),
        last_observation=np.array([origin]),
        valid_at=(origin + leads * H)[None],
        temperature_c=np.reshape(temperatures_c, shape),
        ends_c={},
        interval_widths=np.ones(shape),
        baseline_c=np.array([5.0]),
        truth_c=np.full(shape, np.nan) if truth_c is None else np.reshape(truth_c, shape),
        interpolated_hours=np.array([0]),
    )


# The screen


def test_every_third_hour_is_shown_with_its_80_percent_interval(show, tell, tmp_path):
    file = station_file(tmp_path / "june.csv", 40)
    answer, lines = tell(file), show(file)
    assert lines[0] == f"Now (Tue 2026-06-02 15:10): {answer['baseline_c']:.1f} °C"
    assert lines[2].split() == ["time", "°C", "80", "%"]
    shown = [each for place, each in enumerate(answer["hours"], start=1) if place % 3 == 0]
    for line, each in zip(lines[4:12], shown, strict=True):
        low, high = each["intervals"]["80"]
        figures = f"{each['temperature_c']:.1f} {low:.1f} .. {high:.1f}"
        assert line.split()[1:] == [each["valid_at"][:10], each["valid_at"][11:16], *figures.split()]
    assert [line.split()[0] for line in lines[4:12]] == ["Tue"] * 2 + ["Wed"] * 6
    assert "UTC+1 all year" in " ".join(lines)
    assert lines[-1] == "SYNTHETIC SERIES, not Jena"


def test_the_minimum_of_the_night_and_the_maximum_of_the_day_are_those_of_their_hours(show, tell, tmp_path):
    file = station_file(tmp_path / "june.csv", 45)
    answer = tell(file)  # from 20:10: the night until 7:00, and the day after it
    by_time = {each["valid_at"]: each["temperature_c"] for each in answer["hours"]}
    night = {time: value for time, value in by_time.items() if time <= "2026-06-03T07:00:00"}
    day = {time: value for time, value in by_time.items() if "2026-06-03T07" < time <= "2026-06-03T19:00:00"}
    low, high = answer["extremes"]
    assert (low["valid_at"], low["temperature_c"]) == min(night.items(), key=lambda item: item[1])
    assert (high["valid_at"], high["temperature_c"]) == max(day.items(), key=lambda item: item[1])
    assert [low["name"], high["name"]] == ["minimum tonight, from 20:10", "maximum tomorrow"]
    assert low["truth_c"] is None
    text = "\n".join(show(file))
    assert re.search(rf"maximum tomorrow +{high['temperature_c']:.1f} +{high['valid_at'][11:16]} ", text)


@pytest.mark.parametrize(
    ("origin", "names"),
    [
        ("2026-06-02T18:30", ["minimum tonight", "maximum tomorrow"]),
        ("2026-06-02T23:00", ["minimum tonight, from 23:00", "maximum tomorrow"]),
        ("2026-06-03T02:00", ["maximum today", "minimum tonight, until 02:00"]),
        ("2026-06-03T01:00", ["minimum tonight, from 01:00", "maximum today", "minimum to Thu 04 Jun, until 01:00"]),
        ("2026-06-03T06:30", ["maximum today", "minimum tonight"]),
        ("2026-06-03T10:00", ["maximum today, from 10:00", "minimum tonight"]),
        ("2026-06-03T16:20", ["minimum tonight", "maximum tomorrow, until 16:20"]),
    ],
)
def test_nights_and_days_are_named_as_seen_from_the_origin(origin, names):
    said = summarise(made_of(np.zeros(24), origin))
    assert [each.name for each in said.extremes] == names


@given(st.integers(0, 24 * 60 - 1))
def test_a_forecast_of_24_hours_always_holds_a_whole_night_or_day_and_half_of_another(minute):
    origin = np.datetime64("2026-06-03T00:00:00") + np.timedelta64(minute, "m")
    said = summarise(made_of(np.arange(24.0), origin))
    assert {each.kind for each in said.extremes} == {"minimum", "maximum"}
    for each in said.extremes:
        assert each.begins < each.hour.valid_at <= each.until
        assert each.until - each.begins <= 12 * H
    assert any("," not in each.name for each in said.extremes)


def test_a_stamp_ends_its_ten_minutes_so_that_seven_belongs_to_the_night():
    temperatures_c = np.full(24, 5.0)
    temperatures_c[12] = -9.0  # at 07:00
    low, high = summarise(made_of(temperatures_c, "2026-06-02T18:00")).extremes
    assert (str(low.hour.valid_at), low.hour.temperature_c) == ("2026-06-03T07:00:00", -9.0)
    assert high.hour.temperature_c == 5.0


def test_a_network_of_one_hour_says_that_hour_alone(show, trained_run, tmp_path):
    file = station_file(tmp_path / "june.csv", 130)
    lines = show(file, path=trained_run)
    assert lines[4].startswith("Sun 2026-06-07 09:10")
    assert lines[5] == ""
    assert not any("minimum" in line or "maximum" in line for line in lines)
    past = show(file, "--at", hour(60), path=trained_run)
    assert "MAE of 1 hour:" in "\n".join(past)


# The truth


def test_what_came_after_a_time_in_the_past_stands_beside_the_forecast(show, tell, tmp_path):
    file, made = station_file(tmp_path / "june.csv", 60, without=[45]), tmp_path / "made.csv"
    answer = tell(file, "--at", hour(40), "--predictions", made)
    times, values = weather(60)
    came = dict(zip(map(str, times), np.round(values[:, T], 2), strict=True))
    came[hour(45)] = None
    truths = [each["truth_c"] for each in answer["hours"]]
    assert truths == pytest.approx([came.get(each["valid_at"]) for each in answer["hours"]], abs=1e-4)
    np.testing.assert_allclose(table(made)["truth_c"], np.array(truths, float), atol=1e-4)
    known = [each for each in answer["hours"] if each["truth_c"] is not None]
    assert len(known) == 18  # the file ends before the other hours, and lacks one
    mae_c, baseline_mae_c = (
        np.mean([abs(said - each["truth_c"]) for said, each in zip(forecasts, known, strict=True)])
        for forecasts in ([each["temperature_c"] for each in known], [answer["baseline_c"]] * len(known))
    )
    lines = show(file, "--at", hour(40))
    assert lines[0].startswith("From (Tue 2026-06-02 16:10)")
    assert f"MAE of 18 hours: {mae_c:.2f} °C; the same as now: {baseline_mae_c:.2f} °C" in lines
    third = answer["hours"][2]
    errors = [third["temperature_c"] - third["truth_c"], answer["baseline_c"] - third["truth_c"]]
    assert lines[4].split()[-3:] == [f"{third['truth_c']:.1f}", *(f"{error:+.1f}" for error in errors)]
    assert (answer["truth_c"], answer["error_c"], answer["baseline_error_c"]) == (None, None, None)


def test_the_truth_needs_the_temperature_alone(tell, tmp_path):
    times, values = weather(60)
    values[50:, NAMES.index("pressure_mbar")] = np.nan  # which the network sees
    file = write_station_file(tmp_path / "june.csv", times, values)
    answer = tell(file, "--at", hour(40))
    assert [each["truth_c"] is None for each in answer["hours"]] == [False] * 19 + [True] * 5


def test_the_truth_of_a_night_is_its_lowest_and_unknown_where_an_hour_lacks_it():
    truth_c = np.arange(24.0)
    truth_c[9] = -3.0
    low, high = summarise(made_of(np.zeros(24), "2026-06-02T18:30", truth_c)).extremes
    assert (low.truth.truth_c, str(low.truth.valid_at)) == (-3.0, "2026-06-03T04:30:00")
    truth_c[20] = np.nan
    low, high = summarise(made_of(np.zeros(24), "2026-06-02T18:30", truth_c)).extremes
    assert (low.truth.truth_c, high.truth) == (-3.0, None)


def test_of_several_times_each_has_a_line_with_what_came(show, jenacast, run, tmp_path):
    file = station_file(tmp_path / "june.csv", 60)
    times = ["--at", hour(20), "--at", hour(30), "--at", hour(50)]
    answers = json.loads(jenacast("forecast", run, file, *times, "--json").stdout)
    lines = show(file, *times)
    assert lines[0].split() == ["from", "now", "for", "°C", "80", "%", "truth", "error"]
    errors = []
    for line, answer in zip(lines[2:5], answers, strict=True):
        low, high = answer["intervals"]["80"]
        came = ["-", "-"]
        if answer["truth_c"] is not None:
            errors.append((answer["error_c"], answer["baseline_error_c"]))
            came = [f"{answer['truth_c']:.1f}", f"{answer['error_c']:+.1f}"]
        shown = line.split()
        assert shown[2] == f"{answer['baseline_c']:.1f}"
        assert shown[5:] == [f"{answer['temperature_c']:.1f}", f"{low:.1f}", "..", f"{high:.1f}", *came]
    mae_c, baseline_mae_c = np.abs(errors).mean(axis=0)
    assert len(errors) == 2
    assert f"MAE of 2 forecasts: {mae_c:.2f} °C; the same as now: {baseline_mae_c:.2f} °C" in lines


def test_age_is_counted_by_a_clock_an_hour_ahead_of_utc():
    assert age_hours(np.datetime64("2026-06-03T10:00:00"), np.datetime64("2026-06-03T09:30:00")) == 0.5
