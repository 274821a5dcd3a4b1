"""The prepared data on disk: `values.npy`, `times.npy` and the manifest that explains them."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from jenacast.columns import NAMES, OPTIONAL_NAMES
from jenacast.data import Protocol
from jenacast.data.audit import Audit
from jenacast.data.homogeneity import Homogeneity
from jenacast.data.series import Series
from jenacast.data.sources import SourceRecord
from jenacast.data.windows import Borders, Windows, rows_of, span, split_windows
from jenacast.errors import DataError
from jenacast.files import (
    atomic_folder,
    file_sha256,
    link_or_copy,
    open_regular,
    refuse_foreign,
    write_json,
)
from jenacast.records import Record, read_record

FORMAT = 1
FOLDER = "prepared"
OTHER_FOLDER = "prepared-other"  # the result under the other protocol
VALUES, TIMES, OPTIONAL, MANIFEST = FILES = ("values.npy", "times.npy", "optional.npy", "manifest.json")
BORDERS = "borders"  # their key among the hashes of a manifest
SPLITS = ("train", "val", "test")
Split = Literal["train", "val", "test", "train+val", "train+val+test"]


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

    `fold` is the test period that a backtest cut the series for, or the year held out inside train, None for the usual
    borders; its audit is then of the whole series alone. With `reach_back` histories may lie before their split, and
    the targets alone lie inside.
    `sha256` are the hashes of the arrays' files and of the borders; earlier versions wrote none. There is an array of
    optional columns where a file has them. `source` is the first of the `sources`; `source_sha256` is its hash, or that
    of all and of the user's own borders: `until` are the last times (ISO 8601) of train and val.
    `homogeneity` is None where an earlier version prepared the data, which did not look for breaks.
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
    homogeneity: Homogeneity | None = None
    fold: str | None = None
    reach_back: bool = False
    sha256: dict[str, str] = Field(default_factory=dict)
    sources: list[SourceRecord] = Field(default_factory=list)
    until: dict[str, str] = Field(default_factory=dict)

    @field_validator("splits")
    @classmethod
    def _in_order(cls, splits: dict[str, SplitRecord]) -> dict[str, SplitRecord]:
        if tuple(splits) == SPLITS:
            train, val, test = ((split.start, split.stop) for split in splits.values())
            in_turn, inside = [*train, *val, *test], [train[0], *val, train[1], *test]
            if in_turn == sorted(in_turn) or inside == sorted(inside):
                return splits
        raise ValueError(f"expected {', '.join(SPLITS)}, one after the other, or val inside train")

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
        if self.sha256.get(BORDERS) not in (None, _borders_sha256(self.splits)):
            raise ValueError("splits: other borders than those that were prepared")
        if any(not 0 <= row < self.rows for row in self.replaced_target_rows):
            raise ValueError("replaced_target_rows: beyond the series")
        return self


@dataclass(frozen=True)
class Prepared:
    """A prepared series: `series.values` is mapped from disk, so rows nobody asks for are not read."""

    folder: Path
    manifest: Manifest
    series: Series

    @property
    def borders(self) -> Borders:
        """Rows [start, stop) of each split."""
        return {name: (split.start, split.stop) for name, split in self.manifest.splits.items()}

    def rows(self, split: Split) -> Series:
        """The rows of a split alone; `train+val` is both, as one."""
        return self.series.pick(rows_of(self.borders, split))

    def windows(self, split: Split, *, history_hours: int, lead_hours: int) -> Windows:
        """The windows of a split under the prepared protocol.

        Raises:
            DataError: the split holds no such window.
        """
        start, stop = span(self.borders, split)
        if start == stop:
            raise DataError(f"{self.folder} has no {split} split, since all years but one train; give --split val")
        return split_windows(
            self.series,
            self.manifest.protocol,
            self.borders,
            split,
            history_hours=history_hours,
            lead_hours=lead_hours,
            reach_back=self.manifest.reach_back,
            needed_by=f"{self.folder}: the {split} split",
        )


def load_prepared(data_dir: Path) -> Prepared:
    """Open the prepared data in `data_dir`, and check them against the manifest's hashes.

    Raises:
        DataError: missing, damaged, or of another format.
    """
    try:
        return _load(data_dir / FOLDER)
    except DataError:
        return _load(data_dir / FOLDER)  # manifest and arrays may have been replaced between the one and the other


def _load(folder: Path) -> Prepared:
    manifest = load_manifest(folder)
    times = _load_array(folder / TIMES, (manifest.rows,), "datetime64[s]", manifest.sha256.get(TIMES))
    values = _load_array(folder / VALUES, (manifest.rows, len(NAMES)), "float32", manifest.sha256.get(VALUES))
    optional = None
    if sha256 := manifest.sha256.get(OPTIONAL):
        optional = _load_array(folder / OPTIONAL, (manifest.rows, len(OPTIONAL_NAMES)), "float32", sha256)
    measured = np.ones(manifest.rows, dtype=bool)
    measured[manifest.replaced_target_rows] = False
    return Prepared(folder, manifest, Series(times, values, measured, optional))


def _load_array(path: Path, shape: tuple[int, ...], kind: str, sha256: str | None) -> NDArray[Any]:
    """Map an array from a file of numpy's that holds just this."""
    again = remedy("prepare", path.parent.parent, "--force")
    try:
        with open_regular(path) as file:
            np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0(file)
            if header != (shape, False, np.dtype(kind)):
                raise ValueError(f"shape {header[0]} and type {header[2]}, the manifest says {shape} and {kind}")
            array = np.memmap(file, kind, "r", offset=file.tell(), shape=shape)
            file.seek(0)
            if sha256 not in (None, hashlib.file_digest(file, "sha256").hexdigest()):
                raise ValueError("its content is not what was written: another SHA-256")
    except PermissionError:
        raise  # nothing is damaged
    except Exception as error:  # numpy makes many kinds of a damaged header
        raise DataError(f"{path} is damaged ({error}); {again}") from None
    return np.asarray(array)


