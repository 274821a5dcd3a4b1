"""The files of a run folder, and the refusal to overwrite one."""

import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, Field

from jenacast import records
from jenacast.config import Config, code_beside, dump_config, load_stored
from jenacast.data.prepared import FOLDER as PREPARED
from jenacast.errors import ExistsError, JenacastError, command
from jenacast.features.repair import Repair
from jenacast.files import TEMPORARY, atomic_path, clear_leftovers
from jenacast.locks import process_lock
from jenacast.models.checkpoint import BEST
from jenacast.settings import FitSplit

LAST = "last.keras"  # the network after the last whole epoch
CONFIG = "config.toml"  # the complete settings; `train --config` takes it back
RECORD = "run.json"  # where the data lie, their hash, versions, device
HISTORY = "history.csv"  # one line an epoch: `history.py`
METRICS = "metrics.json"  # the result: what `train --json` prints
CURVES = "learning_curves.png"
STATE = "state.npz"  # the training state; `train --resume` continues from it
FAILURE = "failure.json"  # why the run failed, until it is continued
LOCK = "train.lock"  # while a process trains: its id
TENSORBOARD = "tensorboard"
NEW_RUN = "restore a copy, or start a new run"
_Kind = TypeVar("_Kind")
FILES = (BEST, LAST, CONFIG, RECORD, HISTORY, METRICS, CURVES, STATE, FAILURE)
# What `evaluate` and `explain` add for the best network and the last
EVALUATION = re.compile(
    r"evaluation-(last-)?(test|val|csv)"
    r"((-days)?\.json|(-reliability|-by-(month|season|hour|year|change|lead))?\.(png|svg|pdf))"
    r"|explain-(last-)?(test|val)\.json"
)


class RunRecord(records.Record):
    """What a run began with, its data, network and versions: the content of `run.json`.

    `folds` are runs of the same settings and seed that each left a year out, and calibrate one that has seen all.

    Runs of the first versions lack what has a default. Keys of later versions are ignored.
    """

    model_config = ConfigDict(extra="ignore")

    data_dir: str
    source_sha256: str
    protocol: str
    synthetic: bool
    parameters: int
    fit_on: FitSplit = "train"
    fold: str | None = None
    folds: list[str] = Field(default_factory=list)
    repairs: tuple[Repair, ...] = ()
    train_windows: int
    val_windows: int
    windows_dropped: int = 0
    needed_hours: int | None = None
    device: str
    kernel: str = "unknown"
    versions: dict[str, str]
    commit: str
    started: str = "unknown"


@dataclass(frozen=True)
class Outcome:
    """The result of a run, or how far it is: the content of `metrics.json`."""

    run_dir: str
    checkpoint: str
    model: str
    seed: int
    epochs: int
    best_epoch: int
    val_mae_c: float | None  # None where validation was trained on too
    val_baseline_mae_c: float | None
    finished: bool
    protocol: str
    synthetic: bool
    parameters: int
    steps: int
    seconds: float
    device: str


@contextmanager
def chosen_run_dir(path: Path | None, name: str) -> Iterator[Path]:
    """Yield `path`, or else a new folder runs/<name>-<date>-<time>, by the local clock; it is removed if left empty.

    Where two begin within a second, the later one's name ends in -2, and so on.
    """
    if path:
        yield path
        return
    stem = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in count(1):
        made = Path("runs", stem if number == 1 else f"{stem}-{number}")
        with suppress(FileExistsError):
            made.mkdir(parents=True)
            break
    try:
        yield made
    finally:
        with suppress(OSError):  # it holds something
            made.rmdir()
            made.parent.rmdir()


@contextmanager
def claimed_run_dir(path: Path, *, force: bool) -> Iterator[None]:
    """Make an empty run folder and lock it; with `force`, remove the files of the run in it.

    Raises:
        ExistsError: the folder holds something that is no run, or a run and `force` is not given; or a file of the run
            is not a regular one. Nothing is removed then.
        JenacastError: a living process holds it.
    """
    if path.exists() and not path.is_dir():
        raise ExistsError(f"{path} exists and is not a folder; choose another --run-dir")
    path.mkdir(parents=True, exist_ok=True)
    with process_lock(path / LOCK):
        present = [file for file in path.iterdir() if file.name != LOCK and not file.name.startswith(TEMPORARY)]
        if present and not (path / CONFIG).is_file():
            raise ExistsError(f"{path} exists and is not a run folder; choose another --run-dir")
        if present and not force:
            raise ExistsError(
                f"{path} holds a run already; choose another --run-dir, continue with "
                f"{command(*resume_words(path))}, or replace it with --force"
            )
        for file in own_files(path):
            file.unlink()
        clear_leftovers(path)
        with suppress(OSError):  # missing, or it holds other files
            (path / TENSORBOARD).rmdir()
        yield


