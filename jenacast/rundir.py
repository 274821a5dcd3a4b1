"""What stands in a run folder, and the refusal to overwrite one."""

import csv
import json
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jenacast.config import Config, load_config
from jenacast.errors import ExistsError, JenacastError
from jenacast.files import atomic_path

BEST = "best.keras"  # the network with the lowest validation MAE
LAST = "last.keras"  # the network after the last whole epoch
CONFIG = "config.toml"  # the complete settings; `train --config` takes it back
RECORD = "run.json"  # where the data lie, their hash, versions, device
HISTORY = "history.csv"  # one line an epoch
METRICS = "metrics.json"  # the outcome: what `train --json` prints
CURVES = "learning_curves.png"
TENSORBOARD = "tensorboard"
FILES = (BEST, LAST, CONFIG, RECORD, HISTORY, METRICS, CURVES)


def default_run_dir(name: str) -> Path:
    """runs/<name>-<date>-<time>, by the local clock."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def create_run_dir(path: Path, *, force: bool) -> None:
    """Make an empty run folder; with `force`, clear the files of the run that stands there.

    Raises:
        ExistsError: something stands there, and it is not a run or `force` is not given.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        is_run = (path / CONFIG).is_file()
        if not is_run:
            raise ExistsError(f"{path} exists and is not a run folder; choose another --run-dir")
        if not force:
            raise ExistsError(f"{path} holds a run already; choose another --run-dir, or --force to replace it")
        for file in [*(path / name for name in FILES), *path.glob("evaluation-*")]:
            file.unlink(missing_ok=True)
        shutil.rmtree(path / TENSORBOARD, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)


def evaluation_stem(checkpoint: Path, split: str) -> str:
    """Name, less the suffix, of an evaluation's files; those of the best network are the run's own."""
    which = "" if checkpoint.name == BEST else f"{checkpoint.stem}-"
    return f"evaluation-{which}{split}"


def is_run_dir(path: Path) -> bool:
    """Whether a run wrote this folder."""
    return (path / RECORD).is_file()


def holds_finished(path: Path, config: Config) -> bool:
    """Whether `path` holds a run of exactly these settings that came to its end."""
    if not ((path / METRICS).is_file() and (path / CONFIG).is_file()):
        return False
    stopped_early = config.train.patience > 0
    done = read_json(path / METRICS)["epochs"] == config.train.epochs or stopped_early
    return done and load_config(path / CONFIG) == config


def write_history(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one CSV line an epoch, with full precision."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(epochs[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(epochs)


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Raises:
        JenacastError: absent or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JenacastError(f"{path} not found; {path.parent} is not a whole run folder") from None
    except (OSError, ValueError) as error:
        raise JenacastError(f"{path} is damaged: {error}") from None
