"""Networks without recurrence: the book's dense one (10.2.3)."""

from typing import Any


def dense(inputs: Any, *, units: int, layers: int, dropout: float) -> Any:
    """The flattened window through `layers` dense layers of `units`, then one linear output."""
    import keras

    x = keras.layers.Flatten()(inputs)
    for _ in range(layers):
        x = keras.layers.Dense(units, activation="relu")(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(1)(x)