@contextmanager
def resumed_run_dir(path: Path) -> Iterator[None]:
    """Lock a run folder to continue its run; half-written files of a killed process are removed.

    Raises:
        JenacastError: not a run folder, or a living process holds it.
    """
    if not ((path / CONFIG).is_file() and (path / RECORD).is_file()):
        raise JenacastError(
            f"{path} is not a run folder that can be resumed; start one with: jenacast train --model NAME"
        )
    with process_lock(path / LOCK):
        clear_leftovers(path)
        yield


def own_files(path: Path) -> list[Path]:
    """The files of a run and of evaluations of it, by their exact names; an ExistsError for what is no regular file."""
    named = [file for file in path.iterdir() if file.name in FILES or EVALUATION.fullmatch(file.name)]
    named += (path / TENSORBOARD).glob("events.out.tfevents.*")
    named += [copy] if (copy := code_beside(path / CONFIG)) else []
    for file in named:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise ExistsError(f"{file} is not a regular file, so the run is not replaced; move it away")
    return named


def is_run_dir(path: Path) -> bool:
    """Whether a run wrote this folder."""
    return (path / RECORD).is_file()


def data_of_run(path: Path) -> Path | None:
    """Where the data of a run lie, by its folder or a checkpoint in it; None if it is no run's, or they are gone."""
    folder = path if path.is_dir() else path.parent
    data_dir = Path(read_record(folder).data_dir) if is_run_dir(folder) else None
    return data_dir if data_dir and data_dir.is_dir() else None


def holds_finished(path: Path, config: Config) -> bool:
    """Whether `path` holds a finished run of exactly these settings."""
    if not ((path / METRICS).is_file() and (path / CONFIG).is_file()):
        return False
    return read_outcome(path).finished and read_config(path).model_dump() == config.model_dump()


def read_outcome(folder: Path) -> Outcome:
    """The result of a run, its paths those of `folder`; a JenacastError where it is missing or damaged."""
    return replace(read_as(Outcome, folder / METRICS), run_dir=str(folder), checkpoint=str(folder / BEST))


def write_config(folder: Path, config: Config) -> None:
    """Write the complete settings of a run, or those that the runs of a folder share, and a network's own file."""
    with atomic_path(folder / CONFIG) as path:
        path.write_text(dump_config(config), encoding="utf-8")
    if config.network:
        with atomic_path(folder / config.network.code.path.name) as path:
            path.write_bytes(config.network.code.content)


def read_config(folder: Path, assignments: Iterable[str] = ()) -> Config:
    """What `write_config` wrote, then `assignments`; a ConfigError where it is missing or damaged."""
    return load_stored(folder / CONFIG, assignments)


def resume_words(folder: Path) -> list[str]:
    """The options that continue a run, or a set of runs: code of the user's own is run only where it is named."""
    code = code_beside(folder / CONFIG)
    return ["--resume", str(folder), *(["--code", str(code)] if code else [])]


def read_record(folder: Path) -> RunRecord:
    """What a run began with; a JenacastError where that is missing or damaged.

    The data of a fold, or of a held-out year, lie beside its run, also where the whole was moved or copied.
    """
    record, beside = read_as(RunRecord, folder / RECORD), folder.resolve().parent
    is_in_place = record.fold and beside.name in record.fold and (beside / PREPARED).is_dir()
    return record.model_copy(update={"data_dir": str(beside)}) if is_in_place else record


def read_as(kind: type[_Kind], path: Path) -> _Kind:
    """A JSON file of a run folder, or of a folder of runs; a JenacastError where it is missing or damaged."""
    return records.read_record(path, kind, missing=f"{path.parent} is not a whole run folder", damaged=NEW_RUN)
