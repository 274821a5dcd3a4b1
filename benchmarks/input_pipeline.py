"""Windows per second of the input pipeline: jenacast against Keras' own utility, in one run.

Both deliver shuffled batches of 256 train windows, (256, 120, 14) float32, from the same 10-minute series,
consumed by a plain loop. The first batch of each is not counted.
"""

import argparse
import json
import time
from collections.abc import Iterable
from itertools import islice

import numpy as np

from jenacast.columns import NAMES, TARGET
from jenacast.datasets import Batches, Samples
from jenacast.runtime import load_tensorflow
from jenacast.synthetic import synthetic_series
from jenacast.windows import book_windows, split_rows

BATCH = 256
RATE, HISTORY, LEAD = 6, 120, 24


def windows_per_second(batches: Iterable[object], limit: int) -> float:
    iterator = iter(batches)
    next(iterator)
    began = time.perf_counter()
    count = sum(1 for _ in islice(iterator, limit))
    return count * BATCH / (time.perf_counter() - began)


def keras_batches(inputs: np.ndarray, targets: np.ndarray, stop: int) -> Iterable[object]:
    import keras

    delay = RATE * (HISTORY + LEAD - 1)
    dataset: Iterable[object] = keras.utils.timeseries_dataset_from_array(
        inputs[:-delay],
        targets=targets[delay:],
        sampling_rate=RATE,
        sequence_length=HISTORY,
        shuffle=True,
        batch_size=BATCH,
        start_index=0,
        end_index=stop,
    )
    return dataset


def jenacast_batches(inputs: np.ndarray, targets: np.ndarray, stop: int) -> Iterable[object]:
    windows = book_windows(len(inputs), 0, stop, rows_per_hour=RATE, history_hours=HISTORY, lead_hours=LEAD)
    truth = targets[windows.targets]
    samples = Samples(
        inputs=inputs[windows.lanes],
        starts=windows.starts,
        history=HISTORY,
        targets=truth,
        truth_c=truth,
        baseline_c=targets[windows.last_rows],
        valid_at=np.zeros(len(windows), dtype="datetime64[s]"),
    )
    dataset: Iterable[object] = Batches(samples).shuffled(batch_size=BATCH, seed=0, epoch=0)
    return dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=420_551, help="rows of the series, ten minutes apart")
    parser.add_argument("--keras-batches", type=int, default=100, help="batches to time Keras' utility on")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    _, values = synthetic_series(rows=arguments.rows, warts=False)
    inputs = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    targets = values[:, NAMES.index(TARGET)].astype(np.float32)
    stop, _ = split_rows(arguments.rows)
    speeds = {
        "keras": windows_per_second(keras_batches(inputs, targets, stop), arguments.keras_batches),
        "jenacast": windows_per_second(jenacast_batches(inputs, targets, stop), stop),
    }
    ratio = speeds["jenacast"] / speeds["keras"]
    if arguments.json:
        print(json.dumps({"rows": arguments.rows, "windows_per_second": speeds, "ratio": ratio}))
        return
    for name, speed in speeds.items():
        print(f"{name:10}{speed:>14,.0f} windows/s")
    print(f"{'ratio':10}{ratio:>14.1f}")


if __name__ == "__main__":
    main()
