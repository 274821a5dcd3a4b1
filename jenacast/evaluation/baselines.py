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

# Waves of the year in the climatology. Each of the six years before test held out: 3.632 degC with one wave, 3.639 with
# two, 3.649 with three, which learn the weather of single years by heart.
YEAR_WAVES = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """What the baselines but persistence are fitted to.

    Attributes:
        climatology: the mean by day of year and hour of day, over train.
        damping: the share of the present departure from climatology that is left after the lead, over train.
        ridge: forecasts the change of that departure, degC; fitted on train, its penalty is the best on validation.
    """

    climatology: Climatology
    damping: float
    ridge: Ridge


def fit_baselines(prepared: Prepared, *, history_hours: int, lead_hours: int) -> Fitted:
    """Fit every baseline that has something to fit: on train, the ridge's penalty alone on validation.

    Raises:
        DataError: train spans less than a year, or a split holds no window.
    """
    series, rows = prepared.series, prepared.rows("train")
    climatology = fit_climatology(rows.times, rows.column(TARGET), of_year=YEAR_WAVES)
    logger.info(
        "climatology: %d coefficients from %s train rows, mean %.2f °C",
        *(np.count_nonzero(climatology.coefficients_c), f"{len(rows.times):,}", climatology.coefficients_c[0]),
    )
    train, val = (
        prepared.windows(split, history_hours=history_hours, lead_hours=lead_hours) for split in ("train", "val")
    )
    departure_c, later_c = _departure(series, train, climatology, lead_hours)
    departure_then_c = truth(series, train) - later_c
    damping = float(departure_c @ departure_then_c / (departure_c @ departure_c))
    logger.info("damped anomaly: %.3f of a departure from climatology is left after %d h", damping, lead_hours)

    features = window_features(series, train, climatology, lead_hours=lead_hours)
    candidates = fit_ridge(features, departure_then_c - departure_c, PENALTIES)
    departure_c, later_c = _departure(series, val, climatology, lead_hours)
    change_c = truth(series, val) - later_c - departure_c
    features = window_features(series, val, climatology, lead_hours=lead_hours)
    ridge = min(candidates, key=lambda candidate: measure(candidate.predict(features), change_c).mae_c)
    logger.info(
        "ridge: %d coefficients, penalty %g, the best on validation from %g to %g",
        *(len(ridge.coefficients), ridge.penalty, PENALTIES[0], PENALTIES[-1]),
    )
    return Fitted(climatology, damping, ridge)


def baseline_forecasts(
    series: Series, windows: Windows, fitted: Fitted | None = None, *, lead_hours: int
) -> dict[str, Floats]:
    """Each baseline's forecasts by its name, (windows,) degC: persistence, and with `fitted` the others too."""
    forecasts = {"persistence": persistence(series, windows)}
    if fitted:
        departure_c, later_c = _departure(series, windows, fitted.climatology, lead_hours)
        features = window_features(series, windows, fitted.climatology, lead_hours=lead_hours)
        forecasts |= {
            "climatology": fitted.climatology.at(series.times[windows.targets]),
            "damped_anomaly": later_c + fitted.damping * departure_c,
            "ridge": later_c + departure_c + fitted.ridge.predict(features),
        }
    return forecasts


def measure_baselines(
    prepared: Prepared,
    splits: Sequence[Split],
    fitted: Fitted | None = None,
    *,
    history_hours: int,
    lead_hours: int,
) -> dict[str, dict[Split, ErrorMetrics]]:
    """Errors of each baseline, by its name, over each split; see `baseline_forecasts`.

    Raises:
        DataError: a split holds no window.
    """
    errors: dict[str, dict[Split, ErrorMetrics]] = {}
    for split in splits:
        windows = prepared.windows(split, history_hours=history_hours, lead_hours=lead_hours)
        truth_c = truth(prepared.series, windows)
        forecasts = baseline_forecasts(prepared.series, windows, fitted, lead_hours=lead_hours)
        for name, forecast_c in forecasts.items():
            errors.setdefault(name, {})[split] = measure(forecast_c, truth_c)
    return errors


def _departure(series: Series, windows: Windows, climatology: Climatology, lead_hours: int) -> tuple[Floats, Floats]:
    """The present departure from climatology, and the climatology `lead_hours` later: (windows,) float64 degC."""
    now = series.times[windows.last_rows]
    departure_c = persistence(series, windows).astype(np.float64) - climatology.at(now)
    return departure_c, climatology.at(now + np.timedelta64(lead_hours, "h"))
