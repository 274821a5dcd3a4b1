"""A made-up station series for demonstrations and tests: plausible weather, and the station's real warts.

The weather is a function of time alone, so rows that the warts repeat are repeated to the last digit.
"""

from itertools import accumulate
from math import exp, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import COLUMNS, NAMES, SENTINEL, TIME_FORMAT, TIME_HEADER
from jenacast.data.air import ZERO_CELSIUS_K, saturation_vapour_pressure_mbar
from jenacast.errors import DataError
from jenacast.files import atomic_path

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

MIDNIGHT = np.datetime64("2009-01-01T00:00:00")
FIRST_MINUTE = 10  # the real series begins at 00:10
RECORD_MINUTES = 10
DAYS_A_YEAR = 365.2425
CHUNK_ROWS = 10_000  # as Python objects, all rows at once would take hundreds of megabytes

# Where the clock jumps, as a fraction of the rows, and by how many minutes beyond its usual step.
JUMPS = (
    (0.19, -24 * 60),  # a day is repeated
    (0.30, 20),
    (0.55, 10),
    (0.65, -30 * 60 - 30),  # the half hour puts an hourly series between the rows it already has
    (0.70, 10),
    (0.72, 17 * 60),
    (0.90, 75 * 60),
)
SHORT_JUMPS = ((0.55, 10),)
SHORT_MINUTES = 60 * 24 * 60
SENTINEL_PLACE, SENTINEL_MINUTES = 0.82, 180

E_FOLDING_HOURS = {"slow": 84.0, "fast": 6.0, "pressure": 80.0, "moisture": 12.0, "east": 18.0, "north": 18.0}
PRESSURE_LEAD_HOURS = 24  # pressure runs ahead of temperature, so that some of a change can be forecast

DRY_AIR_J_PER_KG_K = 287.05
WATER_TO_AIR = 0.622  # ratio of the molar masses


def synthetic_series(*, rows: int, step_minutes: int = 10, seed: int = 0, warts: bool = True) -> tuple[Times, Floats]:
    """Make a station series that starts where the real one does, on 2009-01-01 at 00:10.

    Temperature is a yearly and a daily cycle, the latter larger in summer, with red noise on top, part of which
    follows the pressure a day later: a forecast that looks at it can beat persistence. With warts, the clock jumps,
    and both wind speeds have three hours of the sentinel.

    Args:
        rows: records, warts included.
        step_minutes: from one record to the next; a divisor of 60.
        seed: the same seed makes the same weather, whatever the number of rows.
        warts: whether to damage the series as the real one is damaged.

    Returns:
        Times, (rows,) datetime64[s], and values, (rows, len(COLUMNS)) float64 with two decimals, in their units.

    Raises:
        DataError: `rows` or `step_minutes` breaks its rule.
    """
    if rows < 1:
        raise DataError(f"rows is {rows}; a series needs at least one row; ask for 1 or more")
    if step_minutes < 1 or 60 % step_minutes:
        raise DataError(f"step_minutes is {step_minutes}; it must divide 60; try 10 or 60")
    minutes = _clock(rows, step_minutes, warts)
    columns = _weather(minutes, seed)
    if warts:
        first = int(SENTINEL_PLACE * rows)
        stop = first + SENTINEL_MINUTES // step_minutes
        for name in ("wind_speed_m_per_s", "max_wind_speed_m_per_s"):
            columns[name][first:stop] = SENTINEL
    values = np.column_stack([columns[name] for name in NAMES])
    return MIDNIGHT + minutes.astype("timedelta64[m]"), values


def write_csv(path: Path, times: Times, values: Floats) -> None:
    """Write times and (rows, len(COLUMNS)) values in the station's own text format, atomically, with two decimals."""
    header = ",".join(f'"{text}"' for text in (TIME_HEADER, *(column.header for column in COLUMNS)))
    line = "%s" + ",%.2f" * len(COLUMNS) + "\n"
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        file.write(header + "\n")
        for first in range(0, len(times), CHUNK_ROWS):
            chunk = slice(first, first + CHUNK_ROWS)
            records = zip(times[chunk].tolist(), values[chunk].tolist(), strict=True)
            file.writelines(line % (time.strftime(TIME_FORMAT), *numbers) for time, numbers in records)


def _clock(rows: int, step_minutes: int, warts: bool) -> NDArray[np.int64]:
    """The minutes since `MIDNIGHT` of every row."""
    steps = np.full(rows, step_minutes, dtype=np.int64)
    if warts:
        for place, minutes in JUMPS if rows * step_minutes >= SHORT_MINUTES else SHORT_JUMPS:
            steps[int(place * rows)] += minutes
    steps[0] = FIRST_MINUTE
    return np.cumsum(steps)


