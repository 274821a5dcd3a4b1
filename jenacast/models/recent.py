"""How wide intervals should be now, by the errors of the last weeks.

The errors of some weeks are larger than those of others, by more than the weather of the moment tells. So the width of
an interval follows the mean distance of the truths from the middle of their intervals over the last `RECENT_DAYS`,
against what is typical. `TYPICAL_DAYS` of typical errors are counted with them, so that a few days do not decide alone.
Errors are in units of the network's scale (`intervals.py`), so that what the weather of the moment tells counts once.
Adaptive conformal inference (Gibbs & Candes 2021, NeurIPS) moves the level of the quantiles instead. What this gains is
in `docs/experiments.md`.
"""

import numpy as np

from jenacast.data.series import HOUR_S, Floats, Times
from jenacast.models.intervals import LeadCalibration, Residuals, scale_terms

RECENT_DAYS = 30
TYPICAL_DAYS = 30


def recent_widths(lead: LeadCalibration, past: Residuals, now: Times) -> Floats:
    """(origins,) how many times as wide as calibrated the intervals of forecasts from `now` should be.

    Errors of one hour count as one, so that ten-minute and hourly windows weigh the same.

    Args:
        lead: the calibration of the output that `past` is of; one that does not know its typical error changes nothing.
        past: forecasts and what came; of each origin those count whose truth is known by then, and finite as they are.
        now: (origins,) datetime64[s] of the last observations, in any order.
    """
    past = past.pick(np.isfinite(past.truth_c - past.forecast_c))
    if lead.mean_distance is None or not len(past.truth_c):
        return np.ones(len(now))
    scale_c = lead.scale_c(scale_terms(past.forecast_c, past.inputs))
    distance = np.abs((past.truth_c - past.forecast_c) / scale_c - lead.median)
    hours, places = np.unique(_hours(past.inputs.valid_at, up=True), return_inverse=True)
    of_hours = np.bincount(places, distance) / np.bincount(places)
    summed = np.concatenate([[0.0], np.cumsum(of_hours)])
    until = np.searchsorted(hours, _hours(now), side="right")
    since = np.minimum(np.searchsorted(hours, _hours(now) - 24 * RECENT_DAYS, side="right"), until)
    typical = 24 * TYPICAL_DAYS
    widths: Floats = (typical + (summed[until] - summed[since]) / lead.mean_distance) / (typical + until - since)
    return widths


def _hours(times: Times, *, up: bool = False) -> np.ndarray:
    """Whole hours since 1970, rounded up or down: an hour counts as known once all that was forecast for it is."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return -(-seconds // HOUR_S) if up else seconds // HOUR_S
