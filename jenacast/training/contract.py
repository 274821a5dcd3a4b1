"""What a network has to hold to before it is trained. Those of jenacast hold to it in the tests.

A window becomes finite numbers, as many as are asked for; training moves every trainable weight; and what is saved and
loaded again forecasts the same. A network of the user's own is tried with a few random windows, in a second or two.
"""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sys import setprofile
from types import FrameType
from typing import Any

import numpy as np

from jenacast.config import Config, with_train
from jenacast.data.series import Floats
from jenacast.errors import CheckpointError, ConfigError
from jenacast.models.build import build_model, check_model
from jenacast.models.checkpoint import load_checkpoint
from jenacast.models.guards import keras_reason
from jenacast.models.own import located_errors
from jenacast.network_file import OwnNetwork
from jenacast.runtime import load_tensorflow, set_seed
from jenacast.training.learner import Learner

logger = logging.getLogger(__name__)

WINDOWS, OTHER_WINDOWS = 32, 5  # of a training step and of a forecast: a network takes any number
STEPS = 5  # a weight behind one that begins at 0 moves in the second
SEEDS = 3  # a small layer whose units all begin switched off moves with another seed
TARGET = 10.0  # far from what a network says at first
PLAIN: dict[str, Any] = {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "loss": "mse"}
PLAIN |= {"warmup_steps": 0, "weight_decay": 0.0, "ema": 0.0, "clip_norm": 0.0}
TOLERANCE = 1e-5  # of forecasts after loading; on a CPU they are the same bit for bit


def check_network(config: Config) -> None:
    """Check the `[model]` settings, as `check_model`; a network of the user's own is also built and tried.

    Raises:
        ConfigError: settings that break a rule, or a network that does not hold to the contract: one sentence with the
            file and the line.
    """
    check_model(config)
    if config.network:
        logger.info("trying %s: shape, finite numbers, training, saving and loading ...", config.network.code.path)
        with located_errors(config.network.code, config.network.line), _untraced():
            _try(config, config.network)


def _try(config: Config, network: OwnNetwork) -> None:
    set_seed(config.train.seed)
    model = build_model(config)
    if not model.trainable_variables:
        raise ConfigError(f"{network.code.at(network.line)}: the network has no weights that training could move")
    inputs = _windows(config, OTHER_WINDOWS)
    _refuse_not_finite(model, inputs, config, network)
    _refuse_other_after_loading(model, inputs, network)
    still = _unmoved(model, config)
    for seed in range(config.train.seed + 1, config.train.seed + SEEDS):
        if still:
            set_seed(seed)
            still &= _unmoved(build_model(config), config)
    if still:
        number, weight = min(still)
        layer = model.operations[number]
        raise ConfigError(
            f"{_place(number, config, network)}: training does not move {weight}, a weight of {type(layer).__name__}: "
            "no gradient reaches it; use it in what the network returns, or set trainable=False"
        )


def _windows(config: Config, count: int) -> Floats:
    """(count, steps, columns) float32, as standardised columns are."""
    shape = (count, config.data.history_hours, len(config.data.columns))
    windows: Floats = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return windows


def _refuse_not_finite(model: Any, inputs: Floats, config: Config, network: OwnNetwork) -> None:
    if np.isfinite(model(inputs, training=False).numpy()).all():
        return
    import keras

    for number, operation in enumerate(model.operations):
        outputs = [each for node in operation._inbound_nodes for each in node.output_tensors]
        found = keras.tree.flatten(keras.Model(model.inputs[0], outputs)(inputs, training=False))
        if not all(np.isfinite(each.numpy()).all() for each in found):
            kind = type(operation).__name__
            raise ConfigError(f"{_place(number, config, network)}: {kind} makes NaN or infinity of finite inputs")


def _refuse_other_after_loading(model: Any, inputs: Floats, network: OwnNetwork) -> None:
    expected = model(inputs, training=False).numpy()
    remedy = (
        "a layer of your own is registered with @keras.saving.register_keras_serializable() and gives the arguments of "
        "its __init__ back in get_config"
    )
    with tempfile.TemporaryDirectory(prefix="jenacast-") as folder:
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
            loaded = load_checkpoint(path).model
        except CheckpointError as error:
            cause = error.__cause__ or error
            named = [line for name, line in network.class_lines.items() if name in str(cause)]
            place = network.code.at(named[0] if named else network.line)
            reason = keras_reason(cause) if isinstance(cause, Exception) else str(cause)
            raise ConfigError(f"{place}: saved, it cannot be loaded again: {reason}; {remedy}") from error
    difference = np.abs(loaded(inputs, training=False).numpy() - expected).max()
    if not difference <= TOLERANCE:
        raise ConfigError(
            f"{network.code.at(network.line)}: saved and loaded again, it forecasts something else, by up to "
            f"{difference:.3g}; {remedy}"
        )


def _unmoved(model: Any, config: Config) -> set[tuple[int, str]]:
    """The trainable weights that a few steps leave as they are: the number of their operation, and their name."""
    learner, inputs = Learner(model, with_train(config, **PLAIN).train), _windows(config, WINDOWS)
    targets = np.full((WINDOWS, model.output_shape[-1]), TARGET, np.float32)
    owners = {id(v): number for number, each in enumerate(model.operations) for v in getattr(each, "variables", [])}
    before = {id(variable): variable.numpy() for variable in model.trainable_variables}
    still = list(model.trainable_variables)
    for _ in range(STEPS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of weights without a gradient
            learner.train_batch(inputs, targets)
        still = [variable for variable in still if (variable.numpy() == before[id(variable)]).all()]
        if not still:
            break
    return {(owners[id(variable)], variable.path) for variable in still}


def _place(number: int, config: Config, network: OwnNetwork) -> str:
    """Where in the user's file an operation of the network is made, by its number: the file is run once more."""
    import keras

    made, lines, begins = [], {}, keras.Operation.__init__.__code__

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is begins:
            above, line = frame.f_back, network.line
            while above:  # to the outermost, which is in `build` where a layer of the user's own makes others
                line = above.f_lineno if above.f_code.co_filename == str(network.code.path) else line
                above = above.f_back
            made.append(frame.f_locals["self"])  # kept, so that no other has its id
            lines[id(made[-1])] = line

    setprofile(note)
    try:
        operations = build_model(config).operations
    finally:
        setprofile(None)
    return network.code.at(lines.get(id(operations[number]), network.line))


@contextmanager
def _untraced() -> Iterator[None]:
    """Let functions run operation by operation: for a few steps, tracing takes longer."""
    run_eagerly = load_tensorflow().config.run_functions_eagerly
    run_eagerly(True)
    try:
        yield
    finally:
        run_eagerly(False)
