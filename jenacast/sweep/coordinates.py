"""The axes of parallel coordinates: where each trial stands on them, from 0 to 1, and what is written beside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.plotting import shorten_middle

NONE_AT = -0.12  # the place of a trial that lacks the setting
BEYOND_AT = 1.08  # and of one whose error is out of sight
LOG_FROM = 30  # highest over lowest: values that span less are told apart on a linear scale too
FEW_VALUES = 6  # are written as they are; of more, round ones between them
LEAST_GAP = 0.05  # between what is written, of the axis
LONGEST_LABEL = 14  # characters
LONGEST_NUMBER = 6  # characters
Tick = tuple[float, str]


@dataclass(frozen=True)
class Coordinate:
    """One axis: (trials,) places from 0 to 1, or `NONE_AT` or `BEYOND_AT`, and the places that are named."""

    places: Floats
    ticks: list[Tick]


def coordinate(values: Sequence[Any]) -> Coordinate:
    """The axis of a setting: numbers by their size, other values evenly, None at `NONE_AT`."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        places, ticks = _scaled([float(value) for value in known])
    else:
        places, ticks = _named([_label(value) for value in known])
    found = iter(places)
    return Coordinate(np.array([NONE_AT if value is None else next(found) for value in values]), _apart(ticks))


def mae_coordinate(maes_c: Sequence[float]) -> Coordinate:
    """The axis of the error, as far as `sight` goes; what lies beyond stands at `BEYOND_AT`."""
    errors_c = np.array(maes_c, float)
    scale = _Scale(*sight(errors_c))
    places = np.array([scale.place(error_c) if error_c <= scale.high else BEYOND_AT for error_c in errors_c])
    beyond = [(BEYOND_AT, f"over {scale.high:.3g}")] if np.any(places == BEYOND_AT) else []
    return Coordinate(places, _apart(beyond + scale.round_ticks()))


def sight(maes_c: Floats) -> tuple[float, float]:
    """The ends of what a picture shows of these errors, never the same.

    Left out are those beyond Tukey's outer fence, the upper quartile and three times the quartiles' distance: they
    would press the rest flat.
    """
    maes_c = maes_c[np.isfinite(maes_c)]
    if not len(maes_c):
        return 0.0, 1.0
    lower, upper = np.quantile(maes_c, (0.25, 0.75))
    low, high = float(maes_c.min()), float(maes_c[maes_c <= upper + 3 * (upper - lower)].max())
    return (low, high) if high > low else (0.95 * low, 1.05 * low + 1e-9)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """From 0 at `low` to 1 at `high`."""
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def round_ticks(self) -> list[Tick]:
        from matplotlib.ticker import LogLocator, MaxNLocator

        locator: Any = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
        if self.is_log:
            locator = LogLocator(subs=(1.0,) if self.high / self.low > 1000 else (1.0, 2.0, 5.0))
        ticks = [(self.place(value), _short(value)) for value in locator.tick_values(self.low, self.high)]
        return [tick for tick in ticks if -1e-9 <= tick[0] <= 1 + 1e-9]


def _scaled(values: Sequence[float]) -> tuple[list[float], list[Tick]]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low == high:
        return [0.5] * len(values), [(0.5, _short(low))][: len(values)]
    scale = _Scale(low, high, is_log=low > 0 and high / low > LOG_FROM and _is_skewed(values))
    places = {value: scale.place(value) for value in values}
    few = [(place, _short(value)) for value, place in places.items()]
    return [places[value] for value in values], few if len(few) <= FEW_VALUES else scale.round_ticks()


def _is_skewed(values: Sequence[float]) -> bool:
    """Whether a log scale spreads the positive values more evenly than a linear one."""
    middle, low, high = float(np.median(values)), min(values), max(values)
    linear, log = (middle - low) / (high - low), math.log(middle / low) / math.log(high / low)
    return abs(log - 0.5) <= abs(linear - 0.5)


def _named(labels: Sequence[str]) -> tuple[list[float], list[Tick]]:
    names = sorted(set(labels))
    places = dict(zip(names, np.linspace(0, 1, len(names)) if len(names) > 1 else [0.5], strict=True))
    ticks = [(place, shorten_middle(name, LONGEST_LABEL)) for name, place in places.items()]
    return [places[label] for label in labels], ticks


def _apart(ticks: Sequence[Tick]) -> list[Tick]:
    """Those that do not stand on an earlier one."""
    kept: list[Tick] = []
    for place, label in ticks:
        if all(abs(place - other) >= LEAST_GAP for other, _ in kept):
            kept.append((place, label))
    return kept


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(value: float) -> str:
    digits = f"{value:g}"
    return digits if len(digits) <= LONGEST_NUMBER else f"{value:.3g}"
