"""The prepared data on disk: `values.npy`, `times.npy` and the manifest that explains them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from jenacast.columns import NAMES
from jenacast.data import Protocol
from jenacast.data.audit import Audit
from jenacast.data.series import Series
from jenacast.data.windows import Windows, windows_of_split
from jenacast.errors import DataError
from jenacast.records import Record, read_record

FORMAT = 1
FOLDER = "prepared"
PREPARE_AGAIN = "run: jenacast prepare --force"
SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test", "train+val"]


class SplitRecord(Record):
    """Rows [start, stop) of a split, the times of its first and last row, its windows."""

    start: int = Field(ge=0)
    stop: int
    first_time: str
    last_time: str
    windows: int


class ColumnRecord(Record):
    """A column's unit and its statistics over the train rows, in that unit."""

    unit: str
    mean: float
    deviation: float = Field(gt=0)
    minimum: float
    maximum: float


class Manifest(Record):
    """What was prepared from what, and everything the audit found.

    `fold` is the test period that a backtest cut the series for, None for the usual borders; its audit is then of the
    whole series alone.
    """

    format: int
    protocol: Protocol
    source: str
    source_sha256: str
    synthetic: bool
    rows: int
    rows_per_hour: int = Field(ge=1)
    history_hours: int = Field(ge=1)
    lead_hours: int = Field(ge=1)
    splits: dict[str, SplitRecord]
    columns: dict[str, ColumnRecord]
    replaced_target_rows: list[int]
    audit: Audit
    fold: str | None = None

    @field_validator("splits")
    @classmethod
    def _in_order(cls, splits: dict[str, SplitRecord]) -> dict[str, SplitRecord]:
        borders = [row for split in splits.values() for row in (split.start, split.stop)]
        if tuple(splits) != SPLITS or borders != sorted(borders):
            raise ValueError(f"expected {', '.join(SPLITS)}, one after the other")
        return splits

    @field_validator("columns")
    @classmethod
    def _of_this_version(cls, columns: dict[str, ColumnRecord]) -> dict[str, ColumnRecord]:
        if tuple(columns) != NAMES:
            raise ValueError("other columns than those of this version")
        return columns

    @model_validator(mode="after")
    def _within_the_series(self) -> "Manifest":
        if self.splits["test"].stop > self.rows:
            raise ValueError(f"splits: expected {', '.join(SPLITS)}, one after the other, within the series")
        if any(not 0 <= row < self.rows for row in self.replaced_target_rows):
            raise ValueError("replaced_target_rows: beyond the series")
        return self


@dataclass(frozen=True)
class Prepared:
    """A prepared series: `series.values` is mapped from disk, so rows nobody asks for are not read."""

    folder: Path
    manifest: Manifest
    series: Series

    def borders(self, split: Split) -> tuple[int, int]:
        """Rows [start, stop) of a split; `train+val` is both, as one."""
        first, _, last = split.partition("+")
        return self.manifest.splits[first].start, self.manifest.splits[last or first].stop

    def windows(self, split: Split, *, history_hours: int, lead_hours: int) -> Windows:
        """The windows of a split under the prepared protocol.

        Raises:
            DataError: the split holds no such window.
        """
        hours = {"history_hours": history_hours, "lead_hours": lead_hours}
        return windows_of_split(self.series, self.manifest.protocol, split, self.borders(split), self.folder, **hours)


def load_prepared(data_dir: Path) -> Prepared:
    """Open the prepared data in `data_dir`.

    Raises:
        DataError: missing, damaged, or of another format.
    """
    folder = data_dir / FOLDER
    manifest = load_manifest(folder)
    times = _load_array(folder / "times.npy", (manifest.rows,), "datetime64[s]")
    values = _load_array(folder / "values.npy", (manifest.rows, len(NAMES)), "float32", mmap_mode="r")
    measured = np.ones(manifest.rows, dtype=bool)
    measured[manifest.replaced_target_rows] = False
    return Prepared(folder, manifest, Series(times, values, measured))


def _load_array(path: Path, shape: tuple[int, ...], kind: str, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode=mmap_mode)
    except PermissionError:
        raise  # nothing is damaged
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = str(error).split(". ")[0]  # numpy adds how to unpickle what one trusts
        raise DataError(f"{path} is damaged ({reason}); {PREPARE_AGAIN}") from None
    if array.shape != shape or array.dtype != kind:
        raise DataError(
            f"{path} has shape {array.shape} and type {array.dtype}, the manifest says {shape} and {kind}; "
            f"{PREPARE_AGAIN}"
        )
    return array


def load_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json` in `folder`.

    Raises:
        DataError: missing, damaged, or of another format.
    """
    remedies = {"missing": "run: jenacast prepare", "damaged": PREPARE_AGAIN}
    return read_record(folder / "manifest.json", Manifest, error=DataError, format=FORMAT, **remedies)
