"""An LSTM that reads the history backwards, from the newest hour to the oldest: what is the order worth?"""

import keras


def build(inputs, *, outputs, units=16):
    """As the recipe `lstm`, with the hours of (windows, steps, columns) in reverse order."""
    x = keras.layers.LSTM(units)(keras.ops.flip(inputs, axis=1))
    return keras.layers.Dense(outputs)(x)
