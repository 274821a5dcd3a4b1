"""`jenacast forecast`: the figures, and networks of every kind."""

import importlib.util
import json

import numpy as np
import pytest
from conftest import refused
from forecasts import (
    DAY,
    NEEDED_HOURS,
    OF_THE_NETWORK,
    OF_THE_TRUTH,
    SEEN,
    T,
    hour,
    same,
    station_file,
    table,
    weather,
    without,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from station_files import write_station_file

from jenacast.columns import NAMES, TARGET, measured_columns
from jenacast.data.prepared import load_prepared
from jenacast.data.station import read_station_csv
from jenacast.forecasting.forecast import forecast
from jenacast.models.checkpoint import load_checkpoint, save_checkpoint
from jenacast.runtime import load_tensorflow

pytest_plugins = ["forecasts"]


def test_every_hour_of_a_clean_file_is_what_evaluate_forecasts(tell, jenacast, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 100)
    assert jenacast("evaluate", run, "--csv", file, "--predictions", tmp_path / "judged.csv").exit_code == 0
    answers = tell("--csv", file, "--every", "1h", "--predictions", tmp_path / "made.csv")
    assert [answer["last_observation"] for answer in answers] == [hour(row) for row in range(NEEDED_HOURS - 1, 100)]
    judged, made = table(tmp_path / "judged.csv"), table(tmp_path / "made.csv")
    of_the_lead = made["valid_at"] - made["last_observation"] == DAY
    made = {name: values[of_the_lead][:-24] for name, values in made.items()}  # no truth yet for the last day
    known = tell("--csv", station_file(tmp_path / "known.csv", 76))
    assert (known["last_observation"], known["valid_at"]) == (hour(75), str(judged["valid_at"][-1]))
    assert same(*(without(each, *OF_THE_TRUTH) for each in (known, answers[75 - NEEDED_HOURS + 1])))
    assert [each["valid_at"] for each in known["hours"]] == [hour(75 + lead) for lead in range(1, 25)]
    names = ("valid_at", "temperature_c", "intervals", "interval_width", "truth_c")
    assert known["hours"][-1] == {key: known[key] for key in names}
    assert (known["synthetic"], known["interpolated_hours"]) == (True, 0)
    assert known["checkpoint"] == str(run / "best.keras")
    np.testing.assert_array_equal(made["valid_at"], judged["valid_at"])
    np.testing.assert_allclose(made["temperature_c"], judged["forecast_c"], atol=2e-4)
    for name in ("low_50_c", "high_50_c", "low_80_c", "high_80_c", "low_90_c", "high_90_c", "baseline_c"):
        np.testing.assert_allclose(made[name], judged[name], atol=2e-4, err_msg=name)


def test_ten_minute_rows_forecast_what_their_hourly_thinning_does(tell, tmp_path):
    times, values = weather(6 * 40, step_minutes=10)
    ten = write_station_file(tmp_path / "ten.csv", times, values)
    thin = write_station_file(tmp_path / "thin.csv", times[5::6], values[5::6])  # the newest row's minute
    one, other = (tell("--csv", file, "--every", "1h") for file in (ten, thin))
    assert len(one) == 40 - NEEDED_HOURS + 1
    assert same(one, other)
    assert same(tell("--csv", ten), one[-1])
    halves = [answer["last_observation"] for answer in tell("--csv", ten, "--every", "30m")]
    first = times[0] + np.timedelta64(NEEDED_HOURS - 1, "h")
    assert halves == [str(time) for time in times[::-1][::3] if time >= first][::-1]
    third = write_station_file(tmp_path / "third.csv", times[2::6], values[2::6])
    assert same(tell("--csv", ten, "--at", times[-10]), tell("--csv", third, "--at", times[-10]))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**16), st.floats(0, 25))
def test_intervals_are_nested_and_the_forecast_is_for_a_day_later(run, tmp_path_factory, seed, noise):
    times, values = weather(40)
    rng = np.random.default_rng(seed)
    values[:, T] = np.clip(values[:, T] + noise * rng.standard_normal(40), -60, 60)
    file = write_station_file(tmp_path_factory.mktemp("noise") / "file.csv", times, values)
    read = [read_station_csv(file)]
    made = forecast(run, read, source="file", data_dir=file.parent, max_gap_hours=3, every_s=3600)
    assert len(made) == 40 - NEEDED_HOURS + 1
    assert (made.valid_at[:, -1] - made.last_observation == DAY).all()
    ends_c = [made.ends_c[name] for name in ("90", "80", "50")]
    in_order = np.stack([each[..., 0] for each in ends_c] + [each[..., 1] for each in reversed(ends_c)])
    assert (np.diff(in_order, axis=0) >= 0).all()
    assert np.isfinite(in_order).all()


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["temperature_c:departure", "hour_cos_1", "year_sin_2"], ["temperature_c"]),
        (["wind_north_m_per_s:mean_3h"], ["wind_speed_m_per_s", "wind_direction_deg"]),
        (["dew_point_c:change_3h", "dew_point_c", "pressure_mbar"], ["pressure_mbar", "dew_point_c"]),
        (SEEN, ["pressure_mbar", "temperature_c", "dew_point_c", "max_wind_speed_m_per_s", "wind_direction_deg"]),
        (["hour_cos_1"], []),
    ],
)
def test_the_measured_columns_behind_what_a_network_sees(names, columns):
    assert measured_columns(names) == columns


