"""Stacked recurrent layers: the book's LSTM and GRU networks (10.2.5, 10.4.1, 10.4.2)."""

from typing import Any


def recurrent(
    inputs: Any, *, cell: str, units: int, layers: int, dropout: float, recurrent_dropout: float
) -> Any:
    """`layers` recurrent layers of `units`, dropout on the last one's output, one linear output.

    All layers but the last return their whole sequence, (windows, steps, units).
    """
    import keras

    layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    x = inputs
    for number in range(layers):
        x = layer(units, recurrent_dropout=recurrent_dropout, return_sequences=number < layers - 1)(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(1)(x)
