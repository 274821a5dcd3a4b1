import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jenacast.columns import COLUMNS, NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.encoding import ColumnEncoding, Encoding, TargetEncoding, fit_encoding
from jenacast.prepared import load_prepared
from jenacast.series import Series


def encoding(*columns, offset_c=0.0, scale_c=1.0):
    columns = columns or (ColumnEncoding(name=TARGET, unit="degC", mean=9.5, deviation=8.0),)
    target = TargetEncoding(kind="absolute", offset_c=offset_c, scale_c=scale_c)
    return Encoding(columns=columns, target=target, history_hours=12, lead_hours=24)


def series(*rows):
    values = np.zeros((len(rows), len(NAMES)), np.float32)
    for row, named in enumerate(rows):
        for name, value in named.items():
            values[row, NAMES.index(name)] = value
    return Series(np.zeros(len(rows), "datetime64[s]"), values)


@pytest.fixture
def fitted(data_dir):
    prepared = load_prepared(data_dir)
    return prepared, fit_encoding(prepared.manifest, load_recipe("lstm").data)


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
    truth_c = np.array([-12.5, 0, 31.25], np.float32)
    np.testing.assert_array_equal(fit.encode_target(truth_c), truth_c)
    np.testing.assert_array_equal(fit.decode(truth_c), truth_c)
    assert (fit.history_hours, fit.lead_hours) == (120, 24)
    assert [(column.name, column.unit) for column in fit.columns] == [(c.name, c.unit) for c in COLUMNS]


def test_columns_come_in_the_order_of_the_encoding_and_no_others():
    pressure = ColumnEncoding(name="pressure_mbar", unit="mbar", mean=990, deviation=10)
    temperature = ColumnEncoding(name=TARGET, unit="degC", mean=9, deviation=8)
    rows = series({"pressure_mbar": 1000, TARGET: 5}, {"pressure_mbar": 970, TARGET: 21})
    np.testing.assert_allclose(encoding(temperature, pressure).inputs(rows), [[-0.5, 1], [1.5, -2]])


@given(
    truth_c=st.floats(-60, 60, width=32),
    offset_c=st.floats(-30, 30),
    scale_c=st.floats(0.5, 20),
)
def test_what_is_encoded_decodes_to_itself(truth_c, offset_c, scale_c):
    coder = encoding(offset_c=offset_c, scale_c=scale_c)
    values = np.array([truth_c], np.float32)
    encoded = coder.encode_target(values)
    assert encoded.dtype == np.float32
    assert encoded == pytest.approx((truth_c - offset_c) / scale_c, rel=1e-5, abs=1e-5)
    assert coder.decode(encoded) == pytest.approx(truth_c, abs=1e-4)


def test_as_json_and_back_it_is_the_same_to_the_last_bit(fitted):
    _, fit = fitted
    assert Encoding.model_validate(json.loads(fit.model_dump_json())) == fit


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"columns": []}, "at least 1 item"),
        ({"history_hours": 0}, "greater than or equal to 1"),
        ({"lag": 3}, "Extra inputs are not permitted"),
        ({"target": {"kind": "relative", "offset_c": 0, "scale_c": 1}}, "'absolute'"),
        ({"target": {"kind": "absolute", "offset_c": 0, "scale_c": 0}}, "greater than 0"),
        ({"columns": [{"name": TARGET, "unit": "degC", "mean": 0, "deviation": 0}]}, "greater than 0"),
        ({"columns": [{"name": TARGET, "unit": "degC", "mean": float("nan"), "deviation": 1}]}, "finite number"),
        ({"columns": [{"name": "sunshine_h", "unit": "h", "mean": 0, "deviation": 1}]}, "'sunshine_h'"),
    ],
)
def test_an_encoding_that_cannot_be_applied_is_refused(change, told):
    with pytest.raises(ValidationError, match=told):
        Encoding.model_validate(encoding().model_dump() | change)
