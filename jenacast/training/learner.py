"""A network being trained: one compiled step over batches, and forecasts that leave no trace.

Not `fit`: the state of a run must be one thing that can be taken out and put back in the middle of an epoch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.features.datasets import Batches
from jenacast.models.inference import forward_function, predict
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.settings import TrainSettings

HUBER_DELTA = 1.0  # units of the encoded target: from there on an error counts by its size, not by its square


class Learner:
    """Model, optimizer, the mean of the weights over the last steps, and the sums of the running epoch.

    Args:
        model: an uncompiled Keras model, (windows, steps, columns) -> (windows, outputs).
        settings: loss, optimizer, learning rate, clipping, averaging.
        steps: of the whole training, over which a learning rate with a schedule falls.
        xla: compile with XLA.
    """

    def __init__(self, model: Any, settings: TrainSettings, *, steps: int = 1, xla: bool = False) -> None:
        tf = load_tensorflow()

        self.model = model
        self.optimizer = _optimizer(settings, steps)
        self.optimizer.build(model.trainable_variables)
        self._loss = _loss(settings)
        self._decay = settings.ema
        weights = model.trainable_variables if settings.ema else []
        self._averages = [tf.Variable(weight.numpy(), name="average") for weight in weights]
        # windows, sum of the loss, sum of absolute errors, both in units of the encoded target
        self._sums = tf.Variable(np.zeros(3), dtype=tf.float64, name="epoch_sums")
        self._bad_step = tf.Variable(0, dtype=tf.int64, name="bad_step")
        # One trace for each batch size, the full one and the last: static shapes are a fifth faster.
        self._step = tf.function(self._train_step, jit_compile=xla, autograph=False)
        # On a GPU even the layers made for XLA reach cuDNN at inference, which XLA cannot compile.
        self._forward = forward_function(model, xla=xla and not has_gpu())

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.learning_rate)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with the mean weights, where training keeps them, instead of the last step's."""
        weights = self.model.trainable_variables if self._averages else []
        last = [weight.numpy() for weight in weights]
        try:
            for weight, average in zip(weights, self._averages, strict=True):
                weight.assign(average)
            yield
        finally:
            for weight, value in zip(weights, last, strict=True):
                weight.assign(value)

    def train_batch(self, inputs: Any, targets: Any) -> None:
        """One step of gradient descent on (windows, steps, columns) inputs and (windows, outputs) targets.

        Of several networks in one, whose outputs are (members, windows, outputs), each has its own loss. Targets that
        are NaN are left out of it.
        """
        self._step(inputs, targets)

    def epoch_means(self) -> tuple[float, float]:
        """Mean loss, and mean absolute error of the last output, since `reset_sums`; in units of the encoded target."""
        windows, loss, absolute = self._sums.numpy()
        return float(loss / windows), float(absolute / windows)

    def reset_sums(self) -> None:
        """Set the sums of the epoch to 0."""
        self._sums.assign(np.zeros(3))

    def predict(self, batches: Batches, between: Callable[[], None]) -> Floats:
        """(windows, outputs) float32, in order of time; dropout's generators are left as they were.

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
        return [*self.model.variables, *self.optimizer.variables, *self._averages, self._sums]

    def _train_step(self, inputs: Any, targets: Any) -> None:
        tf = load_tensorflow()
        with tf.GradientTape() as tape:
            outputs = self.model(inputs, training=True)
            errors = tf.where(tf.math.is_nan(targets), tf.zeros_like(outputs), outputs - targets)
            losses = self._loss(errors)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        step = tf.cast(self.optimizer.iterations, tf.int64)
        if self._averages:
            # Early on the mean is over the steps there are, so that the initial weights fade quickly.
            decay = tf.minimum(self._decay, tf.cast(step / (step + 10), tf.float32))
            for average, weight in zip(self._averages, self.model.trainable_variables, strict=True):
                average.assign_add((1 - decay) * (weight.value - average))
        count = tf.cast(tf.shape(targets)[0], tf.float64)
        is_first = tf.logical_and(tf.equal(self._bad_step, 0), tf.logical_not(tf.math.is_finite(loss)))
        self._bad_step.assign(tf.where(is_first, step, self._bad_step))
        means = (tf.reduce_mean(tf.cast(each, tf.float64)) for each in (losses, tf.abs(errors[..., -1])))
        self._sums.assign_add(tf.stack([count, *(count * mean for mean in means)]))


def _optimizer(settings: TrainSettings, steps: int) -> Any:
    import keras

    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":  # Loshchilov & Hutter 2017, without restarts
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if settings.warmup_steps else settings.learning_rate,
            decay_steps=max(1, steps - settings.warmup_steps),
            warmup_target=settings.learning_rate if settings.warmup_steps else None,
            warmup_steps=settings.warmup_steps,
        )
    clipping = {"global_clipnorm": settings.clip_norm or None}
    if settings.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay, **clipping)
    kinds = {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
    return kinds[settings.optimizer](rate, **clipping)


def _loss(settings: TrainSettings) -> Callable[[Any], Any]:
    """From errors, forecast minus target, to losses of the same shape."""
    tf = load_tensorflow()

    def huber(errors: Any) -> Any:
        sizes = tf.abs(errors)
        return tf.where(sizes <= HUBER_DELTA, tf.square(errors) / 2, HUBER_DELTA * (sizes - HUBER_DELTA / 2))

    losses: dict[str, Callable[[Any], Any]] = {"mse": tf.square, "mae": tf.abs, "huber": huber}
    return losses[settings.loss]
