"""A whole forecast as one graph: from what the station measured to degC, so that whoever runs it needs no jenacast.

The graph is recorded as the package's own functions run on arrays without values (`tracing.py`).
"""

from typing import Any

import numpy as np

from jenacast.columns import COLUMNS, NAMES, OPTIONAL, OPTIONAL_NAMES, TARGET, Column, measured_columns
from jenacast.data.cleaning import find_valid
from jenacast.data.series import HOUR_S, Series
from jenacast.features.derived import derive
from jenacast.features.encoding import Encoding
from jenacast.features.past import PastOfWindows
from jenacast.models.checkpoint import Metadata
from jenacast.models.inference import forward_function
from jenacast.models.intervals import LEVELS, Calibration, SpreadInputs, scale_terms
from jenacast.models.tracing import Traced
from jenacast.runtime import load_tensorflow

VALUES, TIME = "values", "time"
TEMPERATURE, QUANTILES = "temperature_c", "quantiles_c"


def forecast_function(model: Any, metadata: Metadata) -> Any:
    """A function of TensorFlow from measured values and the time to degC.

    It takes `values`, (windows, hours, measured columns) float32, hourly and in the units of the station's files, and
    `time`, (windows,) int64, of the last of these hours: seconds since 1970 by the station's clock. It gives
    `temperature_c`, (windows, leads) float32, and of a network with intervals `quantiles_c`,
    (windows, leads, levels) float32. Where a value of a window is missing, or not one that its column can have, all
    that is forecast from this window is NaN.
    """
    tf, encoding, calibration = load_tensorflow(), metadata.encoding, metadata.calibration
    columns, forward = columns_of(encoding), forward_function(model)
    target = [column.name for column in columns].index(TARGET)

    def forecast(values: Any, time: Any) -> dict[str, Any]:
        measured: Any = Traced(values)
        now: Any = Traced(time)
        inputs = _inputs(measured, now, columns, encoding)
        outputs: Any = Traced(forward(inputs.tensor))
        last_observed_c = measured[:, -1, target]
        leads_c = encoding.decode(outputs, now, last_observed_c)
        known: Any = np.all(find_valid(measured, columns), axis=(1, 2))
        answers: dict[str, Any] = {TEMPERATURE: np.where(known[:, None], leads_c, np.nan)}
        if calibration:
            quantiles_c = _quantiles_c(calibration, leads_c, encoding.valid_at(now), last_observed_c, inputs[:, -1])
            answers[QUANTILES] = np.where(known[:, None, None], quantiles_c, np.nan)
        return {name: answer.astype(np.float32).tensor for name, answer in answers.items()}

    signature = [
        tf.TensorSpec((None, encoding.needed_hours, len(columns)), tf.float32, name=VALUES),
        tf.TensorSpec((None,), tf.int64, name=TIME),
    ]
    return tf.function(forecast, input_signature=signature)


def columns_of(encoding: Encoding) -> list[Column]:
    """The measured columns that a forecast needs, in the order in which the graph takes them."""
    names = measured_columns([TARGET, *encoding.names])
    return [column for column in (*COLUMNS, *OPTIONAL) if column.name in names]


def describe(metadata: Metadata, sha256: str) -> dict[str, Any]:
    """What the graph of a checkpoint with this hash takes and gives, for those who run it."""
    encoding = metadata.encoding
    columns = columns_of(encoding)
    return {
        "model": metadata.model,
        "checkpoint_sha256": sha256,
        "columns": [column.name for column in columns],
        "headers": [column.header for column in columns],
        "units": [column.unit for column in columns],
        "hours": encoding.needed_hours,
        "lead_hours": encoding.leads,
        "levels": list(LEVELS) if metadata.calibration else [],
    }


def _inputs(measured: Any, now: Any, columns: list[Column], encoding: Encoding) -> Any:
    """(windows, steps, columns) float32 that the network sees, of (windows, hours, measured columns)."""
    hours = encoding.needed_hours
    times = (now[:, None] - np.arange(hours)[::-1] * HOUR_S).reshape(-1)
    seen = encoding.seen(_series(times, measured.reshape(-1, len(columns)), columns))
    derived = derive(seen, encoding.names, encoding.climatology, PastOfWindows(hours))
    standardised = [column.standardised(each) for column, each in zip(encoding.columns, derived, strict=True)]
    inputs: Any = np.column_stack(standardised).astype(np.float32)
    return inputs.reshape(-1, hours, len(encoding.columns))[:, -encoding.history_hours :]


def _quantiles_c(calibration: Calibration, leads_c: Any, valid_at: Any, last_observed_c: Any, seen: Any) -> Any:
    """(windows, leads, levels) degC around (windows, leads) forecasts, degC; the terms of all leads at once."""
    leads = len(calibration.leads)
    where = SpreadInputs(
        valid_at=valid_at.reshape(-1),
        last_observed_c=(last_observed_c[:, None] + np.zeros(leads)).reshape(-1),
        seen=(seen[:, None] + np.zeros((leads, 1))).reshape(-1, seen.shape[1]),
    )
    terms: Any = scale_terms(leads_c.reshape(-1), where)
    terms = terms.reshape(-1, leads, terms.shape[1])
    each_c = [lead.quantiles_c(leads_c[:, number], terms[:, number]) for number, lead in enumerate(calibration.leads)]
    return np.stack(each_c, axis=1)


def _series(times: Any, rows: Any, columns: list[Column]) -> Series:
    """The rows of all windows, one after the other; 0 in columns that nobody needs."""
    given = {column.name: rows[:, number] for number, column in enumerate(columns)}
    nothing = np.zeros_like(rows[:, 0])

    def of(names: tuple[str, ...]) -> Any:
        return np.column_stack([given.get(name, nothing) for name in names])

    return Series(times, of(NAMES), optional=of(OPTIONAL_NAMES))
