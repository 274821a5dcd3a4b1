"""A network being trained: one compiled step over batches, and forecasts that leave no trace.

Not `fit`: the state of a run must be one thing that can be taken out and put back in the middle of an epoch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jenacast.config import TrainSettings
from jenacast.datasets import Batches
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.series import Floats


class Learner:
    """Model, optimizer and the sums of the running epoch.

    Args:
        model: an uncompiled Keras model, (windows, steps, columns) -> (windows, 1).
        settings: optimizer, learning rate, clipping.
        xla: compile with XLA.
    """

    def __init__(self, model: Any, settings: TrainSettings, *, xla: bool = False) -> None:
        tf = load_tensorflow()
        import keras

        kinds = {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
        self.model = model
        self.optimizer = kinds[settings.optimizer](settings.learning_rate, global_clipnorm=settings.clip_norm or None)
        self.optimizer.build(model.trainable_variables)
        # windows, sum of squared errors, sum of absolute errors, both in units of the encoded target
        self._sums = tf.Variable(np.zeros(3), dtype=tf.float64, name="epoch_sums")
        self._bad_step = tf.Variable(0, dtype=tf.int64, name="bad_step")
        # One trace for each batch size, the full one and the last: static shapes are a fifth faster.
        self._step = tf.function(self._train_step, jit_compile=xla)
        # On a GPU even the layers made for XLA reach cuDNN at inference, which XLA cannot compile.
        self._forward = forward_function(model, xla=xla and not has_gpu())

    def train_batch(self, inputs: Any, targets: Any) -> None:
        """One step of gradient descent on (windows, steps, columns) inputs and (windows,) targets."""
        self._step(inputs, targets)

    def epoch_means(self) -> tuple[float, float]:
        """Mean squared and mean absolute error since `reset_sums`, in units of the encoded target."""
        windows, squared, absolute = self._sums.numpy()
        return float(squared / windows), float(absolute / windows)

    def reset_sums(self) -> None:
        """Begin the sums of an epoch anew."""
        self._sums.assign(np.zeros(3))

    def predict(self, batches: Batches, between: Callable[[], None]) -> Floats:
        """(windows,) float32 outputs, in order of time; dropout's generators are left as they were.

        Args:
            batches: the windows.
            between: called after each batch; what it raises passes through.
        """
        # Recurrent dropout draws masks, and so advances its generator, at inference too.
        generators = [v for v in self.model.variables if v.path.endswith("seed_generator_state")]
        before = [variable.numpy() for variable in generators]
        outputs = predict(self._forward, batches, between)
        for variable, value in zip(generators, before, strict=True):
            variable.assign(value)
        return outputs

    def variables(self) -> list[np.ndarray]:
        """A copy of every variable: weights, seed generators, optimizer, sums; what `restore` takes back."""
        return [variable.numpy() for variable in self._all_variables()]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Put back what `variables` gave.

        Raises:
            ValueError: they belong to another model or optimizer.
        """
        expected = [f"{value.shape} {value.dtype}" for value in self.variables()]
        received = [f"{value.shape} {value.dtype}" for value in values]
        if len(received) != len(expected):
            raise ValueError(f"it holds {len(received)} variables, expected {len(expected)}")
        for number, (theirs, mine) in enumerate(zip(received, expected, strict=True)):
            if theirs != mine:
                raise ValueError(f"its variable {number} is {theirs}, expected {mine}")
        for variable, value in zip(self._all_variables(), values, strict=True):
            variable.assign(value)

    def first_bad_step(self) -> int | None:
        """The step since the beginning, counted from 1, whose loss was not finite; None while all were."""
        step = int(self._bad_step.numpy())
        return step or None

    def _all_variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables, self._sums]

    def _train_step(self, inputs: Any, targets: Any) -> None:
        tf = load_tensorflow()
        with tf.GradientTape() as tape:
            errors = self.model(inputs, training=True)[:, 0] - targets
            loss = tf.reduce_mean(tf.square(errors))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        wide = tf.cast(errors, tf.float64)
        count = tf.cast(tf.shape(errors)[0], tf.float64)
        step = tf.cast(self.optimizer.iterations, tf.int64)
        is_first = tf.logical_and(tf.equal(self._bad_step, 0), tf.logical_not(tf.math.is_finite(loss)))
        self._bad_step.assign(tf.where(is_first, step, self._bad_step))
        self._sums.assign_add(tf.stack([count, tf.reduce_sum(tf.square(wide)), tf.reduce_sum(tf.abs(wide))]))


def forward_function(model: Any, *, xla: bool = False) -> Callable[[Any], Any]:
    """A graph from (windows, steps, columns) inputs to (windows,) outputs, dropout off; compiled with `xla`."""
    tf = load_tensorflow()
    forward: Callable[[Any], Any] = tf.function(lambda inputs: model(inputs, training=False)[:, 0], jit_compile=xla)
    return forward


def predict(forward: Any, batches: Batches, between: Callable[[], None] = lambda: None) -> Floats:
    """(windows,) float32 outputs of a function over batches, in order of time, none left out."""
    outputs = []
    for inputs, _ in batches.in_order():
        outputs.append(forward(inputs).numpy())
        between()
    return np.concatenate(outputs)
