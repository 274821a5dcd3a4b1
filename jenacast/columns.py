"""The measured columns: header text in the station's CSV, name inside jenacast, unit, valid range.

Header texts stop here: everywhere else a column is looked up by `Column.name`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One measured quantity. `low` and `high` bound what an instrument in Jena can honestly report."""

    header: str
    name: str
    unit: str
    low: float
    high: float


TIME_HEADER = "Date Time"
TIME_FORMAT = "%d.%m.%Y %H:%M:%S"
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
NAMES = tuple(column.name for column in COLUMNS)
TARGET = "temperature_c"
