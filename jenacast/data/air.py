"""Air in formulas: how the station's columns follow from one another."""

import numpy as np

from jenacast.data.series import Floats, Series

ZERO_CELSIUS_K = 273.15


def saturation_vapour_pressure_mbar(temperature_c: Floats) -> Floats:
    """The Magnus formula (Magnus 1844) over water; of a dew point it is the vapour pressure itself.

    Of the coefficients in common use these are the station's: they give its VPmax within 0.01 mbar.
    """
    pressure_mbar: Floats = 6.1078 * np.exp(17.08085 * temperature_c / (234.175 + temperature_c))
    return pressure_mbar


def columns_at(series: Series, change_c: Floats) -> dict[str, Floats]:
    """The columns that differ where the same air is warmer: the temperature, and what follows from it.

    Pressure, dew point and the content of water vapour stay. The saturation vapour pressure follows the Magnus formula,
    and the relative humidity is inverse to it; the potential temperature is proportional to the absolute temperature
    (Poisson's equation), the density inverse to it (ideal gas law). Ratios and differences need no other constant. Rows
    of the station that agree in pressure and dew point differ by just this, to the file's rounding.

    Args:
        series: the rows.
        change_c: (rows,) to add to the temperature, degC.

    Returns:
        (rows,) float64 in the column's unit, by name.
    """
    now_c = series.column("temperature_c").astype(np.float64)
    then_c = now_c + change_c
    warmer = (then_c + ZERO_CELSIUS_K) / (now_c + ZERO_CELSIUS_K)
    now_mbar, then_mbar = (saturation_vapour_pressure_mbar(each_c) for each_c in (now_c, then_c))
    saturation = then_mbar / now_mbar
    return {
        "temperature_c": then_c,
        "potential_temperature_k": series.column("potential_temperature_k") * warmer,
        "relative_humidity_percent": series.column("relative_humidity_percent") / saturation,
        "saturation_vapour_pressure_mbar": series.column("saturation_vapour_pressure_mbar") * saturation,
        "vapour_pressure_deficit_mbar": series.column("vapour_pressure_deficit_mbar") + then_mbar - now_mbar,
        "air_density_g_per_m3": series.column("air_density_g_per_m3") / warmer,
    }
