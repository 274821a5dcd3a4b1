"""Recurrent layers, one or many: the book's (10.2.5, 10.3.1, 10.4), and those of the texts on deep RNNs."""

from collections.abc import Mapping
from typing import Any

from jenacast.errors import ConfigError

AUTO = "auto"
KERAS = "keras"  # Keras' own layers, which every cell has
# Over seeds `tied` is as accurate as Keras' own, and as fast as any on a CPU (docs/experiments.md). On a GPU, where
# nothing has been measured yet, `weight-drop` is the one that cuDNN can run with recurrent dropout.
FAST_ON_CPU, FAST_ON_GPU = "tied", "weight-drop"


def recurrent(
    inputs: Any,
    *,
    outputs: int,
    cell: str,
    units: int,
    layers: int,
    dropout: float,
    recurrent_dropout: float,
    engine: str,
    bidirectional: bool,
    unroll: bool,
) -> Any:
    """`layers` recurrent layers of `units`, dropout on the last one's output, linear outputs.

    All layers but the last return their whole sequence, (windows, steps, units), twice as wide where
    bidirectional.

    Raises:
        ConfigError: unrolling is asked for a history of any length, to which Keras itself does not object; or an
            engine that does not have such a layer.
    """
    import keras

    if unroll and inputs.shape[1] is None:
        raise ConfigError("model.unroll: an unrolled layer needs a fixed history; set model.any_history=false")
    layer = layer_class(cell, engine, unroll=unroll)
    x = inputs
    for number in range(layers):
        one = layer(units, recurrent_dropout=recurrent_dropout, return_sequences=number < layers - 1, unroll=unroll)
        x = keras.layers.Bidirectional(one)(x) if bidirectional else one(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(outputs)(x)


def engine_of_auto(model: Mapping[str, Any], *, on_gpu: bool) -> str:
    """The engine that `model.engine = "auto"` stands for in these settings of `[model]`."""
    is_fast = model["architecture"] == "recurrent" and model["cell"] in ("gru", "lstm") and not model["unroll"]
    return (FAST_ON_GPU if on_gpu else FAST_ON_CPU) if is_fast else KERAS


def layer_class(cell: str, engine: str, *, unroll: bool = False) -> Any:
    """The class of a layer; all take Keras' arguments."""
    import keras

    from jenacast.models import layers

    known = {
        ("gru", KERAS): keras.layers.GRU,
        ("lstm", KERAS): keras.layers.LSTM,
        ("simple", KERAS): keras.layers.SimpleRNN,
        ("gru", "tied"): layers.TiedGRU,
        ("lstm", "tied"): layers.TiedLSTM,
        ("gru", "weight-drop"): layers.WeightDropGRU,
        ("lstm", "weight-drop"): layers.WeightDropLSTM,
    }
    if (cell, engine) not in known or (unroll and engine != KERAS):
        what = "an unrolled layer" if unroll else f"cell {cell!r}"
        raise ConfigError(f"model.engine: {engine!r} does not have {what}; set model.engine={KERAS}")
    return known[cell, engine]
