import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jenacast.columns import COLUMNS
from jenacast.config import standard_task
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.data.windows import strict_windows
from jenacast.errors import CheckpointError
from jenacast.features.datasets import Batches, Samples, batch_count, split_samples
from jenacast.features.datasets import make_samples as make_series_samples
from jenacast.features.encoding import fit_encoding

HISTORY = 3


def make_samples(windows, seed=0):
    """Samples whose every input is its own row number, over scattered starts."""
    rows = 2 * windows + HISTORY
    starts = np.random.default_rng(seed).permutation(rows - HISTORY + 1)[:windows]
    return Samples(
        inputs=np.arange(rows, dtype=np.float32)[:, None] * [1, 10],
        starts=starts,
        history=HISTORY,
        targets=np.arange(windows, dtype=np.float32)[:, None],  # each names its window
        truth_c=np.zeros((windows, 1)),
        last_observed_c=np.zeros(windows),
        rows=starts + HISTORY - 1,
        now=np.zeros(windows, dtype="datetime64[s]"),
        valid_at=np.zeros(windows, dtype="datetime64[s]"),
        dropped=0,
    )


def collect(dataset):
    """(inputs, targets) of all batches, and the batches' sizes."""
    batches = list(dataset.as_numpy_iterator())
    inputs, targets = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return inputs, targets, [len(batch) for _, batch in batches]


def book_data(prepared_dir):
    prepare(prepared_dir, protocol="book", force=True)
    return load_prepared(prepared_dir)


def encoding_of(prepared, **data):
    return fit_encoding(prepared, standard_task().model_copy(update=data))


