"""Columns that look back further than the history."""

import numpy as np
import pandas as pd
import pytest

from jenacast.config import standard_task
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.errors import DataError
from jenacast.features.datasets import Batches, split_samples
from jenacast.features.encoding import fit_encoding


def collect(dataset):
    """(inputs, targets) of all batches, and the batches' sizes."""
    batches = list(dataset.as_numpy_iterator())
    inputs, targets = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return inputs, targets, [len(batch) for _, batch in batches]


def encoding_of(prepared, **data):
    return fit_encoding(prepared, standard_task().model_copy(update=data))


DAY_BEFORE = "pressure_mbar:change_24h"


def test_a_look_back_takes_the_place_of_as_much_history(data_dir):
    prepared = load_prepared(data_dir)
    whole = split_samples(prepared, "val", encoding_of(prepared, history_hours=120))
    encoding = encoding_of(prepared, history_hours=96, columns=["temperature_c", DAY_BEFORE])
    some = split_samples(prepared, "val", encoding)
    np.testing.assert_array_equal(some.valid_at, whole.valid_at)
    np.testing.assert_array_equal(some.truth_c, whole.truth_c)
    np.testing.assert_array_equal(some.rows, whole.rows)
    assert some.dropped == 24  # the windows of 96 hours there would be without it

    raw = pd.read_csv(data_dir / CSV_NAME)
    columns = np.stack([raw["T (degC)"], raw["p (mbar)"].diff(24)], axis=1)
    train = columns[:700]
    standardised = (columns - np.nanmean(train, axis=0)) / np.nanstd(train, axis=0)
    inputs, _, _ = collect(Batches(some).in_order())
    expected = np.lib.stride_tricks.sliding_window_view(standardised[724:1026], 96, axis=0).transpose(0, 2, 1)
    np.testing.assert_allclose(inputs, expected, atol=1e-4)


@pytest.mark.parametrize("missing", [[], [300], [200, 201, 202, 420, 480]])
@pytest.mark.parametrize("protocol", ["strict", "book"])
def test_windows_whose_look_back_lacks_an_hour_are_dropped_and_counted(place_csv, ramp, protocol, missing):
    times, values = ramp(1400)
    times, values = np.delete(times, missing), np.delete(values, missing, axis=0)
    folder = place_csv(times, values)
    prepare(folder, protocol=protocol)
    prepared = load_prepared(folder)
    samples = split_samples(prepared, "train", encoding_of(prepared, history_hours=96, columns=[DAY_BEFORE]))

    # By plain Python: rows of the split, by their place under `book`, by their time under `strict`.
    hours = ((times - times[0]) // np.timedelta64(3600, "s")).tolist()
    stop = prepared.manifest.splits["train"].stop
    rows = {hour: row for row, hour in enumerate(hours[:stop])}
    if protocol == "book":
        histories = [range(now - 95, now + 1) for now in range(95, min(stop, len(hours) - 119))]
    else:
        whole = [range(now - 95, now + 1) for now in hours[:stop] if now + 24 in rows]
        histories = [[rows[hour] for hour in history] for history in whole if rows.keys() >= set(history)]
    kept = [history[-1] for history in histories if all(hours[row] - 24 in rows for row in history)]
    assert samples.rows.tolist() == kept
    assert samples.dropped == len(histories) - len(kept) > 0
    assert np.isfinite(collect(Batches(samples).in_order())[0]).all()


def test_a_look_back_that_no_window_has_is_refused(place_csv, ramp):
    times, values = ramp(1400)
    times += np.arange(1400) // 20 * np.timedelta64(60, "s")  # never 24 hours without a jump of a minute
    folder = place_csv(times, values)
    prepare(folder, protocol="book")
    prepared = load_prepared(folder)
    encoding = encoding_of(prepared)
    column = encoding.columns[0].model_copy(update={"name": DAY_BEFORE})
    with pytest.raises(DataError, match="none of 557 windows has every value in the 144 h that the columns need"):
        split_samples(prepared, "train", encoding.model_copy(update={"columns": (column,)}))
