"""Complete exports: written, read back, and compared with what the package forecasts from the same windows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import OPTIONAL
from jenacast.data.series import Floats, Rows, Series
from jenacast.data.synthetic import synthetic_series
from jenacast.data.windows import find_windows
from jenacast.errors import CheckpointError
from jenacast.features.datasets import histories_and_windows
from jenacast.features.encoding import Encoding
from jenacast.files import file_sha256
from jenacast.models import ExportFormat
from jenacast.models.checkpoint import Checkpoint, Metadata
from jenacast.models.complete import QUANTILES, TEMPERATURE, TIME, VALUES, columns_of, describe, forecast_function
from jenacast.models.inference import forecast_leads_c, forward_function
from jenacast.models.intervals import spread_inputs
from jenacast.models.opening import COMPLETE_FOLDER, COMPLETE_ONNX
from jenacast.runtime import load_tensorflow, quiet

COMPARED_WINDOWS = 256
YEARS_LATER = 15  # half of the windows compared: before and after what is repaired, and where it has become warmer
Answers = dict[str, Floats]


def write_complete(checkpoint: Checkpoint, metadata: Metadata, form: ExportFormat, folder: Path) -> float:
    """Write the whole forecast of a checkpoint as a SavedModel or an ONNX file into a folder.

    Returns:
        The largest difference to what the package forecasts from the same made-up windows, degC; NaN where the
        graph forecasts from none.
    """
    function = forecast_function(checkpoint.model, metadata)
    about = describe(metadata, file_sha256(checkpoint.path))
    if form == "onnx":
        answer = _written_onnx(function, about, folder / COMPLETE_ONNX)
    else:
        answer = _written_saved_model(function, checkpoint.model, about, folder / COMPLETE_FOLDER)
    values, time, expected = compared_windows(checkpoint, metadata)
    received = answer(values, time)
    if received.keys() != expected.keys():
        raise CheckpointError(f"the {form} export gives {', '.join(received)}, expected {', '.join(expected)}")
    return float(np.max([np.abs(received[name] - expected[name]).max() for name in expected]))  # NaN where one is


def compared_windows(checkpoint: Checkpoint, metadata: Metadata) -> tuple[Floats, Rows, Answers]:
    """Made-up windows as a graph takes them, values and times, and what the package forecasts from them."""
    encoding = metadata.encoding
    series = _made_up(encoding)
    hours = encoding.needed_hours
    windows = find_windows(series, "strict", 0, len(series.times), history_hours=hours, lead_hours=0)
    histories, windows = histories_and_windows(series, windows, encoding)
    leads_c = forecast_leads_c(forward_function(checkpoint.model), histories, encoding)
    expected = {TEMPERATURE: leads_c}
    if metadata.calibration:
        each_c = [
            metadata.calibration.quantiles_c(number, leads_c[:, number], spread_inputs(histories, lead))
            for number, lead in enumerate(encoding.leads)
        ]
        expected[QUANTILES] = np.stack(each_c, axis=1)
    rows = windows.last_rows[:, None] - np.arange(hours)[::-1]
    values = np.stack([series.column(column.name)[rows] for column in columns_of(encoding)], axis=-1)
    return values, histories.now.astype(np.int64), expected


def _made_up(encoding: Encoding) -> Series:
    """Hourly rows without a fault, in two stretches that are years apart."""
    count = encoding.needed_hours + COMPARED_WINDOWS // 2
    times, values = synthetic_series(rows=count, step_minutes=60, warts=False)
    later = times + np.timedelta64(YEARS_LATER * 365, "D")
    lows, highs = [max(0.0, column.low) for column in OPTIONAL], [column.high for column in OPTIONAL]
    optional = np.random.default_rng(0).uniform(lows, highs, (2 * count, len(OPTIONAL)))
    return Series(
        np.concatenate([times, later]), np.tile(values, (2, 1)).astype(np.float32), optional=optional.astype(np.float32)
    )


def _written_saved_model(function: Any, model: Any, about: dict[str, Any], folder: Path) -> Callable[..., Answers]:
    """Write a SavedModel; what `about` holds is the answer of its signature `about`, as JSON."""
    tf = load_tensorflow()
    module = tf.Module()
    module.forecast, module.weights = function, [variable.value for variable in model.variables]
    module.about = tf.function(lambda: {"json": tf.constant(json.dumps(about))}, input_signature=[])
    with quiet():
        tf.saved_model.save(module, str(folder), {"serving_default": function, "about": module.about})
    loaded = tf.saved_model.load(str(folder))
    serve = loaded.signatures["serving_default"]

    def answer(values: Floats, time: Rows) -> Answers:
        given = {VALUES: tf.constant(values), TIME: tf.constant(time)}
        return {name: tensor.numpy() for name, tensor in serve(**given).items()}

    return answer


def _written_onnx(function: Any, about: dict[str, Any], path: Path) -> Callable[..., Answers]:
    """Write an ONNX file; what `about` holds are its metadata, each as JSON."""
    import onnx
    import onnxruntime
    import tf2onnx

    # The private name of Keras: its own exports to ONNX have it mend tf2onnx for numpy 2.
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    with quiet():
        patch_tf2onnx()
        made, _ = tf2onnx.convert.from_function(function, function.input_signature)
    onnx.helper.set_model_props(made, {name: json.dumps(value) for name, value in about.items()})
    for each in (*made.graph.input, *made.graph.output):
        each.type.tensor_type.shape.dim[0].dim_param = "windows"
    path.write_bytes(made.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def answer(values: Floats, time: Rows) -> Answers:
        return dict(zip(names, session.run(names, {VALUES: values, TIME: time}), strict=True))

    return answer
