"""Forecast origins: the times that a series can be forecast from, each the end of a complete history."""

import logging
from collections.abc import Sequence

import numpy as np

from jenacast.columns import COLUMNS, OPTIONAL
from jenacast.data.series import HOUR_S, Series, Times, all_values
from jenacast.data.windows import Windows, find_windows
from jenacast.errors import DataError
from jenacast.features.datasets import is_whole
from jenacast.forecasting.observations import Observations, describe_hours, minute, missing_hours

NAMED_COLUMNS = 3

logger = logging.getLogger(__name__)


def find_origins(observations: Observations, at: Sequence[np.datetime64], *, hours: int, max_age_hours: float) -> Times:
    """For each time of `at` the last observation until then; without any, the newest.

    Args:
        observations: what is known.
        at: datetime64, in any order.
        hours: of observations that a forecast needs.
        max_age_hours: no forecast starts from an observation older than this.

    Returns:
        Each origin once, in order of time.

    Raises:
        DataError: no such observation, or hours missing before it.
    """
    wanted = at or [observations.series.times[-1]]
    return np.unique(np.array([_find_origin(observations, time, hours, max_age_hours) for time in wanted]))


def all_origins(observations: Observations, *, every_s: int, hours: int) -> Times:
    """The last origin of every step of `every_s` seconds, counted back from the newest.

    On a file without gaps they are so far apart; rows that are further apart than a step all count.

    Raises:
        DataError: no history in the files is complete.
    """
    times, origins = observations.series.times, _complete_origins(observations, hours)
    if not len(origins):
        raise DataError(f"no {hours} hours in a row are complete, as a forecast needs; name longer files")
    steps = (origins[-1] - origins).astype(np.int64) // every_s
    chosen: Times = origins[np.append(steps[1:] != steps[:-1], True)]
    late = times[times >= times[0] + np.timedelta64(hours - 1, "h")]
    possible = len(np.unique((origins[-1] - late).astype(np.int64) // every_s))
    if len(chosen) < possible:
        logger.info("%s of %s origins lack hours of the %d needed", possible - len(chosen), f"{possible:,}", hours)
    return chosen


def recent_origins(observations: Observations, origins: Times, *, hours: int, recent_hours: int) -> Times:
    """The whole hours up to `recent_hours` before any of the `origins`, where a forecast can be made from.

    Args:
        observations: what is known.
        origins: in order of time.
        hours: of observations that a forecast needs.
        recent_hours: how far back.
    """
    complete = _complete_origins(observations, hours)
    complete = complete[complete < origins[-1]]
    before = (origins[np.searchsorted(origins, complete)] - complete).astype(np.int64)
    recent: Times = complete[(before <= recent_hours * HOUR_S) & (before % HOUR_S == 0)]
    return recent


def history_windows(series: Series, hours: int) -> Windows:
    """Every history of so many hourly observations without a missing value; the target is the last of them."""
    windows = find_windows(series, "strict", 0, len(series.times), history_hours=hours, lead_hours=0)
    if series.optional is None:
        return windows
    return windows.pick(is_whole(series.optional[windows.lanes], windows))


def _find_origin(observations: Observations, until: np.datetime64, hours: int, max_age_hours: float) -> np.datetime64:
    times = observations.series.times
    # An interpolated row depends on the other end of its gap, which lies after it.
    before = times[observations.measured & (times <= until)]
    if not len(before):
        problem = f"no observation until {minute(until)} is complete, and the files begin at {minute(times[0])}"
        raise _error(problem, observations, until, hours)
    last: np.datetime64 = before[-1]
    age_hours = int((until - last).astype("timedelta64[s]").astype(np.int64)) / HOUR_S
    if age_hours > max_age_hours:
        problem = (
            f"the last complete observation until {minute(until)} is that of {minute(last)}, {age_hours:,.2f} h older, "
            f"and at most {max_age_hours:g} h are bridged"
        )
        raise _error(problem, observations, until, hours, times[(times > last) & (times <= until)])
    if age_hours:
        logger.info("forecasting from %s, the last complete observation until %s", minute(last), minute(until))
    missing = missing_hours(observations, last, hours)
    if len(missing):
        problem = f"a forecast from {minute(last)} needs {hours} hours of observations; {len(missing)} are missing"
        raise _error(f"{problem}: {describe_hours(missing)}", observations, until, hours, missing)
    return last


def _error(
    problem: str, observations: Observations, until: np.datetime64, hours: int, missing: Times | None = None
) -> DataError:
    """The problem, the few columns without values at the `missing` times, and the origin to ask for instead."""
    series = observations.series
    values = all_values(series.pick(np.isin(series.times, [] if missing is None else missing)))
    holes = np.any(np.isnan(values), axis=0)
    names = [repr(column.header) for column, has_hole in zip((*COLUMNS, *OPTIONAL), holes, strict=False) if has_hole]
    lacking = f", for lack of {', '.join(names)}" if 0 < len(names) <= NAMED_COLUMNS else ""
    origins = _complete_origins(observations, hours)
    if len(origins):
        nearest = origins[max(0, int(np.searchsorted(origins, until, side="right")) - 1)]
        instead = f", or: --at {minute(nearest).replace(' ', 'T')}"
    else:
        instead = f" (no {hours} hours in a row are complete)"
    return DataError(f"{problem}{lacking}; name a file that holds more{instead}")


def _complete_origins(observations: Observations, hours: int) -> Times:
    """The times of the measured rows that end a complete history, in order."""
    rows = np.sort(history_windows(observations.series, hours).last_rows)
    origins: Times = observations.series.times[rows[observations.measured[rows]]]
    return origins
