from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jenacast.columns import NAMES
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare, prepare_fold
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.experiments.folds import Fold, find_edges, first_row_from, make_folds, shift

ROWS = 3 * 365 * 24  # hourly
SETTINGS = load_recipe("dense", ["data.history_hours=12"]).data
DAYS = [np.datetime64(day) for day in ("2010-01-01", "2010-07-01", "2011-01-01", "2011-07-01", "2012-01-01")]


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2012-01-01", 12, "2013-01-01"),
        ("2012-01-01", -6, "2011-07-01"),
        ("2011-01-31", 1, "2011-02-28"),
        ("2012-01-31", 1, "2012-02-29"),
        ("2012-02-29", 12, "2013-02-28"),
        ("2012-03-31", -1, "2012-02-29"),
    ],
)
def test_months_are_the_calendars(day, months, expected):
    assert str(shift(np.datetime64(day), months)) == expected


def test_the_row_at_midnight_begins_the_day():
    times = np.array(["2015-12-31T23:00", "2016-01-01T00:00", "2016-01-01T01:00"], dtype="datetime64[s]")
    assert first_row_from(times, np.datetime64("2016-01-01")) == 1
    assert first_row_from(times, np.datetime64("2016-01-02")) == 3


def test_the_folds_of_a_series_lie_where_the_calendar_says(years):
    prepared = load_prepared(years)
    edges = find_edges(prepared, np.datetime64("2010-07-01"), 6, SETTINGS)
    assert edges == DAYS
    first, _, last = make_folds(edges)
    year, half, leap = 365 * 24, 181 * 24, 184 * 24  # January to June, July to December
    times = prepared.series.times
    assert first.borders(times) == {
        "train": (0, year),
        "val": (year, year + half),
        "test": (year + half, year + half + leap),
    }
    assert last.borders(times)["test"] == (2 * year + half, ROWS)
    assert (first.name, first.period) == ("2010-07-01", "2010-07-01/2011-01-01")


@given(
    steps=st.lists(st.integers(1, 72), min_size=20, max_size=200),
    jumps=st.lists(st.tuples(st.integers(1, 199), st.integers(1, 80)), max_size=3),
    first=st.integers(2, 60),
    months=st.integers(1, 3),
    count=st.integers(1, 6),
)
def test_folds_are_in_order_adjacent_and_tile_the_tests_whatever_the_clock_does(steps, jumps, first, months, count):
    hours = np.cumsum(steps)
    for row, back in jumps:  # a time stands twice
        hours[row:] -= back
    times = np.datetime64("2009-01-01T00:10:00") + hours.astype("timedelta64[h]")
    begin = np.datetime64("2009-01-01") + first
    edges = [shift(begin, k * months) for k in range(-1, count + 1)]
    borders = [fold.borders(times) for fold in make_folds(edges)]
    assert len(borders) == count
    for fold in borders:
        (start, a), (b, c), (d, stop) = fold.values()
        assert start == 0
        assert a == b <= c == d <= stop
    for before, after in pairwise(borders):
        assert after["val"] == before["test"]
        assert after["train"] == (0, before["val"][1])
    assert borders[0]["test"][0] == first_row_from(times, begin)
    assert borders[-1]["test"][1] == first_row_from(times, edges[-1])
    for fold, rows in zip(make_folds(edges), borders, strict=True):
        assert (times[: rows["train"][1]] < fold.val_from).all()
        assert (times[: rows["val"][1]] < fold.test_from).all()


def test_a_last_period_cut_short_counts_from_56_days_with_windows_on(years):
    for day, folds in (("2011-05-06", 2), ("2011-05-07", 1)):  # its second period has 56 days
        edges = find_edges(load_prepared(years), np.datetime64(day), 6, SETTINGS)
        assert len(make_folds(edges)) == folds


@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_a_folds_statistics_are_numpys_over_its_train_rows_and_its_arrays_are_the_series(protocol, tmp_path):
    write_csv(tmp_path / CSV_NAME, *synthetic_series(rows=ROWS, step_minutes=60, seed=3))
    whole = prepare(tmp_path, protocol=protocol)
    prepared = load_prepared(tmp_path)
    fold = Fold(*DAYS[:3])
    manifest = prepare_fold(prepared, fold.borders(prepared.series.times), tmp_path / "fold", fold=fold.period)
    train_rows = prepared.series.values[: manifest.splits["train"].stop].astype(np.float64)
    for name, record in manifest.columns.items():
        assert record.mean == pytest.approx(train_rows[:, NAMES.index(name)].mean(), rel=1e-12)
        assert record.deviation == pytest.approx(train_rows[:, NAMES.index(name)].std(), rel=1e-12)
    opened = load_prepared(tmp_path / "fold")
    assert opened.manifest == manifest
    for split, record in manifest.splits.items():
        windows = opened.windows(split, history_hours=120, lead_hours=24)
        assert record.windows == len(windows) > 3000
        assert ((windows.targets >= record.start) & (windows.targets < record.stop)).all()
        if split != "train":  # the history reaches back, so that the first rows are forecast
            assert windows.targets[0] == record.start
            assert windows.history_rows()[0, 0] == record.start - 143
    assert [record.first_time[:10] for record in manifest.splits.values()] == ["2009-01-01", *map(str, DAYS[:2])]
    for name in ("values.npy", "times.npy"):
        assert (tmp_path / "fold" / "prepared" / name).samefile(tmp_path / "prepared" / name)
    # What was counted by the usual splits is not carried over; what is of the whole series is.
    assert whole.audit.windows
    assert (manifest.audit.windows, manifest.audit.values) == ({}, [])
    assert manifest.audit.gaps == whole.audit.gaps