def _weather(minutes: NDArray[np.int64], seed: int) -> dict[str, Floats]:
    """Every column, by name, at the given minutes since `MIDNIGHT`."""
    hours = minutes / 60
    knot_hours = np.arange(-PRESSURE_LEAD_HOURS, int(hours.max()) + 2)
    # A generator for each process, so that a longer series begins with the weather of a shorter one.
    *red, white = np.random.default_rng(seed).spawn(len(E_FOLDING_HOURS) + 1)
    knots = {
        name: _red_noise(generator, len(knot_hours), e_folding_hours)
        for (name, e_folding_hours), generator in zip(E_FOLDING_HOURS.items(), red, strict=True)
    }
    noise = {name: np.interp(hours, knot_hours, values) for name, values in knots.items()}
    earlier_pressure = np.interp(hours - PRESSURE_LEAD_HOURS, knot_hours, knots["pressure"])
    records = minutes // RECORD_MINUTES
    flutter, gusts = white.standard_normal((int(records.max()) + 1, 2))[records].T

    summer = -np.cos(2 * np.pi * (hours / 24 - 20) / DAYS_A_YEAR)  # coldest around 20 January
    afternoon = -np.cos(2 * np.pi * (hours - 3) / 24)  # warmest at 15:00
    # A low brings mild air a day later, a high cold air.
    day_mean_c = 9.5 + 9.5 * summer + 3.6 * noise["slow"] + 1.1 * noise["fast"] - 2.0 * earlier_pressure
    temperature_c = np.round(day_mean_c + (2.8 + 1.5 * summer) * afternoon + 0.1 * flutter, 2)
    pressure_mbar = np.round(989.0 + 8.0 * noise["pressure"], 2)
    # The dew point hardly knows the daily cycle: nights come close to saturation, afternoons are dry.
    dew_point_c = day_mean_c - 4.0 - 1.5 * summer + 2.0 * noise["moisture"]
    dew_point_c = np.round(np.minimum(dew_point_c, temperature_c), 2)

    # Weather comes from the south-west.
    from_east = -1.0 + 1.5 * noise["east"]
    from_north = -0.6 + 1.5 * noise["north"]
    wind_speed = np.hypot(from_east, from_north) * (1 + 0.3 * afternoon) * np.exp(0.3 * gusts)
    direction_deg = np.degrees(np.arctan2(from_east, from_north)) % 360
    return {
        **_air(pressure_mbar, temperature_c, dew_point_c),
        "wind_speed_m_per_s": np.round(wind_speed, 2),
        "max_wind_speed_m_per_s": np.round(wind_speed * (1.4 + 0.3 * np.abs(gusts)) + 0.2, 2),
        "wind_direction_deg": np.round(direction_deg, 2) % 360,  # 359.996 rounds to 360
    }


def _air(pressure_mbar: Floats, temperature_c: Floats, dew_point_c: Floats) -> dict[str, Floats]:
    """The air columns, by name, that three of them determine; Poisson's equation gives the potential temperature."""
    temperature_k = temperature_c + ZERO_CELSIUS_K
    saturation_mbar = saturation_vapour_pressure_mbar(temperature_c)
    vapour_mbar = saturation_vapour_pressure_mbar(dew_point_c)
    specific_humidity = WATER_TO_AIR * vapour_mbar / (pressure_mbar - (1 - WATER_TO_AIR) * vapour_mbar)
    virtual_temperature_k = temperature_k * (1 + (1 / WATER_TO_AIR - 1) * specific_humidity)
    pascals = 100 * pressure_mbar
    columns = {
        "pressure_mbar": pressure_mbar,
        "temperature_c": temperature_c,
        "potential_temperature_k": temperature_k * (1000 / pressure_mbar) ** 0.286,
        "dew_point_c": dew_point_c,
        "relative_humidity_percent": 100 * vapour_mbar / saturation_mbar,
        "saturation_vapour_pressure_mbar": saturation_mbar,
        "vapour_pressure_mbar": vapour_mbar,
        "vapour_pressure_deficit_mbar": saturation_mbar - vapour_mbar,
        "specific_humidity_g_per_kg": 1000 * specific_humidity,
        "water_vapour_mmol_per_mol": 1000 * vapour_mbar / pressure_mbar,
        "air_density_g_per_m3": 1000 * pascals / (DRY_AIR_J_PER_KG_K * virtual_temperature_k),
    }
    return {name: np.round(values, 2) + 0.0 for name, values in columns.items()}  # + 0.0: never "-0.00"


def _red_noise(generator: np.random.Generator, hours: int, e_folding_hours: float) -> Floats:
    """(hours,) of an Ornstein-Uhlenbeck process with mean 0 and deviation 1, once an hour."""
    decay = exp(-1 / e_folding_hours)
    kicks = generator.standard_normal(hours)
    kicks[1:] *= sqrt(1 - decay**2)
    return np.fromiter(accumulate(kicks.tolist(), lambda now, kick: decay * now + kick), np.float64, hours)
