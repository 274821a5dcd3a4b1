"""What stands in a run folder, and the refusal to overwrite one."""

import csv
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from jenacast import records
from jenacast.config import Config, dump_config, load_config
from jenacast.errors import ExistsError, JenacastError
from jenacast.files import atomic_path, process_lock
from jenacast.models.checkpoint import BEST

LAST = "last.keras"  # the network after the last whole epoch
CONFIG = "config.toml"  # the complete settings; `train --config` takes it back
RECORD = "run.json"  # where the data lie, their hash, versions, device
HISTORY = "history.csv"  # one line an epoch
METRICS = "metrics.json"  # the outcome: what `train --json` prints
CURVES = "learning_curves.png"
STATE = "state.npz"  # the training state; `train --resume` goes on from it
LOCK = "train.lock"  # while a process trains: its id
TENSORBOARD = "tensorboard"
NEW_RUN = "restore a copy, or start a new run"
_Kind = TypeVar("_Kind")
MEASURED = ("train_loss", "train_mae_c", "val_mae_c", "val_rmse_c", "learning_rate", "seconds")  # in `HISTORY`
FILES = (BEST, LAST, CONFIG, RECORD, HISTORY, METRICS, CURVES, STATE)


@dataclass(frozen=True)
class Outcome:
    """What a run came to, or how far it is; `metrics.json`."""

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


def default_run_dir(name: str) -> Path:
    """runs/<name>-<date>-<time>, by the local clock."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


@contextmanager
def claimed_run_dir(path: Path, *, force: bool) -> Iterator[None]:
    """Make an empty run folder and hold it; with `force`, clear the files of the run that stands there.

    Raises:
        ExistsError: something stands there, and it is not a run or `force` is not given.
        JenacastError: a living process holds it.
    """
    if path.exists() and not path.is_dir():
        raise ExistsError(f"{path} exists and is not a folder; choose another --run-dir")
    path.mkdir(parents=True, exist_ok=True)
    with process_lock(path / LOCK):
        half_written = _half_written(path)
        present = [file for file in path.iterdir() if file.name != LOCK and file not in half_written]
        if present and not (path / CONFIG).is_file():
            raise ExistsError(f"{path} exists and is not a run folder; choose another --run-dir")
        if present and not force:
            raise ExistsError(
                f"{path} holds a run already; choose another --run-dir, go on with --resume {path}, "
                "or replace it with --force"
            )
        for file in [*(path / name for name in FILES), *path.glob("evaluation-*"), *half_written]:
            file.unlink(missing_ok=True)
        shutil.rmtree(path / TENSORBOARD, ignore_errors=True)
        yield


@contextmanager
def resumed_run_dir(path: Path) -> Iterator[None]:
    """Hold a run folder to go on with it; half-written files of a killed process are cleared.

    Raises:
        JenacastError: not a run folder, or a living process holds it.
    """
    if not ((path / CONFIG).is_file() and (path / RECORD).is_file()):
        raise JenacastError(
            f"{path} is not a run folder that can be resumed; start one with: jenacast train --model NAME"
        )
    with process_lock(path / LOCK):
        for file in _half_written(path):
            file.unlink()
        yield


def _half_written(path: Path) -> list[Path]:
    """What a killed process left of the run's own files, by the names `atomic_path` gives; no other hidden file."""
    names = [Path(name) for name in (*FILES, *(f"evaluation-.{kind}" for kind in ("json", "png", "svg", "pdf")))]
    return [file for name in names for file in path.glob(f".{name.stem}*-????????{name.suffix}") if file.is_file()]


def is_run_dir(path: Path) -> bool:
    """Whether a run wrote this folder."""
    return (path / RECORD).is_file()


def holds_finished(path: Path, config: Config) -> bool:
    """Whether `path` holds a run of exactly these settings that came to its end."""
    if not ((path / METRICS).is_file() and (path / CONFIG).is_file()):
        return False
    return read_outcome(path).finished and load_config(path / CONFIG) == config


def read_outcome(folder: Path) -> Outcome:
    """What a run folder says it came to.

    Raises:
        JenacastError: it does not say, or is damaged.
    """
    return read_as(Outcome, folder / METRICS)


def write_config(folder: Path, config: Config) -> None:
    """Write the complete settings of a run, or those that the runs of a folder share."""
    with atomic_path(folder / CONFIG) as path:
        path.write_text(dump_config(config), encoding="utf-8")


def write_history(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one CSV line an epoch, with full precision."""
    with atomic_path(path, make_folder=False) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(epochs[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(epochs)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """What `write_history` wrote: one record an epoch; None where nothing was measured.

    Raises:
        JenacastError: absent or damaged.
    """
    path = folder / HISTORY
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        measured = [{key: float(line[key]) if line[key] else None for key in MEASURED} for line in lines]
        return [{"epoch": int(line["epoch"]), **figures} for line, figures in zip(lines, measured, strict=True)]
    except FileNotFoundError:
        raise JenacastError(f"{path} not found; {folder} is not a whole run folder") from None
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise JenacastError(f"{path} is damaged ({error}); {NEW_RUN}") from None


def read_record(folder: Path) -> dict[str, Any]:
    """What `run.json` says of the data, the network and the versions that a run began with.

    Raises:
        JenacastError: absent or damaged.
    """
    path = folder / RECORD
    content = read_as(dict[str, Any], path)
    wanted: dict[str, type] = dict.fromkeys(("data_dir", "source_sha256", "protocol", "device", "commit"), str)
    wanted |= {"versions": dict, **dict.fromkeys(("parameters", "train_windows", "val_windows"), int)}
    for key, kind in wanted.items():
        if not isinstance(content.get(key), kind):
            raise JenacastError(f"{path} is damaged: no {key}; {NEW_RUN}")
    return content


def read_as(kind: type[_Kind], path: Path) -> _Kind:
    """Read a JSON file of a run folder, or of a folder of runs, as a dataclass.

    Raises:
        JenacastError: absent or damaged.
    """
    return records.read_record(path, kind, missing=f"{path.parent} is not a whole run folder", damaged=NEW_RUN)
