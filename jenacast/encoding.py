"""Everything between measured values and what a network sees and says, as data.

An `Encoding` is fitted on train, stored in the checkpoint, and applied here and nowhere else.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from jenacast.columns import COLUMNS, NAMES
from jenacast.config import DataSettings
from jenacast.prepared import Manifest
from jenacast.series import Floats, Series


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ColumnEncoding(_Record):
    """A column the network sees: its name, unit, and the mean and deviation it is standardised with."""

    name: str
    unit: str
    mean: float
    deviation: float = Field(gt=0)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NAMES:
            raise ValueError(f"{name!r} is no column of this version")
        return name


class TargetEncoding(_Record):
    """What the network's output means. `absolute`: the temperature is output * scale_c + offset_c."""

    kind: Literal["absolute"]
    offset_c: float
    scale_c: float = Field(gt=0)


class Encoding(_Record):
    """The columns in the order the network sees them, its history and lead, and its target."""

    columns: tuple[ColumnEncoding, ...] = Field(min_length=1)
    target: TargetEncoding
    history_hours: int = Field(ge=1)
    lead_hours: int = Field(ge=1)

    @field_validator("columns")
    @classmethod
    def _once(cls, columns: tuple[ColumnEncoding, ...]) -> tuple[ColumnEncoding, ...]:
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(map(repr, twice))} more than once")
        return columns

    def inputs(self, series: Series) -> Floats:
        """(rows, columns) float32, standardised: the rows of every history."""
        picked = series.values[:, [NAMES.index(column.name) for column in self.columns]]
        means = np.array([column.mean for column in self.columns])
        deviations = np.array([column.deviation for column in self.columns])
        scaled: Floats = ((picked - means) / deviations).astype(np.float32)
        return scaled

    def encode_target(self, truth_c: Floats) -> Floats:
        """(windows,) float32: what the network should say."""
        return ((truth_c - self.target.offset_c) / self.target.scale_c).astype(np.float32)

    def decode(self, outputs: Floats) -> Floats:
        """(windows,) float64 degC from what the network says."""
        return outputs.astype(np.float64) * self.target.scale_c + self.target.offset_c


def fit_encoding(manifest: Manifest, data: DataSettings) -> Encoding:
    """The book's encoding (10.2.1): all columns standardised over the train rows, the target left in degC."""
    return Encoding(
        columns=tuple(
            ColumnEncoding(
                name=column.name,
                unit=column.unit,
                mean=manifest.columns[column.name].mean,
                deviation=manifest.columns[column.name].deviation,
            )
            for column in COLUMNS
        ),
        target=TargetEncoding(kind="absolute", offset_c=0.0, scale_c=1.0),
        history_hours=data.history_hours,
        lead_hours=data.lead_hours,
    )
