"""One forecast with everything that is said of it: on a screen, in JSON, on a page, in a record."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.data.series import HOUR_S
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.observations import minute

# Lowest temperatures are reported of the night and highest of the day, 18 to 6 and 6 to 18 UTC (WMO Manual on Codes,
# WMO-No. 306, regional codes of Europe); by the station's clock:
DAY_BEGINS_HOUR, HALF_DAY_HOURS = 6 + UTC_OFFSET_HOURS, 12
LEAST_HOURS = HALF_DAY_HOURS // 2  # of a night or a day that a forecast must reach, to say something of it


@dataclass(frozen=True)
class Hour:
    """One hour of a forecast, in degC.

    Attributes:
        lead_hours: after the last observation.
        valid_at: datetime64[s], by the station's clock, as all times.
        temperature_c: what is forecast.
        intervals: the ends of the intervals by their nominal coverage in percent; {} where the network gives none.
        interval_width: how many times as wide as calibrated they are, by the errors of the last weeks; None likewise.
        truth_c: what was measured; None where the files hold nothing for that time.
        baseline_c: the temperature at the last observation.
    """

    lead_hours: int
    valid_at: np.datetime64
    temperature_c: float
    intervals: dict[str, tuple[float, float]]
    interval_width: float | None
    truth_c: float | None
    baseline_c: float

    @property
    def error_c(self) -> float | None:
        """Forecast minus truth."""
        return None if self.truth_c is None else self.temperature_c - self.truth_c

    @property
    def baseline_error_c(self) -> float | None:
        """The baseline's error."""
        return None if self.truth_c is None else self.baseline_c - self.truth_c


@dataclass(frozen=True)
class Extreme:
    """The minimum of a night or the maximum of a day, among its hours that are forecast.

    Attributes:
        name: such as "minimum tonight" or "maximum tomorrow, until 16:20".
        kind: "minimum" or "maximum".
        begins, until: the part of the night or day that the forecast reaches, (begins, until].
        hour: the hour with that minimum or maximum.
        truth: the hour with the measured one; None if an hour of them lacks its truth.
    """

    name: str
    kind: str
    begins: np.datetime64
    until: np.datetime64
    hour: Hour
    truth: Hour | None


@dataclass(frozen=True)
class Summary:
    """One forecast.

    Attributes:
        network: the network's name, or that of a network in the package.
        checkpoint: its file or folder.
        sha256: of that file; None for a folder.
        synthetic: whether the network was trained on a made-up series.
        trained_years: those it was trained on where that was every year at hand; none where splits alone are known.
        last_observation: the forecast's origin.
        is_newest: no later observation is known.
        age_hours: how long ago that was; None where nobody asked.
        observed_c: the temperature then, which is the baseline's forecast too.
        interpolated_hours: of the hours that were needed, those of which some value is interpolated.
        hours: all that the network forecasts, in order of time; the last is the lead's.
        extremes: of each night and day of which at least half is forecast, in order of time.
    """

    network: str
    checkpoint: str
    sha256: str | None
    synthetic: bool
    trained_years: tuple[int, ...]
    last_observation: np.datetime64
    is_newest: bool
    age_hours: float | None
    observed_c: float
    interpolated_hours: int
    hours: tuple[Hour, ...]
    extremes: tuple[Extreme, ...]

    @property
    def errors_c(self) -> tuple[tuple[float, float], ...]:
        """(forecast's, baseline's) error of each hour whose truth is known."""
        pairs = ((hour.error_c, hour.baseline_error_c) for hour in self.hours)
        return tuple((error, baseline) for error, baseline in pairs if error is not None and baseline is not None)


