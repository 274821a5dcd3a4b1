"""Where forecasts err: the errors by month, season, hour, year, size of the change, and by the lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import Floats, Times
from jenacast.evaluation.bootstrap import Interval, mean_interval
from jenacast.evaluation.coverage import measure_coverage
from jenacast.evaluation.metrics import absolute_errors, measure, skill
from jenacast.features.datasets import Histories
from jenacast.models.intervals import Calibration, Residuals, spread_inputs
from jenacast.models.recent import recent_widths
from jenacast.tables import SKILL, Column, Table, columns

By = Literal["month", "season", "hour", "year", "change", "lead"]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SEASONS = ("winter", "spring", "summer", "autumn")  # the meteorological ones: winter begins in December
CHANGES_C = (2.0, 4.0, 6.0, 10.0)  # where a change of the temperature, up or down, goes into the next group


@dataclass(frozen=True)
class Group:
    """The errors of some windows.

    `mae_ci95_c` and `coverage_ci95` hold None where there are too few days, `skill` is None where the baseline makes no
    error, and both coverages are None for forecasts without intervals.
    """

    label: str
    windows: int
    mae_c: float
    mae_ci95_c: Interval | None
    bias_c: float
    baseline_mae_c: float
    skill: float | None
    coverage: dict[str, float] | None
    coverage_ci95: dict[str, Interval | None] | None


@dataclass(frozen=True)
class Lead:
    """Forecasts of one hour of the next day, beside what came; (windows,) degC, in order of time."""

    hours: int
    valid_at: Times
    forecast_c: Floats
    truth_c: Floats
    baseline_c: Floats
    quantiles_c: Floats | None


def errors_by(leads: Sequence["Lead"], by: By) -> list[Group]:
    """The errors of each group of windows, in the groups' own order; empty groups are left out.

    `month`, `season`, `hour` and `year` are those of the time forecast for, by the station's clock; `change` is how far
    the temperature then is from the present one; `lead` is the hours from now on, of every hour in `leads`, while all
    other groups are of the last alone.
    """
    if by == "lead":
        known = [lead for lead in leads if len(lead.truth_c)]
        return [_group(f"{lead.hours} h", lead, np.ones(len(lead.truth_c), bool)) for lead in known]
    last = leads[-1]
    labels, numbers = _numbers(last, by)
    return [_group(label, last, numbers == number) for number, label in enumerate(labels) if (numbers == number).any()]


@dataclass(frozen=True)
class Leads(Sequence[Lead]):
    """One `Lead` for each output of a network, of the windows whose hour is known; made when it is asked for.

    Attributes:
        hours: of each output, from now on.
        histories: the windows.
        forecasts_c: (windows, outputs) degC.
        truths_c: (windows, outputs) degC; NaN where it is not known.
        calibration: of the outputs, where there is one.
    """

    hours: Sequence[int]
    histories: Histories
    forecasts_c: Floats
    truths_c: Floats
    calibration: Calibration | None

    def __len__(self) -> int:
        return len(self.hours)

    def __getitem__(self, number: Any) -> Any:
        known = np.isfinite(self.truths_c[:, number])
        forecast_c, truth_c = self.forecasts_c[known, number], self.truths_c[known, number]
        where, quantiles_c = spread_inputs(self.histories, self.hours[number]).pick(known), None
        if self.calibration:
            past = Residuals(forecast_c, truth_c, where)
            widths = recent_widths(self.calibration.leads[number], past, self.histories.now[known])
            quantiles_c = self.calibration.quantiles_c(number, forecast_c, where, widths)
        return Lead(self.hours[number], where.valid_at, forecast_c, truth_c, where.last_observed_c, quantiles_c)


def group_table(by: By, groups: Sequence[Group]) -> Table:
    """The errors of each group, beside the baseline's, and how often the intervals hold the truth."""
    errors = [Column("MAE", ".3f", "°C"), Column("95 % interval", ".3f"), Column("baseline", ".3f", "°C")]
    others = [SKILL, Column("bias", "+.3f", "°C")]
    covered = columns(*(f"in {name} %" for name in groups[0].coverage or {}), form=".1%")
    return Table(
        [Column(by), Column("windows", ","), *errors, *others, *covered],
        [
            [
                *(group.label, group.windows, group.mae_c, group.mae_ci95_c, group.baseline_mae_c, group.skill),
                *(group.bias_c, *(group.coverage or {}).values()),
            ]
            for group in groups
        ],
        caption=f"Errors by {by}",
    )


def season_numbers(times: Times) -> NDArray[np.int64]:
    """(times,) the place of each datetime64's season in `SEASONS`."""
    months = times.astype("datetime64[M]").astype(np.int64) % 12
    return (months + 1) % 12 // 3


def _numbers(lead: Lead, by: By) -> tuple[list[str], np.ndarray]:
    """The groups' labels in their order, and for each window the number of its group."""
    months = lead.valid_at.astype("datetime64[M]").astype(np.int64) % 12
    if by == "month":
        return list(MONTHS), months
    if by == "season":
        return list(SEASONS), season_numbers(lead.valid_at)
    if by == "hour":
        of_day = lead.valid_at.astype("datetime64[h]").astype(np.int64) % 24
        return [f"{hour:02d}" for hour in range(24)], of_day
    if by == "year":
        years = lead.valid_at.astype("datetime64[Y]").astype(np.int64) + 1970
        found, numbers = np.unique(years, return_inverse=True)
        return [str(year) for year in found], numbers
    ends = [f"{end:g}" for end in CHANGES_C]
    labels = [f"below {ends[0]} °C", *(f"{low} to {high} °C" for low, high in pairwise(ends))]
    change_c = np.round(np.abs(lead.truth_c - lead.baseline_c), 4)  # -7.94 + 9.94 is less than 2 in binary
    return [*labels, f"{ends[-1]} °C and more"], np.digitize(change_c, CHANGES_C)


def _group(label: str, lead: Lead, which: np.ndarray) -> Group:
    forecast_c, truth_c, baseline_c = lead.forecast_c[which], lead.truth_c[which], lead.baseline_c[which]
    errors, baseline_mae_c = measure(forecast_c, truth_c), measure(baseline_c, truth_c).mae_c
    valid_at = lead.valid_at[which]
    covered = None if lead.quantiles_c is None else measure_coverage(lead.quantiles_c[which], truth_c, valid_at)
    return Group(
        label=label,
        windows=errors.windows,
        mae_c=errors.mae_c,
        mae_ci95_c=mean_interval(absolute_errors(forecast_c, truth_c), valid_at),
        bias_c=errors.bias_c,
        baseline_mae_c=baseline_mae_c,
        skill=skill(errors.mae_c, baseline_mae_c) if baseline_mae_c else None,
        coverage=covered and covered[0],
        coverage_ci95=covered and covered[1],
    )
