import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.data.windows import find_windows, split_windows
from jenacast.errors import DataError
from jenacast.experiments.years import find_years, plan_years, prepare_years, year_borders
from jenacast.features.encoding import fit_encoding

ROWS = 3 * 365 * 24  # hourly
DATA = load_recipe("dense", ["data.history_hours=12"]).data
DEPARTURES = load_recipe(
    "dense",
    [
        "data.history_hours=12",
        'data.columns=["temperature_c:departure", "pressure_mbar:change_3h"]',
        "data.target=departure-change",
    ],
)


def rows_of(windows):
    """For each window the rows from its first to its target."""
    return [set(range(first, last + 1)) for first, last in zip(windows.first_rows, windows.targets, strict=True)]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1, 1, 1, 1, 1, 2, 5]), min_size=30, max_size=120),
    jump=st.tuples(st.integers(1, 119), st.integers(0, 9)),
    ends=st.tuples(st.integers(0, 60), st.integers(1, 60), st.integers(0, 30)),
    protocol=st.sampled_from(["strict", "book"]),
)
def test_windows_of_a_year_held_out_and_of_train_share_no_row_and_no_other_window_is_lost(steps, jump, ends, protocol):
    hours = np.cumsum(steps)
    if protocol == "book":  # whose clock may jump back
        hours[jump[0] :] -= jump[1]
    times = np.datetime64("2010-01-01T00:10:00") + hours.astype("timedelta64[h]")
    series = Series(times, np.zeros((len(times), len(NAMES)), np.float32))
    start, length, _ = ends
    stop = len(times) - ends[2]
    held = (min(start, stop), min(start + length, stop))
    borders = {"train": (0, stop), "val": held, "test": (stop, len(times))}
    hours_of = {"history_hours": 3, "lead_hours": 2}
    train, val = (split_windows(series, protocol, borders, split, **hours_of) for split in ("train", "val"))
    everywhere = rows_of(find_windows(series, protocol, 0, stop, **hours_of))
    of_year = set(range(*held))
    assert rows_of(train) == [rows for rows in everywhere if not rows & of_year]
    inside = find_windows(series, protocol, *held, **hours_of)
    assert rows_of(val) == [rows for rows in rows_of(inside) if rows <= of_year]
    assert not set().union(*rows_of(train)) & set().union(*rows_of(val))


def test_the_full_years_before_test_are_held_out_or_all_there_are(years, data_dir):
    prepared = load_prepared(years)
    assert find_years(prepared, DATA) == [2009, 2010]  # test begins in 2011
    assert find_years(prepared, DATA, all_years=True) == [2009, 2010, 2011]
    test, year = prepared.borders["test"], 365 * 24
    before = {"train": (0, test[0]), "val": (year, 2 * year), "test": test}
    assert year_borders(prepared, 2010, all_years=False) == before
    assert year_borders(prepared, 2011, all_years=True) == {
        "train": (0, ROWS),
        "val": (2 * year, ROWS),
        "test": (ROWS, ROWS),
    }
    short = load_prepared(data_dir)
    with pytest.raises(DataError, match=r"330 days before the test split.*2009 \(\d+ days\).*--all-years"):
        find_years(short, DATA)
    with pytest.raises(DataError, match=r"fewer than two years.*56 days\. There are: 2009 \(\d+ days\); prepare a"):
        find_years(short, DATA, all_years=True)


@pytest.mark.real
@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_of_the_real_series_the_six_years_before_test_are_held_out(protocol, real_series, tmp_path):
    (tmp_path / CSV_NAME).symlink_to(real_series)
    prepare(tmp_path, protocol=protocol)
    prepared = load_prepared(tmp_path)
    assert find_years(prepared, load_recipe("dense").data) == [2009, 2010, 2011, 2012, 2013, 2014]
    borders = year_borders(prepared, 2014, all_years=False)
    assert borders["val"][1] == borders["test"][0]  # which begins on 29 December 2014


@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_what_is_in_a_held_out_year_changes_nothing_that_is_fitted_on_the_others(protocol, tmp_path):
    fitted, records = [], []
    for name, other_seed in (("one", 3), ("other", 4)):
        times, values = synthetic_series(rows=ROWS, step_minutes=60, seed=3, warts=False)
        year = (times >= np.datetime64("2010-01-01")) & (times < np.datetime64("2011-01-01"))
        values[year] = synthetic_series(rows=ROWS, step_minutes=60, seed=other_seed, warts=False)[1][year]
        (tmp_path / name).mkdir()
        write_csv(tmp_path / name / CSV_NAME, times, values)
        prepare(tmp_path / name, protocol=protocol)
        plan = plan_years(DEPARTURES, tmp_path / name, [0])
        prepare_years(plan, tmp_path / name / "years")
        prepared = load_prepared(tmp_path / name / "years" / "2010")
        records.append(prepared.manifest)
        fitted.append(fit_encoding(prepared, DEPARTURES.data))
    assert fitted[0] == fitted[1]
    assert records[0].columns == records[1].columns
    stop = records[0].splits["train"].stop
    others = np.r_[prepared.series.values[: 365 * 24], prepared.series.values[2 * 365 * 24 : stop]].astype(np.float64)
    temperature_c = others[:, NAMES.index(TARGET)]
    assert records[0].columns[TARGET].mean == pytest.approx(temperature_c.mean(), rel=1e-12)
    assert records[0].columns[TARGET].deviation == pytest.approx(temperature_c.std(), rel=1e-12)
    assert records[0].fold == "without 2010"
