"""Several networks in one: each trained for itself, their mean as the answer.

A deep ensemble (Lakshminarayanan, Pritzel & Blundell 2017) packed into one network, as in Gorishniy et al. 2024 (TabM).
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("jenacast")
class MeanOfMembers(keras.layers.Layer):
    """The mean over (windows, members, outputs); in training all of them, (members, windows, outputs).

    So a loss against (windows, outputs) targets is each member's own. A loss of the mean would let the members lean on
    each other, and their mean would be one large network.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """(windows, outputs), or (members, windows, outputs) in training."""
        return ops.transpose(inputs, (1, 0, 2)) if training else ops.mean(inputs, axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """(windows, outputs): what it gives whoever asks for a forecast."""
        return input_shape[0], input_shape[2]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """As above, also while a network is put together."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)
