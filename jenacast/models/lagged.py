"""A network whose inputs are the present, its changes and its running means, instead of the whole history."""

from collections.abc import Sequence
from typing import Any

from jenacast.columns import CALENDAR
from jenacast.errors import ConfigError

SMALL = 1 / 300  # of initial weights, the variance times the number of inputs; usual are 1 to 2


def lagged(
    inputs: Any,
    *,
    columns: Sequence[str],
    outputs: int,
    units: int,
    layers: int,
    dropout: float,
    change_hours: Sequence[int],
    mean_hours: Sequence[int],
    feature_noise: float,
    members: int,
) -> Any:
    """The present, its changes and running means through `layers` dense layers of `units` with dropout.

    The weather's changes over `change_hours` and means over `mean_hours` up to the last step; the calendar is seen
    once, as it is now. Batch normalisation (Ioffe & Szegedy 2015) brings all of them to deviation 1, a change over an
    hour as well as one over a day. In training `feature_noise` disturbs all of these alike (Bishop 1995): noise on the
    columns would drown the change of pressure in an hour before it blurred the pressure. Initial weights are small, so
    that training has to build up what the forecast uses, instead of bending a random function (Chizat, Oyallon & Bach
    2019).

    There may be several such networks in one, `members`: each is trained for itself, and their mean forecasts.

    Raises:
        ConfigError: a history that is shorter than the changes and means.
    """
    import keras

    from jenacast.models.members import MeanOfMembers

    steps, needed = inputs.shape[1], max([1, *(hours + 1 for hours in change_hours), *mean_hours])
    if steps is None or steps < needed:
        raise ConfigError(
            f"data.history_hours: expected at least {needed}, which model.change_hours and model.mean_hours need, "
            f"received {'any' if steps is None else steps}"
        )
    weather = [number for number, name in enumerate(columns) if name not in CALENDAR]
    history = keras.ops.take(inputs, weather, axis=2)
    present = history[:, -1]
    changes = [present - history[:, -1 - hours] for hours in change_hours]
    means = [keras.ops.mean(history[:, -hours:], axis=1) for hours in mean_hours]
    x = keras.ops.concatenate([inputs[:, -1], *changes, *means], axis=1)
    # The change of pressure in an hour has a deviation of a hundredth of the pressure's: the usual epsilon drowns it.
    x = keras.layers.BatchNormalization(epsilon=1e-6, center=False, scale=False)(x)
    if members > 1:
        x = keras.layers.RepeatVector(members)(x)
    x = keras.layers.GaussianNoise(feature_noise)(x) if feature_noise else x
    for _ in range(layers):
        x = _dense(units, members, activation="relu")(x)
        x = keras.layers.Dropout(dropout)(x)
    x = _dense(outputs, members)(x)
    return MeanOfMembers()(x) if members > 1 else x


def _dense(units: int, members: int, **options: Any) -> Any:
    """A dense layer with small initial weights; one for each member, (windows, members, inputs), if there are several.

    Keras counts the members as inputs too when it scales the initial weights.
    """
    import keras

    start = keras.initializers.VarianceScaling(SMALL * members, "fan_in", "uniform")
    if members == 1:
        return keras.layers.Dense(units, kernel_initializer=start, **options)
    shape = {"output_shape": (members, units), "bias_axes": "mo"}
    return keras.layers.EinsumDense("bmi,mio->bmo", kernel_initializer=start, **shape, **options)
