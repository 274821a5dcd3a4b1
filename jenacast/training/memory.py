"""Trainings that are too large for their machine, which would be killed without a word."""

import logging

from jenacast.config import Config
from jenacast.runtime import memory_bytes
from jenacast.settings import ModelSettings

logger = logging.getLogger(__name__)

NUMBER_BYTES = 4  # float32
GATES = {"gru": 3, "lstm": 4, "simple": 1}
SMALLER = "try a smaller train.batch_size, model.units, model.layers or data.history_hours"


def least_bytes(config: Config) -> int:
    """Memory that a training takes at least: weights between its layers with what is kept for each, and activations."""
    model, train = config.model, config.train
    if not isinstance(model, ModelSettings):
        return 0  # of a network of the user's own nothing is known before it is built
    is_recurrent = model.architecture == "recurrent"
    gates, ways = (GATES[model.cell], 1 + model.bidirectional) if is_recurrent else (1, 1)
    matrices = (model.layers - 1) * gates * ways**2 + is_recurrent * model.layers * gates * ways
    copies = 3 + (train.optimizer != "rmsprop") + (train.ema > 0)  # weights, gradients, the optimizer's, their mean
    kept = config.data.history_hours * (gates + 1) * ways if is_recurrent else 1  # of a unit, for the gradient
    activations = train.batch_size * model.layers * kept * model.units
    return NUMBER_BYTES * (copies * matrices * model.units**2 + activations)


def warn_of_memory(config: Config) -> None:
    """Warn of settings whose product cannot fit into this machine."""
    needed, there = least_bytes(config), memory_bytes()
    model, train = config.model, config.train
    if needed > there and isinstance(model, ModelSettings):
        logger.warning(
            "%d layers of %s units take %.1f GB or more in batches of %s windows of %d h, and this machine has "
            "%.1f GB: the training may be killed; %s",
            *(model.layers, f"{model.units:,}", needed / 1e9, f"{train.batch_size:,}", config.data.history_hours),
            *(there / 1e9, SMALLER),
        )
