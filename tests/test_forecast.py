"""`jenacast forecast`: from station files to tomorrow's temperature."""

import csv
import importlib.util
import json
import re
import zipfile

import numpy as np
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from station_files import write_station_file

from jenacast.columns import COLUMNS, NAMES, TARGET, measured_columns
from jenacast.config import load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series
from jenacast.forecasting.forecast import forecast
from jenacast.models.checkpoint import load_checkpoint, save_checkpoint
from jenacast.runtime import load_tensorflow
from jenacast.training.run import train

START = np.datetime64("2026-06-01T00:10:00")
SEEN = ["temperature_c", "pressure_mbar:change_3h", "dew_point_c:mean_6h", "max_wind_east_m_per_s", "hour_cos_1"]
NEEDED_HOURS = 12 + 5  # the history, and what the mean over 6 hours looks back from its first step
DAY = np.timedelta64(24, "h")
T = NAMES.index(TARGET)


@pytest.fixture(scope="module")
def run(_synthetic_data_dir, tmp_path_factory):
    """A run folder: 12 h of history, every hour of the next day, calibrated."""
    small = ["data.history_hours=12", "data.every_hour=true", "model.units=4", "train.epochs=2"]
    folder = tmp_path_factory.mktemp("forecast") / "run"
    config = load_recipe("dense", [*small, f"data.columns={json.dumps(SEEN)}"])
    train(config, data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture
def ask(jenacast, run):
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


def same(one, other):
    """Two JSON forecasts agree, figures up to what another batch size may change."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return one == pytest.approx(other, abs=1e-4) if isinstance(one, float) else one == other


# The figures


def test_every_hour_of_a_clean_file_is_what_evaluate_forecasts(ask, jenacast, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 100)
    assert jenacast("evaluate", run, "--csv", file, "--predictions", tmp_path / "judged.csv").exit_code == 0
    answers = ask("--csv", file, "--every", "1h", "--predictions", tmp_path / "made.csv")
    assert [answer["last_observation"] for answer in answers] == [hour(row) for row in range(NEEDED_HOURS - 1, 100)]
    judged, made = table(tmp_path / "judged.csv"), table(tmp_path / "made.csv")
    of_the_lead = made["valid_at"] - made["last_observation"] == DAY
    made = {name: values[of_the_lead][:-24] for name, values in made.items()}  # no truth yet for the last day
    known = ask("--csv", station_file(tmp_path / "known.csv", 76))
    assert (known["last_observation"], known["valid_at"]) == (hour(75), str(judged["valid_at"][-1]))
    assert same(known, answers[75 - NEEDED_HOURS + 1])
    assert [each["valid_at"] for each in known["hours"]] == [hour(75 + lead) for lead in range(1, 25)]
    assert known["hours"][-1] == {key: known[key] for key in ("valid_at", "temperature_c", "intervals")}
    assert (known["synthetic"], known["interpolated_hours"]) == (True, 0)
    assert known["checkpoint"] == str(run / "best.keras")
    np.testing.assert_array_equal(made["valid_at"], judged["valid_at"])
    np.testing.assert_allclose(made["temperature_c"], judged["forecast_c"], atol=2e-4)
    for name in ("low_50_c", "high_50_c", "low_80_c", "high_80_c", "low_90_c", "high_90_c", "baseline_c"):
        np.testing.assert_allclose(made[name], judged[name], atol=2e-4, err_msg=name)


def test_ten_minute_rows_forecast_what_their_hourly_thinning_does(ask, tmp_path):
    times, values = weather(6 * 40, step_minutes=10)
    ten = write_station_file(tmp_path / "ten.csv", times, values)
    thin = write_station_file(tmp_path / "thin.csv", times[5::6], values[5::6])  # the newest row's minute
    one, other = (ask("--csv", file, "--every", "1h") for file in (ten, thin))
    assert len(one) == 40 - NEEDED_HOURS + 1
    assert same(one, other)
    assert same(ask("--csv", ten), one[-1])
    halves = [answer["last_observation"] for answer in ask("--csv", ten, "--every", "30m")]
    first = times[0] + np.timedelta64(NEEDED_HOURS - 1, "h")
    assert halves == [str(time) for time in times[::-1][::3] if time >= first][::-1]
    third = write_station_file(tmp_path / "third.csv", times[2::6], values[2::6])
    assert same(ask("--csv", ten, "--at", times[-10]), ask("--csv", third, "--at", times[-10]))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**16), st.floats(0, 25))
def test_intervals_are_nested_and_the_forecast_is_for_a_day_later(run, tmp_path_factory, seed, noise):
    times, values = weather(40)
    rng = np.random.default_rng(seed)
    values[:, T] = np.clip(values[:, T] + noise * rng.standard_normal(40), -60, 60)
    file = write_station_file(tmp_path_factory.mktemp("noise") / "file.csv", times, values)
    made = forecast(run, [file], data_dir=file.parent, max_gap_hours=3, every_s=3600)
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


# Which origins


@pytest.mark.parametrize(
    ("at", "last"),
    [
        (hour(30), hour(30)),
        (hour(30, 10).replace("T", " ")[:16], hour(30)),
        (hour(30, 9), hour(29)),
        (hour(30, 55), hour(30)),
        ("2026-06-02", hour(23)),
        (hour(39 + 3), hour(39)),  # three hours after the end: as old as a gap that is bridged
    ],
)
def test_the_last_observation_at_or_before_counts(at, last, ask, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    answer = ask("--csv", file, "--at", at)
    assert (answer["last_observation"], answer["interpolated_hours"]) == (last, 0)


def test_what_came_later_does_not_count(ask, tmp_path):
    whole, known = station_file(tmp_path / "whole.csv", 40), station_file(tmp_path / "known.csv", 31)
    assert same(ask("--csv", whole, "--at", hour(30)), ask("--csv", known))
    # The newest of hourly rows is still now, whatever the longest gap.
    assert ask("--csv", whole, "--max-gap", "0", "--at", hour(30, 69))["last_observation"] == hour(30)


def test_a_short_gap_is_no_origin(ask, tmp_path):
    # Its interpolated rows know what came after it.
    whole, known = station_file(tmp_path / "gap.csv", 40, without=[30, 31]), station_file(tmp_path / "known.csv", 30)
    for at in (hour(30), hour(31), hour(31, 50)):
        assert same(ask("--csv", whole, "--at", at), ask("--csv", known))
    told = [answer["last_observation"] for answer in ask("--csv", whole, "--every", "1h")]
    assert told == [hour(row) for row in range(NEEDED_HOURS - 1, 40) if row not in (30, 31)]


def test_several_times_in_any_order_make_a_list_in_order_of_time(ask, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    times = [hour(35), hour(20), hour(30), hour(35, 40)]
    answers = ask("--csv", file, *(part for time in times for part in ("--at", time)))
    assert [answer["last_observation"] for answer in answers] == [hour(20), hour(30), hour(35)]
    assert same(answers, [ask("--csv", file, "--at", time) for time in (hour(20), hour(30), hour(35))])
    assert isinstance(ask("--csv", file, "--at", hour(20), "--at", hour(20)), list)


@pytest.mark.parametrize(
    ("at", "texts"),
    [
        ("2026-05-20", ("no observation until 2026-05-20 00:00 is complete", "begin at 2026-06-01 00:10")),
        (hour(5), ("from 2026-06-01 05:10 needs 17 hours", "11 are missing: 2026-05-31 13:10 to 2026-05-31 23:10")),
        (hour(43, 11), ("that of 2026-06-02 15:10, 4.02 h older", "at most 3 h are bridged")),
        ("9999-12-31", ("that of 2026-06-02 15:10",)),
    ],
)
def test_a_time_that_cannot_be_forecast_from_is_refused_and_one_that_can_be_is_named(at, texts, refuse, ask, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    message = refuse(["--csv", file, "--at", at], *texts)
    instead = re.search(r"--at (\S+)$", message)[1]
    answer = ask("--csv", file, "--at", instead)
    assert answer["last_observation"] == seconds(instead)
    # Too early: the first moment there is; too late: the last.
    assert answer["last_observation"] == (hour(39) if at > hour(39) else hour(NEEDED_HOURS - 1))


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        ("1h", range(16, 60)),
        ("30m", range(16, 60)),  # finer than the rows: every one of them
        ("6h", range(17, 60, 6)),
        ("1d", [35, 59]),
        ("100d", [59]),
    ],
)
def test_once_in_every_step_back_from_the_newest(step, rows, jenacast, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 60)
    done = jenacast("forecast", run, "--csv", file, "--every", step, "--json")
    assert done.stderr == ""  # nothing is missing
    assert [answer["last_observation"] for answer in json.loads(done.stdout)] == [hour(row) for row in rows]


def test_a_clock_that_was_set_forward_loses_nothing_but_what_it_lacks(jenacast, run, tmp_path):
    times, values = weather(80)
    times = times + np.where(np.arange(80) < 40, 0, 30).astype("timedelta64[m]")  # half an hour, as in 2014
    file = write_station_file(tmp_path / "file.csv", times, values)
    done = jenacast("forecast", run, "--csv", file, "--every", "1h", "--max-gap", "0", "--json")
    expected = [str(times[row]) for row in (*range(16, 40), *range(56, 80))]
    assert [answer["last_observation"] for answer in json.loads(done.stdout)] == expected
    assert "origins lack hours of the 17 needed" in done.stderr


@pytest.mark.parametrize("step", ["", "0h", "1", "1.5h", "-1h", "1w", "10000h", "１h"])
def test_a_step_that_is_none_is_wrong_usage(step, jenacast, run, tmp_path):
    done = jenacast("forecast", run, "--csv", tmp_path / "file.csv", "--every", step)
    assert done.exit_code == 2
    assert "expected a number" in done.stderr


def test_what_excludes_each_other_is_wrong_usage(jenacast, run, tmp_path):
    file = tmp_path / "file.csv"
    for arguments in (
        (),
        ("--csv", file, "--every", "1h", "--at", "2026-06-02"),
        ("--csv", file, "--plot", "one.png", "--predictions", "one.png"),
        ("--csv", file, "--max-gap", "-1"),
        ("--csv", file, "--max-gap", "nan"),
        ("--csv", file, "--at", "2026-06-02T10:10Z"),
        ("--csv", file, "--at", "02.06.2026 10:10"),
    ):
        assert jenacast("forecast", run, *arguments).exit_code == 2, arguments
    done = jenacast("forecast", "--csv", tmp_path / "a.csv", tmp_path / "b.csv")  # as a shell lists files
    assert done.exit_code == 2
    assert "repeat --csv" in done.stderr
    done = jenacast("forecast", tmp_path / "no.keras", "--csv", tmp_path / "no.csv", "--plot", tmp_path / "a.gif")
    refused(done, "a.gif ends in", "expected .png, .svg or .pdf")  # before any work


# Gaps


def test_a_gap_of_exactly_the_longest_is_interpolated_and_said(jenacast, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 40, without=[33, 34])  # three hours from the row before to that after
    done = jenacast("forecast", run, "--csv", file, "--json")
    answer = json.loads(done.stdout)
    assert (answer["last_observation"], answer["interpolated_hours"]) == (hour(39), 2)
    assert done.stderr == "interpolated 2 of the rows that are needed: 2026-06-02 09:10 to 2026-06-02 10:10\n"
    assert jenacast("forecast", run, "--csv", file, "--at", hour(32)).stderr == ""  # what lies after it is not needed
    times, values = weather(40)
    values[33:35] = values[32] + (values[35] - values[32]) * np.array([[1], [2]]) / 3
    by_hand = write_station_file(tmp_path / "by_hand.csv", times, values)
    made = json.loads(jenacast("forecast", run, "--csv", by_hand, "--json").stdout)
    assert answer["temperature_c"] == pytest.approx(made["temperature_c"], abs=0.05)  # two decimals, wind as a vector


@pytest.mark.parametrize(("without", "options"), [([33, 34, 35], []), ([33, 34], ["--max-gap", "2.9"])])
def test_a_longer_gap_is_refused_with_its_hours_and_what_works_instead(without, options, refuse, ask, tmp_path):
    file = station_file(tmp_path / "file.csv", 40, without=without)
    span = f"{len(without)} are missing: 2026-06-02 09:10 to 2026-06-02 {8 + len(without):02d}:10"
    message = refuse(["--csv", file, *options], "needs 17 hours", span, "name a file that holds more")
    assert message.strip().endswith("or: --at 2026-06-02T08:10")
    assert ask("--csv", file, "--at", "2026-06-02T08:10")["last_observation"] == hour(32)
    told = [answer["last_observation"] for answer in ask("--csv", file, "--every", "1h", *options)]
    assert told == [hour(row) for row in range(16, 33)]


def test_in_a_long_gap_only_its_first_hours_are_near_enough(ask, refuse, tmp_path):
    file = station_file(tmp_path / "file.csv", 60, without=range(30, 40))
    assert ask("--csv", file, "--at", hour(32))["last_observation"] == hour(29)
    message = refuse(["--csv", file, "--at", hour(33)], "4.00 h older")
    assert message.strip().endswith("or: --at 2026-06-02T05:10")
    refuse(["--csv", file, "--at", hour(50)], "6 are missing: 2026-06-02 10:10 to ", "or: --at 2026-06-02T05:10")
    assert ask("--csv", file, "--at", hour(57))["last_observation"] == hour(57)


def test_a_clock_with_seconds_is_told_with_seconds(refuse, ask, tmp_path):
    times, values = weather(40)
    file = write_station_file(tmp_path / "file.csv", times + np.timedelta64(30, "s"), values)
    message = refuse(["--csv", file, "--at", hour(2)], "needs 17 hours")
    instead = message.strip().split("--at ")[1]
    assert instead == "2026-06-01T16:10:30"
    assert ask("--csv", file, "--at", instead)["last_observation"] == instead


@pytest.mark.parametrize("every", [(), ("--every", "1h")])
def test_a_file_shorter_than_a_history_is_refused(every, ask, refuse, tmp_path):
    file = station_file(tmp_path / "file.csv", NEEDED_HOURS - 1)
    refuse(["--csv", file, *every], "17 hours in a row are complete")
    station_file(file, NEEDED_HOURS)
    assert ask("--csv", file, *every)


# Columns


def test_a_dead_column_matters_to_a_network_that_sees_it(ask, refuse, jenacast, run, tmp_path):
    times, values = weather(40)
    whole = write_station_file(tmp_path / "whole.csv", times, values)
    for unseen in ("relative_humidity_percent", "wind_speed_m_per_s"):
        dead = values.copy()
        dead[:, NAMES.index(unseen)] = np.nan
        file = write_station_file(tmp_path / "dead.csv", times, dead)
        assert same(ask("--csv", file), ask("--csv", whole))
    for column in COLUMNS:
        if column.name not in measured_columns(SEEN):
            continue
        dead = values.copy()
        dead[:, NAMES.index(column.name)] = np.nan
        refuse(["--csv", write_station_file(tmp_path / "dead.csv", times, dead)], "no observation until")
        assert repr(column.header) in jenacast("forecast", run, "--csv", tmp_path / "dead.csv").stderr


def test_a_column_that_died_is_named(ask, refuse, tmp_path):
    times, values = weather(40)
    values[30:, NAMES.index("dew_point_c")] = np.nan
    file = write_station_file(tmp_path / "file.csv", times, values)
    message = refuse(["--csv", file], "'Tdew (degC)'", "that of 2026-06-02 05:10, 10.00 h older")
    assert ask("--csv", file, "--at", message.strip().split("--at ")[1])["last_observation"] == hour(29)
    values[38:, NAMES.index("dew_point_c")] = 5.0
    write_station_file(file, times, values)
    refuse(["--csv", file], "'Tdew (degC)'", "8 are missing: 2026-06-02 06:10 to 2026-06-02 13:10")
    values[39, NAMES.index("relative_humidity_percent")] = np.nan
    values[31:37, NAMES.index("dew_point_c")] = 5.0
    write_station_file(file, times, values)
    assert ask("--csv", file)["interpolated_hours"] == 2  # a hole that the network does not see is none


# Files


def test_files_may_overlap_and_come_in_any_order(ask, tmp_path):
    times, values = weather(60)
    whole = write_station_file(tmp_path / "whole.csv", times, values)
    early = write_station_file(tmp_path / "early.csv", times[:35], values[:35])
    late = write_station_file(tmp_path / "late.csv", times[25:][::-1], values[25:][::-1])
    expected = ask("--csv", whole, "--every", "6h")
    for files in ((early, late), (late, early), (late, early, late)):
        assert same(ask(*(part for file in files for part in ("--csv", file)), "--every", "6h"), expected)


def test_a_week_at_a_time_a_year_apart_is_refused_for_what_lies_between(refuse, tmp_path):
    times, values = weather(30)
    late = write_station_file(tmp_path / "late.csv", times + np.timedelta64(365, "D"), values)
    early = write_station_file(tmp_path / "early.csv", times, values)
    refuse(["--csv", late, "--csv", early, "--at", "2027-06-01T05:10"], "11 are missing", "or: --at 2026-06-02T05:10")


def test_a_file_that_is_none_is_refused(refuse, tmp_path):
    good = station_file(tmp_path / "good.csv", 40)
    with zipfile.ZipFile(tmp_path / "mpi.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(good)
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("time,value\n1,2\n")
    (tmp_path / "header.csv").write_bytes(good.read_bytes().split(b"\n")[0])
    for name, *texts in (
        ("mpi.zip", "is a zip archive, expected the CSV in it", "unpack it first"),
        ("empty.csv", "is empty"),
        ("other.csv", "is not a station CSV: it begins with 'time,value'"),
        ("header.csv", "has a header but no rows"),
        ("nowhere.csv", "not found"),
        (".", "is not a regular file"),
    ):
        refuse(["--csv", good, "--csv", tmp_path / name], str(tmp_path / name), *texts)


def test_a_file_in_the_place_of_the_checkpoint_is_told(jenacast, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    other = file.rename(file.with_suffix(".txt"))
    refused(jenacast("forecast", "--csv", file, other), f"{other} begins with", "neither a .keras zip nor HDF5")


# Checkpoints


@pytest.fixture
def uncalibrated(run, tmp_path):
    """A function that writes `run`'s network without its intervals, and with these changes to its metadata."""

    def write(**changes):
        checkpoint = load_checkpoint(run)
        about = checkpoint.metadata.model_copy(update={"calibration": None, **changes})
        save_checkpoint(checkpoint.model, about, tmp_path / "old.keras")
        return tmp_path / "old.keras"

    return write


def test_without_intervals_it_says_so_and_the_remedy_works(uncalibrated, jenacast, ask, run, data_dir, tmp_path):
    old, file = uncalibrated(), station_file(tmp_path / "file.csv", 40)
    made = ["--predictions", tmp_path / "made.csv", "--plot", tmp_path / "made.png"]
    done = jenacast("forecast", old, "--csv", file, *made, "--json")
    answer, expected = json.loads(done.stdout), ask("--csv", file)
    assert answer["temperature_c"] == pytest.approx(expected["temperature_c"], abs=1e-4)
    assert answer["intervals"] is None
    assert all(each["intervals"] is None for each in answer["hours"])
    assert np.isnan(table(tmp_path / "made.csv")["low_50_c"]).all()
    assert jenacast("forecast", old, "--csv", file).stdout.splitlines()[2].split()[5:8] == ["-", "-", "-"]
    assert f"warning: {old} gives no intervals" in done.stderr
    assert "`jenacast ensemble CKPT --out NEW.keras`" in done.stderr
    new = tmp_path / "new.keras"
    assert jenacast("ensemble", old, "--out", new, "--data-dir", data_dir).exit_code == 0
    done = jenacast("forecast", new, "--csv", file, "--json")
    assert done.stderr == ""
    assert same(json.loads(done.stdout) | {"checkpoint": ""}, expected | {"checkpoint": ""})


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
def test_an_export_keeps_the_intervals(form, ask, jenacast, run, tmp_path):
    if form == "onnx" and not importlib.util.find_spec("tf2onnx"):
        pytest.skip("tf2onnx is not installed; pip install 'jenacast[onnx]'")
    out, file = tmp_path / "out", station_file(tmp_path / "file.csv", 40)
    assert jenacast("export", run, "--format", form, "--out", out).exit_code == 0
    answer = ask("--csv", file, "--trust-saved-model", path=out)
    assert answer["checkpoint"] == str(out)
    assert same(answer | {"checkpoint": ""}, ask("--csv", file) | {"checkpoint": ""})


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


# What is written


def test_the_table_rounds_what_json_says(ask, jenacast, run, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    answer, done = ask("--csv", file), jenacast("forecast", run, "--csv", file)
    assert done.stderr == ""
    _, _, line, note = done.stdout.splitlines()
    ends = " ".join("{:.1f} .. {:.1f}".format(*answer["intervals"][name]) for name in ("50", "80", "90"))
    figures = f"{answer['temperature_c']:.1f} {ends} {answer['baseline_c']:.1f}"
    assert line.split() == f"2026-06-02 15:10 2026-06-03 15:10 {figures}".split()
    assert note == "SYNTHETIC SERIES, not Jena"


def test_predictions_hold_every_hour_of_every_forecast(ask, tmp_path):
    file, path = station_file(tmp_path / "file.csv", 40), tmp_path / "made.csv"
    answers = ask("--csv", file, "--at", hour(20), "--at", hour(30), "--predictions", path)
    ends = [f"{end}_{name}_c" for name in ("50", "80", "90") for end in ("low", "high")]
    assert path.read_text().splitlines()[0].split(",") == [
        *("last_observation", "valid_at", "temperature_c", *ends, "baseline_c")
    ]
    made = table(path)
    hours = [(answer, each) for answer in answers for each in answer["hours"]]
    assert [str(time) for time in made["last_observation"]] == [answer["last_observation"] for answer, _ in hours]
    assert [str(time) for time in made["valid_at"]] == [each["valid_at"] for _, each in hours]
    np.testing.assert_allclose(made["temperature_c"], [each["temperature_c"] for _, each in hours], atol=1e-4)
    np.testing.assert_allclose(made["baseline_c"], [answer["baseline_c"] for answer, _ in hours], atol=1e-4)
    for name in ("50", "80", "90"):
        made_c = np.stack([made[f"low_{name}_c"], made[f"high_{name}_c"]], axis=1)
        np.testing.assert_allclose(made_c, [each["intervals"][name] for _, each in hours], atol=1e-4)


def test_a_picture_is_written_of_one_forecast_and_of_several(jenacast, run, tmp_path):
    file, path = station_file(tmp_path / "file.csv", 40), tmp_path / "picture.svg"
    for arguments in ((), ("--every", "1h"), ("--at", hour(20), "--at", hour(30)), ("--every", "100d")):
        done = jenacast("forecast", run, "--csv", file, "--plot", path, "--force", *arguments)
        assert done.exit_code == 0, done.output
        assert f"wrote {path}" in done.stderr
        assert sorted(each.name for each in tmp_path.iterdir()) == ["file.csv", path.name]


def test_what_was_interpolated_is_not_drawn_as_observed(jenacast, run, tmp_path, monkeypatch):
    file, drawn = station_file(tmp_path / "file.csv", 60, without=[40, 41]), {}
    monkeypatch.setattr("jenacast.forecasting.plots.forecasts", lambda path, **what: drawn.update(what))
    assert jenacast("forecast", run, "--csv", file, "--plot", tmp_path / "one.png").exit_code == 0
    times, _ = weather(60)
    np.testing.assert_array_equal(drawn["measured_at"], np.delete(times, [40, 41]))
    done = jenacast("forecast", run, "--csv", file, "--every", "1h", "--plot", tmp_path / "all.png")
    assert done.exit_code == 0, done.output
    unknown = (drawn["valid_at"] > times[-1]) | np.isin(drawn["valid_at"], times[[40, 41]])
    np.testing.assert_array_equal(np.isnan(drawn["measured_c"]), unknown)


@pytest.mark.parametrize(("option", "name"), [("--plot", "there.png"), ("--predictions", "there.csv")])
def test_nothing_is_overwritten_unasked(option, name, jenacast, run, tmp_path):
    file, there = station_file(tmp_path / "file.csv", 40), tmp_path / name
    there.write_text("mine")
    done = jenacast("forecast", tmp_path / "no.keras", "--csv", tmp_path / "no.csv", option, there)
    refused(done, f"{there} exists; --force overwrites it")
    refused(jenacast("forecast", run, "--csv", tmp_path / "no.csv", option, there, "--force"), "not found")
    assert there.read_text() == "mine"
    assert jenacast("forecast", run, "--csv", file, option, there, "--force").exit_code == 0
    assert there.read_bytes() != b"mine"


@pytest.mark.real
def test_every_hour_of_the_real_series_is_forecast_but_those_with_holes(real_series, run, jenacast):
    done = jenacast("forecast", run, "--csv", real_series, "--every", "1d", "--json")
    answers = json.loads(done.stdout)
    moments = np.array([answer["last_observation"] for answer in answers], "datetime64[s]")
    assert len(answers) > 2_900  # of 2,922 days
    assert (np.diff(moments) > np.timedelta64(0)).all()
    assert all(abs(answer["temperature_c"]) < 60 for answer in answers)
