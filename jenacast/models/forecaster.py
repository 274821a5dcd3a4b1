"""Anything that forecasts, whatever file it came from: what it takes, gives and knows, and checks of that."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import Times
from jenacast.errors import CheckpointError
from jenacast.features.datasets import EVALUATION_BATCH
from jenacast.features.encoding import Encoding
from jenacast.models import packaged_name
from jenacast.models.checkpoint import Metadata
from jenacast.models.guards import keras_reason
from jenacast.models.inference import forward_function
from jenacast.models.intervals import Calibration

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecaster:
    """A network ready to forecast.

    Attributes:
        path: the file or folder it came from.
        forward: (windows, steps, columns) float32 to (windows, outputs) float32.
        input_shape: what it takes, None for any size.
        output_shape: what it gives.
        metadata: how to use it; None for a network made elsewhere.
        sha256: of the file; None for an exported folder.
    """

    path: Path
    forward: Callable[[Any], Any]
    input_shape: Any
    output_shape: Any
    metadata: Metadata | None
    sha256: str | None = None

    @property
    def model(self) -> str:
        """What tables call it: the recipe's name, or that of a file made elsewhere."""
        return self.metadata.model if self.metadata else self.path.stem

    @property
    def trained_years(self) -> tuple[int, ...]:
        """The years that it was trained on where those were all; none where splits alone are known."""
        return self.metadata.trained_years if self.metadata else ()

    def seen_years(self, times: Times) -> list[int]:
        """The years of datetime64 `times` that it was trained on, as far as its record tells."""
        years: list[int] = (np.unique(times[self.has_seen(times)].astype("datetime64[Y]")).astype(int) + 1970).tolist()
        return years

    def has_seen(self, times: Times) -> NDArray[np.bool_]:
        """Which of datetime64 `times` lie in years that it was trained on, as far as its record tells."""
        return np.isin(times.astype("datetime64[Y]").astype(int) + 1970, self.trained_years)

    @property
    def calibration(self) -> Calibration | None:
        """How sure it is; None for a network that gives no intervals."""
        return self.metadata.calibration if self.metadata else None


def forecaster_of(model: Any, path: Path, metadata: Metadata | None, sha256: str | None = None) -> Forecaster:
    """A Keras model in memory as a forecaster; `path` names it, `sha256` is of the file that it came from."""
    shapes = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    return Forecaster(
        path,
        checked_forward(forward_function(model, eager_below=EVALUATION_BATCH), path, shapes[1]),
        *shapes,
        metadata,
        sha256,
    )


def warn_of_seen(checkpoint: Forecaster, times: Times) -> None:
    """Warn of times whose truth is compared with forecasts of a network that was trained on it."""
    if years := checkpoint.seen_years(times):
        logger.warning(
            "%s was trained on %s: its errors there are too small, and say little about other years",
            *(packaged_name(checkpoint.path) or checkpoint.path, ", ".join(map(str, years))),
        )


def checked_forward(forward: Callable[[Any], Any], path: Path, shape: Any) -> Callable[[Any], Any]:
    """`forward`, whose failures and outputs of another shape than `shape` are known failures."""

    def checked(inputs: Any) -> Any:
        try:
            outputs = forward(inputs)
        except Exception as error:  # Keras, TensorFlow and ONNX Runtime each have their own kinds
            raise CheckpointError(
                f"{path} failed to forecast {inputs.shape[0]} windows: {keras_reason(error)}; check it with the "
                "program that made it"
            ) from error
        if tuple(outputs.shape) != (inputs.shape[0], *shape[1:]):
            raise CheckpointError(
                f"{path} gives outputs of shape {tuple(outputs.shape)} for {inputs.shape[0]} windows, expected "
                f"{(inputs.shape[0], *shape[1:])}: another network than its metadata describe; export it anew"
            )
        return outputs

    return checked


def check_shapes(checkpoint: Forecaster, encoding: Encoding) -> None:
    """Refuse a network that takes or gives other shapes than `encoding` says, by a CheckpointError."""
    expected = (encoding.history_hours, len(encoding.columns))
    received: Any = checkpoint.input_shape
    fits = isinstance(received, tuple) and len(received) == 3 and received[0] is None
    if not fits or any(size not in (None, want) for size, want in zip(received[1:], expected, strict=True)):
        raise CheckpointError(
            f"{checkpoint.path} takes inputs of shape {received}, expected (None, {expected[0]}, {expected[1]}): "
            "steps and columns; evaluate a network made for this task"
        )
    outputs = (None, len(encoding.leads))
    if checkpoint.output_shape != outputs:
        raise CheckpointError(
            f"{checkpoint.path} gives outputs of shape {checkpoint.output_shape}, expected {outputs}: one temperature "
            "a window, or as many as its metadata says; evaluate a network made for this task"
        )
