"""Intervals of a network that has seen every year, from networks of the same settings that each left one out.

Each year's residuals are those of a network that was not trained on it; together they take the place of a validation
split (Vovk 2015, "Cross-conformal predictors"). The shape of the scale is fitted to them too. How often the intervals
hold the truth is told of each year by a calibration on all the others.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jenacast.data.prepared import load_prepared
from jenacast.data.series import Floats
from jenacast.errors import CheckpointError
from jenacast.evaluation.coverage import measure_coverage
from jenacast.evaluation.metrics import measure
from jenacast.features.datasets import Samples, split_samples
from jenacast.features.encoding import Encoding
from jenacast.models.checkpoint import BEST, HeldOut, load_checkpoint
from jenacast.models.inference import forecast_leads_c, forward_function
from jenacast.models.intervals import Calibration, LeadCalibration, Residuals, fit_lead, pooled, residuals
from jenacast.models.recent import recent_widths
from jenacast.training import run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Year:
    """A year's (windows, leads) forecasts, degC, by networks that have not seen it, and its samples."""

    forecasts_c: Floats
    samples: Samples


def cross_fit(
    members: Sequence[tuple[float, Sequence[Path]]], encoding: Encoding
) -> tuple[Calibration | None, tuple[HeldOut, ...]]:
    """Fit the intervals of a mean of networks, or of one, and judge them on each year.

    Args:
        members: each one's weight, and the runs in which the same settings and seed left a year out.
        encoding: of the mean.

    Returns:
        the calibration, None where the years hold too few windows; and what is known of each year.

    Raises:
        CheckpointError: members that left other years out.
        JenacastError: a run, or its data, that is missing or damaged.
    """
    by_fold = [{run_folder.read_record(run).fold: run for run in runs} for _, runs in members]
    for other in by_fold[1:]:
        if list(other) != list(by_fold[0]):
            raise CheckpointError("the members left other years out than each other; train all with the same years")
    logger.info("calibrating on %d years, each forecast by networks that have not seen it", len(by_fold[0]))
    weights = [weight for weight, _ in members]
    years = [
        _forecast({runs[fold]: weight for runs, weight in zip(by_fold, weights, strict=True)}, encoding)
        for fold in by_fold[0]
    ]
    leads, of_years = [], []
    for parts in zip(*(residuals(year.forecasts_c, year.samples, encoding) for year in years), strict=True):
        leads.append(_fit(parts))
        of_years = list(parts)
    known = tuple(lead for lead in leads if lead is not None)
    calibration = Calibration(leads=known) if len(known) == len(leads) else None
    return calibration, tuple(_judge(number, of_years, encoding.lead_hours) for number in range(len(of_years)))


def _forecast(runs: Mapping[Path, float], encoding: Encoding) -> _Year:
    """The weighted mean of the runs' forecasts of the year that all of them left out."""
    first = next(iter(runs))
    data_dir = Path(run_folder.read_record(first).data_dir)
    prepared = load_prepared(data_dir)
    samples = split_samples(prepared, "val", encoding)
    forecasts_c = np.zeros(samples.truth_c.shape)
    for run, weight in runs.items():
        checkpoint = load_checkpoint(run / BEST)
        if checkpoint.metadata is None or prepared.manifest.fold != run_folder.read_record(run).fold:
            raise CheckpointError(f"{run} does not belong to {data_dir}; train the held-out years again")
        its_samples = split_samples(prepared, "val", checkpoint.metadata.encoding)
        if not np.array_equal(its_samples.rows, samples.rows):
            raise CheckpointError(f"{run} forecasts other windows than the network to calibrate; train it again")
        forward = forward_function(checkpoint.model)
        forecasts_c += weight * forecast_leads_c(forward, its_samples, checkpoint.metadata.encoding)
    return _Year(forecasts_c, samples)


def _fit(parts: Sequence[Residuals]) -> LeadCalibration | None:
    together = pooled(parts)
    return fit_lead(together.thinned(), together)


def _judge(number: int, years: Sequence[Residuals], lead_hours: int) -> HeldOut:
    """What is known of one of the years, by its residuals of the judged hour."""
    year = years[number]
    valid_at, baseline_c = year.inputs.valid_at, year.inputs.last_observed_c
    errors = measure(year.forecast_c, year.truth_c)
    lead = _fit([*years[:number], *years[number + 1 :]])
    coverage: dict[str, float] = {}
    if lead is not None:
        widths = recent_widths(lead, year, valid_at - np.timedelta64(lead_hours, "h"))
        quantiles_c = Calibration(leads=(lead,)).quantiles_c(0, year.forecast_c, year.inputs, widths)
        coverage, _ = measure_coverage(quantiles_c, year.truth_c, valid_at)
    return HeldOut(
        year=int(str(valid_at[0])[:4]),
        windows=errors.windows,
        mae_c=errors.mae_c,
        baseline_mae_c=measure(baseline_c, year.truth_c).mae_c,
        bias_c=errors.bias_c,
        coverage=coverage,
    )