def summarise(made: Forecasts, number: int = 0, *, utc: np.datetime64 | None = None) -> Summary:
    """One of the forecasts that were made, by its place.

    Args:
        made: forecasts.
        number: which of them.
        utc: the present time in UTC, to say how old the last observation is.
    """
    origin, baseline_c = made.last_observation[number], float(made.baseline_c[number])
    valid_at = made.valid_at[number]
    leads = ((valid_at - origin) // np.timedelta64(1, "h")).tolist()
    temperatures_c, truths_c = made.temperature_c[number].tolist(), made.truth_c[number].tolist()
    ends_c = {name: ends_c[number].tolist() for name, ends_c in made.ends_c.items()}
    widths = made.interval_widths[number].tolist()
    hours = tuple(
        Hour(
            lead_hours=leads[place],
            valid_at=valid_at[place],
            temperature_c=temperatures_c[place],
            intervals={name: tuple(ends[place]) for name, ends in ends_c.items()},
            interval_width=widths[place] if ends_c else None,
            truth_c=None if math.isnan(truths_c[place]) else truths_c[place],
            baseline_c=baseline_c,
        )
        for place in range(len(valid_at))
    )
    return Summary(
        network=made.model,
        checkpoint=made.checkpoint,
        sha256=made.sha256,
        synthetic=made.synthetic,
        trained_years=made.trained_years,
        last_observation=origin,
        is_newest=bool(origin == made.observations.series.times[-1]),
        age_hours=None if utc is None else age_hours(origin, utc),
        observed_c=baseline_c,
        interpolated_hours=int(made.interpolated_hours[number]),
        hours=hours,
        extremes=_extremes(origin, hours),
    )


def age_hours(time: np.datetime64, utc: np.datetime64) -> float:
    """How many hours a time of the station's clock lies before a time in UTC."""
    by_the_station = utc + np.timedelta64(UTC_OFFSET_HOURS, "h")
    return float((by_the_station - time) / np.timedelta64(1, "h"))


def weekday(time: np.datetime64) -> str:
    """A time for people, with its weekday: Sat 2026-11-21 14:10."""
    return f"{time.astype('datetime64[s]').item():%a} {minute(time)}"


def _extremes(origin: np.datetime64, hours: Sequence[Hour]) -> tuple[Extreme, ...]:
    # A stamp ends its ten minutes: that of 7:00 belongs to the night.
    times = np.array([hour.valid_at for hour in hours], "datetime64[s]").astype(np.int64)
    numbers = (times - DAY_BEGINS_HOUR * HOUR_S - 1) // (HALF_DAY_HOURS * HOUR_S)
    halves = defaultdict(list)
    for half, hour in zip(numbers.tolist(), hours, strict=True):
        halves[half].append(hour)
    reached = {half: found for half, found in halves.items() if len(found) >= LEAST_HOURS}
    nights = [half for half in reached if half % 2]
    return tuple(_extreme(origin, half, found, half in nights[:1]) for half, found in reached.items())


def _extreme(origin: np.datetime64, half: int, hours: Sequence[Hour], is_first_night: bool) -> Extreme:
    is_night = half % 2 == 1
    begins = np.datetime64((DAY_BEGINS_HOUR + HALF_DAY_HOURS * half) * HOUR_S, "s")
    ends = begins + np.timedelta64(HALF_DAY_HOURS, "h")
    covered = max(begins, hours[0].valid_at - np.timedelta64(1, "h")), min(ends, hours[-1].valid_at)
    choose = min if is_night else max
    known = [hour for hour in hours if hour.truth_c is not None]
    name = "minimum" if is_night else "maximum"
    return Extreme(
        name=f"{name} {_when(origin, ends, is_night, is_first_night)}{_part(begins, ends, *covered)}",
        kind=name,
        begins=covered[0],
        until=covered[1],
        hour=choose(hours, key=lambda hour: hour.temperature_c),
        truth=choose(known, key=lambda hour: hour.truth_c or 0.0) if len(known) == len(hours) else None,
    )


def _when(origin: np.datetime64, ends: np.datetime64, is_night: bool, is_first_night: bool) -> str:
    """Which night or day it is, as seen from the forecast's origin."""
    if is_first_night:
        return "tonight"
    days = int((ends.astype("datetime64[D]") - origin.astype("datetime64[D]")).astype(int))
    date = f"{ends.item():%a %d %b}"
    return f"to {date}" if is_night else {0: "today", 1: "tomorrow"}.get(days, date)


def _part(begins: np.datetime64, ends: np.datetime64, first: np.datetime64, last: np.datetime64) -> str:
    """What is said where a forecast begins or ends inside a night or a day, by more than the hours of its rows."""
    hour = np.timedelta64(1, "h")
    since = f", from {first.item():%H:%M}" if first - begins >= hour else ""
    return since + (f", until {last.item():%H:%M}" if ends - last >= hour else "")
