"""What a network says: the one compiled way from histories to its outputs, and these in degC."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.features.datasets import Batches, Histories
from jenacast.features.encoding import Encoding
from jenacast.runtime import load_tensorflow

CHUNK = 8_192  # windows decoded at a time: what that takes would be ten times the result


def forward_function(model: Any, *, xla: bool = False, eager_below: int = 0) -> Callable[[Any], Any]:
    """A graph from (windows, steps, columns) to (windows, outputs), dropout off; compiled with `xla`.

    Fewer windows than `eager_below` go without: a graph takes longer to make than a few windows to forecast.
    """
    tf = load_tensorflow()

    def eager(inputs: Any) -> Any:
        return model(inputs, training=False)

    graph = tf.function(eager, jit_compile=xla, autograph=False)

    def forward(inputs: Any) -> Any:
        windows = inputs.shape[0]  # None where another graph is being made
        return (eager if windows is not None and windows < eager_below else graph)(inputs)

    return forward


def predict(forward: Any, batches: Batches, between: Callable[[], None] = lambda: None) -> Floats:
    """(windows, outputs) float32 of a function over batches, in order of time, none left out."""
    tf = load_tensorflow()
    outputs: list[Floats] = []
    for inputs, _ in batches.in_order():
        windows = inputs.shape[0]
        missing = len(outputs[0]) - windows if outputs else 0
        if missing:  # the last batch is filled up: another size would take another graph
            inputs = tf.pad(inputs, [[0, missing], [0, 0], [0, 0]])
        outputs.append(forward(inputs).numpy()[:windows])
        between()
    return np.concatenate(outputs)


def forecast_leads_c(
    forward: Callable[[Any], Any],
    histories: Histories,
    encoding: Encoding,
    between: Callable[[], None] = lambda: None,
) -> Floats:
    """(windows, leads) degC: what a network says about every hour it has an output for."""
    outputs = predict(forward, Batches(histories), between)
    parts = [slice(start, start + CHUNK) for start in range(0, len(outputs), CHUNK)]
    now, last_observed_c = histories.now, histories.last_observed_c
    return np.concatenate([encoding.decode(outputs[part], now[part], last_observed_c[part]) for part in parts])
