"""The prepared data on disk: `values.npy`, `times.npy` and the manifest that explains them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from jenacast.columns import NAMES, TARGET
from jenacast.data import Protocol
from jenacast.data.series import Series
from jenacast.data.windows import Windows, find_windows
from jenacast.errors import DataError
from jenacast.records import Record, read_record

FORMAT = 1
FOLDER = "prepared"
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

    `fold` is the test period that a backtest cut the series for, None for the usual borders.
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
    audit: dict[str, Any]
    fold: str | None = None


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
        start, stop = self.borders(split)
        windows = self.windows_between(start, stop, history_hours=history_hours, lead_hours=lead_hours)
        if not len(windows):
            raise DataError(
                f"the {split} split ({stop - start} rows) holds no window of {history_hours} h "
                f"of history and {lead_hours} h of lead; use a longer series or a shorter history"
            )
        return windows

    def windows_between(self, start: int, stop: int, *, history_hours: int, lead_hours: int) -> Windows:
        """The windows of rows [start, stop) under the prepared protocol, as if they were a split; perhaps none."""
        hours = {"history_hours": history_hours, "lead_hours": lead_hours}
        return find_windows(self.series, self.manifest.protocol, start, stop, **hours)


def load_prepared(data_dir: Path) -> Prepared:
    """Open the prepared data in `data_dir`.

    Raises:
        DataError: there is none, it is damaged, or a version of jenacast wrote it that this one cannot read.
    """
    folder = data_dir / FOLDER
    manifest = load_manifest(folder)
    try:
        times = np.load(folder / "times.npy", allow_pickle=False)
        values = np.load(folder / "values.npy", allow_pickle=False, mmap_mode="r")
    except PermissionError:
        raise  # nothing is damaged
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = str(error).split(". ")[0]  # numpy goes on with how to unpickle what one trusts
        raise DataError(f"{folder} is damaged ({reason}); run: jenacast prepare --force") from None
    expected = (manifest.rows, len(NAMES))
    if times.shape != expected[:1] or times.dtype != "datetime64[s]":
        raise DataError(
            f"{folder / 'times.npy'} has shape {times.shape} and type {times.dtype}, the manifest says "
            f"{expected[:1]} and datetime64[s]; run: jenacast prepare --force"
        )
    if values.shape != expected or values.dtype != np.float32:
        raise DataError(
            f"{folder / 'values.npy'} has shape {values.shape} and type {values.dtype}, the manifest says "
            f"{expected} and float32; run: jenacast prepare --force"
        )
    measured = np.ones(manifest.rows, dtype=bool)
    measured[manifest.replaced_target_rows] = False
    return Prepared(folder, manifest, Series(times, values, measured))


def load_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json` in `folder`.

    Raises:
        DataError: absent, damaged, or of another format.
    """
    path = folder / "manifest.json"
    manifest = read_record(
        path,
        Manifest,
        error=DataError,
        missing="run: jenacast prepare",
        damaged="run: jenacast prepare --force",
        format=FORMAT,
    )
    if tuple(manifest.columns) != NAMES or TARGET not in manifest.columns:
        raise DataError(f"{path} lists other columns than this version; run: jenacast prepare --force")
    borders = [row for split in manifest.splits.values() for row in (split.start, split.stop)]
    if tuple(manifest.splits) != SPLITS or borders != sorted(borders) or borders[-1] > manifest.rows:
        raise DataError(
            f"{path} is damaged (splits: expected {', '.join(SPLITS)}, one after the other); "
            "run: jenacast prepare --force"
        )
    if any(not 0 <= row < manifest.rows for row in manifest.replaced_target_rows):
        raise DataError(f"{path} is damaged (replaced_target_rows beyond the series); run: jenacast prepare --force")
    return manifest
