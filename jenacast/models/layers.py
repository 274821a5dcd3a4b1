"""Recurrent dropout that keeps the fast path: Keras' GRU and LSTM with another mask and another loop.

Keras draws a mask for every gate, which rules cuDNN out and takes a product a gate in every step. Here one mask
serves all gates, drawn once a batch for all steps, in one of two forms:

- `TiedGRU`, `TiedLSTM`: a mask for every window (the tied form of Gal & Ghahramani 2016);
- `WeightDropGRU`, `WeightDropLSTM`: one mask for the whole batch, multiplied on the rows of the recurrent kernel
  (a variational form of Merity et al. 2017), so that cuDNN can be handed the masked kernel.

Weights and settings are Keras' own: without dropout these layers compute what Keras' do, and at inference they run
Keras' code. Where cuDNN can be used it is; elsewhere the loop of the training is that of `compiled.py`, or that of
`recurrence.py`, made for XLA.
"""

from typing import Any

import keras
from keras import ops

# The private names of Keras: its own layers reach cuDNN through them. Where that cannot be, they raise
# NotImplementedError.
from keras.src.backend import gru as cudnn_gru
from keras.src.backend import lstm as cudnn_lstm

from jenacast.models import compiled, recurrence

_registered = keras.saving.register_keras_serializable("jenacast")


def _swapped(sequences: Any) -> Any:
    """Windows and steps, the first two axes, in each other's place."""
    return ops.transpose(sequences, (1, 0, 2))


class _SharedMask(keras.layers.RNN):
    """What the layers have in common; comes before Keras' GRU or LSTM in the order of inheritance."""

    per_window: bool  # whether every window has a mask of its own, or the batch has one

    def __init__(self, units: int, *, recurrent_dropout: float = 0.0, **options: Any) -> None:
        self._recurrent_dropout = recurrent_dropout
        super().__init__(units, **options)  # of Keras' layer: its own masks stay off
        wanted = (self.activation, self.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
        if not (wanted and self.use_bias and getattr(self, "reset_after", True)) or self.unroll or self.dropout:
            raise ValueError(
                f"{type(self).__name__} knows tanh, sigmoid, a bias and reset_after alone, and neither unrolling "
                "nor dropout of its inputs; use the layer of keras.layers for others"
            )

    @property
    def recurrent_dropout(self) -> float:
        """Share of the state dropped in training; part of the layer's config."""
        return self._recurrent_dropout

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """The last output, all outputs, (B, T, U), and the last states, from sequences (B, T, C).

        Raises:
            ValueError: some steps are masked out.
        """
        if mask is not None:
            raise ValueError(f"{type(self).__name__} reads whole sequences; use the layer of keras.layers for a mask")
        # Copies: a gradient that is written out takes values, not variables.
        kernel, dropped = ops.copy(self.cell.recurrent_kernel), None
        if training and self.recurrent_dropout:
            windows = ops.shape(sequences)[0] if self.per_window else 1
            ones = ops.ones((windows, self.units), dtype=self.compute_dtype)
            dropped = keras.random.dropout(ones, self.recurrent_dropout, seed=self.cell.seed_generator)
            if not self.per_window:
                kernel, dropped = kernel * ops.transpose(dropped), None
        if dropped is None:
            try:
                return self._cudnn(sequences, initial_state, kernel)
            except NotImplementedError:
                pass
        if not training:
            return super().inner_loop(sequences, initial_state, mask, training)
        sequences = ops.flip(sequences, axis=1) if self.go_backwards else sequences
        weights = (ops.copy(self.cell.kernel), kernel, ops.copy(self.cell.bias))
        if compiled.runs(self.units):
            outputs, states = self._loop(compiled, sequences, *weights, *initial_state, dropped)
        else:
            outputs, states = self._loop(recurrence, _swapped(sequences), *weights, *initial_state, dropped)
            outputs = _swapped(outputs)
        return outputs[:, -1], outputs, [outputs[:, -1], *states]

    def _options(self, kernel: Any) -> dict[str, Any]:
        """What Keras hands to cuDNN, with `kernel` for its own."""
        return {
            "kernel": self.cell.kernel,
            "recurrent_kernel": kernel,
            "bias": self.cell.bias,
            "activation": self.activation,
            "recurrent_activation": self.recurrent_activation,
            "return_sequences": self.return_sequences,
            "go_backwards": self.go_backwards,
            "unroll": self.unroll,
        }


class _SharedMaskGRU(_SharedMask, keras.layers.GRU):
    def _cudnn(self, sequences: Any, initial_state: Any, kernel: Any) -> Any:
        return cudnn_gru(sequences, *initial_state, None, **self._options(kernel), reset_after=True)

    def _loop(self, loops: Any, *arguments: Any) -> tuple[Any, list[Any]]:
        return loops.gru(*arguments), []


class _SharedMaskLSTM(_SharedMask, keras.layers.LSTM):
    def _cudnn(self, sequences: Any, initial_state: Any, kernel: Any) -> Any:
        return cudnn_lstm(sequences, *initial_state, None, **self._options(kernel))

    def _loop(self, loops: Any, *arguments: Any) -> tuple[Any, list[Any]]:
        states, memory = loops.lstm(*arguments)
        return states, [memory]


@_registered
class TiedGRU(_SharedMaskGRU):
    """Keras' GRU with a mask for every window, the same for all gates and steps."""

    per_window = True


@_registered
class TiedLSTM(_SharedMaskLSTM):
    """Keras' LSTM with a mask for every window, the same for all gates and steps."""

    per_window = True


@_registered
class WeightDropGRU(_SharedMaskGRU):
    """Keras' GRU with one mask for the batch, on the rows of the recurrent kernel."""

    per_window = False


@_registered
class WeightDropLSTM(_SharedMaskLSTM):
    """Keras' LSTM with one mask for the batch, on the rows of the recurrent kernel."""

    per_window = False
