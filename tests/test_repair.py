import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.air import columns_at
from jenacast.data.prepare import prepare_fold
from jenacast.data.prepared import MANIFEST, load_prepared
from jenacast.data.series import Series
from jenacast.data.station import read_station_csv
from jenacast.errors import DataError
from jenacast.features.climatology import fit_climatology
from jenacast.features.datasets import split_samples
from jenacast.features.encoding import Encoding, fit_encoding
from jenacast.features.repair import Repair, find_repairs, repaired, tell_of_breaks

MARCH = np.datetime64("2010-03-01T00:00:00")  # the break of `broken_dir`
KINDS = ("absolute", "change", "departure", "departure-change")


def settings(*assignments):
    return load_recipe("dense", ["data.history_hours=12", "data.homogenise=true", *assignments]).data


def around_march(step_c=1.0):
    times = MARCH + np.array([-3600, 0, 3600], "timedelta64[s]")
    values = np.full((3, len(NAMES)), 2.0, np.float32)
    return repaired(Series(times, values), [Repair(until=str(MARCH), step_c=step_c)])


def test_rows_are_raised_up_to_the_last_stamp_of_the_old_level():
    assert around_march().column(TARGET).tolist() == [3.0, 3.0, 2.0]


def test_several_steps_add_up_for_what_lies_before_all_of_them():
    times = np.array(["2010-01-01", "2011-01-01", "2012-01-01"], "datetime64[s]")
    steps = [Repair(until="2010-06-01T00:00:00", step_c=1.0), Repair(until="2011-06-01T00:00:00", step_c=-0.25)]
    found = repaired(Series(times, np.zeros((3, len(NAMES)), np.float32)), steps)
    assert found.column(TARGET).tolist() == [0.75, -0.25, 0.0]


def test_what_does_not_follow_from_the_temperature_stays():
    follows = {
        "temperature_c", "potential_temperature_k", "relative_humidity_percent", "saturation_vapour_pressure_mbar",
        "vapour_pressure_deficit_mbar", "air_density_g_per_m3",
    }  # fmt: skip
    first = around_march().values[0]
    assert {name for name, value in zip(NAMES, first, strict=True) if value != 2.0} == follows


def test_a_repair_leaves_the_prepared_series_as_measured(broken_dir):
    prepared = load_prepared(broken_dir)
    before = prepared.series.values.tobytes()
    assert repaired(prepared.series, find_repairs(prepared, "train")) is not prepared.series
    assert prepared.series.values.tobytes() == before


