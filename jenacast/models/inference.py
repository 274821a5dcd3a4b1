"""What a network says: the one compiled way from histories to its outputs, and these in degC."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.features.datasets import Batches, Histories
from jenacast.features.encoding import Encoding
from jenacast.runtime import load_tensorflow

CHUNK = 8_192  # windows decoded at a time: what that takes would be ten times the result


def forward_function(model: Any, *, xla: bool = False) -> Callable[[Any], Any]:
    """A graph from (windows, steps, columns) to (windows, outputs), dropout off; compiled with `xla`."""
    tf = load_tensorflow()
    forward: Callable[[Any], Any] = tf.function(lambda inputs: model(inputs, training=False), jit_compile=xla)
    return forward


def predict(forward: Any, batches: Batches, between: Callable[[], None] = lambda: None) -> Floats:
    """(windows, outputs) float32 of a function over batches, in order of time, none left out."""
    outputs = []
    for inputs, _ in batches.in_order():
        outputs.append(forward(inputs).numpy())
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
