import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jenacast.columns import COLUMNS, NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import DataError
from jenacast.features.climatology import Climatology, fit_climatology
from jenacast.features.datasets import split_samples
from jenacast.features.encoding import ColumnEncoding, Encoding, TargetEncoding, fit_encoding


def encoding(*columns, kind="absolute", offset_c=0.0, scale_c=1.0, **rest):
    columns = columns or (ColumnEncoding(name=TARGET, unit="degC", mean=9.5, deviation=8.0),)
    target = TargetEncoding(kind=kind, offset_c=offset_c, scale_c=scale_c)
    return Encoding(**{"columns": columns, "target": target, "history_hours": 12, "lead_hours": 24} | rest)


def series(*rows):
    values = np.zeros((len(rows), len(NAMES)), np.float32)
    for row, named in enumerate(rows):
        for name, value in named.items():
            values[row, NAMES.index(name)] = value
    return Series(np.zeros(len(rows), "datetime64[s]"), values)


def settings(*columns, target="absolute", fit_on="train"):
    assignments = [f"data.columns={list(columns)}"] if columns else []
    hours, kind, rows = "data.history_hours=12", f"data.target={target}", f"data.fit_on={fit_on}"
    return load_recipe("lstm", [hours, kind, rows, *assignments]).data


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Two hourly years without a gap, one of which trains, and the CSV as a table by time."""
    folder = tmp_path_factory.mktemp("years")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=17_600, step_minutes=60, seed=3, warts=False))
    prepare(folder, synthetic=True)
    table = pd.read_csv(folder / CSV_NAME)
    return load_prepared(folder), table.set_index(pd.to_datetime(table.pop("Date Time"), format="%d.%m.%Y %H:%M:%S"))


@pytest.fixture
def fitted(data_dir):
    prepared = load_prepared(data_dir)
    return prepared, fit_encoding(prepared, load_recipe("lstm").data)


def test_fitted_every_column_has_mean_0_and_deviation_1_over_the_train_rows(fitted):
    prepared, fit = fitted
    train = prepared.manifest.splits["train"]
    rows = Series(prepared.series.times[: train.stop], np.array(prepared.series.values[: train.stop]))
    inputs = fit.inputs(rows).astype(np.float64)
    assert inputs.shape == (train.stop, 14)
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(inputs.std(axis=0), 1, atol=1e-4)


def test_fitted_it_leaves_the_target_in_degrees_and_knows_its_hours(fitted):
    _, fit = fitted
    truth_c = np.array([[-12.5], [0], [31.25]], np.float32)
    present = np.zeros(3, "datetime64[s]"), np.array([20, 21, 22], np.float32)
    np.testing.assert_array_equal(fit.encode(truth_c, *present), truth_c)
    np.testing.assert_array_equal(fit.decode(truth_c, *present), truth_c)
    assert (fit.history_hours, fit.lead_hours) == (120, 24)
    assert [(column.name, column.unit) for column in fit.columns] == [(c.name, c.unit) for c in COLUMNS]


def test_columns_come_in_the_order_of_the_encoding_and_no_others():
    pressure = ColumnEncoding(name="pressure_mbar", unit="mbar", mean=990, deviation=10)
    temperature = ColumnEncoding(name=TARGET, unit="degC", mean=9, deviation=8)
    rows = series({"pressure_mbar": 1000, TARGET: 5}, {"pressure_mbar": 970, TARGET: 21})
    np.testing.assert_allclose(encoding(temperature, pressure).inputs(rows), [[-0.5, 1], [1.5, -2]])


@given(
    truth_c=st.floats(-60, 60, width=32),
    last_c=st.floats(-60, 60),
    offset_c=st.floats(-30, 30),
    scale_c=st.floats(0.5, 20),
)
def test_what_is_encoded_decodes_to_itself(truth_c, last_c, offset_c, scale_c):
    coder = encoding(kind="change", offset_c=offset_c, scale_c=scale_c)
    present = np.zeros(1, "datetime64[s]"), np.array([last_c])
    encoded = coder.encode(np.array([[truth_c]], np.float32), *present)
    assert encoded.dtype == np.float32
    assert encoded == pytest.approx((truth_c - last_c - offset_c) / scale_c, rel=1e-5, abs=1e-5)
    assert coder.decode(encoded, *present) == pytest.approx(truth_c, abs=1e-4)


@pytest.mark.parametrize("lead_hours", [24, 30])
def test_the_reference_is_known_now_and_of_the_time_that_is_forecast(lead_hours):
    hours, present_c = np.arange(48), np.linspace(-5, 20, 48, dtype=np.float32)
    expected_c = lambda hours: 9 + 3 * np.cos(2 * np.pi * hours / 24)  # noqa: E731
    climatology = Climatology(coefficients_c=(9, 3, *[0] * 47))
    now = np.datetime64("2012-02-28", "s") + hours * np.timedelta64(3600, "s")
    later_c = expected_c(hours + lead_hours)
    for kind, reference_c in {
        "absolute": np.zeros(48),
        "change": present_c,
        "departure": later_c,
        "departure-change": later_c + (present_c - expected_c(hours)),
    }.items():
        found = encoding(kind=kind, climatology=climatology, lead_hours=lead_hours).references_c(now, present_c)[:, 0]
        np.testing.assert_allclose(found, reference_c, atol=1e-9, err_msg=kind)


@pytest.mark.parametrize("kind", ["change", "departure", "departure-change"])
def test_fitted_a_relative_target_has_mean_0_and_deviation_1_over_train_and_gives_the_truth_back(years, kind):
    prepared, table = years
    celsius, stop = table["T (degC)"], prepared.manifest.splits["train"].stop
    climatology = fit_climatology(celsius.index[:stop].to_numpy(), celsius[:stop].to_numpy())
    expected_c = pd.Series(climatology.at(celsius.index.to_numpy()), celsius.index)
    reference_c = {
        "change": celsius,
        "departure": expected_c.shift(-24),
        "departure-change": expected_c.shift(-24) + celsius - expected_c,
    }[kind]
    rest_c = celsius.shift(-24) - reference_c  # by the time of the last observation
    train_c = rest_c[11 : stop - 24]
    fit = fit_encoding(prepared, settings(target=kind))
    assert fit.target.offset_c == pytest.approx(train_c.mean(), abs=1e-4)
    assert fit.target.scale_c == pytest.approx(train_c.std(ddof=0), rel=1e-4)
    for split in ("train", "val"):
        samples = split_samples(prepared, split, fit)
        now = prepared.series.times[samples.rows]
        expected = (rest_c[now] - train_c.mean()) / train_c.std(ddof=0)
        np.testing.assert_allclose(samples.targets[:, 0], expected, atol=1e-4)
        decoded_c = fit.decode(samples.targets, samples.now, samples.last_observed_c)
        np.testing.assert_allclose(decoded_c[:, 0], celsius.shift(-24)[now], atol=1e-4)
        if split == "train":
            assert (samples.targets.mean(), samples.targets.std()) == pytest.approx((0, 1), abs=1e-4)


@pytest.mark.parametrize("split", ["train", "train+val"])
def test_it_is_fitted_on_the_rows_that_are_asked_for(years, split):
    prepared, table = years
    names = ["temperature_c:change_6h", "temperature_c:departure", "pressure_mbar"]
    fit = fit_encoding(prepared, settings(*names, target="departure", fit_on=split))
    rows = table[: prepared.manifest.splits[split.split("+")[-1]].stop]
    times, celsius = rows.index.to_numpy(), rows["T (degC)"].to_numpy()
    climatology = fit_climatology(times, celsius)
    np.testing.assert_allclose(fit.climatology.coefficients_c, climatology.coefficients_c, atol=1e-4)
    departure_c = celsius - climatology.at(times)
    for column, values in zip(fit.columns, [celsius[6:] - celsius[:-6], departure_c, rows["p (mbar)"]], strict=True):
        assert column.mean == pytest.approx(np.mean(values), abs=1e-4)
        assert column.deviation == pytest.approx(np.std(values), rel=1e-4)
    target_c = departure_c[12 + 6 + 24 - 1 :]  # of the windows that can be had, with what their columns look back
    assert (fit.target.offset_c, fit.target.scale_c) == pytest.approx((target_c.mean(), target_c.std()), abs=1e-4)


def test_as_json_and_back_it_is_the_same_to_the_last_bit(fitted, years):
    departures = settings("temperature_c:departure:mean_24h", "hour_cos_1", target="departure-change")
    for fit in (fitted[1], fit_encoding(years[0], departures)):
        assert Encoding.model_validate(json.loads(fit.model_dump_json())) == fit
    assert fit.climatology is not None
    assert fit.needed_hours == 12 + 23


@pytest.mark.parametrize("data", [settings(target="departure"), settings("temperature_c:departure")])
def test_a_climatology_of_less_than_a_year_is_refused(data_dir, data):
    with pytest.raises(DataError, match="the rows span 29 days, and a climatology is fitted on a year or more"):
        fit_encoding(load_prepared(data_dir), data)


def test_a_column_that_stays_the_same_is_refused(data_dir):
    prepared = load_prepared(data_dir)
    values = np.array(prepared.series.values)
    values[:700, NAMES.index("pressure_mbar")] = 990.1  # train; later it moves
    still = replace(prepared, series=Series(prepared.series.times, values))
    for name in ("pressure_mbar", "pressure_mbar:change_3h"):
        with pytest.raises(DataError, match=f"the column '{name}' is the same in all .* leave it out of data.columns"):
            fit_encoding(still, settings(TARGET, name))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"columns": []}, "at least 1 item"),
        ({"history_hours": 0}, "greater than or equal to 1"),
        ({"lag": 3}, "Extra inputs are not permitted"),
        ({"target": {"kind": "relative", "offset_c": 0, "scale_c": 1}}, "'absolute'"),
        ({"target": {"kind": "absolute", "offset_c": 0, "scale_c": 0}}, "greater than 0"),
        ({"target": {"kind": "departure", "offset_c": 0, "scale_c": 1}}, "a departure without the climatology"),
        ({"target": {"kind": "departure-change", "offset_c": 0, "scale_c": 1}}, "a departure without the climatology"),
        ({"columns": [{"name": TARGET, "unit": "degC", "mean": 0, "deviation": 0}]}, "greater than 0"),
        ({"columns": [{"name": TARGET, "unit": "degC", "mean": float("nan"), "deviation": 1}]}, "finite number"),
        ({"columns": [{"name": "sunshine_h", "unit": "h", "mean": 0, "deviation": 1}]}, "'sunshine_h'"),
        (
            {"columns": [{"name": f"{TARGET}:departure", "unit": "degC", "mean": 0, "deviation": 1}]},
            "a departure without the climatology",
        ),
        ({"climatology": {"coefficients_c": [9.5] * 48}}, "at least 49 items"),
    ],
)
def test_an_encoding_that_cannot_be_applied_is_refused(change, told):
    with pytest.raises(ValidationError, match=told):
        Encoding.model_validate(encoding().model_dump() | change)
