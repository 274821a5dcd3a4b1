"""Milliseconds of one training step of a recurrent layer, in one run: jenacast's, Keras', PyTorch's, and the floor.

A step is the forward pass over (256, 120, 14) windows and the gradients of the mean square of the last output to
all weights; no optimizer. The smallest of many steps counts, taken in turn. PyTorch runs `nn.GRU` and `nn.LSTM`
without recurrent dropout, which it does not have, in an environment of its own (`make bench-env`). The arithmetic
floor is the number of operations of all matrix products over the rate of a large one.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from task import BATCH, COLUMNS, HISTORY

from jenacast.runtime import device_name, load_tensorflow, set_seed

PEERS = Path(".bench-venv/bin/python")
MATRIX = 2048  # rows and columns of the product that stands for the machine's rate
GATES = {"gru": 3, "lstm": 4}
RATE = 0.5  # of recurrent dropout


def layer_steps(cell: str, units: int) -> dict[str, Callable[[], Any]]:
    """A compiled step of each way to run the cell."""
    import keras

    from jenacast.models import compiled, layers

    xla = not compiled.runs(units)
    theirs, tied, weight_drop = {
        "gru": (keras.layers.GRU, layers.TiedGRU, layers.WeightDropGRU),
        "lstm": (keras.layers.LSTM, layers.TiedLSTM, layers.WeightDropLSTM),
    }[cell]
    return {
        "keras": compiled_step(theirs(units), xla=False),
        "keras, recurrent dropout": compiled_step(theirs(units, recurrent_dropout=RATE), xla=False),
        "keras, XLA": compiled_step(theirs(units), xla=True),
        "keras, recurrent dropout, XLA": compiled_step(theirs(units, recurrent_dropout=RATE), xla=True),
        "jenacast, XLA": with_xla(tied(units)),
        "jenacast": compiled_step(tied(units), xla=xla),
        "tied, recurrent dropout": compiled_step(tied(units, recurrent_dropout=RATE), xla=xla),
        "weight-drop, recurrent dropout": compiled_step(weight_drop(units, recurrent_dropout=RATE), xla=xla),
    }


def with_xla(layer: Any) -> Callable[[], Any]:
    """A step of `layer` as it runs without a C compiler."""
    from jenacast.models import compiled

    runs, compiled.runs = compiled.runs, lambda units: False
    step = compiled_step(layer, xla=True)
    step()  # traces it
    compiled.runs = runs
    return step


def compiled_step(layer: Any, *, xla: bool) -> Callable[[], Any]:
    """A function that runs one step of `layer` and waits for it."""
    tf = load_tensorflow()
    inputs = tf.constant(np.random.default_rng(0).normal(size=(BATCH, HISTORY, COLUMNS)), tf.float32)

    def gradients(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(inputs, training=True)))
        return tape.gradient(loss, layer.trainable_variables)

    layer.build(inputs.shape)
    step = tf.function(gradients, jit_compile=xla)
    return lambda: step(inputs)[0].numpy()


def matrix_rate() -> float:
    """Floating-point operations a second of a large matrix product."""
    tf = load_tensorflow()
    factor = tf.ones((MATRIX, MATRIX))
    (factor @ factor).numpy()
    seconds = min(timed(lambda: (factor @ factor).numpy()) for _ in range(5))
    return float(2 * MATRIX**3 / seconds)


def operations(cell: str, units: int) -> int:
    """Of all products of a step: forward, and twice as many for the gradients."""
    return 3 * 2 * BATCH * HISTORY * GATES[cell] * units * (COLUMNS + units)


def timed(step: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def torch_ms(peers: Path, units: int, steps: int) -> dict[str, float]:
    """PyTorch's milliseconds by cell; empty without its environment."""
    if not peers.exists():
        print(f"{peers} not found, so PyTorch is left out; `make bench-env` makes it", file=sys.stderr)
        return {}
    command = [str(peers), str(Path(__file__).with_name("torch_step.py"))]
    shape = [str(number) for number in (BATCH, HISTORY, COLUMNS, units, steps)]
    done = subprocess.run([*command, *shape], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=32, help="width of the layer")
    parser.add_argument("--cells", nargs="+", choices=GATES, default=list(GATES), help="cells to measure")
    parser.add_argument("--steps", type=int, default=60, help="steps of each")
    parser.add_argument("--peers", type=Path, default=PEERS, help="Python with benchmarks/requirements.txt")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    load_tensorflow()
    set_seed(0)
    torch, rate = torch_ms(arguments.peers, arguments.units, arguments.steps), matrix_rate()
    cells: dict[str, dict[str, Any]] = {}
    for cell in arguments.cells:
        ways = layer_steps(cell, arguments.units)
        for step in ways.values():
            step()
        taken = {name: float("inf") for name in ways}
        for _ in range(arguments.steps):
            for name, step in ways.items():
                taken[name] = min(taken[name], timed(step))
        ms = {name: seconds * 1e3 for name, seconds in taken.items()}
        ms |= {"PyTorch": torch[cell]} if torch else {}
        ms["arithmetic floor"] = operations(cell, arguments.units) / rate * 1e3
        cells[cell] = {
            "ms": ms,
            "keras_over_jenacast": ms["keras"] / ms["jenacast"],
            "xla_over_jenacast": ms["jenacast, XLA"] / ms["jenacast"],
            "cost_of_recurrent_dropout": {
                "keras": ms["keras, recurrent dropout"] / ms["keras"],
                "tied": ms["tied, recurrent dropout"] / ms["jenacast"],
                "weight-drop": ms["weight-drop, recurrent dropout"] / ms["jenacast"],
            },
            "pytorch_over_weight_drop": ms["PyTorch"] / ms["weight-drop, recurrent dropout"] if torch else None,
        }
    if arguments.json:
        print(json.dumps({"units": arguments.units, "device": device_name(), "cells": cells}))
        return
    for cell, measured in cells.items():
        print(f"{cell}, {arguments.units} units, on {device_name()}")
        for name, milliseconds in measured["ms"].items():
            print(f"  {name:34}{milliseconds:8.1f} ms")
        for name, cost in measured["cost_of_recurrent_dropout"].items():
            print(f"  {f'cost of recurrent dropout, {name}':44}{cost:6.2f}")
        for name in ("keras_over_jenacast", "xla_over_jenacast", "pytorch_over_weight_drop"):
            if measured[name]:
                print(f"  {name.replace('_', ' '):44}{measured[name]:6.2f}")


if __name__ == "__main__":
    main()