@pytest.mark.real
def test_the_stations_own_rows_of_equal_pressure_and_dew_point_differ_as_the_formulas_say(real_series):
    series = read_station_csv(real_series)
    pressure, dew_point = (
        np.round(100 * series.column(name).astype(np.float64)).astype(np.int64)
        for name in ("pressure_mbar", "dew_point_c")
    )
    order = np.lexsort((dew_point, pressure))
    alike = (np.diff(pressure[order]) == 0) & (np.diff(dew_point[order]) == 0)
    first, second = order[:-1][alike], order[1:][alike]
    change_c = series.column(TARGET)[second].astype(np.float64) - series.column(TARGET)[first]
    kept = (np.abs(change_c) > 0.3) & (np.abs(change_c) < 3)
    first, second, change_c = first[kept], second[kept], change_c[kept]
    assert len(first) > 150
    worked_out = columns_at(series.pick(first), change_c)
    # Two values with two decimals, or one decimal for the humidity, and temperatures with two.
    allowed = {
        "temperature_c": 1e-5,
        "potential_temperature_k": 0.015,
        "relative_humidity_percent": 0.08,
        "saturation_vapour_pressure_mbar": 0.015,
        "vapour_pressure_deficit_mbar": 0.02,
        "air_density_g_per_m3": 0.05,
    }
    for name, most in allowed.items():
        errors = worked_out[name] - series.pick(second).column(name)
        assert np.abs(errors).max() < most, name
        assert abs(errors.mean()) < most / 20, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_sees_a_homogeneous_series_and_truths_stay(broken_dir, kind):
    prepared = load_prepared(broken_dir)
    (found,) = prepared.manifest.homogeneity.breaks
    task = settings(f"data.target={kind}", "data.columns=['temperature_c']")
    encoding = fit_encoding(prepared, task)
    assert encoding.repairs == (Repair(until=f"{found.month}-01T00:00:00", step_c=found.step_c),)
    samples = split_samples(prepared, "train", encoding)

    # The same, worked out on a series that was raised by hand.
    raised_c = prepared.series.column(TARGET) + found.step_c * (prepared.series.times <= MARCH)
    start, stop = prepared.borders["train"]
    column = encoding.columns[0]
    assert column.mean == pytest.approx(float(raised_c[start:stop].mean()), abs=1e-4)
    seen_c = samples.inputs[samples.starts + samples.history - 1, 0] * column.deviation + column.mean
    assert seen_c == pytest.approx(raised_c[samples.rows], abs=1e-3)
    assert samples.truth_c[:, 0].tolist() == prepared.series.column(TARGET)[samples.rows + 24].tolist()
    assert samples.last_observed_c.tolist() == prepared.series.column(TARGET)[samples.rows].tolist()
    target_c = raised_c[samples.rows + 24].astype(np.float64)
    if "change" in kind:
        target_c -= raised_c[samples.rows]
    if "departure" in kind:
        expected = fit_climatology(prepared.series.times[start:stop], raised_c[start:stop])
        target_c -= expected.at(samples.valid_at)
        target_c += expected.at(samples.now) if "change" in kind else 0
    said_c = samples.targets[:, 0] * encoding.target.scale_c + encoding.target.offset_c
    assert said_c == pytest.approx(target_c, abs=1e-3)

    # What a perfect network says is the measured truth.
    said_c = encoding.decode(samples.targets, samples.now, samples.last_observed_c)
    assert said_c[:, 0] == pytest.approx(samples.truth_c[:, 0], abs=1e-4)


def test_without_the_setting_nothing_is_repaired(broken_dir):
    prepared = load_prepared(broken_dir)
    assert fit_encoding(prepared, settings("data.homogenise=false")).repairs == ()


def test_validation_and_test_after_the_break_are_the_same_with_and_without_it(broken_dir):
    prepared = load_prepared(broken_dir)
    encoding = fit_encoding(prepared, settings())
    plain = encoding.model_copy(update={"repairs": ()})
    for split in ("val", "test"):
        ours, theirs = (split_samples(prepared, split, each) for each in (encoding, plain))
        assert np.array_equal(ours.inputs[ours.starts], theirs.inputs[theirs.starts])
        assert np.array_equal(ours.targets, theirs.targets)


def test_a_break_after_train_is_not_known_to_a_fold(broken_dir, tmp_path, said):
    prepared = load_prepared(broken_dir)
    row = {month: int(np.searchsorted(prepared.series.times, np.datetime64(month))) for month in ("2010-02", "2010-05")}
    borders = {"train": (0, row["2010-02"]), "val": (row["2010-02"], row["2010-05"]), "test": (row["2010-05"], 20_000)}
    prepare_fold(prepared, borders, tmp_path, fold="2010-05-01/2011-01-01")
    fold = load_prepared(tmp_path)
    assert find_repairs(fold, "train") == ()
    tell_of_breaks(fold, (), "train")
    assert [(level, "after the rows that train" in text) for level, text in said()] == [("WARNING", True)]
    assert len(find_repairs(fold, "train+val")) == 1


def test_data_of_an_earlier_version_have_to_be_prepared_again(broken_dir, tmp_path):
    folder = Path(shutil.copytree(broken_dir, tmp_path / "data"))
    path = folder / "prepared" / MANIFEST
    content = json.loads(path.read_text())
    del content["homogeneity"]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"earlier version.*jenacast prepare --force --data-dir"):
        find_repairs(load_prepared(folder), "train")


def test_a_checkpoint_of_an_earlier_version_repairs_nothing():
    old = Encoding.model_validate(
        {
            "columns": [{"name": TARGET, "unit": "degC", "mean": 9.0, "deviation": 8.0}],
            "target": {"kind": "absolute", "offset_c": 0.0, "scale_c": 1.0},
            "history_hours": 12,
            "lead_hours": 24,
        }
    )
    assert old.repairs == ()
