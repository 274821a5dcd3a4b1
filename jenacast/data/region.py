"""A station beside its region: monthly mean temperatures, and their difference.

The region is Thuringia, around Jena; its monthly means lie in the package with their source and terms.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jenacast.data.series import Floats, Series, Times

REGION, SOURCE = "Thuringia", "Datenbasis: Deutscher Wetterdienst"
REFERENCE = Path(__file__).parent / "thuringia_monthly_temperature.csv"
LEAST_HOURS = 0.9  # of a month's hours
FIRST_MONTH = np.datetime64("1970-01", "M")


@dataclass(frozen=True)
class Difference:
    """The station's monthly means less the region's, where both are known.

    Attributes:
        months: (months,) datetime64[M], in order; some may be missing.
        station_c: (months,) degC.
        region_c: (months,) degC.
    """

    months: Times
    station_c: Floats
    region_c: Floats

    @property
    def difference_c(self) -> Floats:
        """(months,) station less region, degC."""
        return self.station_c - self.region_c

    @property
    def correlation(self) -> float:
        """Of the changes from month to month, without the annual cycle; 0 where either does not change.

        It says whether the region is a reference for the station, whatever breaks there are (Peterson & Easterling
        1994, International Journal of Climatology 14, on reference series).
        """
        changes = [np.diff(without_cycle(self.months, each_c)) for each_c in (self.station_c, self.region_c)]
        station, region = (each - each.mean() for each in changes)
        scale = float(np.sqrt((station @ station) * (region @ region)))
        return float(station @ region) / scale if scale else 0.0


def month_numbers(months: Times) -> np.ndarray:
    """(months,) int64: how many months after January 1970."""
    return months.astype("datetime64[M]").astype(np.int64)


def without_cycle(months: Times, values: Floats) -> Floats:
    """(months,) values less the mean of their month of the year."""
    of_year = month_numbers(months) % 12
    means = np.bincount(of_year, values, 12) / np.maximum(np.bincount(of_year, minlength=12), 1)
    rest: Floats = values - means[of_year]
    return rest


def monthly_means(series: Series) -> tuple[Times, Floats]:
    """The means of the measured temperature, of the months of which 90 % of the hours are measured.

    Every hour counts alike, however many rows it has. A stamp is the end of the time it is of: midnight on the first
    belongs to the month before.

    Returns:
        (months,) datetime64[M] and degC.
    """
    measured = np.isfinite(series.column("temperature_c"))
    if series.target_measured is not None:
        measured &= series.target_measured
    within = series.times[measured] - np.timedelta64(1, "s")
    hours, means_c = _means(within.astype("datetime64[h]"), series.column("temperature_c")[measured])
    months, means_c = _means(hours.astype("datetime64[M]"), means_c)
    counts = np.unique(hours.astype("datetime64[M]"), return_counts=True)[1]
    length = ((months + 1).astype("datetime64[h]") - months.astype("datetime64[h]")).astype(np.int64)
    whole = counts >= LEAST_HOURS * length
    return months[whole], means_c[whole]


def compare_with_region(series: Series) -> Difference:
    """The station beside the region, in the months that both have."""
    reference = np.loadtxt(REFERENCE, "datetime64[M],f8", delimiter=",", skiprows=6)
    months, means_c = monthly_means(series)
    both, of_station, of_region = np.intersect1d(months, reference["f0"], return_indices=True)
    return Difference(both, means_c[of_station], reference["f1"][of_region])


def _means(labels: Times, values: Floats) -> tuple[Times, Floats]:
    """The distinct labels in order, and the mean of the values with each."""
    distinct, places = np.unique(labels, return_inverse=True)
    return distinct, np.bincount(places, values.astype(np.float64)) / np.bincount(places)
