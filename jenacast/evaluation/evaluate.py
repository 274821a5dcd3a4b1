"""A checkpoint's forecasts over a split or a station file, measured beside the baseline's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.data.prepared import Split, load_prepared
from jenacast.data.series import Floats
from jenacast.evaluation.blend import Blend, equal_blend, fit_blend, refuse_seen_validation
from jenacast.evaluation.bootstrap import Interval, interval_of
from jenacast.evaluation.coverage import IntervalScores, score_intervals
from jenacast.evaluation.daily import DailyErrors, daily_errors, pair
from jenacast.evaluation.groups import Lead, Leads
from jenacast.evaluation.hindcast import Hindcast, on_common_windows, open_hindcast
from jenacast.evaluation.metrics import ErrorMetrics, measure, skill
from jenacast.models import packaged_name

logger = logging.getLogger(__name__)
ASSUMED = "the book's, assumed"


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation; errors in degC.

    A difference is the checkpoint's MAE minus the other's on the same windows: negative is better. `ci95` are the
    ends of 95 % intervals over days (`bootstrap.py`), None where there are too few days. `windows_dropped` lacked
    hours that some checkpoint needs; `needed_hours` says how many one forecast does. `members`, `weights` and
    `offset_c` are those of a blend, `checkpoint` being the first. `checkpoint_sha256` is that of the file, None for an
    exported folder and a blend; `windows_sha256` is equal for the same windows. `intervals` is None for a checkpoint
    that gives none, and for a blend. `has_seen` says that it was trained on some of the windows; `held_out` what is
    known of years that networks of its settings had not seen. All about `against` is None unless it was asked for.
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
    has_seen: bool = False
    held_out: list[dict[str, Any]] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    offset_c: float = 0.0
    checkpoint_sha256: str | None = None
    windows_sha256: str | None = None
    bias_ci95_c: Interval | None = None
    against: str | None = None
    against_mae_c: float | None = None
    against_mae_ci95_c: Interval | None = None
    against_rmse_c: float | None = None
    against_bias_c: float | None = None
    against_bias_ci95_c: Interval | None = None
    against_skill: float | None = None
    difference_to_against_c: float | None = None
    difference_to_against_ci95_c: Interval | None = None

    @property
    def label(self) -> str:
        """What tables and pictures call it: the network's name, or that of a network in the package."""
        return self.model if self.members else packaged_name(self.checkpoint) or self.model


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the forecasts they are of.

    Attributes:
        scores: the figures.
        judged: the forecasts of the hour that is judged, beside the truth; under `book` a gap of the series may make
            its times later than those of the last of `leads`.
        daily: its errors summed over each day.
        leads: every hour that a network forecasts, the judged one being the last; of a blend that one alone.
    """

    scores: Scores
    judged: Lead
    daily: DailyErrors
    leads: Sequence[Lead]


def evaluate(
    *paths: Path,
    data_dir: Path,
    split: Split = "test",
    csv_paths: Sequence[Path] = (),
    against: Path | None = None,
    fit: bool = False,
    trust_saved_model: bool = False,
) -> Evaluation:
    """Forecast every window of a split, or of whole station files by time, and measure.

    Of several checkpoints the mean of their forecasts is measured, on the windows that all of them can forecast; with
    `fit` they are blended by `blend.fit_blend` on validation instead. The difference to `against` is measured too.
    `trust_saved_model` opens exported SavedModels too, which may run any code.

    Raises:
        CheckpointError: a checkpoint cannot be used, does not fit the data, or forecasts no window that the others do.
        DataError: no prepared data, or a station file that cannot be used.
    """
    opened = [
        open_hindcast(path, data_dir, split, csv_paths, trust_saved_model=trust_saved_model)
        for path in (*paths, *([against] if against else []))
    ]
    hindcasts = on_common_windows(opened)
    members, others = hindcasts[: len(paths)], hindcasts[len(paths) :]
    return judge(members, _fit_blend(members, data_dir) if fit else None, against=others[0] if others else None)


def judge(members: Sequence[Hindcast], blend: Blend | None = None, *, against: Hindcast | None = None) -> Evaluation:
    """Measure checkpoints that are open on their common windows: the mean of their forecasts, or a `blend` of them."""
    blend = blend or equal_blend(len(members))
    leads = _leads(members, blend)
    first, several, every = members[0], len(members) > 1, [*members, *([against] if against else [])]
    judged = replace(leads[-1], valid_at=first.samples.valid_at)
    errors = measure(judged.forecast_c, judged.truth_c)  # before all sums: it refuses what is not finite
    is_alone = not (several or blend.offset_c)
    daily = daily_errors(judged, checkpoint_sha256=first.checkpoint.sha256 if is_alone else None)
    metadata = first.checkpoint.metadata
    scores = Scores(
        checkpoint=str(first.checkpoint.path),
        model=f"mean of {len(members)}" if several else first.checkpoint.model,
        split=first.split,
        windows_dropped=first.samples.dropped,
        needed_hours=max(hindcast.encoding.needed_hours for hindcast in every),
        protocol=first.protocol,
        trained_protocol=metadata.protocol if metadata else None,
        trained_on=metadata.trained_on if metadata else None,
        has_seen=any(member.has_seen for member in members),
        held_out=[year.model_dump() for year in metadata.held_out] if metadata and not several else [],
        scaling="the checkpoint's" if metadata else ASSUMED,
        synthetic=any(hindcast.synthetic for hindcast in every),
        members=[str(member.checkpoint.path) for member in members] if several else [],
        weights=blend.weights.tolist() if several else [],
        offset_c=blend.offset_c,
        checkpoint_sha256=daily.checkpoint_sha256,
        windows_sha256=daily.windows_sha256,
        **vars(errors),
        **_errors(judged, errors, daily),
        **(_errors_against(judged, daily, against) if against else {}),
    )
    return Evaluation(scores, judged, daily, leads)


def _leads(hindcasts: Sequence[Hindcast], blend: Blend) -> Leads:
    """Every hour that a network forecasts; of a blend the hour that is judged alone, without intervals."""
    first = hindcasts[0]
    if len(hindcasts) == 1 and not blend.offset_c:
        hours, forecasts_c, calibration = first.encoding.leads, first.leads_c(), first.checkpoint.calibration
    else:
        hours, forecasts_c, calibration = [first.encoding.lead_hours], blend.apply(_stacked(hindcasts))[:, None], None
    return Leads(hours, first.samples, forecasts_c, first.samples.truth_c[:, -len(hours) :], calibration)


def _errors(judged: Lead, errors: ErrorMetrics, daily: DailyErrors) -> dict[str, Any]:
    """The baseline's errors, the difference to them, and the intervals, as `Scores` names them."""
    baseline, quantiles_c = measure(judged.baseline_c, judged.truth_c), judged.quantiles_c
    return {
        "baseline_mae_c": baseline.mae_c,
        "baseline_rmse_c": baseline.rmse_c,
        "skill": skill(errors.mae_c, baseline.mae_c),
        "mae_ci95_c": interval_of(daily.absolute),
        "bias_ci95_c": interval_of(daily.signed),
        "baseline_mae_ci95_c": interval_of(daily.baseline),
        "difference_c": errors.mae_c - baseline.mae_c,
        "difference_ci95_c": interval_of(daily.absolute - daily.baseline),
        "intervals": None if quantiles_c is None else score_intervals(quantiles_c, judged.truth_c, judged.valid_at),
    }


