"""Which moments a series can be forecast from: those that end a history without a hole."""

import logging
from collections.abc import Sequence
from functools import partial

import numpy as np

from jenacast.columns import COLUMNS
from jenacast.data.series import HOUR_S, Series, Times
from jenacast.data.windows import Windows, find_windows
from jenacast.errors import DataError
from jenacast.forecasting.observations import Observations, complete_moments, describe_hours, missing_hours

NAMED_COLUMNS = 3

logger = logging.getLogger(__name__)


def find_moments(observations: Observations, at: Sequence[np.datetime64], *, hours: int, max_age_hours: float) -> Times:
    """For each time of `at` the last observation until then; without any, the newest.

    Args:
        observations: what is known.
        at: datetime64, in any order.
        hours: of observations that a forecast needs.
        max_age_hours: an observation older than this is none to forecast from.

    Returns:
        Each moment once, in order of time.

    Raises:
        DataError: no such observation, or hours missing before it.
    """
    wanted = at or [observations.series.times[-1]]
    return np.unique(np.array([_find_moment(observations, time, hours, max_age_hours) for time in wanted]))


def all_moments(observations: Observations, *, every_s: int, hours: int) -> Times:
    """The last moment of every step of `every_s` seconds, back from the newest, that ends a whole history of `hours`.

    On a clean file they are so far apart; rows that are further apart than a step all count.

    Raises:
        DataError: there is none.
    """
    times, moments = observations.series.times, _whole_moments(observations, hours)
    if not len(moments):
        raise DataError(f"no {hours} hours in a row are complete, as a forecast needs; name longer files")
    steps = (moments[-1] - moments).astype(np.int64) // every_s
    chosen: Times = moments[np.append(steps[1:] != steps[:-1], True)]
    late = times[times >= times[0] + np.timedelta64(hours - 1, "h")]
    possible = len(np.unique((moments[-1] - late).astype(np.int64) // every_s))
    if len(chosen) < possible:
        logger.info("%s of %s moments lack hours of the %d needed", possible - len(chosen), f"{possible:,}", hours)
    return chosen


def history_windows(series: Series, hours: int) -> Windows:
    """Every history of so many hourly observations that lacks no value; the last one stands for the target too."""
    return find_windows(series, "strict", 0, len(series.times), history_hours=hours, lead_hours=0)


def minute(time: np.datetime64) -> str:
    """A time for people: 2026-11-21 14:10, with seconds where they are not 0."""
    return iso(time).replace("T", " ")


def iso(time: np.datetime64) -> str:
    """A time for `--at`: 2026-11-21T14:10, with seconds where they are not 0."""
    return str(np.datetime_as_string(time, unit="s")).removesuffix(":00")


def _find_moment(observations: Observations, until: np.datetime64, hours: int, max_age_hours: float) -> np.datetime64:
    times = observations.series.times
    # What is interpolated knows the other end of its gap, which lies after it.
    before = times[observations.measured & (times <= until)]
    instead = partial(_instead, observations, until, hours)
    if not len(before):
        raise DataError(
            f"there is no complete observation at or before {minute(until)}, and the files begin at "
            f"{minute(times[0])}; name a file that reaches further back{instead()}"
        )
    last: np.datetime64 = before[-1]
    age_hours = int((until - last).astype("timedelta64[s]").astype(np.int64)) / HOUR_S
    if age_hours > max_age_hours:
        later = times[(times > last) & (times <= until)]
        raise DataError(
            f"the last complete observation until {minute(until)} is that of {minute(last)}, {age_hours:,.2f} h older, "
            f"and at most {max_age_hours:g} h are bridged{_lacking(observations, later)}; "
            f"name a file that reaches further{instead()}"
        )
    if age_hours:
        logger.info("forecasting from %s, the last complete observation until %s", minute(last), minute(until))
    missing = missing_hours(observations, last, hours)
    if len(missing):
        raise DataError(
            f"a forecast from {minute(last)} needs {hours} hours of observations, of which are missing: "
            f"{describe_hours(missing)}{_lacking(observations, missing)}; name a file that holds them{instead()}"
        )
    return last


def _whole_moments(observations: Observations, hours: int) -> Times:
    """Those that were measured and end a history of `hours` without a hole."""
    rows = complete_moments(observations, hours)
    moments: Times = observations.series.times[rows[observations.measured[rows]]]
    return moments


def _lacking(observations: Observations, missing: Times) -> str:
    """Which columns have holes at the times that lack a value, where these are few: then a row need not be absent."""
    series = observations.series
    holes = np.any(np.isnan(series.values[np.isin(series.times, missing)]), axis=0)
    names = [repr(column.header) for column, has_hole in zip(COLUMNS, holes, strict=True) if has_hole]
    return f", for lack of {', '.join(names)}" if 0 < len(names) <= NAMED_COLUMNS else ""


def _instead(observations: Observations, until: np.datetime64, hours: int) -> str:
    """What to ask for instead: the last moment until then that ends a whole history, or else the first one."""
    moments = _whole_moments(observations, hours)
    if not len(moments):
        return f" (no {hours} hours in a row are complete)"
    place = max(0, int(np.searchsorted(moments, until, side="right")) - 1)
    return f", or: --at {iso(moments[place])}"
