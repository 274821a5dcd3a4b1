"""The record: forecasts kept once, judged by what came, apart for those made ahead and afterwards."""

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from conftest import refused
from forecasts import hour, station_file, table, weather

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.data import SYNTHETIC_WARNING
from jenacast.data.station import read_station_csv
from jenacast.forecasting import RECORD
from jenacast.forecasting.forecast import forecast
from jenacast.forecasting.record import keep
from jenacast.forecasting.record_scores import recent, score_record

pytest_plugins = ["forecasts"]
ROWS = 96


@pytest.fixture
def folder(tmp_path):
    (folder := tmp_path / "data").mkdir()
    return folder


@pytest.fixture
def past(tmp_path):
    return station_file(tmp_path / "past.csv", ROWS)


@pytest.fixture
def kept(jenacast, run, folder, past):
    """What `forecast --every 6h --keep` over a file of four days said, hour by hour."""
    done = jenacast(
        "forecast", run, past, "--every", "6h", "--keep", "--predictions", folder / "all.csv", "--data-dir", folder
    )
    assert done.exit_code == 0, done.output
    return table(folder / "all.csv")


def judged(jenacast, folder, *arguments):
    done = jenacast("record", *arguments, "--json", "--data-dir", folder)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["networks"]


def test_errors_are_those_of_the_forecasts_beside_what_came(jenacast, folder, kept):
    (network,) = judged(jenacast, folder, "--offline")
    lead = (kept["valid_at"] - kept["last_observation"]) == np.timedelta64(24, "h")
    known = lead & np.isfinite(kept["truth_c"])
    errors_c = (kept["temperature_c"] - kept["truth_c"])[known]
    assert network["judged"]["scored"] == known.sum() > 5
    assert network["judged"]["mae_c"] == pytest.approx(np.abs(errors_c).mean(), abs=1e-4)
    assert network["judged"]["bias_c"] == pytest.approx(errors_c.mean(), abs=1e-4)
    baseline_c = np.abs(kept["baseline_c"] - kept["truth_c"])[known]
    assert network["judged"]["baseline_mae_c"] == pytest.approx(baseline_c.mean(), abs=1e-4)
    inside = (kept["low_80_c"] <= kept["truth_c"]) & (kept["truth_c"] <= kept["high_80_c"])
    assert network["judged"]["coverage"]["80"] == pytest.approx(inside[known].mean())
    assert [each["label"] for each in network["by_lead"]] == [str(lead) for lead in range(1, 25)]
    assert [each["label"] for each in network["by_month"]] == ["2026-06"]
    assert network["forecasts"] == len(np.unique(kept["last_observation"]))
    assert network["kind"] == "afterwards"  # the file is of a time that is past


def test_what_was_kept_is_kept_once_and_never_changed(jenacast, run, folder, past, kept):
    again = jenacast("forecast", run, past, "--every", "6h", "--keep", "--data-dir", folder)
    assert "0 hours added" in again.stderr
    with sqlite3.connect(folder / RECORD) as record:
        assert record.execute("SELECT COUNT(*) FROM forecasts").fetchone() == (len(kept["valid_at"]),)
        for change in ("UPDATE forecasts SET temperature_c = 0", "UPDATE truths SET truth_c = 0"):
            with pytest.raises(sqlite3.IntegrityError, match="the past stays"):
                record.execute(change)


def test_truths_come_later_from_other_files(jenacast, run, folder, tmp_path):
    early = station_file(tmp_path / "early.csv", 48)
    assert jenacast("forecast", run, early, "--at", hour(47), "--keep", "--data-dir", folder).exit_code == 0
    (network,) = judged(jenacast, folder, "--offline")
    assert (network["judged"]["scored"], network["judged"]["mae_c"]) == (0, None)
    (network,) = judged(jenacast, folder, station_file(tmp_path / "late.csv", ROWS))
    assert network["judged"]["scored"] == 1
    truth_c = weather(ROWS)[1][47 + 24, 1]
    csv = folder / "record.csv"
    judged(jenacast, folder, "--offline", "--csv", csv)
    assert table_of(csv)["truth_c"][-1] == pytest.approx(truth_c, abs=0.006)  # two decimals in the file


def table_of(path):
    rows = [line.split(",") for line in path.read_text().splitlines()]
    return {name: [float(row[place]) for row in rows[1:]] for place, name in enumerate(rows[0]) if name == "truth_c"}


