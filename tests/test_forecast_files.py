"""`jenacast forecast`: columns and files that are read, tables and pictures that are written."""

import gzip
import json
import shutil
import zipfile

import numpy as np
import pytest
from conftest import refused
from forecasts import SEEN, hour, same, station_file, table, weather
from station_files import write_station_file

from jenacast.columns import COLUMNS, NAMES, measured_columns
from jenacast.data.station import read_station_csv
from jenacast.forecasting import plots
from jenacast.forecasting.files import draw_forecasts
from jenacast.forecasting.forecast import forecast

pytest_plugins = ["forecasts"]

T = NAMES.index("temperature_c")


# Columns


def test_a_dead_column_matters_to_a_network_that_sees_it(tell, refuse, jenacast, run, tmp_path):
    times, values = weather(40)
    whole = write_station_file(tmp_path / "whole.csv", times, values)
    for unseen in ("relative_humidity_percent", "wind_speed_m_per_s"):
        dead = values.copy()
        dead[:, NAMES.index(unseen)] = np.nan
        file = write_station_file(tmp_path / "dead.csv", times, dead)
        assert same(tell("--csv", file), tell("--csv", whole))
    for column in COLUMNS:
        if column.name not in measured_columns(SEEN):
            continue
        dead = values.copy()
        dead[:, NAMES.index(column.name)] = np.nan
        refuse(["--csv", write_station_file(tmp_path / "dead.csv", times, dead)], "no observation until")
        assert repr(column.header) in jenacast("forecast", run, "--csv", tmp_path / "dead.csv").stderr


def test_a_column_that_died_is_named(tell, refuse, tmp_path):
    times, values = weather(40)
    values[30:, NAMES.index("dew_point_c")] = np.nan
    file = write_station_file(tmp_path / "file.csv", times, values)
    message = refuse(["--csv", file], "'Tdew (degC)'", "that of 2026-06-02 05:10, 10.00 h older")
    assert tell("--csv", file, "--at", message.strip().split("--at ")[1])["last_observation"] == hour(29)
    values[38:, NAMES.index("dew_point_c")] = 5.0
    write_station_file(file, times, values)
    refuse(["--csv", file], "'Tdew (degC)'", "8 are missing: 2026-06-02 06:10 to 2026-06-02 13:10")
    values[39, NAMES.index("relative_humidity_percent")] = np.nan
    values[31:37, NAMES.index("dew_point_c")] = 5.0
    write_station_file(file, times, values)
    assert tell("--csv", file)["interpolated_hours"] == 2  # a hole that the network does not see is none


# Files


def test_the_observed_line_is_drawn_where_the_minute_of_the_rows_changed(run, tmp_path, monkeypatch):
    times, values = weather(140)
    times = np.concatenate([times[:70], times[70:] + np.timedelta64(10, "m")])
    file = write_station_file(tmp_path / "file.csv", times, values)
    drawn = []
    monkeypatch.setattr(plots, "panels", lambda path, shown, **_: drawn.extend(shown))
    made = forecast(run, [read_station_csv(file)], source="file", data_dir=tmp_path, max_gap_hours=3)
    draw_forecasts(made, tmp_path / "picture.png")
    # Each hour has two minutes in such a file: gaps at the one that is not used would leave points, and no line.
    np.testing.assert_array_equal(drawn[0].measured_at, times[-72:])
    np.testing.assert_allclose(drawn[0].measured_c, values[-72:, T], atol=0.01)


def test_files_may_overlap_and_come_in_any_order(tell, tmp_path):
    times, values = weather(60)
    whole = write_station_file(tmp_path / "whole.csv", times, values)
    early = write_station_file(tmp_path / "early.csv", times[:35], values[:35])
    late = write_station_file(tmp_path / "late.csv", times[25:][::-1], values[25:][::-1])
    expected = tell("--csv", whole, "--every", "6h")
    for files in ((early, late), (late, early), (late, early, late)):
        assert same(tell(*(part for file in files for part in ("--csv", file)), "--every", "6h"), expected)


def test_a_week_at_a_time_a_year_apart_is_refused_for_what_lies_between(refuse, tmp_path):
    times, values = weather(30)
    late = write_station_file(tmp_path / "late.csv", times + np.timedelta64(365, "D"), values)
    early = write_station_file(tmp_path / "early.csv", times, values)
    refuse(["--csv", late, "--csv", early, "--at", "2027-06-01T05:10"], "11 are missing", "or: --at 2026-06-02T05:10")


