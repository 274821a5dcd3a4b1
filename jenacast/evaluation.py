"""A checkpoint's forecasts over a split or a station file, measured beside the baseline's."""

import csv
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jenacast import plots, rundir
from jenacast.cleaning import clean
from jenacast.config import standard_task
from jenacast.datasets import Batches, Samples, make_samples, split_samples
from jenacast.encoding import Encoding, fit_encoding
from jenacast.errors import CheckpointError, DataError
from jenacast.files import atomic_path, write_json
from jenacast.forecaster import Forecaster, open_forecaster
from jenacast.learner import predict
from jenacast.metrics import measure, skill
from jenacast.prepared import Prepared, Split, find_windows, load_prepared
from jenacast.series import Floats, rows_per_hour

logger = logging.getLogger(__name__)
ASSUMED = "the book's, assumed"


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation; errors in degC."""

    checkpoint: str
    model: str
    split: str
    windows: int
    mae_c: float
    rmse_c: float
    bias_c: float
    baseline_mae_c: float
    baseline_rmse_c: float
    skill: float
    protocol: str
    trained_protocol: str | None
    scaling: str
    synthetic: bool


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the forecasts they are of: (windows,) degC, in the order of `samples.valid_at`."""

    scores: Scores
    forecast_c: Floats
    samples: Samples


def evaluate(path: Path, *, data_dir: Path, split: Split = "test", csv_path: Path | None = None) -> Evaluation:
    """Forecast every window of a split, or of a whole station file, and measure.

    Args:
        path: a checkpoint, a run folder, an export, or a Keras model made after the book's recipe.
        data_dir: where `prepared/` lies.
        split: which windows; the prepared protocol finds them.
        csv_path: a station file to evaluate on instead, with windows by time over all of it.

    Raises:
        CheckpointError: the checkpoint cannot be used, or does not fit the data.
        DataError: no prepared data, or a station file that cannot be used.
    """
    checkpoint = open_forecaster(path)
    prepared = None if csv_path and checkpoint.metadata else load_prepared(data_dir)
    encoding = checkpoint.metadata.encoding if checkpoint.metadata else _assumed(checkpoint, prepared)
    _check_shapes(checkpoint, encoding)
    if csv_path:
        samples, where, protocol, synthetic = _csv_samples(csv_path, encoding), "csv", "strict", False
    else:
        prepared = prepared or load_prepared(data_dir)
        samples, where, protocol = split_samples(prepared, split, encoding), split, prepared.manifest.protocol
        synthetic = prepared.manifest.synthetic
        _note_differences(checkpoint, prepared)

    forecast_c = encoding.decode(predict(checkpoint.forward, Batches(samples)))
    errors, baseline = measure(forecast_c, samples.truth_c), measure(samples.baseline_c, samples.truth_c)
    metadata = checkpoint.metadata
    scores = Scores(
        checkpoint=str(checkpoint.path),
        model=metadata.model if metadata else checkpoint.path.stem,
        split=where,
        windows=errors.windows,
        mae_c=errors.mae_c,
        rmse_c=errors.rmse_c,
        bias_c=errors.bias_c,
        baseline_mae_c=baseline.mae_c,
        baseline_rmse_c=baseline.rmse_c,
        skill=skill(errors.mae_c, baseline.mae_c),
        protocol=protocol,
        trained_protocol=metadata.protocol if metadata else None,
        scaling="the checkpoint's" if metadata else ASSUMED,
        synthetic=synthetic or bool(metadata and metadata.synthetic),
    )
    return Evaluation(scores, forecast_c, samples)


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the scores as JSON and the plots as PNG into `folder`, under the names of a run folder."""
    scores, samples = evaluation.scores, evaluation.samples
    stem = rundir.evaluation_stem(Path(scores.checkpoint), scores.split)
    files = [folder / f"{stem}.json", folder / f"{stem}.png"]
    write_json(files[0], asdict(scores))
    plots.evaluation(
        files[1],
        valid_at=samples.valid_at,
        forecast_c=evaluation.forecast_c,
        truth_c=samples.truth_c,
        baseline_c=samples.baseline_c,
        title=f"{scores.model}, {scores.split}: MAE {scores.mae_c:.3f} °C, baseline {scores.baseline_mae_c:.3f} °C",
        synthetic=scores.synthetic,
    )
    return files


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write `valid_at, forecast_c, truth_c, baseline_c` as CSV, one line a window."""
    samples = evaluation.samples
    columns = (evaluation.forecast_c, samples.truth_c, samples.baseline_c)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["valid_at", "forecast_c", "truth_c", "baseline_c"])
        for time, *values in zip(samples.valid_at, *columns, strict=True):
            writer.writerow([str(time), *(f"{value:.4f}" for value in values)])


def _assumed(checkpoint: Forecaster, prepared: Prepared | None) -> Encoding:
    """The book's encoding, for a network that does not say how it was fed."""
    if prepared is None:
        raise DataError("a network made elsewhere needs the prepared data's scaling; run: jenacast prepare")
    logger.warning(
        "%s does not say how its inputs were scaled: the book's way is assumed (all %d columns standardised over "
        "the train rows, output in °C)",
        checkpoint.path,
        len(prepared.manifest.columns),
    )
    return fit_encoding(prepared.manifest, standard_task())


def _check_shapes(checkpoint: Forecaster, encoding: Encoding) -> None:
    expected = (encoding.history_hours, len(encoding.columns))
    received: Any = checkpoint.input_shape
    fits = isinstance(received, tuple) and len(received) == 3 and received[0] is None
    if not fits or any(size not in (None, want) for size, want in zip(received[1:], expected, strict=True)):
        raise CheckpointError(
            f"{checkpoint.path} takes inputs of shape {received}, expected (None, {expected[0]}, {expected[1]}): "
            "steps and columns; evaluate a network made for this task"
        )
    output = checkpoint.output_shape
    if output != (None, 1):
        raise CheckpointError(
            f"{checkpoint.path} gives outputs of shape {output}, expected (None, 1): one temperature a window; "
            "evaluate a network made for this task"
        )


def _csv_samples(path: Path, encoding: Encoding) -> Samples:
    from jenacast.station import read_station_csv

    raw = read_station_csv(path)
    cleaned = clean(raw, "strict")
    windows = find_windows(
        cleaned.series,
        "strict",
        0,
        len(cleaned.series.times),
        rows_per_hour=rows_per_hour(raw.times, path),
        replaced_target_rows=cleaned.replaced_target_rows,
        history_hours=encoding.history_hours,
        lead_hours=encoding.lead_hours,
    )
    if not len(windows):
        raise DataError(
            f"{path} ({len(raw.times)} rows) holds no window of {encoding.history_hours} h of history and "
            f"{encoding.lead_hours} h of lead without a gap; give a longer file"
        )
    return make_samples(cleaned.series, windows, encoding)


def _note_differences(checkpoint: Forecaster, prepared: Prepared) -> None:
    metadata, manifest = checkpoint.metadata, prepared.manifest
    if metadata is None:
        return
    if metadata.protocol != manifest.protocol:
        logger.info("note: trained under %s, evaluated under %s", metadata.protocol, manifest.protocol)
    if metadata.source_sha256 != manifest.source_sha256:
        logger.warning("trained on another series than the one prepared here; its test split may have been seen")