def _errors_against(judged: Lead, daily: DailyErrors, other: Hindcast) -> dict[str, Any]:
    """Another checkpoint's errors on the same windows and the difference to them, as `Scores` names them."""
    other_c, truth_c = other.leads_c()[:, -1], judged.truth_c
    errors = measure(other_c, truth_c)
    other_daily = daily_errors(replace(judged, forecast_c=other_c), checkpoint_sha256=other.checkpoint.sha256)
    paired = pair([daily], [other_daily])
    return {
        "against": str(other.checkpoint.path),
        "against_mae_c": errors.mae_c,
        "against_mae_ci95_c": interval_of(other_daily.absolute),
        "against_rmse_c": errors.rmse_c,
        "against_bias_c": errors.bias_c,
        "against_bias_ci95_c": interval_of(other_daily.signed),
        "against_skill": skill(errors.mae_c, measure(judged.baseline_c, truth_c).mae_c),
        "difference_to_against_c": paired.difference_c,
        "difference_to_against_ci95_c": paired.ci95_c,
    }


def _stacked(hindcasts: Sequence[Hindcast]) -> Floats:
    """(hindcasts, windows) degC: the forecasts of the hour that is judged."""
    return np.stack([hindcast.leads_c()[:, -1] for hindcast in hindcasts])


def _fit_blend(hindcasts: Sequence[Hindcast], data_dir: Path) -> Blend:
    for hindcast in hindcasts:
        if hindcast.checkpoint.metadata:
            refuse_seen_validation(hindcast.checkpoint.metadata, hindcast.checkpoint.path)
    prepared = load_prepared(data_dir)
    on_val = on_common_windows([hindcast.on(prepared, "val") for hindcast in hindcasts])
    blend = fit_blend(_stacked(on_val), on_val[0].samples.truth_c[:, -1])
    weights = ", ".join(f"{weight:.2f}" for weight in blend.weights)
    logger.info("fitted on validation: weights %s, offset %+.3f °C", weights, blend.offset_c)
    return blend
