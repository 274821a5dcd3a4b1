"""The temperature to expect from the calendar alone: a mean by day of year and hour of day.

Harmonics fitted by least squares (Wilks, Statistical Methods in the Atmospheric Sciences, on harmonic analysis):
one, cosine and sine of the year and of the day up to three waves each, and all products, so that the daily
cycle may change with the season.
"""

import numpy as np
from pydantic import Field

from jenacast.data.series import Floats, Times
from jenacast.errors import DataError
from jenacast.records import Record

YEAR_S = 365.2425 * 86400  # the mean Gregorian year, so that leap years shift no phase for good
DAY_S = 86400
WAVES = 3
TERMS = (1 + 2 * WAVES) ** 2


class Climatology(Record):
    """A mean temperature for every moment of the year.

    `coefficients_c` are degC, one for each product of a year's and a day's term, the day's changing fastest;
    both go 1, cos, sin, cos of the double, sin of the double, and so on. The first is the mean of all.
    """

    coefficients_c: tuple[float, ...] = Field(min_length=TERMS, max_length=TERMS)

    def at(self, times: Times) -> Floats:
        """The mean temperature, (times,) float64 degC, at datetime64 `times` by the station's clock."""
        expected_c: Floats = _products(times) @ np.array(self.coefficients_c)
        return expected_c


def fit_climatology(times: Times, temperature_c: Floats, *, of_year: int = WAVES) -> Climatology:
    """Fit a climatology by least squares.

    Args:
        times: (rows,) datetime64, in any order.
        temperature_c: (rows,) degC; rows that are not finite are left out.
        of_year: how many waves of the year are fitted; the coefficients of the others are 0.

    Raises:
        DataError: the rows span less than a year, which leaves the seasons open.
    """
    known = np.isfinite(temperature_c)
    seconds = _seconds(times[known])
    span_s = float(np.ptp(seconds)) if len(seconds) else 0.0
    if span_s < YEAR_S - DAY_S:  # 365 days of hourly rows end an hour before the year does
        raise DataError(
            f"the rows span {span_s / DAY_S:.0f} days, and a climatology is fitted on a year or more; "
            "prepare a series of at least two years, half of which trains"
        )
    coefficients_c = np.zeros(TERMS)
    fitted = slice((1 + 2 * of_year) * (1 + 2 * WAVES))  # the year's terms change slowest
    terms = _products(times[known])[:, fitted]
    coefficients_c[fitted] = np.linalg.lstsq(terms, temperature_c[known].astype(np.float64), rcond=None)[0]
    return Climatology(coefficients_c=tuple(coefficients_c.tolist()))


def year_waves(times: Times, waves: int) -> Floats:
    """Cosine and sine of the time of year and of its multiples, (times, 2 * waves) float64."""
    return _waves(_seconds(times) / YEAR_S, waves)


def day_waves(times: Times, waves: int) -> Floats:
    """Cosine and sine of the time of day and of its multiples, (times, 2 * waves) float64."""
    return _waves(_seconds(times) / DAY_S, waves)


def _products(times: Times) -> Floats:
    year, day = (_with_one(waves(times, WAVES)) for waves in (year_waves, day_waves))
    products: Floats = (year[:, :, None] * day[:, None, :]).reshape(-1, TERMS)
    return products


def _with_one(waves: Floats) -> Floats:
    return np.column_stack([np.ones_like(waves[:, 0]), waves])


def _waves(cycles: Floats, waves: int) -> Floats:
    angles = 2 * np.pi * (cycles % 1)
    return np.column_stack([wave(k * angles) for k in range(1, waves + 1) for wave in (np.cos, np.sin)])


def _seconds(times: Times) -> Floats:
    return times.astype("datetime64[s]").astype(np.int64).astype(np.float64)
