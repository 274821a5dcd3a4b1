"""The task that the benchmarks share: a 10-minute series, and its windows the book's way and jenacast's."""

from collections.abc import Iterable

import numpy as np

from jenacast.columns import NAMES, TARGET
from jenacast.data.synthetic import synthetic_series
from jenacast.data.windows import book_windows, split_rows
from jenacast.features.datasets import Samples

BATCH = 256
RATE, HISTORY, LEAD = 6, 120, 24
COLUMNS = len(NAMES)
MADE_ROWS = 420_551  # a longer series repeats these; its values do not matter, its length does

Station = tuple[np.ndarray, np.ndarray]


def station_rows(rows: int) -> Station:
    """Standardised inputs, (rows, columns), and temperatures, (rows,), both float32."""
    _, values = synthetic_series(rows=min(rows, MADE_ROWS), warts=False)
    values = np.resize(values, (rows, values.shape[1]))
    inputs: np.ndarray = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    return inputs, values[:, NAMES.index(TARGET)].astype(np.float32)


def train_rows(rows: int) -> tuple[int, int]:
    """First row and the one after the last of the train split."""
    return 0, split_rows(rows)[0]


def val_rows(rows: int) -> tuple[int, int]:
    """First row and the one after the last of the validation split."""
    return split_rows(rows)


def book_dataset(station: Station, start: int, stop: int) -> Iterable[object]:
    """The batches of a split as the book makes them (Chollet 2021, section 10.2.1)."""
    import keras

    inputs, targets = station
    delay = RATE * (HISTORY + LEAD - 1)
    dataset: Iterable[object] = keras.utils.timeseries_dataset_from_array(
        inputs[:-delay],
        targets=targets[delay:],
        sampling_rate=RATE,
        sequence_length=HISTORY,
        shuffle=True,
        batch_size=BATCH,
        start_index=start,
        end_index=stop,
    )
    return dataset


def jenacast_samples(station: Station, start: int, stop: int) -> Samples:
    """The same windows, jenacast's way; their times are left out."""
    inputs, temperatures = station
    windows = book_windows(len(inputs), start, stop, rows_per_hour=RATE, history_hours=HISTORY, lead_hours=LEAD)
    truth, nowhen = temperatures[windows.targets, None], np.zeros(len(windows), dtype="datetime64[s]")
    return Samples(
        inputs=inputs[windows.lanes],
        starts=windows.starts,
        history=windows.history,
        targets=truth,
        truth_c=truth,
        last_observed_c=temperatures[windows.last_rows],
        rows=windows.last_rows,
        now=nowhen,
        valid_at=nowhen,
        dropped=0,
    )
