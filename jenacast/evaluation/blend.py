"""How the forecasts of several networks are averaged."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jenacast.data.series import Floats
from jenacast.errors import CheckpointError
from jenacast.models.checkpoint import Metadata

ROUNDS = 100  # of the selection: weights are multiples of a hundredth


@dataclass(frozen=True)
class Blend:
    """How forecasts are averaged: `weights` of sum 1, none negative, and an offset in degC that is added."""

    weights: Floats
    offset_c: float = 0.0

    def apply(self, forecasts_c: Floats) -> Floats:
        """(windows,) degC from (members, windows) degC."""
        blended: Floats = self.weights @ forecasts_c + self.offset_c
        return blended


def equal_blend(members: int) -> Blend:
    """The plain mean of so many members."""
    return Blend(np.full(members, 1 / members))


def fit_blend(forecasts_c: Floats, truth_c: Floats) -> Blend:
    """The blend of (members, windows) forecasts with the least MAE to a (windows,) truth, degC; fit it on validation.

    Members are taken one after the other, with repetition, each time the one that helps most (ensemble selection,
    Caruana et al. 2004); a weight is the share of the rounds. The offset is the median of what is missing: the years of
    validation are warmer or colder than those of train, and later years resemble them more.
    """
    counts = np.zeros(len(forecasts_c))
    total = np.zeros(forecasts_c.shape[1])
    for taken in range(ROUNDS):
        missing_c = [truth_c - (total + each) / (taken + 1) for each in forecasts_c]
        best = int(np.argmin([float(np.abs(missing - np.median(missing)).mean()) for missing in missing_c]))
        counts[best] += 1
        total += forecasts_c[best]
    weights = counts / ROUNDS
    return Blend(weights, float(np.median(truth_c - weights @ forecasts_c)))


def refuse_seen_validation(about: Metadata, path: Path) -> None:
    """Refuse to fit a blend on windows that a member was trained on.

    Raises:
        CheckpointError: validation was trained on too.
    """
    if about.trained_on != "train":
        raise CheckpointError(
            f"{path} was trained on {about.trained_on}, so nothing is left to fit a blend on; leave --fit-blend out"
        )
