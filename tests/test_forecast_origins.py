"""`jenacast forecast`: from which hours a forecast is made, and what gaps cost."""

import json
import re

import numpy as np
import pytest
from conftest import refused
from forecasts import NEEDED_HOURS, OF_THE_TRUTH, hour, same, seconds, station_file, weather, without
from station_files import write_station_file

pytest_plugins = ["forecasts"]


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
def test_the_last_observation_at_or_before_counts(at, last, tell, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    answer = tell("--csv", file, "--at", at)
    assert (answer["last_observation"], answer["interpolated_hours"]) == (last, 0)


def test_what_came_later_does_not_count(tell, tmp_path):
    whole, known = station_file(tmp_path / "whole.csv", 40), station_file(tmp_path / "known.csv", 31)
    answers = tell("--csv", whole, "--at", hour(30)), tell("--csv", known)
    assert same(*(without(each, *OF_THE_TRUTH) for each in answers))
    # The newest of hourly rows is still now, whatever the longest gap.
    assert tell("--csv", whole, "--max-gap", "0", "--at", hour(30, 69))["last_observation"] == hour(30)


def test_a_short_gap_is_no_origin(tell, tmp_path):
    # Its interpolated rows know what came after it.
    whole, known = station_file(tmp_path / "gap.csv", 40, without=[30, 31]), station_file(tmp_path / "known.csv", 30)
    for at in (hour(30), hour(31), hour(31, 50)):
        answers = tell("--csv", whole, "--at", at), tell("--csv", known)
        assert same(*(without(each, *OF_THE_TRUTH) for each in answers))
    told = [answer["last_observation"] for answer in tell("--csv", whole, "--every", "1h")]
    assert told == [hour(row) for row in range(NEEDED_HOURS - 1, 40) if row not in (30, 31)]


def test_several_times_in_any_order_make_a_list_in_order_of_time(tell, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    times = [hour(35), hour(20), hour(30), hour(35, 40)]
    answers = tell("--csv", file, *(part for time in times for part in ("--at", time)))
    assert [answer["last_observation"] for answer in answers] == [hour(20), hour(30), hour(35)]
    assert same(answers, [tell("--csv", file, "--at", time) for time in (hour(20), hour(30), hour(35))])
    assert isinstance(tell("--csv", file, "--at", hour(20), "--at", hour(20)), list)


@pytest.mark.parametrize(
    ("at", "texts"),
    [
        ("2026-05-20", ("no observation until 2026-05-20 00:00 is complete", "begin at 2026-06-01 00:10")),
        (hour(5), ("from 2026-06-01 05:10 needs 17 hours", "11 are missing: 2026-05-31 13:10 to 2026-05-31 23:10")),
        (hour(43, 11), ("that of 2026-06-02 15:10, 4.02 h older", "at most 3 h are bridged")),
        ("9999-12-31", ("that of 2026-06-02 15:10",)),
    ],
)
def test_a_time_that_cannot_be_forecast_from_is_refused_and_one_that_can_be_is_named(at, texts, refuse, tell, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    message = refuse(["--csv", file, "--at", at], *texts)
    instead = re.search(r"--at (\S+)$", message)[1]
    answer = tell("--csv", file, "--at", instead)
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


def test_wrong_usage_is_told(jenacast, run, tmp_path):
    file = tmp_path / "file.csv"
    for step in ("", "0h", "1", "1.5h", "-1h", "1w", "10000h", "１h"):
        done = jenacast("forecast", run, "--csv", file, "--every", step)
        assert done.exit_code == 2
        assert "expected a number" in done.stderr
    for arguments in (
        ("--offline", file),
        ("--csv", file, "--every", "1h", "--at", "2026-06-02"),
        ("--csv", file, "--plot", "one.png", "--predictions", "one.png"),
        ("--csv", file, "--max-gap", "-1"),
        ("--csv", file, "--max-gap", "nan"),
        ("--csv", file, "--at", "2026-06-02T10:10Z"),
        ("--csv", file, "--at", "06/02/2026 10:10"),
        ("--csv", file, "--at", "31.06.2026 10:10:00"),
    ):
        assert jenacast("forecast", run, *arguments).exit_code == 2, arguments
    done = jenacast("forecast", tmp_path / "no.keras", "--csv", tmp_path / "no.csv", "--plot", tmp_path / "a.gif")
    refused(done, "a.gif ends in", "expected .png, .svg or .pdf")  # before any work


def test_a_time_may_be_written_as_the_station_writes_it(tell, tmp_path):
    file = station_file(tmp_path / "file.csv", 40)
    iso = tell("--csv", file, "--at", "2026-06-02T10:10")
    for text in ("02.06.2026 10:10:00", "02.06.2026 10:10", "2026-06-02 10:10:00"):
        assert same(tell("--csv", file, "--at", text), iso)
    day = tell("--csv", file, "--at", "2026-06-02T00:00")
    for text in ("02.06.2026", "2026-06-02"):
        assert same(tell("--csv", file, "--at", text), day)


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
def test_a_longer_gap_is_refused_with_its_hours_and_what_works_instead(without, options, refuse, tell, tmp_path):
    file = station_file(tmp_path / "file.csv", 40, without=without)
    span = f"{len(without)} are missing: 2026-06-02 09:10 to 2026-06-02 {8 + len(without):02d}:10"
    message = refuse(["--csv", file, *options], "needs 17 hours", span, "name a file that holds more")
    assert message.strip().endswith("or: --at 2026-06-02T08:10")
    assert tell("--csv", file, "--at", "2026-06-02T08:10")["last_observation"] == hour(32)
    told = [answer["last_observation"] for answer in tell("--csv", file, "--every", "1h", *options)]
    assert told == [hour(row) for row in range(16, 33)]


def test_in_a_long_gap_only_its_first_hours_are_near_enough(tell, refuse, tmp_path):
    file = station_file(tmp_path / "file.csv", 60, without=range(30, 40))
    assert tell("--csv", file, "--at", hour(32))["last_observation"] == hour(29)
    message = refuse(["--csv", file, "--at", hour(33)], "4.00 h older")
    assert message.strip().endswith("or: --at 2026-06-02T05:10")
    refuse(["--csv", file, "--at", hour(50)], "6 are missing: 2026-06-02 10:10 to ", "or: --at 2026-06-02T05:10")
    assert tell("--csv", file, "--at", hour(57))["last_observation"] == hour(57)


def test_a_clock_with_seconds_is_told_with_seconds(refuse, tell, tmp_path):
    times, values = weather(40)
    file = write_station_file(tmp_path / "file.csv", times + np.timedelta64(30, "s"), values)
    message = refuse(["--csv", file, "--at", hour(2)], "needs 17 hours")
    instead = message.strip().split("--at ")[1]
    assert instead == "2026-06-01T16:10:30"
    assert tell("--csv", file, "--at", instead)["last_observation"] == instead


@pytest.mark.parametrize("every", [(), ("--every", "1h")])
def test_a_file_shorter_than_a_history_is_refused(every, tell, refuse, tmp_path):
    file = station_file(tmp_path / "file.csv", NEEDED_HOURS - 1)
    refuse(["--csv", file, *every], "17 hours in a row are complete")
    station_file(file, NEEDED_HOURS)
    assert tell("--csv", file, *every)
