"""Seconds from opening the prepared data to a validation MAE, in one run: the book's way against jenacast.

The book's way is its stacked GRU (Chollet 2021, section 10.4.2) on `timeseries_dataset_from_array` and `Model.fit`;
jenacast trains a recipe as `jenacast train` does. Validation comes after each epoch; imports are left out for all. The
windows are those of the prepared data. LightGBM, in an environment of its own (`make peers-env`), gets the columns and
target of `lagged` as in `peers.py` and is validated after each tree; making them counts, handing them over does not.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from epoch import book_model
from peers import PEERS, export, make_task, run_peer

from jenacast.config import Config, load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Batches, batch_count, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.models.build import build_model
from jenacast.runtime import device_name, load_tensorflow, set_seed
from jenacast.training.backend import RecurrentBackend, find_backend
from jenacast.training.learner import Learner

BATCH = 256
TOLD = "lagged"  # the recipe whose columns and target LightGBM gets
Reached = dict[str, Any]


def book_splits(data_dir: Path) -> list[Any]:
    """The train and validation batches of prepared data, made as the book makes them."""
    import keras

    prepared = load_prepared(data_dir)
    manifest, task = prepared.manifest, load_recipe("stacked-gru").data
    rate = manifest.rows_per_hour
    delay = rate * (task.history_hours + task.lead_hours - 1)
    means, deviations = (
        np.array([getattr(c, what) for c in manifest.columns.values()]) for what in ("mean", "deviation")
    )
    inputs = ((np.asarray(prepared.series.values) - means) / deviations).astype(np.float32)
    temperature = np.array(prepared.series.column("temperature_c"))
    return [
        keras.utils.timeseries_dataset_from_array(
            inputs[:-delay],
            targets=temperature[delay:],
            sampling_rate=rate,
            sequence_length=task.history_hours,
            shuffle=True,
            batch_size=BATCH,
            start_index=manifest.splits[split].start,
            end_index=manifest.splits[split].stop,
        )
        for split in ("train", "val")
    ]


def book_way(data_dir: Path, target_c: float, epochs: int) -> Reached:
    """The book's stacked GRU until its validation MAE is `target_c` or less."""
    set_seed(0)
    began = time.perf_counter()
    train, val = book_splits(data_dir)
    model = book_model("stacked-gru")
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    mae_c, epoch = float("inf"), 0
    while epoch < epochs and mae_c > target_c:
        epoch, mae_c = epoch + 1, model.fit(train, validation_data=val, epochs=1, verbose=0).history["val_mae"][0]
    return _reached(mae_c, target_c, time.perf_counter() - began, f"epoch {epoch}")


def jenacast_way(config: Config, data_dir: Path, target_c: float) -> Reached:
    """A recipe until its validation MAE is `target_c` or less."""
    set_seed(0)
    began = time.perf_counter()
    prepared = load_prepared(data_dir)
    encoding = fit_encoding(prepared, config.data)
    train, val = (split_samples(prepared, split, encoding) for split in ("train", "val"))
    size = config.train.batch_size
    steps = config.train.epochs * batch_count(len(train), size)
    model = build_model(config)
    learner = Learner(model, config.train, steps=steps, xla=find_backend(model, config) is RecurrentBackend.XLA)
    train_batches, val_batches = Batches(train), Batches(val)
    for epoch in range(config.train.epochs):
        for inputs, targets in train_batches.shuffled(batch_size=size, seed=0, epoch=epoch):
            learner.train_batch(inputs, targets)
        with learner.averaged():
            outputs = learner.predict(val_batches, between=lambda: None)
        mae_c = measure(encoding.decode(outputs, val.now, val.last_observed_c)[:, -1], val.truth_c[:, -1]).mae_c
        if mae_c <= target_c:
            break
    return _reached(mae_c, target_c, time.perf_counter() - began, f"epoch {epoch + 1}")


def lightgbm_way(data_dir: Path, target_c: float, python: Path) -> Reached:
    """LightGBM in a process of `python` until its validation MAE is `target_c` or less."""
    began = time.perf_counter()
    task = make_task(data_dir, load_recipe(TOLD), ("train", "val"))
    made_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        export(task, Path(folder) / "task.npz")
        found = run_peer(python, Path(folder), "until", str(target_c))
    return _reached(found["val_mae_c"], target_c, made_s + found["seconds"], f"tree {found['tree']}")


def _reached(mae_c: float, target_c: float, seconds: float, at: str) -> Reached:
    return {"seconds": seconds, "val_mae_c": mae_c, "at": at, "reached": mae_c <= target_c}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="where `jenacast prepare --protocol book` was run")
    parser.add_argument("--target", type=float, default=2.25, help="validation MAE, °C")
    parser.add_argument("--recipes", nargs="+", default=["lagged", "gru-changes"], help="recipes to measure")
    parser.add_argument(
        "--book-epochs", type=int, default=50, help="give the book's way up after so many; 0: leave it out"
    )
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python with benchmarks/peers-requirements.txt")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    ways = {name: jenacast_way(load_recipe(name), arguments.data_dir, arguments.target) for name in arguments.recipes}
    if arguments.peers.exists():
        ways["LightGBM"] = lightgbm_way(arguments.data_dir, arguments.target, arguments.peers)
    else:
        print(f"{arguments.peers} not found, so LightGBM is left out; `make peers-env` makes it", file=sys.stderr)
    if arguments.book_epochs:
        ways["the book's stacked GRU"] = book_way(arguments.data_dir, arguments.target, arguments.book_epochs)
    fastest = min(
        (way["seconds"] for name, way in ways.items() if name in arguments.recipes and way["reached"]), default=None
    )
    answer = {"target_c": arguments.target, "device": device_name(), "ways": ways, "fastest_s": fastest}
    if arguments.json:
        print(json.dumps(answer))
        return
    for name, way in ways.items():
        beside = f"{way['seconds'] / fastest:8.1f} times the fastest recipe" if fastest else ""
        end = "" if way["reached"] else "  NOT REACHED"
        print(f"{name:24}{way['seconds']:8.1f} s  {way['val_mae_c']:.3f} °C at {way['at']}{beside}{end}")


if __name__ == "__main__":
    main()
