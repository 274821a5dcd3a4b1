"""Networks without recurrence.

The book's dense (10.2.3) and convolutional (10.2.4) ones, and dense layers with dropout (Srivastava et al. 2014)
and batch normalisation (Ioffe & Szegedy 2015).
"""

from typing import Any

from jenacast.errors import ConfigError

CONV1D_MIN_STEPS = ((6 * 2 + 12 - 1) * 2) + 24 - 1  # what the three filters and two poolings span


def dense(inputs: Any, *, outputs: int, units: int, layers: int, dropout: float) -> Any:
    """The flattened window, of a fixed length, through `layers` dense layers of `units`, dropout, linear outputs."""
    import keras

    x = _flatten(inputs)
    for _ in range(layers):
        x = keras.layers.Dense(units, activation="relu")(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(outputs)(x)


def dense_batchnorm(inputs: Any, *, outputs: int, units: int, layers: int, dropout: float) -> Any:
    """The flattened window, of a fixed length, through `layers` of dense, dropout and batch normalisation."""
    import keras

    x = _flatten(inputs)
    for _ in range(layers):
        x = keras.layers.Dense(units, activation="relu")(x)
        x = keras.layers.Dropout(dropout)(x)
        x = keras.layers.BatchNormalization()(x)
    return keras.layers.Dense(outputs)(x)


def conv1d(inputs: Any, *, outputs: int, units: int) -> Any:
    """Three convolutions of `units` filters over 24, 12 and 6 hours, pooled by 2 between and over all at last.

    Raises:
        ConfigError: the history is too short for the last convolution to see anything.
    """
    import keras

    steps = inputs.shape[1]
    if steps is not None and steps < CONV1D_MIN_STEPS:
        raise ConfigError(
            f"data.history_hours: conv1d needs at least {CONV1D_MIN_STEPS} for its filters, received {steps}"
        )
    x = keras.layers.Conv1D(units, 24, activation="relu")(inputs)
    x = keras.layers.MaxPooling1D(2)(x)
    x = keras.layers.Conv1D(units, 12, activation="relu")(x)
    x = keras.layers.MaxPooling1D(2)(x)
    x = keras.layers.Conv1D(units, 6, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.layers.Dense(outputs)(x)


def _flatten(inputs: Any) -> Any:
    import keras

    if inputs.shape[1] is None:
        raise ConfigError(
            "model.any_history: a dense network flattens the window, so its history is fixed; "
            "set model.any_history=false or choose a recurrent architecture"
        )
    return keras.layers.Flatten()(inputs)
