from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jenacast.columns import COLUMNS, NAMES, SENTINEL
from jenacast.data.air import saturation_vapour_pressure_mbar
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import DataError

YEAR_ROWS = 365 * 144
HOURLY_ROWS = 3 * 365 * 24
WIND_SPEEDS = ["wind_speed_m_per_s", "max_wind_speed_m_per_s"]
HEADER = (
    b'"Date Time","p (mbar)","T (degC)","Tpot (K)","Tdew (degC)","rh (%)","VPmax (mbar)","VPact (mbar)",'
    b'"VPdef (mbar)","sh (g/kg)","H2OC (mmol/mol)","rho (g/m**3)","wv (m/s)","max. wv (m/s)","wd (deg)"\n'
)


def frame(**settings) -> pd.DataFrame:
    times, values = synthetic_series(**settings)
    return pd.DataFrame(values, columns=list(NAMES), index=pd.DatetimeIndex(times))


def jumps(series: pd.DataFrame, step_minutes: int) -> dict[int, float]:
    """Minutes beyond the usual step, by the row they lead to."""
    extra = np.diff(series.index) / np.timedelta64(1, "m") - step_minutes
    return {int(row) + 1: float(extra[row]) for row in np.flatnonzero(extra)}


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    return frame(rows=YEAR_ROWS)


@pytest.fixture(scope="module")
def hourly() -> pd.DataFrame:
    return frame(rows=HOURLY_ROWS, step_minutes=60, warts=False)


def test_file_has_the_stations_format(tmp_path: Path):
    path = tmp_path / "series.csv"
    write_csv(path, *synthetic_series(rows=200))
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[0] == HEADER
    assert len(lines) == 201
    assert lines[1].startswith(b"01.01.2009 00:10:00,")
    assert lines[145].startswith(b"02.01.2009 00:20:00,")  # after the gap of 10 minutes
    for line in lines[1:]:
        numbers = line.removesuffix(b"\n").split(b",")[1:]
        assert len(numbers) == len(COLUMNS)
        assert all(len(number.split(b".")[1]) == 2 for number in numbers)
    assert b"\r" not in path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_no_negative_zero_is_written(tmp_path: Path):
    path = tmp_path / "series.csv"
    times, values = synthetic_series(rows=YEAR_ROWS)
    assert (values == 0).any()
    write_csv(path, times, values)
    assert b",-0.00" not in path.read_bytes()


def test_same_seed_same_bytes(tmp_path: Path):
    paths = [tmp_path / name for name in ("one.csv", "two.csv", "other.csv")]
    for path, seed in zip(paths, (3, 3, 4), strict=True):
        write_csv(path, *synthetic_series(rows=2_000, seed=seed))
    one, two, other = (path.read_bytes() for path in paths)
    assert one == two
    assert one != other


def test_length_and_step_do_not_change_the_weather():
    long = frame(rows=30_000, warts=False)
    pd.testing.assert_frame_equal(frame(rows=1_000, warts=False), long[:1_000])
    pd.testing.assert_frame_equal(frame(rows=500, step_minutes=60, warts=False), long[:3_000:6])


@pytest.mark.parametrize("rows", [1, 2, 7, 1_000, 60 * 144 - 1, 60 * 144])
def test_row_count_is_exact(rows: int):
    times, values = synthetic_series(rows=rows)
    assert times.shape == (rows,)
    assert times.dtype == "datetime64[s]"
    assert values.shape == (rows, len(COLUMNS))
    assert values.dtype == np.float64
    assert times[0] == np.datetime64("2009-01-01T00:10:00")


def test_a_series_needs_a_row_and_a_step_that_divides_the_hour():
    for step_minutes in (-10, 0, 7, 120):
        with pytest.raises(DataError, match=f"step_minutes is {step_minutes}; it must divide 60"):
            synthetic_series(rows=10, step_minutes=step_minutes)
    with pytest.raises(DataError, match="rows is 0"):
        synthetic_series(rows=0)


def test_values_lie_in_range_outside_the_sentinel(year: pd.DataFrame):
    for column in COLUMNS:
        values = year[column.name]
        values = values[values != SENTINEL]
        assert values.between(column.low, column.high).all(), column
        assert values.std() > 0
    assert (year["wind_direction_deg"] < 360).all()