def load_manifest(folder: Path) -> Manifest:
    """Read and check `manifest.json` in `folder`.

    Raises:
        DataError: missing, damaged, or of another format.
    """
    again = remedy("prepare", folder.parent, "--force")
    missing = again if folder.exists() else remedy("prepare", folder.parent)
    return read_record(folder / MANIFEST, Manifest, missing=missing, damaged=again, error=DataError, format=FORMAT)


def write_prepared(folder: Path, manifest: Manifest, arrays: Series | Path) -> Manifest:
    """Write prepared data as `folder`, in place of older ones; returns the manifest, completed by the hashes.

    `arrays` is the series, or a folder of prepared data that hold it already.

    Raises:
        ExistsError: `folder` holds anything but prepared data.
    """
    refuse_foreign(folder, FILES)
    with atomic_folder(folder) as new:
        if isinstance(arrays, Path):
            for name in (VALUES, TIMES, OPTIONAL):
                if (arrays / name).exists():
                    link_or_copy(arrays / name, new / name)
        else:
            np.save(new / VALUES, arrays.values)
            np.save(new / TIMES, arrays.times)
            if arrays.optional is not None:
                np.save(new / OPTIONAL, arrays.optional)
        hashes = {path.name: file_sha256(path) for path in sorted(new.iterdir(), reverse=True)}
        if isinstance(arrays, Path) and any(manifest.sha256.get(name, sha) != sha for name, sha in hashes.items()):
            raise DataError(f"{arrays} was replaced in the meantime; start again")
        manifest = manifest.model_copy(update={"sha256": {**hashes, BORDERS: _borders_sha256(manifest.splits)}})
        write_json(new / MANIFEST, manifest.model_dump())
    return manifest


def _borders_sha256(splits: Mapping[str, SplitRecord]) -> str:
    borders = {name: [split.start, split.stop] for name, split in splits.items()}
    return hashlib.sha256(json.dumps(borders).encode()).hexdigest()


def remedy(command: str, data_dir: Path, *options: str) -> str:
    """The command to run on a data folder, for a message."""
    where = [] if data_dir == Path("data") else ["--data-dir", str(data_dir)]
    return "run: " + shlex.join(["jenacast", command, *options, *where])
