"""Forecasts without a network, in degC. They are measured on the same windows as any network."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jenacast.columns import TARGET
from jenacast.data.prepared import Prepared, Split
from jenacast.data.series import Floats, Series
from jenacast.data.windows import Windows, persistence, truth
from jenacast.evaluation.metrics import ErrorMetrics, measure
from jenacast.evaluation.ridge import PENALTIES, Ridge, fit_ridge, window_features
from jenacast.features.climatology import Climatology, fit_climatology

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """Baselines fitted on train.

    Attributes:
        climatology: the mean by day of year and hour of day.
        damping: the share of the present departure from climatology that is left after the lead.
        ridge: forecasts the change of that departure, degC; its penalty is the best one on validation.
    """

    climatology: Climatology
    damping: float
    ridge: Ridge


def measure_baseline(
    prepared: Prepared, splits: Sequence[Split], *, history_hours: int, lead_hours: int
) -> dict[Split, ErrorMetrics]:
    """ErrorMetrics of `persistence` over each split.

    Raises:
        DataError: a split holds no window.
    """
    errors = {}
    for split in splits:
        windows = prepared.windows(split, history_hours=history_hours, lead_hours=lead_hours)
        errors[split] = measure(persistence(prepared.series, windows), truth(prepared.series, windows))
    return errors


def fit_baselines(prepared: Prepared, *, history_hours: int, lead_hours: int) -> Fitted:
    """Fit every baseline that has something to fit: on train, the ridge's penalty alone on validation.

    Raises:
        DataError: train spans less than a year, or a split holds no window.
    """
    series, manifest = prepared.series, prepared.manifest
    train = slice(manifest.splits["train"].start, manifest.splits["train"].stop)
    climatology = fit_climatology(series.times[train], series.column(TARGET)[train])
    logger.info(
        "climatology: %d coefficients from %s train rows, mean %.2f °C",
        *(len(climatology.coefficients_c), f"{train.stop - train.start:,}", climatology.coefficients_c[0]),
    )
    windows = prepared.windows("train", history_hours=history_hours, lead_hours=lead_hours)
    departure, later = _departure(series, windows, climatology, lead_hours)
    came = truth(series, windows) - later
    damping = float(departure @ came / (departure @ departure))
    logger.info("damped anomaly: %.3f of a departure from climatology is left after %d h", damping, lead_hours)

    features = window_features(series, windows, climatology, lead_hours=lead_hours)
    candidates = fit_ridge(features, came - departure, PENALTIES)
    del features  # a 10-minute series has hundreds of megabytes of them
    windows = prepared.windows("val", history_hours=history_hours, lead_hours=lead_hours)
    features = window_features(series, windows, climatology, lead_hours=lead_hours)
    departure, later = _departure(series, windows, climatology, lead_hours)
    change = truth(series, windows) - later - departure
    ridge = min(candidates, key=lambda candidate: measure(candidate.predict(features), change).mae_c)
    logger.info(
        "ridge: %d coefficients, penalty %g, the best on validation from %g to %g",
        *(len(ridge.coefficients), ridge.penalty, PENALTIES[0], PENALTIES[-1]),
    )
    return Fitted(climatology, damping, ridge)


def forecasts(fitted: Fitted, series: Series, windows: Windows, *, lead_hours: int) -> dict[str, Floats]:
    """Each fitted baseline's forecasts by its name, (windows,) float64 degC."""
    departure, later = _departure(series, windows, fitted.climatology, lead_hours)
    features = window_features(series, windows, fitted.climatology, lead_hours=lead_hours)
    return {
        "climatology": fitted.climatology.at(series.times[windows.targets]),
        "damped_anomaly": later + fitted.damping * departure,
        "ridge": later + departure + fitted.ridge.predict(features),
    }


def measure_fitted(
    prepared: Prepared, fitted: Fitted, splits: Sequence[Split], *, history_hours: int, lead_hours: int
) -> dict[str, dict[Split, ErrorMetrics]]:
    """ErrorMetrics of each fitted baseline, by its name, over each split.

    Raises:
        DataError: a split holds no window.
    """
    errors: dict[str, dict[Split, ErrorMetrics]] = {}
    for split in splits:
        windows = prepared.windows(split, history_hours=history_hours, lead_hours=lead_hours)
        truth_c = truth(prepared.series, windows)
        for name, forecast_c in forecasts(fitted, prepared.series, windows, lead_hours=lead_hours).items():
            errors.setdefault(name, {})[split] = measure(forecast_c, truth_c)
    return errors


def _departure(series: Series, windows: Windows, climatology: Climatology, lead_hours: int) -> tuple[Floats, Floats]:
    """The present departure from climatology, and the climatology `lead_hours` later: (windows,) float64 degC."""
    now = series.times[windows.last_rows]
    departure = persistence(series, windows).astype(np.float64) - climatology.at(now)
    return departure, climatology.at(now + np.timedelta64(lead_hours, "h"))
