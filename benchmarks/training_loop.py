"""Milliseconds of a training step under each way to run it that jenacast could choose, in one run.

The network, optimizer and batches are those of `jenacast train`; the smallest of several rounds counts, taken in
turn. What jenacast does stands first; the others are why.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from task import BATCH, jenacast_samples, station_rows, train_rows

from jenacast.config import load_recipe
from jenacast.features.datasets import Batches
from jenacast.models.build import build_model
from jenacast.runtime import device_name, load_tensorflow, set_seed
from jenacast.training.backend import RecurrentBackend, find_backend
from jenacast.training.learner import Learner

RECIPES = [
    ("dense", "keras"),
    ("conv1d", "keras"),
    ("lstm", "keras"),
    ("stacked-gru", "keras"),
    ("lstm", "tied"),
    ("stacked-gru", "tied"),
    ("stacked-gru", "weight-drop"),
]
STEPS_A_CALL = 20


def ways(recipe: str, engine: str, batches: Batches) -> dict[str, Callable[[int], None]]:
    """By name: a function that trains so many steps and waits for them."""
    assignments = [] if engine == "keras" else [f"model.engine={engine}"]
    config = load_recipe(recipe, assignments)
    usual = find_backend(build_model(config), config) is RecurrentBackend.XLA
    return {
        "as jenacast trains": stepwise(config, batches, xla=usual),
        "without XLA" if usual else "with XLA": stepwise(config, batches, xla=not usual),
        f"{STEPS_A_CALL} steps a call": many_a_call(config, batches, xla=usual),
        "mixed precision, bfloat16": stepwise(config, batches, xla=usual, policy="mixed_bfloat16"),
    }


def make_learner(config: Any, *, xla: bool, policy: str) -> Learner:
    """A new network to train."""
    import keras

    set_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = build_model(config)
        single = keras.layers.Activation("linear", dtype="float32")(model.output)  # the loss is taken in float32
        return Learner(keras.Model(model.input, single), config.train, xla=xla)
    finally:
        keras.config.set_dtype_policy("float32")


def stepwise(config: Any, batches: Batches, *, xla: bool, policy: str = "float32") -> Callable[[int], None]:
    """One call of the compiled step for each batch."""
    learner = make_learner(config, xla=xla, policy=policy)

    def run(steps: int) -> None:
        for inputs, targets in islice(batches.shuffled(batch_size=BATCH, seed=0, epoch=0), steps):
            learner.train_batch(inputs, targets)
        learner.epoch_means()

    return run


def many_a_call(config: Any, batches: Batches, *, xla: bool) -> Callable[[int], None]:
    """A loop over batches inside the graph, as Keras' `steps_per_execution`."""
    tf = load_tensorflow()
    learner = make_learner(config, xla=xla, policy="float32")

    def loop(iterator: Any) -> None:
        for _ in tf.range(STEPS_A_CALL):
            learner.train_batch(*next(iterator))

    compiled = tf.function(loop)

    def run(steps: int) -> None:
        iterator = iter(batches.shuffled(batch_size=BATCH, seed=0, epoch=0))
        for _ in range(steps // STEPS_A_CALL):
            compiled(iterator)
        learner.epoch_means()

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=420_551, help="rows of the series, ten minutes apart")
    parser.add_argument("--steps", type=int, default=100, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds")
    parser.add_argument("--recipes", type=int, default=len(RECIPES), help="so many of the networks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    batches = Batches(jenacast_samples(station_rows(arguments.rows), *train_rows(arguments.rows)))
    measured: dict[str, dict[str, float]] = {}
    for recipe, engine in RECIPES[: arguments.recipes]:
        runs = ways(recipe, engine, batches)
        for run in runs.values():
            run(STEPS_A_CALL)  # traces and compiles
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                began = time.perf_counter()
                run(arguments.steps)
                best[name] = min(best[name], (time.perf_counter() - began) / arguments.steps * 1e3)
        measured[f"{recipe}, {engine}"] = best
        if not arguments.json:
            print(f"{recipe}, engine {engine}")
            for name, milliseconds in best.items():
                print(f"  {name:28}{milliseconds:8.2f} ms", flush=True)
    if arguments.json:
        print(json.dumps({"device": device_name(), "ms": measured}))


if __name__ == "__main__":
    main()
