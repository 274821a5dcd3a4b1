"""The columns: those measured, and the grammar of those derived from them.

Header texts of the station's CSV stop here: everywhere else a column is looked up by `Column.name`.
A derived column is written `SOURCE` or `SOURCE:OPERATION`, operations from left to right; `features/derived.py` works
it out.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jenacast.errors import ConfigError


@dataclass(frozen=True)
class Column:
    """One measured quantity. `low` and `high` bound what an instrument in Jena can honestly report.

    `spelling` is a pattern of headers that mean the same, where files write the unit's signs in several ways.
    """

    header: str
    name: str
    unit: str
    low: float
    high: float
    spelling: str = ""


MOST_NAMED = 5  # columns, in an error

TIME_HEADER = "Date Time"
TIME_FORMAT = "%d.%m.%Y %H:%M:%S"
UTC_OFFSET_HOURS = 1  # of the station's clock, all year: written nowhere, but so its radiation follows the sun
ISO_FORMAT = "%Y-%m-%d %H:%M:%S"  # of files that went through other hands
SENTINEL = -9999.0  # the station's mark for a missing value

COLUMNS = (
    Column("p (mbar)", "pressure_mbar", "mbar", 800.0, 1100.0),
    Column("T (degC)", "temperature_c", "degC", -60.0, 60.0),
    Column("Tpot (K)", "potential_temperature_k", "K", 200.0, 350.0),
    Column("Tdew (degC)", "dew_point_c", "degC", -80.0, 50.0),
    Column("rh (%)", "relative_humidity_percent", "%", 0.0, 105.0),
    Column("VPmax (mbar)", "saturation_vapour_pressure_mbar", "mbar", 0.0, 200.0),
    Column("VPact (mbar)", "vapour_pressure_mbar", "mbar", 0.0, 100.0),
    Column("VPdef (mbar)", "vapour_pressure_deficit_mbar", "mbar", -1.0, 200.0),
    Column("sh (g/kg)", "specific_humidity_g_per_kg", "g/kg", 0.0, 60.0),
    Column("H2OC (mmol/mol)", "water_vapour_mmol_per_mol", "mmol/mol", 0.0, 100.0),
    Column("rho (g/m**3)", "air_density_g_per_m3", "g/m**3", 900.0, 1700.0),
    Column("wv (m/s)", "wind_speed_m_per_s", "m/s", 0.0, 75.0),
    Column("max. wv (m/s)", "max_wind_speed_m_per_s", "m/s", 0.0, 120.0),
    Column("wd (deg)", "wind_direction_deg", "deg", 0.0, 360.0),
)
OPTIONAL = (  # in the station's newer files alone
    Column("rain (mm)", "rain_mm", "mm", 0.0, 100.0),
    Column("raining (s)", "raining_s", "s", 0.0, 600.0),
    Column("SWDR (W/m²)", "shortwave_radiation_w_per_m2", "W/m**2", -20.0, 1500.0, r"SWDR \(W/m.{1,3}\)"),
    Column("PAR (µmol/m²/s)", "par_umol_per_m2_s", "umol/m**2/s", -50.0, 3500.0, r"PAR \(.{1,3}mol/m.{1,3}/s\)"),
    Column("CO2 (ppm)", "co2_ppm", "ppm", 300.0, 1000.0),
)
NAMES = tuple(column.name for column in COLUMNS)
OPTIONAL_NAMES = tuple(column.name for column in OPTIONAL)
TARGET = "temperature_c"

DEPARTURE = "departure"
WIND = {  # a part of the wind: the speed that it is of, and 0 for east or 1 for north
    "wind_east_m_per_s": ("wind_speed_m_per_s", 0),
    "wind_north_m_per_s": ("wind_speed_m_per_s", 1),
    "max_wind_east_m_per_s": ("max_wind_speed_m_per_s", 0),
    "max_wind_north_m_per_s": ("max_wind_speed_m_per_s", 1),
}
CALENDAR = {  # a wave of the calendar: its cycle, and its place among cosine and sine of one wave, of two, ...
    f"{cycle}_{wave}_{harmonic}": (cycle, 2 * harmonic - 2 + number)
    for cycle in ("hour", "year")
    for harmonic in (1, 2)
    for number, wave in enumerate(("cos", "sin"))
}
CLEARNESS = "clearness"  # the short-wave radiation over that of a clear sky
NIGHT_HOURS = 19  # the longest that the sun is too low for it; until then the last of the day counts
UNITS = {column.name: column.unit for column in (*COLUMNS, *OPTIONAL)}
UNITS |= dict.fromkeys(WIND, "m/s") | dict.fromkeys((*CALENDAR, CLEARNESS), "1")
HOURS_OPERATION = re.compile(r"(change|mean)_([1-9][0-9]{0,2})h")


@dataclass(frozen=True)
class ColumnSpec:
    """A column by its name, taken apart.

    Attributes:
        source: what it is worked out of.
        operations: (kind, hours) in their order; `departure` has 0 hours.
    """

    source: str
    operations: tuple[tuple[str, int], ...]

    @property
    def unit(self) -> str:
        """The source's unit; no operation changes it."""
        return UNITS[self.source]

    @property
    def look_back_hours(self) -> int:
        """How many hours before its own time the column needs."""
        hours = sum(hours - (kind == "mean") for kind, hours in self.operations if hours)
        return hours + (NIGHT_HOURS if self.source == CLEARNESS else 0)

    @property
    def needs_climatology(self) -> bool:
        """Whether it is a departure from one."""
        return (DEPARTURE, 0) in self.operations


def parse_column(name: str) -> ColumnSpec:
    """Take a column's name apart.

    Raises:
        ConfigError: an unknown source or operation, or a departure of anything but the temperature.
    """
    source, *operations = name.split(":")
    if source not in UNITS:
        raise ConfigError(f"{name!r}: {source!r} is no column of this version; expected one of {', '.join(UNITS)}")
    parsed = []
    for number, operation in enumerate(operations):
        match = HOURS_OPERATION.fullmatch(operation)
        if match:
            parsed.append((match[1], int(match[2])))
        elif operation == DEPARTURE and source == TARGET and number == 0:
            parsed.append((DEPARTURE, 0))
        else:
            raise ConfigError(
                f"{name!r}: expected operations such as change_6h or mean_24h, or {TARGET}:{DEPARTURE}, "
                f"received {operation!r}"
            )
    return ColumnSpec(source, tuple(parsed))


def check_columns(names: list[str]) -> list[str]:
    """The columns `names`, for a validator.

    Raises:
        ValueError: a name that `parse_column` refuses, or one that comes twice.
    """
    try:
        for name in names:
            parse_column(name)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    twice = [name for name, count in Counter(names).items() if count > 1][:MOST_NAMED]
    if twice:
        raise ValueError(f"{', '.join(map(repr, twice))} more than once")
    return names


def measured_columns(names: Sequence[str]) -> list[str]:
    """The measured columns that the columns `names` are worked out of, each once."""
    sources = [parse_column(name).source for name in names]
    of_wind = {name for source in sources if source in WIND for name in (WIND[source][0], "wind_direction_deg")}
    of_sky = {"shortwave_radiation_w_per_m2"} if CLEARNESS in sources else set()
    return [name for name in (*NAMES, *OPTIONAL_NAMES) if name in {*sources, *of_wind, *of_sky}]
