"""Windows per second of the input pipeline, in one run: Keras' own utility, jenacast, and what memory allows.

All deliver shuffled batches of 256 train windows, (256, 120, 14) float32, from the same 10-minute series, consumed
by a plain loop; the first batch is not counted. The memory limit is the rate at which one core copies such batches
between two arrays that no cache holds. The cost of a window is also compared between a short and a very long
series, since a pipeline that searches or copies the series pays for its length.
"""

import argparse
import json
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from unittest.mock import patch

import numpy as np
from task import BATCH, COLUMNS, HISTORY, Station, book_dataset, jenacast_samples, station_rows, train_rows

from jenacast.features import datasets
from jenacast.features.datasets import Batches
from jenacast.runtime import has_gpu, load_tensorflow


def windows_per_second(batches: Iterable[object], limit: int) -> float:
    """Consume up to `limit` batches after the first."""
    iterator = iter(batches)
    next(iterator)
    began = time.perf_counter()
    count = sum(1 for _ in islice(iterator, limit))
    return count * BATCH / (time.perf_counter() - began)


def keras_batches(station: Station) -> Iterable[object]:
    """The train batches of Keras' utility."""
    return book_dataset(station, *train_rows(len(station[0])))


def jenacast_batches(station: Station) -> Iterable[object]:
    """The train batches of jenacast."""
    samples = jenacast_samples(station, *train_rows(len(station[0])))
    batches: Iterable[object] = Batches(samples).shuffled(batch_size=BATCH, seed=0, epoch=0)
    return batches


def onto_the_device(station: Station, limit: int, *, prefetched: bool) -> float:
    """Windows a second that are summed up where a network would train: on a GPU, if there is one."""
    tf = load_tensorflow()
    with patch.object(datasets, "has_gpu", has_gpu if prefetched else lambda: False):
        batches: Any = iter(jenacast_batches(station))
    total = tf.reduce_sum(next(batches)[0])
    began, count = time.perf_counter(), 0
    for inputs, _ in islice(batches, limit):
        total, count = total + tf.reduce_sum(inputs), count + 1
    total.numpy()  # waits for all of it
    return count * BATCH / (time.perf_counter() - began)


def memory_limit() -> float:
    """Windows a second that one core could copy, batch by batch, between arrays larger than any cache."""
    batch = np.zeros((BATCH, HISTORY, COLUMNS), dtype=np.float32)
    batches = 2**29 // batch.nbytes
    source = np.ones((batches, *batch.shape), dtype=np.float32)
    target = np.zeros_like(source)
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        for number in range(batches):
            target[number] = source[batches - 1 - number]
        rates.append(batches * BATCH / (time.perf_counter() - began))
    return max(rates)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=420_551, help="rows of the series, ten minutes apart")
    parser.add_argument("--short-rows", type=int, default=70_000, help="rows of the short series")
    parser.add_argument("--long-rows", type=int, default=7_000_000, help="rows of the long series")
    parser.add_argument("--batches", type=int, default=2_000, help="at most so many batches of jenacast's")
    parser.add_argument("--keras-batches", type=int, default=100, help="batches of Keras' utility")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    station = station_rows(arguments.rows)
    speeds = {
        "keras": windows_per_second(keras_batches(station), arguments.keras_batches),
        "jenacast": windows_per_second(jenacast_batches(station), arguments.batches),
        "memory limit": memory_limit(),
    }
    lengths = {
        rows: windows_per_second(jenacast_batches(station_rows(rows)), arguments.batches)
        for rows in (arguments.short_rows, arguments.long_rows)
    }
    short, long = lengths.values()
    on_device = {
        name: onto_the_device(station, arguments.batches, prefetched=name == "prefetched")
        for name in ("prefetched", "copied when used")
    }
    answer = {
        "rows": arguments.rows,
        "windows_per_second": speeds,
        "ratio": speeds["jenacast"] / speeds["keras"],
        "share_of_memory_limit": speeds["jenacast"] / speeds["memory limit"],
        "windows_per_second_by_rows": lengths,
        "cost_ratio_long_to_short": short / long,
        "windows_per_second_summed_on_the_device": on_device,
    }
    if arguments.json:
        print(json.dumps(answer))
        return
    for name, speed in speeds.items():
        print(f"{name:42}{speed:>12,.0f} windows/s")
    for rows, speed in lengths.items():
        print(f"{f'jenacast, {rows:,} rows':42}{speed:>12,.0f} windows/s")
    for name, speed in on_device.items():
        print(f"{f'summed on the device, {name}':42}{speed:>12,.0f} windows/s")
    for name in ("ratio", "share_of_memory_limit", "cost_ratio_long_to_short"):
        print(f"{name.replace('_', ' '):42}{answer[name]:>12.2f}")


if __name__ == "__main__":
    main()
