"""Training steps a second on one core and on two: one process with each, and two processes side by side.

Every process is one of its own, bound to its cores before TensorFlow starts, as `jenacast train --seeds` binds its
seeds. Two processes begin each measurement together, and their steps are added.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import count
from typing import Any

from jenacast.config import load_recipe
from jenacast.doctor.speed import make_batches
from jenacast.models.build import build_model
from jenacast.runtime import load_tensorflow, set_seed, usable_cores
from jenacast.training.backend import RecurrentBackend, find_backend
from jenacast.training.learner import Learner

RECIPES = ("dense", "lagged", "stacked-gru")
SECONDS = 1.5  # of each measurement


def trained(recipes: list[str]) -> None:
    """Train each recipe once a line comes on stdin; print the steps a second."""
    load_tensorflow()
    for name in recipes:
        set_seed(0)
        config = load_recipe(name)
        batches, model = make_batches(config), build_model(config)
        learner = Learner(model, config.train, steps=100_000, xla=find_backend(model, config) is RecurrentBackend.XLA)
        size = config.train.batch_size
        steps = (batch for epoch in count() for batch in batches.shuffled(batch_size=size, seed=0, epoch=epoch))
        for _ in range(5):  # the first one traces and compiles
            learner.train_batch(*next(steps))
        print("ready", flush=True)
        sys.stdin.readline()
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            learner.train_batch(*next(steps))
            done += 1
        learner.epoch_means()
        print(done / (time.perf_counter() - began), flush=True)


def measure(recipes: list[str], shares: list[list[int]], *, one_thread: bool = False) -> dict[str, float]:
    """Steps a second of all processes together, one process for each share of the cores."""
    command, pipe = [sys.executable, __file__, "--train", *recipes], subprocess.PIPE
    environment = os.environ | ({"TF_NUM_INTRAOP_THREADS": "1"} if one_thread else {})
    everything, processes = usable_cores(), []
    for cores in shares:
        os.sched_setaffinity(0, cores)  # the process inherits it
        processes.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment))
    os.sched_setaffinity(0, everything)
    found: dict[str, float] = {}
    ends: list[tuple[Any, Any]] = [(process.stdin, process.stdout) for process in processes]
    for name in recipes:
        for _, said in ends:
            said.readline()
        for told, _ in ends:
            told.write("go\n")
            told.flush()
        found[name] = sum(float(said.readline()) for _, said in ends)
    for process in processes:
        process.communicate()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=RECIPES, help="recipes to measure")
    parser.add_argument("--train", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.train:
        trained(arguments.train)
        return
    if len(usable_cores()) < 2:
        sys.exit("this process may use one core only; there is nothing to compare")
    first, second = usable_cores()[:2]
    ways = {
        "one process, two cores": [[first, second]],
        "the same, one thread an operation": [[first, second]],
        "one process, one core": [[first]],
        "two processes, a core each": [[first], [second]],
        "two processes, unbound": [[first, second], [first, second]],
    }
    recipes = list(arguments.recipes)
    measured = {way: measure(recipes, shares, one_thread="thread" in way) for way, shares in ways.items()}
    if arguments.json:
        print(json.dumps({"steps_per_second": measured}))
        return
    print(f"{'steps a second':34}" + "".join(f"{name:>14}" for name in recipes))
    for way, rates in measured.items():
        print(f"{way:34}" + "".join(f"{rates[name]:14.1f}" for name in recipes))


if __name__ == "__main__":
    main()
