"""Seconds of one whole epoch, train and validation, in one run: the book's way against `jenacast train`.

The book's way is `timeseries_dataset_from_array` and `Model.fit` on Keras' own layers, written after its
description (Chollet 2021, sections 10.2 to 10.4). Both train the same network on the same 10-minute series in
batches of 256 with RMSprop and mean squared error, and validate on the same windows. Making the graphs, which
happens once a run, is left out on both sides. Without options it is the engine that `model.engine = "auto"` takes.
"""

import argparse
import json
import time
from typing import Any

from task import BATCH, COLUMNS, HISTORY, Station, book_dataset, jenacast_samples, station_rows, train_rows, val_rows

from jenacast.config import Config, load_recipe
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Batches, batch_count
from jenacast.models.build import build_model, with_engine
from jenacast.runtime import device_name, load_tensorflow, set_seed
from jenacast.training.backend import RecurrentBackend, find_backend
from jenacast.training.learner import Learner

RECIPES = ("dense", "lstm", "lstm-dropout", "stacked-gru")
ENGINES = ("auto", "keras", "tied", "weight-drop")


def book_model(name: str) -> Any:
    """The network of a recipe, in the book's own layers."""
    import keras
    from keras import layers

    x = inputs = keras.Input((HISTORY, COLUMNS))
    if name == "dense":
        x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    elif name == "lstm":
        x = layers.LSTM(16)(x)
    elif name == "lstm-dropout":
        x = layers.Dropout(0.5)(layers.LSTM(32, recurrent_dropout=0.25)(x))
    else:
        x = layers.GRU(32, recurrent_dropout=0.5, return_sequences=True)(x)
        x = layers.Dropout(0.5)(layers.GRU(32, recurrent_dropout=0.5)(x))
    return keras.Model(inputs, layers.Dense(1)(x))


def book_seconds(name: str, station: Station) -> float:
    """One epoch of `Model.fit`."""
    train: Any = book_dataset(station, *train_rows(len(station[0])))
    val: Any = book_dataset(station, *val_rows(len(station[0])))
    model = book_model(name)
    model.compile(optimizer="rmsprop", loss="mse", metrics=["mae"])
    model.fit(train.take(2), validation_data=val.take(2), verbose=0)
    began = time.perf_counter()
    model.fit(train, validation_data=val, epochs=1, verbose=0)
    return time.perf_counter() - began


def jenacast_seconds(config: Config, station: Station) -> tuple[float, RecurrentBackend]:
    """One epoch as `jenacast train` runs it, and the kernel it ran on."""
    set_seed(config.train.seed)
    rows = len(station[0])
    train, val = (jenacast_samples(station, *part(rows)) for part in (train_rows, val_rows))
    model = build_model(config)
    kernel = find_backend(model, config)
    learner = Learner(model, config.train, xla=kernel is RecurrentBackend.XLA)
    train_batches, val_batches = Batches(train), Batches(val)
    for first in (0, batch_count(len(train), BATCH) - 1):  # the two sizes of batches there are
        learner.train_batch(*next(iter(train_batches.shuffled(batch_size=BATCH, seed=0, epoch=0, first_batch=first))))
    learner.predict(val_batches, between=lambda: None)
    began = time.perf_counter()
    for inputs, targets in train_batches.shuffled(batch_size=BATCH, seed=0, epoch=1):
        learner.train_batch(inputs, targets)
    measure(learner.predict(val_batches, between=lambda: None)[:, -1], val.truth_c[:, -1])
    learner.epoch_means()
    return time.perf_counter() - began, kernel


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=420_551, help="rows of the series, ten minutes apart")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES, help="recipes to measure")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["auto"], help="engines of recurrent layers")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    station = station_rows(arguments.rows)
    recipes = {}
    for name in arguments.recipes:
        ways: dict[str, Any] = {"book": {"seconds": book_seconds(name, station)}}
        for engine in arguments.engines if name != "dense" else ["auto"]:
            config = with_engine(load_recipe(name, [] if engine == "auto" else [f"model.engine={engine}"]))
            seconds, kernel = jenacast_seconds(config, station)
            ratio = ways["book"]["seconds"] / seconds
            ways[engine] = {"seconds": seconds, "engine": config.model.engine, "kernel": kernel, "ratio": ratio}
        best = max((way for way in ways if way != "book"), key=lambda way: float(ways[way]["ratio"]))
        recipes[name] = {"ways": ways, "fastest": best, "ratio": ways[best]["ratio"]}
        if not arguments.json:
            print(f"{name}")
            for way, measured in ways.items():
                mark = "  fastest" if way == best else ""
                what = f"{measured.get('engine')}, {measured.get('kernel')}"
                beside = f"{measured['ratio']:8.1f} times  {what}{mark}" if way != "book" else ""
                print(f"  {'the book' if way == 'book' else way:14}{measured['seconds']:8.1f} s{beside}", flush=True)
    if arguments.json:
        print(json.dumps({"rows": arguments.rows, "device": device_name(), "recipes": recipes}))


if __name__ == "__main__":
    main()