def test_of_several_files_the_one_that_cannot_be_read_is_named(refuse, tmp_path):
    good = station_file(tmp_path / "good.csv", 40)
    (tmp_path / "page.html").write_text("<!DOCTYPE html>")
    refuse(["--csv", good, "--csv", tmp_path / "page.html"], f"{tmp_path / 'page.html'} is not a station CSV")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_forecast_from_as_the_csv_in_it(tell, tmp_path, method):
    plain = station_file(tmp_path / "mpi_roof_2026b.csv", 40)
    with zipfile.ZipFile(tmp_path / "mpi_roof_2026b.zip", "w", method) as archive:
        archive.write(plain, plain.name)
    assert same(tell("--csv", tmp_path / "mpi_roof_2026b.zip"), tell("--csv", plain))


@pytest.mark.parametrize("name", ["june.csv", "june.CSV.gz", "june.txt", "june.gz"])
def test_files_and_checkpoint_are_told_apart_by_what_they_are(name, tell, jenacast, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = station_file(tmp_path / "whole.csv", 40).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    expected = tell("--csv", "whole.csv")
    for arguments in ((run, name), (name, run), (run / "best.keras", "--csv", name), ("--csv", name, run, name)):
        done = jenacast("forecast", *arguments, "--json")
        assert done.exit_code == 0, done.output
        assert same(json.loads(done.stdout), expected)


def test_a_folder_is_a_checkpoint_whatever_its_name(tell, run, tmp_path):
    folder, file = tmp_path / "run.csv", station_file(tmp_path / "june.csv", 40)
    shutil.copytree(run, folder)
    assert tell(file, path=folder)["checkpoint"] == str(folder / "best.keras")


def test_two_checkpoints_are_wrong_usage(jenacast, run, tmp_path):
    for other in ("june.dat", "pretrained", run / "best.keras"):
        done = jenacast("forecast", run, "june.csv", other)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "one is taken; a station file ends in .csv" in " ".join(done.stderr.split())
    done = jenacast("forecast", tmp_path / "june.dat")  # nothing is fetched before it is told
    refused(done, "june.dat not found; expected a checkpoint; a station file ends in .csv, .gz, .txt, .zip")


# What is written


def test_predictions_hold_every_hour_of_every_forecast(tell, tmp_path):
    file, path = station_file(tmp_path / "file.csv", 40), tmp_path / "made.csv"
    answers = tell("--csv", file, "--at", hour(20), "--at", hour(30), "--predictions", path)
    ends = [f"{end}_{name}_c" for name in ("50", "80", "90") for end in ("low", "high")]
    assert path.read_text().splitlines()[0].split(",") == [
        *("last_observation", "valid_at", "temperature_c", *ends, "baseline_c", "truth_c")
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
    monkeypatch.setattr("jenacast.forecasting.plots.panels", lambda path, shown, **_: drawn.update(vars(shown[0])))
    assert jenacast("forecast", run, "--csv", file, "--plot", tmp_path / "one.png").exit_code == 0
    times, _ = weather(60)
    np.testing.assert_array_equal(drawn["measured_at"], np.delete(times, [40, 41]))
    monkeypatch.setattr("jenacast.forecasting.plots.forecasts", lambda path, **what: drawn.update(what))
    done = jenacast("forecast", run, "--csv", file, "--every", "1h", "--plot", tmp_path / "all.png")
    assert done.exit_code == 0, done.output
    unknown = (drawn["valid_at"] > times[-1]) | np.isin(drawn["valid_at"], times[[40, 41]])
    np.testing.assert_array_equal(np.isnan(drawn["measured_c"]), unknown)


def test_more_panels_than_can_be_read_are_refused_before_any_work(jenacast, tmp_path):
    times = [part for number in range(13) for part in ("--at", hour(number))]
    done = jenacast("forecast", "no.keras", "no.csv", *times, "--plot", tmp_path / "a.png")
    assert done.exit_code == 2
    assert "up to 12 times" in done.stderr


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


def test_a_file_that_came_while_a_forecast_was_made_is_kept(jenacast, tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    any_csv = station_file(tmp_path / "any.csv", 40)
    monkeypatch.setattr("jenacast.forecasting.forecast.forecast", lambda *about, **options: out.write_text("theirs"))
    monkeypatch.setattr("jenacast.forecasting.files.write_forecasts", lambda made, path: path.write_text("ours"))
    refused(jenacast("forecast", any_csv, "--predictions", out), f"{out} exists; --force overwrites it")
    assert out.read_text() == "theirs"
    assert sorted(tmp_path.iterdir()) == [any_csv, out]