def test_what_was_forecast_afterwards_is_counted_apart(run, folder, past):
    made = forecast(run, [read_station_csv(past)], source="past", data_dir=folder, max_gap_hours=3, every_s=6 * 3600)
    middle = made.valid_at[len(made) // 2, 0]
    keep(folder / RECORD, made, utc=middle - np.timedelta64(UTC_OFFSET_HOURS, "h"))
    scores = {each.kind: each for each in score_record(folder / RECORD)}
    hours = {kind: sum(lead.scored for lead in each.by_lead) for kind, each in scores.items()}
    assert {each.lead_hours for each in scores.values()} == {24}
    known = np.isfinite(made.truth_c)
    assert hours == {
        "ahead": int((known & (made.valid_at >= middle)).sum()),
        "afterwards": int((known & (made.valid_at < middle)).sum()),
    }


def test_the_first_hours_from_an_old_observation_are_no_forecast_of_a_day(run, folder, past):
    made = forecast(run, [read_station_csv(past)], source="past", data_dir=folder, max_gap_hours=3)
    utc = made.valid_at[0, 2] - np.timedelta64(UTC_OFFSET_HOURS, "h")  # two of its hours are past
    keep(folder / RECORD, made, utc=utc)
    scores = {each.kind: each for each in score_record(folder / RECORD)}
    assert [each.label for each in scores["afterwards"].by_lead] == ["1", "2"]
    assert scores["afterwards"].lead_hours == 24
    assert scores["afterwards"].judged.scored == 0
    assert not len(recent(folder / RECORD, scores["afterwards"], 10).valid_at)
    assert len(recent(folder / RECORD, scores["ahead"], 10).valid_at) == 1


def test_the_screen_fits_eighty_columns_and_says_what_its_words_mean(jenacast, folder, kept):
    done = jenacast("record", "--offline", "--plot", folder / "last.png", "--data-dir", folder)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert SYNTHETIC_WARNING in done.stdout  # what `run` was trained on
    assert "Ahead: made before the time forecast for;" in " ".join(done.stdout.split())
    assert (folder / "last.png").exists()


@pytest.mark.parametrize("content", [b"", b"no database", "foreign"])
def test_a_file_that_is_no_record_is_refused_and_stays(jenacast, run, folder, past, content):
    path = folder / RECORD
    if content == "foreign":
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (a)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    if content:
        refused(jenacast("forecast", run, past, "--keep", "--data-dir", folder), str(path), "move it away")
    refused(jenacast("record", "--data-dir", folder), str(path))
    assert path.read_bytes() == before


def test_without_a_record_the_remedy_is_named(jenacast, folder):
    refused(jenacast("record", "--data-dir", folder), "forecast --keep")
    assert not (folder / RECORD).exists()


def test_usage(jenacast, folder, past):
    assert jenacast("record", past, "--offline", "--data-dir", folder).exit_code == 2


@pytest.mark.system
def test_processes_that_keep_at_once_lose_nothing(run, folder, past):
    starts = ["--at", hour(40)], ["--at", hour(50)], ["--at", hour(60)], ["--every", "6h"]
    command = [sys.executable, "-m", "jenacast", "forecast", run, past, "--keep", "--data-dir", folder]
    processes = [subprocess.Popen([*command, *start], stdout=subprocess.DEVNULL) for start in starts]
    assert [process.wait(120) for process in processes] == [0] * 4
    with sqlite3.connect(folder / RECORD) as record:
        kept = {row[0] for row in record.execute("SELECT DISTINCT last_observation FROM forecasts")}
    assert {hour(number) for number in (40, 50, 60)} <= kept
    assert len(kept) > 8


def test_the_page_has_the_numbers_and_its_older_one_is_renewed(jenacast, run, folder, past, kept):
    page = folder / "tomorrow.html"
    for _ in range(2):
        done = jenacast("forecast", run, past, "--page", page, "--json", "--data-dir", folder)
        assert done.exit_code == 0, done.output
    answer, html = json.loads(done.stdout), page.read_text(encoding="utf-8").replace("\xa0", " ")
    assert f"{answer['temperature_c']:.1f} °C".replace("-", "−") in html
    assert "The record" in html
    before = page.read_bytes()
    refused(jenacast("forecast", run, folder / "gone.csv", "--page", page, "--data-dir", folder), "gone.csv")
    assert page.read_bytes() == before  # a failure leaves the old page


def test_a_page_that_is_not_ours_is_replaced_by_force_alone(jenacast, run, folder, past):
    (page := folder / "notes.html").write_text("<p>mine</p>")
    refused(jenacast("forecast", run, past, "--page", page, "--data-dir", folder), "no page of jenacast", "--force")
    assert page.read_text() == "<p>mine</p>"
    assert jenacast("forecast", run, past, "--page", page, "--force", "--data-dir", folder).exit_code == 0
    twice = jenacast("forecast", run, past, "--page", page, "--every", "6h", "--data-dir", folder)
    assert twice.exit_code == 2
