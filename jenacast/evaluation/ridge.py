"""A linear forecast from the whole window: features of its history, and ridge regression on them.

The regression of the later weather on what is known now is the classical statistical forecast (Glahn & Lowry
1972); the penalty keeps nearly equal columns from taking large weights of opposite sign (Hoerl & Kennard 1970).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jenacast.columns import NAMES
from jenacast.data.series import Floats, Series
from jenacast.data.windows import Windows
from jenacast.features.climatology import Climatology, day_waves, year_waves
from jenacast.features.derived import wind_vector

DIFFERENCE_HOURS = (1, 3, 24)
MEAN_HOURS = 24
CALENDAR_WAVES = 2
PENALTIES = tuple(10.0**power for power in range(-6, 2))
CHUNK = 4096  # windows at a time: all histories of a 10-minute series at once would take gigabytes


@dataclass(frozen=True)
class Ridge:
    """Coefficients that minimise mean squared error + penalty * sum of squares, for standardised features.

    Attributes:
        penalty: in the unit of the target squared.
        means: (features,) of the features fitted on.
        deviations: (features,) of the features fitted on; 1 where a feature never changes.
        coefficients: (features,) change of the forecast for one deviation, in the unit of the target.
        intercept: mean of the target; it is not penalised.
    """

    penalty: float
    means: Floats
    deviations: Floats
    coefficients: Floats
    intercept: float

    def predict(self, features: Floats) -> Floats:
        """(windows,) float64 in the unit of the target, from (windows, features)."""
        slopes = self.coefficients / self.deviations
        forecast: Floats = features @ slopes + (self.intercept - float(self.means @ slopes))
        return forecast


def fit_ridge(features: Floats, target: Floats, penalties: Sequence[float], *, chunk: int = CHUNK) -> list[Ridge]:
    """Fit one ridge for each penalty, in closed form, to (windows, features) and a (windows,) target.

    float32 features will do: sums are kept in float64. Penalties are in the unit of the target squared; 0 is least
    squares, where no feature follows from others. `chunk` windows are summed at once, which bounds the memory.
    """
    windows, count = features.shape
    means = features.mean(axis=0, dtype=np.float64)
    intercept = float(target.mean(dtype=np.float64))
    gram, product = np.zeros((count, count)), np.zeros(count)
    for part in _parts(windows, chunk):
        centred = features[part] - means
        gram += centred.T @ centred / windows
        product += centred.T @ (target[part] - intercept) / windows
    deviations = np.sqrt(gram.diagonal())
    deviations[features.max(axis=0) == features.min(axis=0)] = 1.0  # the mean may be a rounding off the one value
    gram /= np.outer(deviations, deviations)
    product /= deviations
    return [
        Ridge(penalty, means, deviations, np.linalg.solve(gram + penalty * np.eye(count), product), intercept)
        for penalty in penalties
    ]


def window_features(series: Series, windows: Windows, climatology: Climatology, *, lead_hours: int) -> Floats:
    """What a forecast may know at each window's last row, (windows, features) float32.

    Every column's present value, its differences from `DIFFERENCE_HOURS` before and its means over a day and
    over the history, all of them also times cosine and sine of the hour, since 10 °C mean another tomorrow at
    night than at noon; the waves of hour and day of year at the target; the climatology now and then. What
    the history is too short for is left out.
    """
    parts = _parts(len(windows), CHUNK)
    return np.concatenate([_features(series, windows.pick(part), climatology, lead_hours) for part in parts])


def _features(series: Series, windows: Windows, climatology: Climatology, lead_hours: int) -> Floats:
    history = _with_wind_vector(np.asarray(series.values[windows.history_rows()]))
    present = history[:, -1]
    means = sorted({hours for hours in (MEAN_HOURS, windows.history) if 1 < hours <= windows.history})
    weather = np.hstack(
        [
            present,
            *(present - history[:, -1 - hours] for hours in DIFFERENCE_HOURS if hours < windows.history),
            *(history[:, -hours:].mean(axis=1) for hours in means),
        ]
    )
    now = series.times[windows.last_rows]
    then = now + np.timedelta64(lead_hours, "h")  # not the target's own time: under `book` a gap may lie between
    hour = day_waves(then, CALENDAR_WAVES).astype(np.float32)
    return np.hstack(
        [
            *(weather, weather * hour[:, [0]], weather * hour[:, [1]]),
            *(hour, year_waves(then, CALENDAR_WAVES).astype(np.float32)),
            *(climatology.at(time)[:, None].astype(np.float32) for time in (now, then)),
        ]
    )


def _with_wind_vector(values: Floats) -> Floats:
    """Values (..., columns) with the wind direction, whose 360° is 0°, as the two parts of the wind in m/s."""
    speed, direction = (values[..., NAMES.index(name)] for name in ("wind_speed_m_per_s", "wind_direction_deg"))
    numbers = [index for index, name in enumerate(NAMES) if name != "wind_direction_deg"]
    parts = [part[..., None] for part in wind_vector(speed, direction)]
    return np.concatenate([values[..., numbers], *parts], axis=-1)


def _parts(rows: int, chunk: int) -> Iterator[slice]:
    return (slice(first, first + chunk) for first in range(0, rows, chunk))
