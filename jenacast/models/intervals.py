"""Intervals around a forecast: split-conformal prediction in units of a scale that depends on the weather.

A network says one temperature. How far from it the truth will lie depends on the hour and the season, on how much the
network expects to change, and on the weather of the moment: the *scale*, the expected absolute residual, is a log-
linear function of these. It is fitted as a generalised linear model (McCullagh & Nelder 1989) on train, which holds
more years than validation, and gives the shape alone: a network errs less where it was trained. The width comes from
validation: residuals there, divided by their scales, are sorted, and their order statistics are the quantiles
(locally weighted split-conformal prediction: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, JASA 113, section 5.2).
Quantiles cannot cross, since one scale multiplies all of them.

Conformal prediction promises coverage for windows exchangeable with those of validation. Weather of later years is
nearly that: how near is measured on the test split.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from jenacast.data.series import Floats, Times
from jenacast.errors import CheckpointError
from jenacast.features.climatology import day_waves, year_waves
from jenacast.features.datasets import Histories, Samples
from jenacast.features.encoding import Encoding
from jenacast.models.inference import forecast_leads_c
from jenacast.records import Record

MOST_TRAIN_WINDOWS = 20_000  # evenly spaced; more would not change a few dozen coefficients
LEVELS = tuple(step / 20 for step in range(1, 20))
INTERVALS = {"50": (0.25, 0.75), "80": (0.1, 0.9), "90": (0.05, 0.95)}  # nominal coverage in percent: its two levels
MEDIAN = LEVELS.index(0.5)
ENDS = {name: (LEVELS.index(low), LEVELS.index(high)) for name, (low, high) in INTERVALS.items()}
CALENDAR_TERMS = 15  # and one for each column that the network sees
MOST_DEVIATIONS = (
    3.0  # of a column from its mean; what lies further out counts as this, since nothing like it was fitted
)
LEAST_WINDOWS = len(LEVELS)  # fewer residuals have no order statistic for the outer levels
CHANGE_C = 5.0  # the change of temperature that counts as one, so that no coefficient is small or large
MOST_CHANGES = 6.0  # no weather changes more, and one absurd forecast must not decide the fit
LEAST_SCALE_C = 1e-3
AS_CALIBRATED = np.ones(1)
ROUNDS = 50
RIDGE = 1.0  # on all coefficients but the mean's: what a short series leaves open stays near 0


class LeadCalibration(Record):
    """How sure a network is of one of its outputs.

    `coefficients` give the log of the scale in degC, for the terms of `scale_terms`; a scale is kept between `least_c`
    and `most_c`, its extremes on train. `quantiles` are residuals, truth minus forecast, at `LEVELS`, in scales, and
    `mean_distance` is the mean of their distances from the median; older checkpoints do not know it.
    """

    coefficients: tuple[float, ...] = Field(min_length=CALENDAR_TERMS)
    least_c: float = Field(gt=0)
    most_c: float = Field(gt=0)
    quantiles: tuple[float, ...] = Field(min_length=len(LEVELS), max_length=len(LEVELS))
    mean_distance: float | None = Field(default=None, gt=0)

    @field_validator("quantiles")
    @classmethod
    def _in_order(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        if any(later < earlier for earlier, later in pairwise(quantiles)):
            raise ValueError("quantiles that cross")
        return quantiles

    def scale_c(self, terms: Floats) -> Floats:
        """(windows,) degC from (windows, terms)."""
        return np.clip(_scale_c(np.array(self.coefficients), terms), self.least_c, self.most_c)

    @property
    def median(self) -> float:
        """The residual in the middle, in scales."""
        return self.quantiles[MEDIAN]

    def quantiles_c(self, forecast_c: Floats, terms: Floats, widths: Floats = AS_CALIBRATED) -> Floats:
        """(windows, LEVELS) degC around the (windows,) forecasts, degC, from their (windows, terms).

        They are `widths` times as far from the median as calibrated, (windows,) or (1,).
        """
        residuals = self.median + widths[:, None] * (np.array(self.quantiles) - self.median)
        quantiles_c: Floats = forecast_c[:, None] + self.scale_c(terms)[:, None] * residuals
        return quantiles_c


@dataclass(frozen=True)
class SpreadInputs:
    """What the scale of a forecast's residual depends on, beside the forecast.

    Attributes:
        valid_at: (windows,) datetime64, the times forecast for.
        last_observed_c: (windows,) the last observed temperatures, degC.
        seen: (windows, columns) the last step that the network sees, standardised.
    """

    valid_at: Times
    last_observed_c: Floats
    seen: Floats

    def pick(self, which: slice | NDArray[np.bool_]) -> "SpreadInputs":
        """Those of some windows."""
        return SpreadInputs(self.valid_at[which], self.last_observed_c[which], self.seen[which])


class Calibration(Record):
    """How sure a network is, for each of its outputs in their order."""

    leads: tuple[LeadCalibration, ...] = Field(min_length=1)

    def quantiles_c(
        self, output: int, forecast_c: Floats, inputs: SpreadInputs, widths: Floats = AS_CALIBRATED
    ) -> Floats:
        """(windows, LEVELS) degC around the (windows,) forecasts, degC, of one output, by its number.

        They are `widths` times as wide as calibrated, (windows,) or (1,).

        Raises:
            CheckpointError: numbers so large that a quantile is not finite.
        """
        quantiles_c = self.leads[output].quantiles_c(forecast_c, scale_terms(forecast_c, inputs), widths)
        if not np.isfinite(quantiles_c[np.isfinite(forecast_c)]).all():
            raise CheckpointError("the checkpoint's calibration gives intervals that are not finite; train again")
        return quantiles_c


@dataclass(frozen=True)
class Residuals:
    """Forecasts of one output over the windows of a split, beside what came: (windows,) degC."""

    forecast_c: Floats
    truth_c: Floats
    inputs: SpreadInputs

    def thinned(self) -> "Residuals":
        """Evenly spaced ones of them, as many as a scale is fitted to."""
        return self.pick(slice(None, None, -(-len(self.truth_c) // MOST_TRAIN_WINDOWS)))

    def pick(self, which: slice | NDArray[np.bool_]) -> "Residuals":
        """Some of them."""
        return Residuals(self.forecast_c[which], self.truth_c[which], self.inputs.pick(which))


def pooled(parts: Sequence[Residuals]) -> Residuals:
    """The residuals of several splits together."""
    of_inputs = ([getattr(part.inputs, field.name) for part in parts] for field in fields(SpreadInputs))
    return Residuals(
        np.concatenate([part.forecast_c for part in parts]),
        np.concatenate([part.truth_c for part in parts]),
        SpreadInputs(*map(np.concatenate, of_inputs)),
    )


def fit_lead(train: Residuals, val: Residuals) -> LeadCalibration | None:
    """The shape of the scale from train, the quantiles from validation; None for fewer than `LEAST_WINDOWS` there."""
    if len(val.truth_c) < LEAST_WINDOWS:
        return None
    terms = scale_terms(train.forecast_c, train.inputs)
    coefficients = _fit_scale(terms, np.abs(train.truth_c - train.forecast_c))
    scale_c = _scale_c(coefficients, terms)
    least_c, most_c = float(scale_c.min()), float(scale_c.max())
    val_scale_c = np.clip(_scale_c(coefficients, scale_terms(val.forecast_c, val.inputs)), least_c, most_c)
    off = np.sort((val.truth_c - val.forecast_c) / val_scale_c)
    quantiles = conformal_quantiles(off)
    return LeadCalibration(
        coefficients=tuple(coefficients.tolist()),
        least_c=least_c,
        most_c=most_c,
        quantiles=tuple(quantiles.tolist()),
        mean_distance=float(np.abs(off - quantiles[MEDIAN]).mean()) or None,
    )


def conformal_quantiles(ordered: Floats) -> Floats:
    """(LEVELS,) order statistics of (windows,) sorted residuals.

    With one more residual, exchangeable with these n, the chance to lie between the quantiles of levels p and 1 - p is
    at least 1 - 2 p: so below the median the rank is (n + 1) p rounded down, from it on rounded up.
    """
    levels = np.array(LEVELS)
    ranks = np.round((len(ordered) + 1) * levels, 9)  # a level is a decimal fraction, and (n + 1) p often whole
    places = np.where(levels < 0.5, np.floor(ranks), np.ceil(ranks)).astype(np.int64) - 1
    quantiles: Floats = ordered[np.clip(places, 0, len(ordered) - 1)]
    return quantiles


def spread_inputs(histories: Histories, lead_hours: int) -> SpreadInputs:
    """What the scale of the residuals of forecasts `lead_hours` ahead depends on."""
    return SpreadInputs(
        valid_at=histories.now + np.timedelta64(lead_hours, "h"),
        last_observed_c=histories.last_observed_c,
        seen=histories.inputs[histories.starts + histories.history - 1],
    )


def calibrate(forward: Callable[[Any], Any], train: Samples, val: Samples, encoding: Encoding) -> Calibration | None:
    """Fit the intervals of a network that was trained on `train` alone; None where validation is too short."""
    train = train.pick(slice(None, None, -(-len(train) // MOST_TRAIN_WINDOWS)))

    def of_split(samples: Samples) -> Iterator[Residuals]:
        return residuals(forecast_leads_c(forward, samples, encoding), samples, encoding)

    leads = [fit_lead(*pair) for pair in zip(*(of_split(each) for each in (train, val)), strict=True)]
    known = tuple(lead for lead in leads if lead is not None)
    return Calibration(leads=known) if len(known) == len(leads) else None


def residuals(forecasts_c: Floats, samples: Samples, encoding: Encoding) -> Iterator[Residuals]:
    """Of (windows, leads) forecasts, degC: of one output after the other."""
    for number, lead in enumerate(encoding.leads):
        known = np.isfinite(samples.truth_c[:, number])
        inputs = spread_inputs(samples, lead)
        yield Residuals(forecasts_c[:, number], samples.truth_c[:, number], inputs).pick(known)


def scale_terms(forecast_c: Floats, inputs: SpreadInputs) -> Floats:
    """(windows, terms): one; the day; the year; the day's cycle through the year; the change forecast and its size.

    After these the columns that the network sees.
    """
    day, year = day_waves(inputs.valid_at, 2), year_waves(inputs.valid_at, 2)
    products = (day[:, :2, None] * year[:, None, :2]).reshape(-1, 4)
    change = np.clip((forecast_c - inputs.last_observed_c) / CHANGE_C, -MOST_CHANGES, MOST_CHANGES)
    seen = np.clip(inputs.seen, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    return np.column_stack([np.ones_like(forecast_c), day, year, products, change, np.abs(change), seen])


def _scale_c(coefficients: Floats, terms: Floats) -> Floats:
    scale_c: Floats = np.exp(terms @ coefficients)
    return scale_c


def _fit_scale(terms: Floats, sizes_c: Floats) -> Floats:
    """Coefficients of the log of the mean of `sizes_c`: Fisher scoring for exponential errors, with a ridge."""
    sizes_c = np.maximum(sizes_c, LEAST_SCALE_C)
    penalty = np.full(terms.shape[1], RIDGE)
    penalty[0] = 0
    information = terms.T @ terms + np.diag(penalty)
    coefficients = np.zeros(terms.shape[1])
    coefficients[0] = np.log(sizes_c.mean())
    for _ in range(ROUNDS):
        gradient = terms.T @ (sizes_c / _scale_c(coefficients, terms) - 1) - penalty * coefficients
        step = np.linalg.solve(information, gradient)
        coefficients = coefficients + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return coefficients
