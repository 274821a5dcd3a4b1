"""A checkpoint's forecasts over a split or a station file, measured beside the baseline's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jenacast.data.prepared import Split, load_prepared
from jenacast.data.series import Floats, Times
from jenacast.evaluation.blend import Blend, equal_blend, fit_blend, refuse_seen_validation
from jenacast.evaluation.bootstrap import Interval, mean_interval
from jenacast.evaluation.coverage import IntervalScores, score_intervals
from jenacast.evaluation.groups import Lead, Leads
from jenacast.evaluation.hindcast import Hindcast, common_windows, open_hindcast
from jenacast.evaluation.metrics import absolute_errors, measure, skill

logger = logging.getLogger(__name__)
ASSUMED = "the book's, assumed"


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation; errors in degC.

    A difference is the checkpoint's MAE minus the other's on the same windows: negative is better. `ci95` are the
    ends of 95 % intervals over days (`bootstrap.py`), None where there are too few days. `windows_dropped` lacked
    hours that some checkpoint needs; `needed_hours` says how many one forecast does. `members`, `weights` and
    `offset_c` are those of a blend, `checkpoint` being the first. `intervals` is None for a checkpoint that gives none,
    and for a blend. Everything about `against` is None unless it was asked for.
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
    intervals: IntervalScores | None
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

    Attributes:
        scores: the figures.
        valid_at: (windows,) datetime64[s], in order of time.
        forecast_c: (windows,) degC.
        truth_c: (windows,) degC.
        baseline_c: (windows,) degC.
        leads: the hours that the network says, the last being the one that is judged; of a blend that one alone.
    """

    scores: Scores
    valid_at: Times
    forecast_c: Floats
    truth_c: Floats
    baseline_c: Floats
    leads: Sequence[Lead]

    @property
    def quantiles_c(self) -> Floats | None:
        """(windows, `intervals.LEVELS`) predicted quantiles, degC; None where the checkpoint gives none."""
        last: Lead = self.leads[-1]
        return last.quantiles_c


