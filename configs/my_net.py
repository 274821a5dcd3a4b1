"""A GRU over the last days: the file to start a network of your own from.

jenacast models my_net.py            prints its settings, which a TOML or --set can change
jenacast train --model my_net.py     tries it with a few windows, then trains it

The file has one function, `build`. It takes the Keras input and returns the output tensor. Its keyword arguments with
defaults become settings under [model], with the types of their defaults: numbers, texts, True or False, or lists of one
of them. So `train --set model.units=16` works, and a sweep can search them.

What is installed can be imported, other files of your own cannot: a run folder keeps a copy of this file alone.
"""

import keras


def build(inputs, *, outputs, units=32, dropout=0.1):
    """From windows of standardised columns to the forecast.

    inputs: (windows, steps, columns), by default 120 hourly steps of 14 columns. An argument `columns`, without a
        default, would be their names.
    outputs: how many numbers to return for each window: 1, or one for every hour with data.every_hour.
    """
    x = keras.layers.GRU(units)(inputs)
    x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(outputs)(x)  # (windows, outputs), float32, without an activation


# A layer of your own is registered, under a name that no other file has, and gives back what made it. Checkpoints that
# hold it are loaded with this file: jenacast evaluate RUN --code my_net.py
#
# @keras.saving.register_keras_serializable("my_net")
# class Scale(keras.layers.Layer):
#     def __init__(self, start=1.0, **options):
#         super().__init__(**options)
#         self.start = start
#
#     def build(self, shape):
#         self.scale = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.start))
#
#     def call(self, inputs):
#         return inputs * self.scale
#
#     def get_config(self):
#         return {**super().get_config(), "start": self.start}
