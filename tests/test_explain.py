"""`jenacast explain`: what networks look at of which that is known."""

import json

import numpy as np
import pytest
from networks import write_linear

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_prepared
from jenacast.features.shuffle import draw_donors
from jenacast.models.checkpoint import read_metadata


@pytest.fixture
def explained(jenacast, years):
    """A function that explains a checkpoint on three years and returns the JSON answer."""

    def run(path, *arguments):
        done = jenacast("explain", path, "--json", "--data-dir", years, *arguments)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


@pytest.fixture
def looks_at(years, tmp_path):
    """A function that writes a network which forecasts the present temperature plus the last value of one column."""

    def write(column, columns):
        names = ", ".join(f'"{name}"' for name in columns)
        settings = ["data.history_hours=12", 'data.target="change"', f"data.columns=[{names}]"]
        weights = np.zeros((12, len(columns), 1))
        weights[-1, columns.index(column)] = 1
        return write_linear(tmp_path / "known.keras", years, load_recipe("dense", settings), weights, np.zeros(1))

    return write


def rises(answer, kind):
    return {each["part"]: each["difference_c"] for each in answer["effects"] if each["kind"] == kind}


def test_a_network_of_the_temperature_alone_rests_on_nothing_else(linear, years, explained):
    answer = explained(linear(years, weight=1, shift_c=0), "--repeats", 2)
    columns, groups, hours = (rises(answer, kind) for kind in ("column", "group", "hours"))
    assert set(columns) == set(NAMES)
    assert {name for name, rise_c in columns.items() if rise_c} == {TARGET}
    assert {name for name, rise_c in groups.items() if rise_c} == {"temperature", "all measured columns"}
    assert {name for name, rise_c in hours.items() if rise_c} == {"now"}
    assert columns[TARGET] > 0
    assert columns[TARGET] == groups["temperature"] == groups["all measured columns"] == hours["now"]
    (found,) = (each for each in answer["effects"] if each["part"] == TARGET)
    low, high = found["difference_ci95_c"]
    assert low < found["difference_c"] < high
    assert np.mean(found["repeats_c"]) == pytest.approx(found["difference_c"])
    assert answer["mae_c"] == pytest.approx(answer["baseline_mae_c"], abs=1e-4)


def test_a_network_that_looks_at_nothing_loses_nothing(linear, years, explained):
    answer = explained(linear(years, weight=0, shift_c=5), "--repeats", 1)
    assert len(answer["effects"]) > 20
    assert {each["difference_c"] for each in answer["effects"]} == {0.0}
    assert {tuple(each["difference_ci95_c"]) for each in answer["effects"]} == {(0.0, 0.0)}


SEEN = [
    *("pressure_mbar", "temperature_c:change_6h", "wind_east_m_per_s", "dew_point_c:mean_24h"),
    *("hour_cos_1", "year_sin_1"),
]


@pytest.mark.parametrize(
    ("column", "measured", "group"),
    [
        ("temperature_c:change_6h", {"temperature_c"}, "temperature"),
        ("wind_east_m_per_s", {"wind_speed_m_per_s", "wind_direction_deg"}, "wind"),
        ("hour_cos_1", {"hour of the day"}, "calendar"),
    ],
)
def test_what_is_derived_follows_its_source(column, measured, group, looks_at, explained):
    answer = explained(looks_at(column, SEEN), "--repeats", 1)
    columns, groups = rises(answer, "column"), rises(answer, "group")
    assert {name for name, rise_c in columns.items() if rise_c} == measured
    assert {name for name, rise_c in groups.items() if rise_c} - {"all measured columns"} == {group}
    assert (groups["all measured columns"] != 0) == (group != "calendar")
    assert set(columns) == {
        *("pressure_mbar", "temperature_c", "dew_point_c", "wind_speed_m_per_s", "wind_direction_deg"),
        *("hour of the day", "time of the year"),
    }


def test_a_donor_is_of_the_same_hour_and_calendar_month_and_shares_nothing():
    now = np.datetime64("2009-03-20T00:10:00") + np.arange(700 * 24) * np.timedelta64(1, "h")
    donors = draw_donors(now, apart_hours=100, random=np.random.default_rng(1))
    assert (donors >= 0).all()
    shift = (now[donors] - now).astype("timedelta64[h]").astype(int)
    assert not (shift % 24).any()
    assert np.abs(shift).min() > 100
    months = now.astype("datetime64[M]").astype(int) % 12
    # The last days of a month may get some of the next.
    assert np.mean(months[donors] == months) > 0.97
    assert np.mean(np.diff(donors) == 1) > 0.98  # whole days go together
    other = draw_donors(now, apart_hours=100, random=np.random.default_rng(2))
    assert np.mean(donors != other) > 0.5
    assert len(np.unique(donors)) > 0.8 * len(donors)  # as in a permutation, nearly all are taken once


def test_it_is_kept_in_the_run_folder_and_drawn(trained_run, years, jenacast, tmp_path):
    options = ("--repeats", 1, "--data-dir", years)
    done = jenacast("explain", trained_run, *options, "--plot", tmp_path / "columns.svg")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "columns.svg").stat().st_size
    assert max(map(len, done.stdout.splitlines())) <= 80
    kept = json.loads((trained_run / "explain-val.json").read_text())
    assert not list(trained_run.glob("explain-*test*"))
    groups = [each for each in kept["effects"] if each["kind"] == "group"]
    assert [each["difference_c"] for each in groups] == sorted([each["difference_c"] for each in groups], reverse=True)
    assert [line for line in done.stdout.splitlines() if line.startswith(groups[0]["part"])]
    assert jenacast("report", trained_run, "--out", tmp_path / "page.html").exit_code == 0
    assert "What it looks at" in (tmp_path / "page.html").read_text()
    kept["checkpoint_sha256"] = "0" * 64  # of other weights
    (trained_run / "explain-val.json").write_text(json.dumps(kept))
    assert jenacast("report", trained_run, "--out", tmp_path / "page.html", "--force").exit_code == 0
    assert "What it looks at" not in (tmp_path / "page.html").read_text()


def test_a_split_of_two_weeks_is_refused(linear, assert_refused, data_dir):
    path = linear(data_dir, weight=1, shift_c=0, history=120)
    assert_refused(["explain", path, "--data-dir", data_dir], ["calendar month", "longer series"])


def test_one_forecast_is_moved_by_the_column_that_its_network_looks_at(looks_at, years, jenacast):
    path = looks_at("temperature_c:change_6h", SEEN)
    options = ("--at", "2011-07-20T18:10", "--csv", years / CSV_NAME, "--data-dir", years)
    done = jenacast("explain", path, *options, "--json")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert {move["part"] for move in answer["moves"] if move["moved_c"]} == {
        *("temperature", "all measured columns", "temperature_c")
    }
    # The network's change is that of 6 hours in standard deviations of it; in other years' Julys it is another.
    series, encoding = load_prepared(years).series, read_metadata(path).encoding
    now = np.flatnonzero(series.times == np.datetime64("2011-07-20T18:10"))[0]
    measured_c = series.column(TARGET).astype(float)
    rose = (measured_c[now] - measured_c[now - 6] - encoding.columns[1].mean) / encoding.columns[1].deviation
    change_c = answer["forecast_c"] - answer["baseline_c"]
    assert answer["baseline_c"] == pytest.approx(measured_c[now], abs=1e-4)
    assert change_c == pytest.approx(rose * encoding.target.scale_c + encoding.target.offset_c, abs=1e-3)
    assert jenacast("explain", path, *options).exit_code == 0
    assert jenacast("explain", path, "--at", "2011-07-20").exit_code == 2
