"""A network's forecasts of all its hours, and how sure they are: fitted on train and validation."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.features.datasets import Batches, Histories, Samples
from jenacast.features.encoding import Encoding
from jenacast.models.intervals import Calibration, Residuals, Situations, fit_lead
from jenacast.training.learner import predict

MOST_TRAIN_WINDOWS = 20_000  # evenly spaced; more would not change a few dozen coefficients


def forecast_leads_c(forward: Callable[[Any], Any], histories: Histories, encoding: Encoding) -> Floats:
    """(windows, leads) degC: what a network says about every hour it has an output for."""
    outputs = predict(forward, Batches(histories))
    return encoding.decode_leads(outputs, histories.now, histories.baseline_c)


def truth_leads_c(samples: Samples, encoding: Encoding) -> Floats:
    """(windows, leads) degC: what came; NaN where an hour on the way is not known."""
    return encoding.decode_leads(samples.targets.reshape(len(samples), -1), samples.now, samples.baseline_c)


def situations(histories: Histories, lead_hours: int) -> Situations:
    """What decides how far the forecasts so many hours ahead may err."""
    return Situations(
        valid_at=histories.now + np.timedelta64(lead_hours, "h"),
        present_c=histories.baseline_c,
        seen=histories.inputs[histories.starts + histories.history - 1],
    )


def calibrate(forward: Callable[[Any], Any], train: Samples, val: Samples, encoding: Encoding) -> Calibration | None:
    """Fit the intervals of a network that was trained on `train` alone; None where validation is too short."""
    train = train.pick(slice(None, None, -(-len(train) // MOST_TRAIN_WINDOWS)))
    leads = [
        fit_lead(*pair)
        for pair in zip(_residuals(forward, train, encoding), _residuals(forward, val, encoding), strict=True)
    ]
    known = tuple(lead for lead in leads if lead is not None)
    return Calibration(leads=known) if len(known) == len(leads) else None


def _residuals(forward: Callable[[Any], Any], samples: Samples, encoding: Encoding) -> Iterator[Residuals]:
    """Of one output after the other."""
    forecasts_c, truths_c = forecast_leads_c(forward, samples, encoding), truth_leads_c(samples, encoding)
    for number, lead in enumerate(encoding.leads):
        known = np.isfinite(truths_c[:, number])
        yield Residuals(forecasts_c[known, number], truths_c[known, number], situations(samples, lead).pick(known))