@pytest.fixture
def uncalibrated(run, tmp_path):
    """A function that writes `run`'s network without its intervals, and with these changes to its metadata."""

    def write(**changes):
        checkpoint = load_checkpoint(run)
        about = checkpoint.metadata.model_copy(update={"calibration": None, **changes})
        save_checkpoint(checkpoint.model, about, tmp_path / "old.keras")
        return tmp_path / "old.keras"

    return write


def test_without_intervals_it_says_so_and_the_remedy_works(uncalibrated, jenacast, tell, run, data_dir, tmp_path):
    old, file = uncalibrated(), station_file(tmp_path / "file.csv", 40)
    made = ["--predictions", tmp_path / "made.csv", "--plot", tmp_path / "made.png"]
    done = jenacast("forecast", old, "--csv", file, *made, "--json")
    answer, expected = json.loads(done.stdout), tell("--csv", file)
    assert answer["temperature_c"] == pytest.approx(expected["temperature_c"], abs=1e-4)
    assert answer["intervals"] is None
    assert all(each["intervals"] is None for each in answer["hours"])
    assert np.isnan(table(tmp_path / "made.csv")["low_50_c"]).all()
    rows = jenacast("forecast", old, "--csv", file).stdout.splitlines()[4:12]
    assert [row.split()[-1] for row in rows] == ["-"] * 8
    assert f"warning: {old} gives no intervals" in done.stderr
    assert "`jenacast ensemble CKPT --out NEW.keras`" in done.stderr
    new = tmp_path / "new.keras"
    assert jenacast("ensemble", old, "--out", new, "--data-dir", data_dir).exit_code == 0
    done = jenacast("forecast", new, "--csv", file, "--json")
    assert done.stderr == ""
    assert same(*(without(each, *OF_THE_NETWORK) for each in (json.loads(done.stdout), expected)))


@pytest.fixture(scope="module")
def foreign(_synthetic_data_dir, tmp_path_factory):
    """A network without jenacast's metadata: the last temperature of 120 hours and a quarter of a degree."""
    load_tensorflow()
    import keras

    statistics = load_prepared(_synthetic_data_dir).manifest.columns[TARGET]
    kernel = np.zeros((120, len(NAMES)))
    kernel[-1, T] = statistics.deviation
    model = keras.Sequential([keras.Input(kernel.shape), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.layers[-1].set_weights([kernel.reshape(-1, 1), np.array([statistics.mean + 0.25])])
    path = tmp_path_factory.mktemp("foreign") / "foreign.keras"
    model.save(path)
    return path


def test_a_network_made_elsewhere_forecasts_by_the_prepared_scaling(foreign, jenacast, data_dir, tmp_path):
    file = station_file(tmp_path / "file.csv", 130)
    made = ["--plot", tmp_path / "one.png", "--predictions", tmp_path / "one.csv"]
    done = jenacast("forecast", foreign, "--csv", file, "--data-dir", data_dir, *made, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    now_c = weather(130)[1][-1, T]
    assert answer["baseline_c"] == pytest.approx(now_c, abs=1e-5)
    assert answer["temperature_c"] == pytest.approx(now_c + 0.25, abs=1e-3)
    assert (answer["intervals"], answer["synthetic"], len(answer["hours"])) == (None, False, 1)
    assert "does not say how its inputs were scaled" in done.stderr
    assert "gives no intervals: it was made elsewhere, or" in done.stderr
    assert "ensemble" not in done.stderr
    assert len(table(tmp_path / "one.csv")["valid_at"]) == 1
    done = jenacast("forecast", foreign, "--csv", file, "--data-dir", tmp_path)
    refused(done, "needs the prepared data's scaling", "jenacast prepare")


@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
def test_an_export_keeps_the_intervals(form, tell, jenacast, run, tmp_path):
    if form == "onnx" and not importlib.util.find_spec("tf2onnx"):
        pytest.skip("tf2onnx is not installed; pip install '.[onnx]'")
    out, file = tmp_path / "out", station_file(tmp_path / "file.csv", 40)
    assert jenacast("export", run, "--format", form, "--out", out).exit_code == 0
    answer = tell("--csv", file, "--trust-saved-model", path=out)
    assert answer["checkpoint"] == str(out)
    assert same(*(without(each, *OF_THE_NETWORK) for each in (answer, tell("--csv", file))))


def test_no_remedy_is_named_where_there_is_none(uncalibrated, jenacast, tmp_path):
    old = uncalibrated(trained_on="train+val")
    told = jenacast("forecast", old, "--csv", station_file(tmp_path / "file.csv", 40)).stderr
    assert "trained on validation too, so that no data were left" in told
    assert "ensemble" not in told


def test_a_network_that_forecasts_nan_is_refused(jenacast, run, tmp_path):
    checkpoint = load_checkpoint(run)
    output = checkpoint.model.layers[-1]
    output.set_weights([np.full_like(weights, np.nan) for weights in output.get_weights()])
    save_checkpoint(checkpoint.model, checkpoint.metadata, tmp_path / "nan.keras")
    done = jenacast("forecast", tmp_path / "nan.keras", "--csv", station_file(tmp_path / "file.csv", 40), "--json")
    refused(done, "24 of 24 forecasts are not finite")


@pytest.mark.system
@pytest.mark.real
def test_every_hour_of_the_real_series_is_forecast_but_those_with_holes(real_series, run, jenacast):
    done = jenacast("forecast", run, "--csv", real_series, "--every", "1d", "--json")
    answers = json.loads(done.stdout)
    moments = np.array([answer["last_observation"] for answer in answers], "datetime64[s]")
    assert len(answers) > 2_900  # of 2,922 days
    assert (np.diff(moments) > np.timedelta64(0)).all()
    assert all(abs(answer["temperature_c"]) < 60 for answer in answers)
