import numpy as np
import pytest

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.windows import find_windows
from jenacast.evaluation.coverage import is_inside
from jenacast.features.datasets import make_samples, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.models import intervals
from jenacast.models.inference import forecast_leads_c
from jenacast.models.intervals import calibrate, spread_inputs
from jenacast.runtime import load_tensorflow

HISTORY, LEAD = 12, 24


@pytest.fixture
def prepared(_synthetic_data_dir):
    return load_prepared(_synthetic_data_dir)


def encoding_of(prepared, *changes):
    settings = [f"data.history_hours={HISTORY}", "data.every_hour=true", "data.target=change", *changes]
    return fit_encoding(prepared, load_recipe("dense", settings).data)


def samples_of(prepared, encoding, start, stop, *, without=()):
    """The samples of some rows of the series, as if `without` had never been recorded."""
    rows = np.setdiff1d(np.arange(start, stop), without)
    series = Series(prepared.series.times[rows], prepared.series.values[rows])
    hours = {"history_hours": encoding.needed_hours, "lead_hours": LEAD}
    windows = find_windows(series, "strict", 0, len(rows), **hours)
    return make_samples(series, windows, encoding)


def saying(outputs, asked=None):
    """A network that says the same of every window; `asked` gets the number of windows of each batch."""
    tf = load_tensorflow()

    def forward(inputs):
        if asked is not None:
            asked.append(len(inputs))
        return tf.repeat(tf.constant(outputs, tf.float32)[None], len(inputs), axis=0)

    return forward


@pytest.mark.parametrize("target", ["absolute", "change"])
def test_what_came_and_what_is_said_are_degrees_at_their_own_hours(target, prepared):
    gap = 60
    encoding = encoding_of(prepared, f"data.target={target}")
    samples = samples_of(prepared, encoding, 0, 200, without=[gap])
    temperature_c = prepared.series.column(TARGET).astype(np.float64)
    now = np.searchsorted(prepared.series.times, samples.now)
    expected = temperature_c[now[:, None] + np.arange(1, LEAD + 1)]
    expected[now[:, None] + np.arange(1, LEAD + 1) == gap] = np.nan
    assert np.isnan(expected).any()
    np.testing.assert_allclose(samples.truth_c, expected, atol=1e-4)

    outputs = np.linspace(-1, 1, LEAD)
    spoken = forecast_leads_c(saying(outputs), samples, encoding)
    reference = temperature_c[now, None] if target == "change" else 0
    scale_c, offset_c = encoding.target.scale_c, encoding.target.offset_c
    np.testing.assert_allclose(spoken, outputs * scale_c + offset_c + np.zeros((len(now), 1)) + reference, atol=1e-4)


def test_a_situation_is_the_hour_forecast_for_the_present_and_what_the_network_saw_last(prepared):
    encoding = encoding_of(prepared)
    samples = samples_of(prepared, encoding, 100, 300)
    now = np.arange(100 + HISTORY - 1, 300 - LEAD)
    where = spread_inputs(samples, 5)
    np.testing.assert_array_equal(where.valid_at, prepared.series.times[now + 5])
    np.testing.assert_array_equal(where.last_observed_c, prepared.series.column(TARGET)[now])
    columns = prepared.manifest.columns
    mean, deviation = (np.array([getattr(columns[name], key) for name in NAMES]) for key in ("mean", "deviation"))
    np.testing.assert_allclose(where.seen, (prepared.series.values[now] - mean) / deviation, atol=1e-4)


def test_windows_with_an_unknown_hour_calibrate_all_hours_but_that_one(prepared):
    encoding = encoding_of(prepared)
    train, val = (samples_of(prepared, encoding, start, start + 400, without=[start + 200]) for start in (0, 500))
    found = calibrate(saying(np.zeros(LEAD)), train, val, encoding)
    assert len(found.leads) == LEAD
    truths_c, spoken_c = val.truth_c, forecast_leads_c(saying(np.zeros(LEAD)), val, encoding)
    for number in range(LEAD):
        known = np.isfinite(truths_c[:, number])
        assert len(known) - known.sum() == (number < LEAD - 1)
        where = spread_inputs(val, number + 1).pick(known)
        quantiles_c = found.quantiles_c(number, spoken_c[known, number], where)
        inside = is_inside(quantiles_c, truths_c[known, number])["90"].sum()
        n = known.sum() + 1
        assert inside == pytest.approx(np.ceil(0.95 * n - 1e-9) - np.floor(0.05 * n + 1e-9) + 1, abs=2)


def test_a_long_train_split_is_thinned_evenly_and_validation_is_not(prepared, monkeypatch):
    monkeypatch.setattr(intervals, "MOST_TRAIN_WINDOWS", 100)
    encoding, asked = encoding_of(prepared), []
    train, val = (samples_of(prepared, encoding, start, start + 385) for start in (0, 500))
    assert (len(train), len(val)) == (350, 350)
    assert calibrate(saying(np.zeros(LEAD), asked), train, val, encoding)
    assert asked == [88, 350]  # every fourth of 350: one in three would be 117


def test_eighteen_windows_of_validation_are_too_few(prepared):
    encoding = encoding_of(prepared)
    train = samples_of(prepared, encoding, 0, 400)
    for count in (18, 19):
        val = samples_of(prepared, encoding, 500, 500 + HISTORY + LEAD - 1 + count)
        assert len(val) == count
        assert bool(calibrate(saying(np.zeros(LEAD)), train, val, encoding)) is (count == 19)


def test_a_calibration_by_rows_ten_minutes_apart(place_csv, ramp):
    # Lanes of six rows an hour: what was seen last is still the row of the present.
    folder = place_csv(*ramp(4_500, step_minutes=10, slope_c=0.001))
    prepare(folder)
    prepared = load_prepared(folder)
    encoding = encoding_of(prepared)
    hours = {"history_hours": HISTORY, "lead_hours": LEAD}
    samples = make_samples(prepared.series, prepared.windows("val", **hours), encoding)
    temperature = encoding.names.index(TARGET)
    column = encoding.columns[temperature]
    seen_c = spread_inputs(samples, 1).seen[:, temperature] * column.deviation + column.mean
    np.testing.assert_allclose(seen_c, samples.last_observed_c, atol=1e-4)


def test_a_temperature_that_was_not_measured_is_no_truth_on_the_way(place_csv, ramp):
    times, values = ramp(1_400)
    values[800, NAMES.index(TARGET)] = -9999  # `prepare` carries the value of row 799 on
    folder = place_csv(times, values)
    prepare(folder)
    prepared = load_prepared(folder)
    samples = split_samples(prepared, "val", encoding_of(prepared))
    unknown, known = np.isnan(samples.targets), samples.rows[:, None] + np.arange(1, LEAD + 1) != 800
    np.testing.assert_array_equal(unknown, ~known)
    assert unknown.sum() == LEAD - 1  # the window whose own target it is goes as a whole
