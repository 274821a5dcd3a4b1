"""A checkpoint's forecasts over a split or a station file, measured beside the baseline's."""

import csv
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jenacast import plots, rundir
from jenacast.bootstrap import Interval, mean_interval
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
    """The figures of one evaluation; errors in degC.

    A difference is the checkpoint's MAE minus the other's on the same windows: negative is better. `ci95` are the
    ends of 95 % intervals over days (`bootstrap.py`), None where there are too few days. Everything about `against`
    is None unless a second checkpoint was asked for.
    """

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
    mae_ci95_c: Interval | None
    baseline_mae_ci95_c: Interval | None
    difference_c: float
    difference_ci95_c: Interval | None
    against: str | None = None
    against_mae_c: float | None = None
    difference_to_against_c: float | None = None
    difference_to_against_ci95_c: Interval | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the forecasts they are of: (windows,) degC, in the order of `samples.valid_at`."""

    scores: Scores
    forecast_c: Floats
    samples: Samples


@dataclass(frozen=True)
class _Task:
    """A checkpoint and the windows it is asked to forecast."""

    checkpoint: Forecaster
    encoding: Encoding
    samples: Samples
    split: str
    protocol: str
    synthetic: bool

    def forecast_c(self) -> Floats:
        """(windows,) degC."""
        return self.encoding.decode(predict(self.checkpoint.forward, Batches(self.samples)))


def evaluate(
    path: Path, *, data_dir: Path, split: Split = "test", csv_path: Path | None = None, against: Path | None = None
) -> Evaluation:
    """Forecast every window of a split, or of a whole station file, and measure.

    Args:
        path: a checkpoint, a run folder, an export, or a Keras model made after the book's recipe.
        data_dir: where `prepared/` lies.
        split: which windows; the prepared protocol finds them.
        csv_path: a station file to evaluate on instead, with windows by time over all of it.
        against: a second checkpoint, of any kind that `path` may be; the difference of the two is measured too.

    Raises:
        CheckpointError: a checkpoint cannot be used, does not fit the data, or `against` forecasts other windows.
        DataError: no prepared data, or a station file that cannot be used.
    """
    task = _open_task(path, data_dir, split, csv_path)
    other = _open_task(against, data_dir, split, csv_path) if against else None
    if other:
        _refuse_other_windows(task, other)

    samples, metadata = task.samples, task.checkpoint.metadata
    forecast_c = task.forecast_c()
    errors, baseline = measure(forecast_c, samples.truth_c), measure(samples.baseline_c, samples.truth_c)
    absolute_c = _absolute_errors(forecast_c, samples)
    baseline_absolute_c = _absolute_errors(samples.baseline_c, samples)
    scores = Scores(
        checkpoint=str(task.checkpoint.path),
        model=metadata.model if metadata else task.checkpoint.path.stem,
        split=task.split,
        windows=errors.windows,
        mae_c=errors.mae_c,
        rmse_c=errors.rmse_c,
        bias_c=errors.bias_c,
        baseline_mae_c=baseline.mae_c,
        baseline_rmse_c=baseline.rmse_c,
        skill=skill(errors.mae_c, baseline.mae_c),
        protocol=task.protocol,
        trained_protocol=metadata.protocol if metadata else None,
        scaling="the checkpoint's" if metadata else ASSUMED,
        synthetic=task.synthetic,
        mae_ci95_c=mean_interval(absolute_c, samples.valid_at),
        baseline_mae_ci95_c=mean_interval(baseline_absolute_c, samples.valid_at),
        difference_c=errors.mae_c - baseline.mae_c,
        difference_ci95_c=mean_interval(absolute_c - baseline_absolute_c, samples.valid_at),
    )
    if other:
        other_c = other.forecast_c()
        other_mae_c = measure(other_c, samples.truth_c).mae_c
        scores = replace(
            scores,
            synthetic=task.synthetic or other.synthetic,
            against=str(other.checkpoint.path),
            against_mae_c=other_mae_c,
            difference_to_against_c=errors.mae_c - other_mae_c,
            difference_to_against_ci95_c=mean_interval(
                absolute_c - _absolute_errors(other_c, samples), samples.valid_at
            ),
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


def _open_task(path: Path, data_dir: Path, split: Split, csv_path: Path | None) -> _Task:
    checkpoint = open_forecaster(path)
    metadata = checkpoint.metadata
    prepared = None if csv_path and metadata else load_prepared(data_dir)
    encoding = metadata.encoding if metadata else _assumed(checkpoint, prepared)
    _check_shapes(checkpoint, encoding)
    trained_on_synthetic = bool(metadata and metadata.synthetic)
    if csv_path:
        return _Task(checkpoint, encoding, _csv_samples(csv_path, encoding), "csv", "strict", trained_on_synthetic)
    prepared = prepared or load_prepared(data_dir)
    samples, manifest = split_samples(prepared, split, encoding), prepared.manifest
    _note_differences(checkpoint, prepared)
    synthetic = manifest.synthetic or trained_on_synthetic
    return _Task(checkpoint, encoding, samples, split, manifest.protocol, synthetic)


def _refuse_other_windows(task: _Task, other: _Task) -> None:
    """Series, split and protocol are one for both; history and lead are each checkpoint's own."""
    same_lead = task.encoding.lead_hours == other.encoding.lead_hours
    if same_lead and np.array_equal(task.samples.valid_at, other.samples.valid_at):
        return
    windows = [
        f"{one.checkpoint.path} has {len(one.samples):,} windows of {one.encoding.history_hours} h of history and "
        f"{one.encoding.lead_hours} h of lead"
        for one in (task, other)
    ]
    raise CheckpointError(
        f"{windows[0]}, {windows[1]}: on different windows a difference says nothing; compare checkpoints of the same "
        "history and lead"
    )


def _absolute_errors(forecast_c: Floats, samples: Samples) -> Floats:
    errors_c: Floats = np.abs(forecast_c.astype(np.float64) - samples.truth_c.astype(np.float64))
    return errors_c


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
        logger.info(
            "note: trained under %s, evaluated under %s: %s", metadata.protocol, manifest.protocol, checkpoint.path
        )
    if metadata.source_sha256 != manifest.source_sha256:
        logger.warning("trained on another series than the one prepared here; its test split may have been seen")
