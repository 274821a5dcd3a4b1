"""Everything between measured values and what a network sees and says, as data.

An `Encoding` is fitted on train, stored in the checkpoint, and applied here and nowhere else.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import Field, field_validator, model_validator

from jenacast.columns import TARGET, check_columns, parse_column
from jenacast.data.prepared import Prepared
from jenacast.data.series import Floats, Series, Times
from jenacast.data.windows import persistence, truth
from jenacast.errors import DataError
from jenacast.features.climatology import Climatology, fit_climatology
from jenacast.features.derived import derive, refuse_years_without
from jenacast.features.repair import Repair, find_repairs, raised_by_c, repaired
from jenacast.features.warming import warming_c, without_warming
from jenacast.records import Record
from jenacast.settings import DataSettings, TargetKind


class ColumnEncoding(Record):
    """A column the network sees: its name, unit, and the mean and deviation it is standardised with."""

    name: str
    unit: str
    mean: float
    deviation: float = Field(gt=0)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return check_columns([name])[0]

    def standardised(self, values: Floats) -> Floats:
        """The column with mean 0 and deviation 1 over the rows that it was fitted on."""
        return (values - self.mean) / self.deviation


class TargetEncoding(Record):
    """What the network's output means: the temperature is output * scale_c + offset_c + reference.

    The reference is 0 for `absolute`, or the warming that is taken off the inputs; the present temperature for
    `change`; the climatology at the target's time for `departure`; that and the present departure from climatology for
    `departure-change`.
    """

    kind: TargetKind
    offset_c: float
    scale_c: float = Field(gt=0)


class Encoding(Record):
    """The columns in the order the network sees them, its history and lead, and its target.

    `history_hours` are the network's own steps; a forecast needs `needed_hours` of observations, since columns may
    look further back. `climatology` is there where a column or the target is relative to one.

    With `repairs` the network knows the series as repaired alone: rows before a break are raised as they come in,
    temperatures that are forecast for before it are lowered as they go out. What is measured stays as it is outside.
    So it is with a warming: the network, its columns and its climatology know the climate of 2012 alone.
    """

    columns: tuple[ColumnEncoding, ...] = Field(min_length=1)
    target: TargetEncoding
    history_hours: int = Field(ge=1)
    lead_hours: int = Field(ge=1)
    every_hour: bool = False
    climatology: Climatology | None = None
    repairs: tuple[Repair, ...] = ()
    warming_c_per_decade: float = 0.0

    @field_validator("columns")
    @classmethod
    def _once(cls, columns: tuple[ColumnEncoding, ...]) -> tuple[ColumnEncoding, ...]:
        check_columns([column.name for column in columns])
        return columns

    @model_validator(mode="after")
    def _climatology_where_needed(self) -> "Encoding":
        if self.climatology is None and needs_climatology(self.names, self.target.kind):
            raise ValueError("a departure without the climatology it is from")
        return self

    @property
    def names(self) -> list[str]:
        """The columns' names in the order the network sees them."""
        return [column.name for column in self.columns]

    @property
    def leads(self) -> list[int]:
        """Hours from the last observation to what each output says; the last is the lead."""
        return list(range(1, self.lead_hours + 1)) if self.every_hour else [self.lead_hours]

    @property
    def needed_hours(self) -> int:
        """Hours of observations that a forecast needs: the history and what its first step looks back."""
        return self.history_hours + max(parse_column(name).look_back_hours for name in self.names)

    def inputs(self, series: Series) -> Floats:
        """(rows, columns) float32, standardised: the rows of every history; NaN where a look-back lacks an hour."""
        return self.standardised(self.seen(series), range(len(self.columns)))

    def seen(self, series: Series) -> Series:
        """The series as the columns are worked out of it: repaired, and without the warming."""
        return without_warming(repaired(series, self.repairs), self.warming_c_per_decade)

    def standardised(self, seen: Series, numbers: Sequence[int]) -> Floats:
        """(rows, numbers) float32: the columns of these numbers, worked out of a series that is as `seen` gives it."""
        inputs = np.empty((len(seen.times), len(numbers)), np.float32)
        columns = [self.columns[number] for number in numbers]
        for place, values in enumerate(derive(seen, [column.name for column in columns], self.climatology)):
            inputs[:, place] = columns[place].standardised(values)
        return inputs

    def references_c(self, now: Times, last_observed_c: Floats) -> Floats:
        """What the target of every lead is relative to, (windows, leads) float64 degC of the repaired series.

        Args:
            now: (windows,) times of the last observations.
            last_observed_c: (windows,) the temperatures then, degC.
        """
        last_observed_c = last_observed_c.astype(np.float64) + raised_by_c(now, self.repairs)
        last_observed_c = last_observed_c[:, None] + np.zeros(len(self.leads))
        kind = self.target.kind
        if kind == "change":
            return last_observed_c
        if kind == "absolute" and not self.warming_c_per_decade:
            return np.zeros_like(last_observed_c)
        # The times asked for, not the target rows' own: under `book` a gap may lie between. Most are many windows'.
        times, places = np.unique(self.valid_at(now), return_inverse=True)
        later_c: Floats = self._expected_c(times)[places.reshape(-1, len(self.leads))]
        return later_c + last_observed_c - self._expected_c(now)[:, None] if kind == "departure-change" else later_c

    def encode(self, truth_c: Floats, now: Times, last_observed_c: Floats) -> Floats:
        """(windows, outputs) float32: what the network should say.

        Args:
            truth_c: (windows, outputs) degC as measured; NaN stays NaN.
            now: (windows,) times of the last observations.
            last_observed_c: (windows,) the temperatures then, degC.
        """
        relative_c = self.relative_c(truth_c, now, last_observed_c)
        return ((relative_c - self.target.offset_c) / self.target.scale_c).astype(np.float32)

    def decode(self, outputs: Floats, now: Times, last_observed_c: Floats) -> Floats:
        """(windows, outputs) float64 degC from what the network says; the inverse of `encode`."""
        relative_c = outputs.astype(np.float64) * self.target.scale_c + self.target.offset_c
        said_c: Floats = relative_c + self.references_c(now, last_observed_c)
        return said_c - raised_by_c(self.valid_at(now), self.repairs)

    def relative_c(self, truth_c: Floats, now: Times, last_observed_c: Floats) -> Floats:
        """What the target says of measured temperatures before it is scaled, (windows, outputs) float64 degC."""
        repaired_c = truth_c + raised_by_c(self.valid_at(now), self.repairs)
        relative_c: Floats = repaired_c - self.references_c(now, last_observed_c)
        return relative_c

    def _expected_c(self, times: Times) -> Floats:
        """(times,) degC: the climatology, where the target is relative to it, and the warming since its years."""
        climate_c = warming_c(times, self.warming_c_per_decade)
        if self.climatology is not None and self.target.kind != "absolute":
            climate_c = climate_c + self.climatology.at(times)
        return climate_c

    def valid_at(self, now: Times) -> Times:
        """(windows, leads) times that the outputs are for."""
        valid_at: Times = now[:, None] + np.array(self.leads, "timedelta64[h]")
        return valid_at


