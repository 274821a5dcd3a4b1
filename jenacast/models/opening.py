"""Files that forecast, opened: a checkpoint, a run folder, a Keras model made elsewhere, or an exported folder."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jenacast.config import standard_task
from jenacast.data.prepared import load_prepared
from jenacast.errors import CheckpointError, DataError, install_extra
from jenacast.features.encoding import Encoding, fit_encoding
from jenacast.files import file_sha256
from jenacast.models.checkpoint import (
    BEST,
    MEMBER,
    Metadata,
    configs_of,
    load_checkpoint,
    not_loaded,
    parse_metadata,
)
from jenacast.models.forecaster import Forecaster, check_shapes, checked_forward, forecaster_of
from jenacast.models.guards import keras_reason
from jenacast.models.own import register_layers
from jenacast.runtime import load_tensorflow

logger = logging.getLogger(__name__)

# What an exported folder holds beside `jenacast.json`, by which its format is recognised
KERAS_FILE = "model.keras"
ARCHITECTURE_FILE, WEIGHTS_FILE = "model.json", "model.weights.h5"
SAVED_MODEL_FOLDER = "saved_model"
ONNX_FILE = "model.onnx"
COMPLETE_ONNX, COMPLETE_FOLDER = "complete.onnx", "complete_saved_model"  # from measured values to degC
ONNX_REMEDY = f"run: {install_extra('onnx')}"


def open_forecaster(path: Path, *, trust_saved_model: bool = False) -> Forecaster:
    """Open a `.keras` or HDF5 file, a run folder (its best checkpoint) or a folder that `export` wrote.

    Its `forward` raises a CheckpointError where the network fails or gives another shape than its metadata say.

    A SavedModel may run any code, so it has to be trusted.

    Raises:
        CheckpointError: missing, damaged, hostile, or of a format that needs an extra which is not installed.
    """
    if (path / MEMBER).is_file() and not (path / BEST).is_file():
        return _open_export(path, trust_saved_model)
    checkpoint = load_checkpoint(path)
    return forecaster_of(checkpoint.model, checkpoint.path, checkpoint.metadata, file_sha256(checkpoint.path))


def open_checked(path: Path, data_dir: Path, *, trust_saved_model: bool = False) -> tuple[Forecaster, Encoding]:
    """A checkpoint and its encoding: the one in its metadata, or else that of the book.

    Raises:
        CheckpointError: it cannot be loaded, or its shapes are not what it says.
        DataError: it has no metadata, and there is no prepared data to take the scaling from.
    """
    checkpoint = open_forecaster(path, trust_saved_model=trust_saved_model)
    encoding = checkpoint.metadata.encoding if checkpoint.metadata else _assumed_encoding(checkpoint, data_dir)
    check_shapes(checkpoint, encoding)
    return checkpoint, encoding


def _open_export(folder: Path, trust_saved_model: bool) -> Forecaster:
    metadata = parse_metadata((folder / MEMBER).read_bytes(), folder)
    readers: dict[str, Callable[[Path], Any]] = {
        KERAS_FILE: lambda path: load_checkpoint(path).model,
        ARCHITECTURE_FILE: lambda path: _read_architecture(path, metadata),
        SAVED_MODEL_FOLDER: _read_saved_model,
        ONNX_FILE: _read_onnx,
    }
    found = [name for name in readers if (folder / name).exists()]
    complete = [name for name in (COMPLETE_ONNX, COMPLETE_FOLDER) if (folder / name).exists()]
    if complete and not found:
        raise CheckpointError(
            f"{folder} holds {complete[0]}, a complete forecast for other programs (docs/serving.md); give the "
            "checkpoint that it was made from, or an export without --complete"
        )
    if len(found) != 1:
        raise CheckpointError(f"{folder} holds {len(found)} exported models, expected one of: {', '.join(readers)}")
    if found == [SAVED_MODEL_FOLDER] and not trust_saved_model:
        raise CheckpointError(
            f"{folder} holds a SavedModel, and opening one runs whatever code its maker put into it; give "
            "--trust-saved-model if you exported it yourself"
        )
    opened = readers[found[0]](folder / found[0])
    if found[0] in (KERAS_FILE, ARCHITECTURE_FILE):
        return forecaster_of(opened, folder, metadata)
    encoding = metadata.encoding
    shapes = (None, encoding.history_hours, len(encoding.columns)), (None, len(encoding.leads))
    return Forecaster(folder, checked_forward(opened, folder, shapes[1]), *shapes, metadata)


def _read_architecture(path: Path, metadata: Metadata) -> Any:
    load_tensorflow()
    import keras

    register_layers(*configs_of(metadata))
    try:
        # Keras' safe mode is on by default and refuses code in the JSON.
        model = keras.models.model_from_json(path.read_text(encoding="utf-8"))
        model.load_weights(path.parent / WEIGHTS_FILE)
    except Exception as error:  # Keras raises every kind for a file that it cannot or will not load
        raise not_loaded(path, error, metadata) from error
    return model


def _read_saved_model(folder: Path) -> Callable[[Any], Any]:
    tf = load_tensorflow()
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow and protobuf raise every kind for a file that they cannot read
        raise CheckpointError(f"{folder} is not a SavedModel: {keras_reason(error)}") from error
    if not hasattr(loaded, "serve"):
        raise CheckpointError(f"{folder} has no endpoint `serve`; jenacast export writes one")
    return lambda inputs: loaded.serve(inputs)  # `loaded` owns the variables: it has to live on


def _read_onnx(path: Path) -> Callable[[Any], Any]:
    tf = load_tensorflow()
    try:
        import onnxruntime
    except ImportError:
        raise CheckpointError(f"{path} needs ONNX Runtime; {ONNX_REMEDY}") from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has its own tree of errors, below Exception alone
        raise CheckpointError(f"{path} was not loaded: {error}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise CheckpointError(f"{path} takes {len(inputs)} inputs, expected one")
    return lambda windows: tf.constant(session.run(None, {inputs[0].name: windows.numpy()})[0])


def _assumed_encoding(checkpoint: Forecaster, data_dir: Path) -> Encoding:
    """The book's encoding, for a network that does not say how it was fed."""
    try:
        prepared = load_prepared(data_dir)
    except DataError as error:
        raise DataError(f"a network made elsewhere needs the prepared data's scaling, but {error}") from None
    logger.warning(
        "%s does not say how its inputs were scaled: the book's way is assumed (all %d columns standardised over "
        "the train rows, output in °C)",
        checkpoint.path,
        len(prepared.manifest.columns),
    )
    return fit_encoding(prepared, standard_task())