@settings(max_examples=15, deadline=None)
@given(windows=st.integers(1, 150), batch_size=st.integers(1, 60), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_an_epoch_gives_every_window_once_and_its_own_rows(windows, batch_size, seed, epoch):
    samples = make_samples(windows)
    inputs, targets, sizes = collect(Batches(samples).shuffled(batch_size=batch_size, seed=seed, epoch=epoch))
    assert sorted(targets[:, 0]) == list(range(windows))
    assert sizes[:-1] == [batch_size] * (len(sizes) - 1)
    assert sum(sizes) == windows
    assert len(sizes) == batch_count(windows, batch_size)
    first_rows = samples.starts[targets[:, 0].astype(int)]
    expected = first_rows[:, None] + np.arange(HISTORY)
    np.testing.assert_array_equal(inputs, expected[:, :, None] * [1, 10])


@pytest.mark.parametrize("first_batch", [0, 1, 7, 10])
def test_an_epoch_entered_later_gives_the_same_remaining_batches(first_batch):
    batches = Batches(make_samples(103))
    rule = {"batch_size": 10, "seed": 4, "epoch": 2}
    whole = list(batches.shuffled(**rule).as_numpy_iterator())
    rest = list(batches.shuffled(**rule, first_batch=first_batch).as_numpy_iterator())
    assert len(whole) == 11
    assert len(rest) == 11 - first_batch
    for (inputs, targets), (expected_inputs, expected_targets) in zip(rest, whole[first_batch:], strict=True):
        np.testing.assert_array_equal(inputs, expected_inputs)
        np.testing.assert_array_equal(targets, expected_targets)


def test_epochs_and_seeds_differ_and_repeat():
    batches = Batches(make_samples(200))
    orders = [
        tuple(collect(batches.shuffled(batch_size=64, seed=seed, epoch=epoch))[1][:, 0])
        for seed, epoch in [(1, 0), (1, 1), (2, 0), (1, 0)]
    ]
    assert len(set(orders)) == 3
    assert orders[0] == orders[3]


@pytest.mark.parametrize("batch_size", [1, 10, 41, 1024])
def test_in_order_keeps_all_windows_and_their_order(batch_size):
    samples = make_samples(41)
    inputs, targets, sizes = collect(Batches(samples).in_order(batch_size=batch_size))
    np.testing.assert_array_equal(targets[:, 0], range(41))
    np.testing.assert_array_equal(inputs[:, 0, 0], samples.starts)
    assert len(sizes) == -(-41 // batch_size)


@pytest.mark.parametrize(("windows", "batches"), [(209_511, 819), (104_398, 408), (103_542, 405), (256, 1), (257, 2)])
def test_the_published_batch_counts_come_out(windows, batches):
    assert batch_count(windows, 256) == batches


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_book_batches_hold_what_keras_makes_of_the_csv(data_dir, split):
    import keras

    prepared = book_data(data_dir)
    inputs, targets, _ = collect(Batches(split_samples(prepared, split, encoding_of(prepared))).in_order())

    # As the book does it: from the CSV, with numpy and Keras' utility.
    raw = pd.read_csv(data_dir / CSV_NAME).iloc[:, 1:].to_numpy()
    temperature_c = raw[:, 1].copy()
    train, val = int(0.5 * len(raw)), int(0.25 * len(raw))
    raw = (raw - raw[:train].mean(axis=0)) / raw[:train].std(axis=0)
    delay = 120 + 24 - 1
    borders = {"train": (0, train), "val": (train, train + val), "test": (train + val, None)}
    expected_inputs, expected_targets, _ = collect(
        keras.utils.timeseries_dataset_from_array(
            raw[:-delay],
            targets=temperature_c[delay:],
            sampling_rate=1,
            sequence_length=120,
            shuffle=False,
            batch_size=256,
            start_index=borders[split][0],
            end_index=borders[split][1],
        )
    )
    assert inputs.shape == expected_inputs.shape == (len(targets), 120, len(COLUMNS))
    np.testing.assert_allclose(inputs, expected_inputs, atol=1e-4)
    np.testing.assert_allclose(targets[:, 0], expected_targets, atol=1e-5)


def test_samples_carry_truth_baseline_and_time(data_dir):
    prepared = load_prepared(data_dir)
    samples = split_samples(prepared, "val", encoding_of(prepared))
    table = pd.read_csv(data_dir / CSV_NAME)
    times = pd.to_datetime(table["Date Time"], format="%d.%m.%Y %H:%M:%S").to_numpy()
    celsius = table["T (degC)"].to_numpy()
    nows = np.arange(700 + 119, 1050 - 24)  # hourly, whole, 1400 rows: validation is rows 700 to 1049
    np.testing.assert_array_equal(samples.valid_at, times[nows + 24])
    np.testing.assert_allclose(samples.truth_c[:, 0], celsius[nows + 24], atol=1e-5)
    np.testing.assert_allclose(samples.last_observed_c, celsius[nows], atol=1e-5)
    np.testing.assert_array_equal(samples.targets, samples.truth_c)  # left in degC
    np.testing.assert_array_equal(samples.rows, nows)
    assert samples.dropped == 0


def test_windows_per_hour_thins_evenly(place_csv, ramp):
    folder = place_csv(*ramp(rows=4000, step_minutes=10))
    prepare(folder)
    prepared = load_prepared(folder)
    encoding = encoding_of(prepared)
    every = split_samples(prepared, "train", encoding)
    assert len(every) == 2000 - 143 * 6
    for windows_per_hour, nth in [(0, 1), (1, 6), (2, 3), (3, 2), (6, 1)]:
        some = split_samples(prepared, "train", encoding, windows_per_hour=windows_per_hour)
        np.testing.assert_array_equal(some.valid_at, every.valid_at[::nth])
        np.testing.assert_array_equal(some.starts, every.starts[::nth])


def test_hourly_rows_cannot_be_thinned_below_one_an_hour(data_dir):
    prepared = load_prepared(data_dir)
    encoding = encoding_of(prepared)
    assert len(split_samples(prepared, "train", encoding, windows_per_hour=2)) == 700 - 143


def test_a_scaling_that_gives_no_number_is_refused(data_dir):
    prepared = load_prepared(data_dir)
    encoding = encoding_of(prepared)
    target = encoding.target.model_copy(update={"offset_c": np.nan})
    with pytest.raises(CheckpointError, match="target is not finite after scaling"):
        split_samples(prepared, "val", encoding.model_copy(update={"target": target}))


def test_every_hour_up_to_the_lead_is_a_target_by_time_and_nan_where_it_lacks(data_dir):
    prepared = load_prepared(data_dir)
    encoding = encoding_of(prepared, history_hours=12, lead_hours=6).model_copy(update={"every_hour": True})
    table = pd.read_csv(data_dir / CSV_NAME)
    by_time = dict(zip(pd.to_datetime(table["Date Time"], format="%d.%m.%Y %H:%M:%S"), table["T (degC)"], strict=True))
    series = prepared.series
    gone = Series(np.delete(series.times, 900), np.delete(series.values, 900, axis=0))
    windows = strict_windows(
        gone.times,
        700,
        1049,
        usable=np.ones(349, bool),
        observed=np.ones(349, bool),
        history_hours=12,
        lead_hours=6,
    )
    samples = make_series_samples(gone, windows, encoding)
    assert samples.targets.shape == (len(windows), 6)
    now = pd.DatetimeIndex(gone.times[windows.last_rows])
    expected = np.array([[by_time[time + pd.Timedelta(hours=lead)] for lead in range(1, 7)] for time in now])
    missing = np.array([[time + pd.Timedelta(hours=lead) == series.times[900] for lead in range(1, 7)] for time in now])
    assert missing.sum() == 5  # the hour is on the way of five windows, and the target of none
    np.testing.assert_allclose(samples.targets, np.where(missing, np.nan, expected), atol=1e-5)
    np.testing.assert_array_equal(samples.truth_c, samples.targets)  # left in degC
