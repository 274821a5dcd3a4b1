"""A checkpoint's forecasts over a split or a station file, measured beside the baseline's."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jenacast import plots, rundir
from jenacast.bootstrap import Interval, mean_interval
from jenacast.cleaning import clean
from jenacast.config import standard_task
from jenacast.datasets import Batches, Samples, make_samples, split_samples
from jenacast.encoding import Encoding, fit_encoding
from jenacast.ensemble import Blend, equal_blend, fit_blend, refuse_seen_validation
from jenacast.errors import CheckpointError, DataError
from jenacast.files import atomic_path, write_json
from jenacast.forecaster import Forecaster, open_forecaster
from jenacast.learner import predict
from jenacast.metrics import measure, skill
from jenacast.prepared import Prepared, Split, find_windows, load_prepared
from jenacast.series import Floats, Times, rows_per_hour

logger = logging.getLogger(__name__)
ASSUMED = "the book's, assumed"


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation; errors in degC.

    A difference is the checkpoint's MAE minus the other's on the same windows: negative is better. `ci95` are the
    ends of 95 % intervals over days (`bootstrap.py`), None where there are too few days. `windows_dropped` lacked
    hours that some checkpoint needs; `needed_hours` says how many one forecast does. `members`, `weights` and
    `offset_c` are those of a blend, `checkpoint` being the first. Everything about `against` is None unless it was
    asked for.
    """

    checkpoint: str
    model: str
    split: str
    windows: int
    windows_dropped: int
    needed_hours: int
    mae_c: float
    rmse_c: float
    bias_c: float
    baseline_mae_c: float
    baseline_rmse_c: float
    skill: float
    protocol: str
    trained_protocol: str | None
    trained_on: str | None
    scaling: str
    synthetic: bool
    mae_ci95_c: Interval | None
    baseline_mae_ci95_c: Interval | None
    difference_c: float
    difference_ci95_c: Interval | None
    members: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    offset_c: float = 0.0
    against: str | None = None
    against_mae_c: float | None = None
    difference_to_against_c: float | None = None
    difference_to_against_ci95_c: Interval | None = None


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the forecasts they are of, beside what came.

    All are (windows,), in order of time: forecasts, truth and baseline in degC.
    """

    scores: Scores
    valid_at: Times
    forecast_c: Floats
    truth_c: Floats
    baseline_c: Floats


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
        return self.encoding.decode(predict(self.checkpoint.forward, Batches(self.samples)), self.samples.reference_c)


def evaluate(
    *paths: Path,
    data_dir: Path,
    split: Split = "test",
    csv_path: Path | None = None,
    against: Path | None = None,
    fit: bool = False,
) -> Evaluation:
    """Forecast every window of a split, or of a whole station file, and measure.

    Args:
        paths: a checkpoint, a run folder, an export, or a Keras model made after the book's recipe; of several, the
            mean of their forecasts is measured, on the windows that all of them can forecast.
        data_dir: where `prepared/` lies.
        split: which windows; the prepared protocol finds them.
        csv_path: a station file to evaluate on instead, with windows by time over all of it.
        against: one more checkpoint; the difference to it is measured too.
        fit: blend the forecasts by `ensemble.fit_blend` on the validation split, instead of equally.

    Raises:
        CheckpointError: a checkpoint cannot be used, does not fit the data, or forecasts no window that the others do.
        DataError: no prepared data, or a station file that cannot be used.
    """
    tasks = [_open_task(path, data_dir, split, csv_path) for path in paths]
    others = [_open_task(against, data_dir, split, csv_path)] if against else []
    picks = _common_windows([*tasks, *others])
    blend = _fit_blend(tasks, data_dir) if fit else equal_blend(len(tasks))
    forecast_c = blend.apply(_forecasts_c(tasks, picks))

    task, pick = tasks[0], picks[0]
    samples, metadata = task.samples, task.checkpoint.metadata
    valid_at, truth_c, baseline_c = samples.valid_at[pick], samples.truth_c[pick], samples.baseline_c[pick]
    errors, baseline = measure(forecast_c, truth_c), measure(baseline_c, truth_c)
    absolute_c, baseline_absolute_c = _absolute_errors(forecast_c, truth_c), _absolute_errors(baseline_c, truth_c)
    model = metadata.model if metadata else task.checkpoint.path.stem
    scores = Scores(
        checkpoint=str(task.checkpoint.path),
        model=model if len(tasks) == 1 else f"mean of {len(tasks)}",
        split=task.split,
        windows=errors.windows,
        windows_dropped=len(samples) + samples.dropped - errors.windows,
        needed_hours=max(task.encoding.needed_hours for task in (*tasks, *others)),
        mae_c=errors.mae_c,
        rmse_c=errors.rmse_c,
        bias_c=errors.bias_c,
        baseline_mae_c=baseline.mae_c,
        baseline_rmse_c=baseline.rmse_c,
        skill=skill(errors.mae_c, baseline.mae_c),
        protocol=task.protocol,
        trained_protocol=metadata.protocol if metadata else None,
        trained_on=metadata.trained_on if metadata else None,
        scaling="the checkpoint's" if metadata else ASSUMED,
        synthetic=any(task.synthetic for task in (*tasks, *others)),
        mae_ci95_c=mean_interval(absolute_c, valid_at),
        baseline_mae_ci95_c=mean_interval(baseline_absolute_c, valid_at),
        difference_c=errors.mae_c - baseline.mae_c,
        difference_ci95_c=mean_interval(absolute_c - baseline_absolute_c, valid_at),
        members=[str(task.checkpoint.path) for task in tasks] if len(tasks) > 1 else [],
        weights=blend.weights.tolist() if len(tasks) > 1 else [],
        offset_c=blend.offset_c,
    )
    for other in others:
        other_c = other.forecast_c()[picks[-1]]
        other_mae_c = measure(other_c, truth_c).mae_c
        scores = replace(
            scores,
            against=str(other.checkpoint.path),
            against_mae_c=other_mae_c,
            difference_to_against_c=errors.mae_c - other_mae_c,
            difference_to_against_ci95_c=mean_interval(absolute_c - _absolute_errors(other_c, truth_c), valid_at),
        )
    return Evaluation(scores, valid_at, forecast_c, truth_c, baseline_c)


def write_evaluation(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the scores as JSON and the plots as PNG into `folder`, under the names of a run folder."""
    scores = evaluation.scores
    stem = rundir.evaluation_stem(Path(scores.checkpoint), scores.split)
    files = [folder / f"{stem}.json", folder / f"{stem}.png"]
    write_json(files[0], asdict(scores))
    plots.evaluation(
        files[1],
        valid_at=evaluation.valid_at,
        forecast_c=evaluation.forecast_c,
        truth_c=evaluation.truth_c,
        baseline_c=evaluation.baseline_c,
        title=f"{scores.model}, {scores.split}: MAE {scores.mae_c:.3f} °C, baseline {scores.baseline_mae_c:.3f} °C",
        synthetic=scores.synthetic,
    )
    return files


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write `valid_at, forecast_c, truth_c, baseline_c` as CSV, one line a window."""
    columns = (evaluation.forecast_c, evaluation.truth_c, evaluation.baseline_c)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["valid_at", "forecast_c", "truth_c", "baseline_c"])
        for time, *values in zip(evaluation.valid_at, *columns, strict=True):
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


def _common_windows(tasks: Sequence[_Task]) -> list[NDArray[np.bool_]]:
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


def _forecasts_c(tasks: Sequence[_Task], picks: Sequence[NDArray[np.bool_]]) -> Floats:
    """(tasks, windows) degC over the picked windows of each."""
    return np.stack([task.forecast_c()[pick] for task, pick in zip(tasks, picks, strict=False)])


def _fit_blend(tasks: Sequence[_Task], data_dir: Path) -> Blend:
    for task in tasks:
        if task.checkpoint.metadata:
            refuse_seen_validation(task.checkpoint.metadata, task.checkpoint.path)
    prepared = load_prepared(data_dir)
    on_val = [replace(task, samples=split_samples(prepared, "val", task.encoding)) for task in tasks]
    picks = _common_windows(on_val)
    blend = fit_blend(_forecasts_c(on_val, picks), on_val[0].samples.truth_c[picks[0]])
    weights = ", ".join(f"{weight:.2f}" for weight in blend.weights)
    logger.info("fitted on validation: weights %s, offset %+.3f °C", weights, blend.offset_c)
    return blend


def _absolute_errors(forecast_c: Floats, truth_c: Floats) -> Floats:
    errors_c: Floats = np.abs(forecast_c.astype(np.float64) - truth_c.astype(np.float64))
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
        history_hours=encoding.needed_hours,
        lead_hours=encoding.lead_hours,
    )
    if not len(windows):
        raise DataError(
            f"{path} ({len(raw.times)} rows) holds no window of {encoding.needed_hours} h of history and "
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
