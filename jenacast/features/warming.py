"""The climate's warming, taken off what a network sees.

A network draws the forecast back towards the weather of its train years: of a uniform warming it gives back 60 to 80 %.
So years after it learnt are forecast too cold, the more the later they are. A trend that is known from elsewhere, such
as that of a regional mean over thirty years, can be taken off before: then later years look like those of train.
"""

import numpy as np

from jenacast.data.air import ZERO_CELSIUS_K, saturation_vapour_pressure_mbar
from jenacast.data.series import Floats, Series, Times
from jenacast.features.climatology import YEAR_S

SINCE = np.datetime64("2012-01-01")  # any would do: the columns are standardised
DECADE_S = 10 * YEAR_S
VAPOUR = (  # columns in proportion to the pressure of water vapour, at one relative humidity
    "saturation_vapour_pressure_mbar",
    "vapour_pressure_mbar",
    "vapour_pressure_deficit_mbar",
    "specific_humidity_g_per_kg",
    "water_vapour_mmol_per_mol",
)


def warming_c(times: Times, c_per_decade: float) -> Floats:
    """How much warmer it has become since `SINCE`, (times,) float64 degC; negative before."""
    elapsed: Floats = (times - SINCE).astype("timedelta64[s]").astype(np.float64)
    return c_per_decade * elapsed / DECADE_S


def without_warming(series: Series, c_per_decade: float) -> Series:
    """The weather as it would have been in the climate of `SINCE`: cooler by the trend, as humid and at its pressure.

    The relative humidity stays, as it roughly does in a warming climate (Held & Soden 2000), so that everything about
    water vapour shrinks by the Magnus formula; potential temperature and density go with the absolute temperature.
    """
    if not c_per_decade:
        return series
    now_c, later_c = series.column("temperature_c").astype(np.float64), warming_c(series.times, c_per_decade)
    cooler = (now_c - later_c + ZERO_CELSIUS_K) / (now_c + ZERO_CELSIUS_K)
    drier = saturation_vapour_pressure_mbar(now_c - later_c) / saturation_vapour_pressure_mbar(now_c)
    factors = dict.fromkeys(VAPOUR, drier)
    factors |= {"potential_temperature_k": cooler, "air_density_g_per_m3": 1 / cooler}
    columns = {name: series.column(name) * factor for name, factor in factors.items()}
    columns |= {name: series.column(name) - later_c for name in ("temperature_c", "dew_point_c")}
    return series.with_columns(columns)
