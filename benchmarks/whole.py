"""Seconds and memory of whole trainings on ten-minute data, as processes: the book's way against `jenacast train`.

The book's way is its stacked GRU (Chollet 2021, section 10.4.2) on `timeseries_dataset_from_array` and `Model.fit`,
with the best network kept. Both begin with the prepared data of a series made here, or of yours; imports count. Only
some of the epochs are trained, and of the book's only a share of the batches: the others are taken to last as long.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from epoch import book_model
from task import MADE_ROWS
from time_to_accuracy import book_splits

from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.runtime import device_name, set_seed

BOOK = "the book's stacked GRU"
HISTORY = "history.csv"
BASE = 2  # validation batches of a short epoch
SEVERAL = 5  # times as many batches as the short epoch has, at least, to tell a batch's seconds


def book_training(data_dir: Path, folder: Path, epochs: int, share: float) -> None:
    """Train the book's way on a `share` of the batches; writes the seconds of each epoch to `folder`.

    What an epoch takes before its first batch and after its last one is known from an epoch of few batches. The
    share is at least several times as many: a difference of two close times says nothing.
    """
    set_seed(0)  # loads Keras, without its lines
    import keras

    train, val = book_splits(data_dir)
    batches, few = len(train), 2 * BASE
    some = min(max(round(share * batches), SEVERAL * few), batches)
    model = book_model("stacked-gru")
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    best = keras.callbacks.ModelCheckpoint(folder / "best.keras", save_best_only=True)

    def seconds(count: int) -> float:
        began = time.perf_counter()
        part = {"validation_data": val.take(count // 2), "callbacks": [best], "verbose": 0}
        model.fit(train.take(count), epochs=1, **part)
        return time.perf_counter() - began

    seconds(few)  # traces
    lines = ["seconds,spent"]
    for _ in range(epochs):
        spent_s = epoch_s = seconds(some)
        if some < batches:
            base_s = seconds(few)
            spent_s += base_s
            epoch_s += (epoch_s - base_s) * (batches - some) / (some - few)
        lines.append(f"{epoch_s},{spent_s}")
    (folder / HISTORY).write_text("\n".join(lines))


def run_process(arguments: list[str], folder: Path, whole: int) -> dict[str, Any]:
    """Run Python, which trains in `folder`; the seconds that `whole` epochs would have taken."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    with (folder / HISTORY).open() as table:
        rows = list(csv.DictReader(table))
    epochs_s = [float(row["seconds"]) for row in rows]
    spent_s = sum(float(row.get("spent", row["seconds"])) for row in rows)
    epoch_s = sum(epochs_s) / len(epochs_s)
    return {
        "epochs": whole,
        "epoch_s": epoch_s,
        "seconds": wall_s - spent_s + whole * epoch_s,
        "memory_mb": used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),  # Linux counts in kilobytes
    }


def measure(data_dir: Path, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """By way: the seconds and the memory of a whole training."""
    epochs, ways = str(options.trained_epochs), {}
    with tempfile.TemporaryDirectory() as name:
        book = ["-W", "ignore", __file__, str(data_dir), "--book", name, "--trained-epochs", epochs]
        ways[BOOK] = run_process([*book, "--book-share", str(options.book_share)], Path(name), options.epochs)
        for recipe in options.recipes:
            folder = Path(name) / recipe
            whole = options.epochs if recipe == "stacked-gru" else load_recipe(recipe).train.epochs
            train = ["-m", "jenacast", "train", "--model", recipe, "--epochs", epochs, "--run-dir", str(folder)]
            ways[recipe] = run_process([*train, "--data-dir", str(data_dir), "--quiet"], folder, whole)
    for way in ways.values():
        way["ratio"] = ways[BOOK]["seconds"] / way["seconds"]
    return ways


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", nargs="?", type=Path, help="data prepared with `--protocol book`; else made up")
    parser.add_argument("--rows", type=int, default=MADE_ROWS, help="rows of the series that is made up")
    parser.add_argument("--recipes", nargs="+", default=["stacked-gru", "lagged"], help="recipes to measure")
    parser.add_argument("--epochs", type=int, default=2, help="of a whole stacked GRU; the others have their own")
    parser.add_argument("--trained-epochs", type=int, default=1, help="epochs that are trained")
    parser.add_argument("--book-share", type=float, default=0.05, help="share of the batches of the book's epochs")
    parser.add_argument("--book", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.book:
        book_training(arguments.data_dir, arguments.book, arguments.trained_epochs, arguments.book_share)
        return
    with tempfile.TemporaryDirectory() as name:
        data_dir = arguments.data_dir or Path(name)
        if arguments.data_dir is None:
            write_csv(data_dir / CSV_NAME, *synthetic_series(rows=arguments.rows, warts=False))
            prepare(data_dir, protocol="book", synthetic=True)
        ways = measure(data_dir, arguments)
    if arguments.json:
        print(json.dumps({"device": device_name(), "ways": ways}))
        return
    print(f"{'':24}{'epochs':>8}{'s/epoch':>10}{'seconds':>10}{'MB':>8}{'the book takes':>16}")
    for name, way in ways.items():
        row = f"{way['epochs']:8}{way['epoch_s']:10.1f}{way['seconds']:10.1f}{way['memory_mb']:8.0f}"
        print(f"{name:24}{row}{way['ratio']:10.2f} times")


if __name__ == "__main__":
    main()
