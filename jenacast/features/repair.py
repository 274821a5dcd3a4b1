"""Breaks of a series repaired: rows before a break as the station's present instrument would have measured them.

Prepared data stay as measured. Who looks at a series through repairs sees its temperature raised by the step that was
found, and with it what follows from the temperature at the same dew point (`jenacast.data.air`).
"""

import logging
from collections.abc import Sequence

import numpy as np
from pydantic import Field, field_validator

from jenacast.data.air import columns_at
from jenacast.data.prepared import Prepared, remedy
from jenacast.data.series import Floats, Series, Times
from jenacast.errors import DataError
from jenacast.records import Record
from jenacast.settings import FitSplit

logger = logging.getLogger(__name__)


class Repair(Record):
    """A step to add to the temperature of every row up to and including the time `until`, ISO 8601.

    A stamp is the end of the time it is of: midnight on the first belongs to the month before.
    """

    until: str = Field(max_length=30)
    step_c: float

    @field_validator("until")
    @classmethod
    def _a_time(cls, until: str) -> str:
        return str(np.datetime64(until, "s"))  # a ValueError where it is none


def find_repairs(prepared: Prepared, fit_on: FitSplit) -> tuple[Repair, ...]:
    """The repairs of the breaks that `prepare` found, as far as they lie within the rows that a network is fitted on.

    All of these rows lie before a later break, and whoever trains on them could not know of it.

    Raises:
        DataError: the data were prepared by a version that did not look for breaks.
    """
    homogeneity = prepared.manifest.homogeneity
    if homogeneity is None:
        if prepared.manifest.synthetic:
            return ()
        raise DataError(
            f"{prepared.folder} was prepared by an earlier version, which did not look for breaks, and "
            f"data.homogenise=true repairs them; {remedy('prepare', prepared.folder.parent, '--force')}"
        )
    last = prepared.rows(fit_on).times.max()
    ends = [(np.datetime64(each.month, "s"), each.step_c) for each in homogeneity.breaks]
    return tuple(Repair(until=str(until), step_c=step_c) for until, step_c in ends if until < last)


def raised_by_c(times: Times, repairs: Sequence[Repair]) -> Floats:
    """What repairs add to the temperature at datetime64 `times` of any shape, float64 degC."""
    raised_c: Floats = np.zeros_like(times, dtype=np.float64)
    for repair in repairs:
        raised_c = raised_c + np.where(times <= np.datetime64(repair.until), repair.step_c, 0.0)
    return raised_c


def repaired(series: Series, repairs: Sequence[Repair]) -> Series:
    """The series with its rows before the breaks raised; itself where there is none."""
    return series.with_columns(columns_at(series, raised_by_c(series.times, repairs))) if repairs else series


def tell_of_breaks(prepared: Prepared, repairs: Sequence[Repair], fit_on: FitSplit) -> None:
    """Say which breaks of a series are repaired in what a network is trained on, and warn of the others."""
    homogeneity = prepared.manifest.homogeneity
    if homogeneity is None or not homogeneity.breaks:
        return
    within = find_repairs(prepared, fit_on)
    for number, each in enumerate(homogeneity.breaks):
        step = f"against its region the station's temperature steps by {each.step_c:+.2f} °C in {each.month}"
        if number < len(repairs):
            logger.info("%s: the rows before are raised by that", step)
        elif number < len(within):
            logger.warning("%s: forecasts will be too cold or too warm; --set data.homogenise=true repairs it", step)
        else:
            logger.warning("%s, after the rows that train: forecasts from then on may be too cold or too warm", step)