def needs_climatology(columns: list[str], target: TargetKind) -> bool:
    """Whether a column or the target is relative to a climatology."""
    return target in ("departure", "departure-change") or any(parse_column(name).needs_climatology for name in columns)


def fit_encoding(prepared: Prepared, data: DataSettings) -> Encoding:
    """Fit columns and climatology on the rows of `data.fit_on`, and the target on its windows.

    An absolute target is left in degC, as the book does (10.2.1); the others get mean 0 and deviation 1.

    Args:
        prepared: the series and its splits.
        data: which columns, which target, how many hours, fitted on what.

    Raises:
        DataError: a climatology is asked for and the rows span less than a year; a column that is the same
            throughout, or that whole years lack; or no window.
    """
    repairs = find_repairs(prepared, data.fit_on) if data.homogenise else ()
    rows = without_warming(repaired(prepared.rows(data.fit_on), repairs), data.warming_c_per_decade)
    refuse_years_without(rows, data.columns, f"{prepared.folder}: the {data.fit_on} split")
    climatology = None
    if needs_climatology(data.columns, data.target):
        climatology = fit_climatology(rows.times, rows.column(TARGET))
    columns = []
    for name, values in zip(data.columns, derive(rows, data.columns, climatology), strict=True):
        known = values[np.isfinite(values)]
        deviation = float(known.std()) if len(known) else 0.0
        if not deviation > 0:
            raise DataError(
                f"the column {name!r} is the same in all its {len(known)} rows of {data.fit_on}, so it cannot be "
                "scaled; leave it out of data.columns or prepare a longer series"
            )
        unit = parse_column(name).unit
        columns.append(ColumnEncoding(name=name, unit=unit, mean=float(known.mean()), deviation=deviation))
    # The target's own scale follows, from windows and what the lead's temperature is relative to.
    encoding = Encoding(
        columns=tuple(columns),
        target=TargetEncoding(kind=data.target, offset_c=0.0, scale_c=1.0),
        history_hours=data.history_hours,
        lead_hours=data.lead_hours,
        climatology=climatology,
        repairs=repairs,
        warming_c_per_decade=data.warming_c_per_decade,
    )
    target = encoding.target
    if data.target != "absolute":
        hours = {"history_hours": encoding.needed_hours, "lead_hours": data.lead_hours}
        windows = prepared.windows(data.fit_on, **hours)
        now, last_observed_c = prepared.series.times[windows.last_rows], persistence(prepared.series, windows)
        relative_c = encoding.relative_c(truth(prepared.series, windows)[:, None], now, last_observed_c)
        target = TargetEncoding(kind=data.target, offset_c=float(relative_c.mean()), scale_c=float(relative_c.std()))
    return encoding.model_copy(update={"target": target, "every_hour": data.every_hour})
