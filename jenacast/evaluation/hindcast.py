"""A checkpoint and the windows it is asked to forecast: opened, and refused where they do not fit."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jenacast.config import standard_task
from jenacast.data.cleaning import clean
from jenacast.data.prepared import Prepared, Split, find_windows, load_prepared
from jenacast.data.series import Floats, Series, rows_per_hour
from jenacast.errors import CheckpointError, DataError
from jenacast.features.datasets import Samples, make_samples, split_samples
from jenacast.features.encoding import Encoding, fit_encoding
from jenacast.models.calibration import forecast_leads_c
from jenacast.models.forecaster import Forecaster, open_forecaster

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A checkpoint and the windows it is asked to forecast."""

    checkpoint: Forecaster
    encoding: Encoding
    samples: Samples
    split: str
    protocol: str
    synthetic: bool

    def leads_c(self) -> Floats:
        """(windows, leads) degC: what it says about every hour it has an output for."""
        return forecast_leads_c(self.checkpoint.forward, self.samples, self.encoding)

    def forecast_c(self) -> Floats:
        """(windows,) degC: the lead's, the last of them."""
        return self.leads_c()[:, -1]

    def on(self, prepared: Prepared, split: Split) -> "Task":
        """The same checkpoint, asked for another split."""
        return replace(self, samples=split_samples(prepared, split, self.encoding), split=split)


def open_task(path: Path, data_dir: Path, split: Split, csv_paths: Sequence[Path] = ()) -> Task:
    """A checkpoint and the windows of a split, or of whole station files.

    Raises:
        CheckpointError: it cannot be used, or does not fit the data.
        DataError: no prepared data, or station files that cannot be used.
    """
    checkpoint, encoding = open_checked(path, data_dir)
    trained_on_synthetic = bool(checkpoint.metadata and checkpoint.metadata.synthetic)
    if csv_paths:
        return Task(checkpoint, encoding, _csv_samples(csv_paths, encoding), "csv", "strict", trained_on_synthetic)
    prepared = load_prepared(data_dir)
    samples, manifest = split_samples(prepared, split, encoding), prepared.manifest
    _note_differences(checkpoint, prepared)
    synthetic = manifest.synthetic or trained_on_synthetic
    return Task(checkpoint, encoding, samples, split, manifest.protocol, synthetic)


def open_checked(path: Path, data_dir: Path) -> tuple[Forecaster, Encoding]:
    """A checkpoint and how it is fed, by what it says of itself, or else as the book does.

    Raises:
        CheckpointError: it cannot be loaded, or its shapes are not what it says.
        DataError: it says nothing of itself, and there is no prepared data to take the scaling from.
    """
    checkpoint = open_forecaster(path)
    encoding = checkpoint.metadata.encoding if checkpoint.metadata else _assumed_encoding(checkpoint, data_dir)
    _check_shapes(checkpoint, encoding)
    return checkpoint, encoding


def common_windows(tasks: Sequence[Task]) -> list[NDArray[np.bool_]]:
    """For each task, which of its windows all of them can forecast: those with the same present row and target."""
    for task in tasks[1:]:
        if task.encoding.lead_hours != tasks[0].encoding.lead_hours:
            leads = [f"{one.checkpoint.path} forecasts {one.encoding.lead_hours} h ahead" for one in (tasks[0], task)]
            raise CheckpointError(f"{leads[0]}, {leads[1]}: these are different tasks; compare checkpoints of one lead")
    common = tasks[0].samples.rows
    for task in tasks[1:]:
        common = np.intersect1d(common, task.samples.rows, assume_unique=True)
    if not len(common):
        raise CheckpointError("the checkpoints share no window; evaluate on a longer series")
    return [np.isin(task.samples.rows, common) for task in tasks]


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


def _check_shapes(checkpoint: Forecaster, encoding: Encoding) -> None:
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


def _csv_samples(paths: Sequence[Path], encoding: Encoding) -> Samples:
    from jenacast.data.station import read_station_csv

    parts = [read_station_csv(path) for path in paths]
    raw = Series(np.concatenate([part.times for part in parts]), np.concatenate([part.values for part in parts]))
    cleaned, names = clean(raw, "strict"), ", ".join(map(str, paths))
    windows = find_windows(
        cleaned.series,
        "strict",
        0,
        len(cleaned.series.times),
        rows_per_hour=rows_per_hour(raw.times, names),
        replaced_target_rows=cleaned.replaced_target_rows,
        history_hours=encoding.needed_hours,
        lead_hours=encoding.lead_hours,
    )
    if not len(windows):
        raise DataError(
            f"{names} ({len(raw.times)} rows) holds no window of {encoding.needed_hours} h of history and "
            f"{encoding.lead_hours} h of lead without a gap; give a longer file"
        )
    return make_samples(cleaned.series, windows, encoding, replaced_target_rows=cleaned.replaced_target_rows)


def _note_differences(checkpoint: Forecaster, prepared: Prepared) -> None:
    metadata, manifest = checkpoint.metadata, prepared.manifest
    if metadata is None:
        return
    if metadata.protocol != manifest.protocol:
        logger.info(
            "note: trained under %s, evaluated under %s: %s", metadata.protocol, manifest.protocol, checkpoint.path
        )
    if metadata.source_sha256 != manifest.source_sha256:
        logger.warning("trained on another series than the one prepared here; its test split may have been seen")
