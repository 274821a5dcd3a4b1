"""Series of observations in which one column moves, for tests of how files become one series."""

import numpy as np

from jenacast.columns import COLUMNS, NAMES
from jenacast.data.series import Series
from jenacast.forecasting.observations import join_observations
from jenacast.forecasting.origins import history_windows

MIDDLES = np.array([(column.low + column.high) / 2 for column in COLUMNS], dtype=np.float32)
START = np.datetime64("2026-10-03T00:10:00")
NAN = np.nan
T, WD = NAMES.index("temperature_c"), NAMES.index("wind_direction_deg")


def at(*minutes):
    return START + np.array(minutes, dtype="timedelta64[m]")


def make_series(temperatures_c, minutes, column=T):
    """Rows at minutes after `START`; every column but one stands still in mid-range."""
    values = np.tile(MIDDLES, (len(minutes), 1))
    values[:, column] = temperatures_c
    return Series(at(*minutes), values)


def hourly(temperatures_c, column=T):
    return make_series(temperatures_c, 60 * np.arange(len(temperatures_c)), column)


def join(*files, max_gap_hours=3.0):
    return join_observations(files, max_gap_hours=max_gap_hours, source="the files")


def lanes(found):
    return len(np.unique(found.series.times.astype(np.int64) % 3600))


def temperatures(found):
    return found.series.column("temperature_c")


def complete_rows(found, hours):
    """The rows that end a complete history."""
    return np.sort(history_windows(found.series, hours).last_rows)
