"""A checkpoint in other formats, each read back and compared before it is said to be done."""

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.errors import CheckpointError, ExistsError, JenacastError
from jenacast.files import atomic_folder
from jenacast.models import ExportFormat
from jenacast.models.checkpoint import MEMBER, Checkpoint, Metadata, load_checkpoint
from jenacast.models.export_complete import write_complete
from jenacast.models.inference import forward_function
from jenacast.models.opening import (
    ARCHITECTURE_FILE,
    COMPLETE_FOLDER,
    COMPLETE_ONNX,
    KERAS_FILE,
    ONNX_FILE,
    ONNX_REMEDY,
    SAVED_MODEL_FOLDER,
    WEIGHTS_FILE,
    open_forecaster,
)
from jenacast.runtime import load_tensorflow, quiet

logger = logging.getLogger(__name__)

TOLERANCE_C = 1e-5
COMPLETE_TOLERANCE_C = 1e-3
COMPARED_WINDOWS = 256
EXPORTED = {MEMBER, KERAS_FILE, ARCHITECTURE_FILE, WEIGHTS_FILE, SAVED_MODEL_FOLDER, ONNX_FILE}
EXPORTED |= {COMPLETE_ONNX, COMPLETE_FOLDER}


def export(path: Path, form: ExportFormat, out: Path, *, complete: bool = False, force: bool = False) -> float:
    """Write a checkpoint in another format, with `jenacast.json` beside it, into the folder `out`.

    What was written is read back and forecasts from random windows, whole or not at all. With `complete` it is the
    whole forecast, from measured values to degC (`complete.forecast_function`), as a SavedModel or ONNX.

    Returns:
        The largest difference to the checkpoint's own forecasts, degC.

    Raises:
        CheckpointError: a network without jenacast's metadata, or one that does not survive the format.
        ExistsError: `out` exists and `force` is not given, or it holds anything but an export.
        JenacastError: the format needs an extra that is not installed.
    """
    _refuse_existing(out, force=force)
    checkpoint = load_checkpoint(path)
    if checkpoint.metadata is None:
        raise CheckpointError(f"{checkpoint.path} has no {MEMBER}; only checkpoints that jenacast trained are exported")
    if form == "onnx":
        _refuse_without_onnx()
    most_c = COMPLETE_TOLERANCE_C if complete else TOLERANCE_C
    write = write_complete if complete else _write_network
    with atomic_folder(out) as folder:
        (folder / MEMBER).write_text(checkpoint.metadata.model_dump_json(indent=2), encoding="utf-8")
        difference_c = write(checkpoint, checkpoint.metadata, form, folder)
        if not difference_c <= most_c:
            raise CheckpointError(
                f"the {form} export forecasts up to {difference_c:.2g} °C differently, more than {most_c:g}; "
                "it was not kept"
            )
    return difference_c


def _refuse_existing(out: Path, *, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        raise ExistsError(f"{out} exists; choose another --out, or replace it with --force")
    names = {path.name for path in out.iterdir()} if out.is_dir() else {str(out)}
    if names and not {MEMBER} <= names <= EXPORTED:
        other = ", ".join(sorted(names - EXPORTED)) or f"no {MEMBER}"
        raise ExistsError(f"{out} is not an export alone ({other}): --force replaces no other; choose another --out")


def _refuse_without_onnx() -> None:
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError:
        raise JenacastError(f"the onnx format needs tf2onnx and ONNX Runtime; {ONNX_REMEDY}") from None


def _write_network(checkpoint: Checkpoint, metadata: Metadata, form: ExportFormat, folder: Path) -> float:
    """Write the network alone; returns the largest difference of what is read back from it, degC."""
    encoding = metadata.encoding
    shape = (COMPARED_WINDOWS, encoding.history_hours, len(encoding.columns))
    inputs = load_tensorflow().constant(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    _write(checkpoint.path, checkpoint.model, form, folder, shape[1:])
    expected = forward_function(checkpoint.model)(inputs).numpy()
    received = open_forecaster(folder, trust_saved_model=True).forward(inputs).numpy()
    return float(np.abs(received - expected).max()) * encoding.target.scale_c


def _write(path: Path, model: Any, form: ExportFormat, folder: Path, shape: tuple[int, ...]) -> None:
    if form == "keras":
        shutil.copyfile(path, folder / KERAS_FILE)
    elif form == "json+weights":
        (folder / ARCHITECTURE_FILE).write_text(model.to_json(indent=2), encoding="utf-8")
        model.save_weights(folder / WEIGHTS_FILE)
    elif form == "savedmodel":
        with quiet():
            model.export(folder / SAVED_MODEL_FOLDER, verbose=False)
    else:
        tf = load_tensorflow()
        signature = [tf.TensorSpec((None, *shape), tf.float32, name="history")]
        with quiet():
            model.export(folder / ONNX_FILE, format="onnx", input_signature=signature, verbose=False)
