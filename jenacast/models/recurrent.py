"""Recurrent layers, one or many: the book's (10.2.5, 10.3.1, 10.4), and those of the texts on deep RNNs."""

from typing import Any

from jenacast.errors import ConfigError


def recurrent(
    inputs: Any,
    *,
    cell: str,
    units: int,
    layers: int,
    dropout: float,
    recurrent_dropout: float,
    bidirectional: bool,
    unroll: bool,
) -> Any:
    """`layers` recurrent layers of `units`, dropout on the last one's output, one linear output.

    All layers but the last return their whole sequence, (windows, steps, units), twice as wide where
    bidirectional.

    Raises:
        ConfigError: unrolling is asked for a history of any length; Keras itself does not object.
    """
    import keras

    if unroll and inputs.shape[1] is None:
        raise ConfigError("model.unroll: an unrolled layer needs a fixed history; set model.any_history=false")
    layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "simple": keras.layers.SimpleRNN}[cell]
    x = inputs
    for number in range(layers):
        one = layer(units, recurrent_dropout=recurrent_dropout, return_sequences=number < layers - 1, unroll=unroll)
        x = keras.layers.Bidirectional(one)(x) if bidirectional else one(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(1)(x)