def evaluate(
    *paths: Path,
    data_dir: Path,
    split: Split = "test",
    csv_paths: Sequence[Path] = (),
    against: Path | None = None,
    fit: bool = False,
) -> Evaluation:
    """Forecast every window of a split, or of whole station files, and measure.

    Args:
        paths: a checkpoint, a run folder, an export, or a Keras model made after the book's recipe; of several, the
            mean of their forecasts is measured, on the windows that all of them can forecast.
        data_dir: where `prepared/` lies.
        split: which windows; the prepared protocol finds them.
        csv_paths: station files to evaluate on instead, with windows by time over all of them.
        against: one more checkpoint; the difference to it is measured too.
        fit: blend the forecasts by `ensemble.fit_blend` on the validation split, instead of equally.

    Raises:
        CheckpointError: a checkpoint cannot be used, does not fit the data, or forecasts no window that the others do.
        DataError: no prepared data, or a station file that cannot be used.
    """
    hindcasts = [open_hindcast(path, data_dir, split, csv_paths) for path in paths]
    others = [open_hindcast(against, data_dir, split, csv_paths)] if against else []
    picks = common_windows([*hindcasts, *others])
    blend = _fit_blend(hindcasts, data_dir) if fit else equal_blend(len(hindcasts))
    hours = _blended(hindcasts, picks, blend) if len(hindcasts) > 1 or fit else _hours(hindcasts[0], picks[0])

    hindcast, pick = hindcasts[0], picks[0]
    valid_at, truth_c = hindcast.samples.valid_at[pick], hindcast.samples.truth_c[pick, -1]
    baseline_c = hindcast.samples.last_observed_c[pick]
    last = hours[-1]
    forecast_c, quantiles_c = last.forecast_c, last.quantiles_c
    errors, baseline = measure(forecast_c, truth_c), measure(baseline_c, truth_c)
    absolute_c, baseline_absolute_c = absolute_errors(forecast_c, truth_c), absolute_errors(baseline_c, truth_c)
    metadata = hindcast.checkpoint.metadata
    model = metadata.model if metadata else hindcast.checkpoint.path.stem
    scores = Scores(
        checkpoint=str(hindcast.checkpoint.path),
        model=model if len(hindcasts) == 1 else f"mean of {len(hindcasts)}",
        split=hindcast.split,
        windows=errors.windows,
        windows_dropped=len(hindcast.samples) + hindcast.samples.dropped - errors.windows,
        needed_hours=max(hindcast.encoding.needed_hours for hindcast in (*hindcasts, *others)),
        mae_c=errors.mae_c,
        rmse_c=errors.rmse_c,
        bias_c=errors.bias_c,
        baseline_mae_c=baseline.mae_c,
        baseline_rmse_c=baseline.rmse_c,
        skill=skill(errors.mae_c, baseline.mae_c),
        protocol=hindcast.protocol,
        trained_protocol=metadata.protocol if metadata else None,
        trained_on=metadata.trained_on if metadata else None,
        scaling="the checkpoint's" if metadata else ASSUMED,
        synthetic=any(hindcast.synthetic for hindcast in (*hindcasts, *others)),
        mae_ci95_c=mean_interval(absolute_c, valid_at),
        baseline_mae_ci95_c=mean_interval(baseline_absolute_c, valid_at),
        difference_c=errors.mae_c - baseline.mae_c,
        difference_ci95_c=mean_interval(absolute_c - baseline_absolute_c, valid_at),
        intervals=score_intervals(quantiles_c, truth_c, valid_at) if quantiles_c is not None else None,
        members=[str(hindcast.checkpoint.path) for hindcast in hindcasts] if len(hindcasts) > 1 else [],
        weights=blend.weights.tolist() if len(hindcasts) > 1 else [],
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
            difference_to_against_ci95_c=mean_interval(absolute_c - absolute_errors(other_c, truth_c), valid_at),
        )
    return Evaluation(scores, valid_at, forecast_c, truth_c, baseline_c, hours)


def _hours(hindcast: Hindcast, pick: NDArray[np.bool_]) -> Leads:
    """What one network says of every hour, over some of its windows."""
    samples, metadata = hindcast.samples.pick(pick), hindcast.checkpoint.metadata
    calibration = metadata.calibration if metadata else None
    return Leads(
        hindcast.encoding.leads,
        samples,
        hindcast.leads_c()[pick],
        samples.truth_c,
        calibration,
    )


def _blended(hindcasts: Sequence[Hindcast], picks: Sequence[NDArray[np.bool_]], blend: Blend) -> Leads:
    """What several networks say together of the hour that is judged, without intervals."""
    samples, forecast_c = hindcasts[0].samples.pick(picks[0]), blend.apply(_forecasts_c(hindcasts, picks))
    return Leads([hindcasts[0].encoding.lead_hours], samples, forecast_c[:, None], samples.truth_c[:, -1:], None)


def _forecasts_c(hindcasts: Sequence[Hindcast], picks: Sequence[NDArray[np.bool_]]) -> Floats:
    """(hindcasts, windows) degC over the picked windows of each."""
    return np.stack([hindcast.forecast_c()[pick] for hindcast, pick in zip(hindcasts, picks, strict=False)])


def _fit_blend(hindcasts: Sequence[Hindcast], data_dir: Path) -> Blend:
    for hindcast in hindcasts:
        if hindcast.checkpoint.metadata:
            refuse_seen_validation(hindcast.checkpoint.metadata, hindcast.checkpoint.path)
    prepared = load_prepared(data_dir)
    on_val = [hindcast.on(prepared, "val") for hindcast in hindcasts]
    picks = common_windows(on_val)
    blend = fit_blend(_forecasts_c(on_val, picks), on_val[0].samples.truth_c[picks[0], -1])
    weights = ", ".join(f"{weight:.2f}" for weight in blend.weights)
    logger.info("fitted on validation: weights %s, offset %+.3f °C", weights, blend.offset_c)
    return blend