def test_columns_agree_with_one_another(year: pd.DataFrame):
    pressure, celsius, dew = (year[name] for name in ("pressure_mbar", "temperature_c", "dew_point_c"))
    vapour, humidity = year["vapour_pressure_mbar"], year["relative_humidity_percent"]
    saturation = year["saturation_vapour_pressure_mbar"]
    moist = pressure - 0.378 * vapour
    kelvin = celsius + 273.15

    def close(name: str, expected: pd.Series, tolerance: float) -> None:
        assert np.abs(year[name] - expected).max() <= tolerance, name

    # Tolerances: half a hundredth for the column itself, plus what the rounding of its inputs can do.
    close("saturation_vapour_pressure_mbar", 6.1078 * np.exp(17.08085 * celsius / (234.175 + celsius)), 0.0051)
    close("vapour_pressure_mbar", humidity * saturation / 100, 0.015)
    close("vapour_pressure_deficit_mbar", saturation - vapour, 0.0151)
    close("potential_temperature_k", kelvin * (1000 / pressure) ** 0.286, 0.0051)
    close("specific_humidity_g_per_kg", 622 * vapour / moist, 0.01)
    close("water_vapour_mmol_per_mol", 1000 * vapour / pressure, 0.0105)
    close("air_density_g_per_m3", 1e5 * moist / (287.05 * kelvin), 0.02)
    assert (dew <= celsius).all()
    assert humidity.max() <= 100
    measured = year[WIND_SPEEDS[0]] != SENTINEL
    assert (year[WIND_SPEEDS[1]] >= year[WIND_SPEEDS[0]])[measured].all()


def test_saturation_is_what_the_station_reports():
    # T and VPmax of three of the station's own records, within a unit of the last digit
    computed = saturation_vapour_pressure_mbar(np.array([-8.02, 8.40, 20.25]))
    np.testing.assert_allclose(computed, [3.33, 11.03, 23.78], atol=0.01)


@pytest.mark.parametrize("step_minutes", [10, 60])
def test_the_clock_jumps_like_the_stations(step_minutes: int):
    rows = 365 * 24 * 60 // step_minutes
    series = frame(rows=rows, step_minutes=step_minutes)
    found = jumps(series, step_minutes)
    assert sorted(found.values()) == [-30.5 * 60, -24 * 60, 10, 10, 20, 17 * 60, 75 * 60]
    row = {minutes: row / rows for row, minutes in found.items()}
    assert row[-24 * 60] < 0.5
    assert 0.5 < row[17 * 60] < 0.75
    assert row[75 * 60] > 0.75


@pytest.mark.parametrize("rows", [144, 183])  # a day, and 30.5 hours
def test_what_a_jump_back_repeats_is_the_same_to_the_last_digit(year: pd.DataFrame, rows: int):
    (row,) = (row for row, minutes in jumps(year, 10).items() if minutes == -10 * rows)
    pd.testing.assert_frame_equal(year[row - rows : row], year[row : row + rows])


def test_the_second_jump_back_shifts_an_hourly_series_by_half_an_hour():
    series = frame(rows=365 * 24, step_minutes=60)
    assert series.index.duplicated().sum() == 24
    assert (np.diff(series.index) / np.timedelta64(1, "h")).min() == -29.5


def test_the_sentinel_is_a_run_of_three_hours_in_the_last_quarter(year: pd.DataFrame):
    marked = year == SENTINEL
    rows = np.flatnonzero(marked[WIND_SPEEDS].all(axis=1))
    assert len(rows) == 18
    assert rows[-1] - rows[0] == 17
    assert rows[0] > 0.75 * len(year)
    assert marked.to_numpy().sum() == 36


def test_a_short_series_has_one_small_gap_and_the_sentinel():
    series = frame(rows=59 * 144)
    assert list(jumps(series, 10).values()) == [10]
    assert (series == SENTINEL).to_numpy().sum() == 36


def test_without_warts_there_are_none(hourly: pd.DataFrame):
    assert jumps(hourly, 60) == {}
    assert not (hourly == SENTINEL).any(axis=None)


def test_the_year_and_the_day_are_seen(hourly: pd.DataFrame):
    celsius = hourly["temperature_c"]
    by_month = celsius.groupby(hourly.index.month).mean()
    assert 15 < by_month[7] - by_month[1] < 24
    assert 8 < celsius.mean() < 11
    by_hour = celsius.groupby([hourly.index.month, hourly.index.hour]).mean().unstack()
    swing = by_hour[15] - by_hour[3]
    assert 1 < swing[1] < 5
    assert 6 < swing[7] < 11


def test_a_day_ahead_persistence_errs_as_on_the_real_series(hourly: pd.DataFrame):
    error_c = hourly["temperature_c"].diff(24).abs().mean()
    assert 2.0 < error_c < 3.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tendencies_tell_of_the_change_to_come(seed: int):
    series = frame(rows=HOURLY_ROWS, step_minutes=60, warts=False, seed=seed)
    past = series[["pressure_mbar", "temperature_c"]].diff(24)
    change_c = series["temperature_c"].diff(24).shift(-24)
    known = past.notna().all(axis=1) & change_c.notna()
    inputs = np.column_stack([past[known], np.ones(known.sum())])
    change_c = change_c[known].to_numpy()
    half = len(change_c) // 2
    weights, *_ = np.linalg.lstsq(inputs[:half], change_c[:half], rcond=None)
    left_c = change_c[half:] - inputs[half:] @ weights
    assert np.abs(left_c).mean() < 0.97 * np.abs(change_c[half:]).mean()
