"""Where the sun stands over the station, and the radiation that a clear sky would let through.

The position is the Astronomical Almanac's approximation (Michalsky 1988, Solar Energy 40, 227-235), good to 0.01
degrees from 1950 to 2050. The clear sky is the model of Haurwitz (1945, J. Meteorology 2, 154-166) with the
coefficients of pvlib: of the models that need the sun's height alone it fits best (Reno, Hansen & Stein 2012,
SAND2012-2389).
"""

import numpy as np

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.data.series import HOUR_S, Floats, Times

LATITUDE_DEG, LONGITUDE_DEG = 50.910, 11.569  # the institute's roof, Jena-Beutenberg
HALF_INTERVAL = np.timedelta64(5, "m")  # a row is a mean of the ten minutes before its time
EPOCH = np.datetime64("2000-01-01T12:00:00", "s")


def sun_height(times: Times) -> Floats:
    """The sine of the sun's elevation in the middle of each row's interval, (times,) float64; below 0 at night.

    Args:
        times: datetime64[s] by the station's clock.
    """
    seconds = (times - HALF_INTERVAL).astype("datetime64[s]").astype(np.int64) - EPOCH.astype(np.int64)
    hours = seconds / HOUR_S - UTC_OFFSET_HOURS
    days = hours / 24
    anomaly = np.deg2rad(357.528 + 0.9856003 * days)
    longitude = np.deg2rad(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    # The sun's direction towards the equinox, across it along the equator, and towards the pole
    equinox, across, pole = np.cos(longitude), np.cos(tilt) * np.sin(longitude), np.sin(tilt) * np.sin(longitude)
    sidereal_hours = 6.697375 + 0.0657098242 * days + (hours + 12) % 24
    turned = np.deg2rad(15 * sidereal_hours + LONGITUDE_DEG)
    latitude = np.deg2rad(LATITUDE_DEG)
    height: Floats = np.sin(latitude) * pole + np.cos(latitude) * (np.cos(turned) * equinox + np.sin(turned) * across)
    return height


def clear_sky_w_per_m2(height: Floats) -> Floats:
    """The short-wave radiation on level ground under a clear sky, by the sine of the sun's elevation; 0 at night."""
    up = np.maximum(height, 1e-9)
    radiation: Floats = np.where(height > 0, 1098 * up * np.exp(-0.059 / up), 0.0)
    return radiation
