"""The whole state of a training, taken out at any step and put back exactly.

One `.npz` file: every variable of the learner (weights, optimizer, the seed generators of dropout that no Keras
file holds, the sums of the running epoch), the progress as JSON, and the settings it belongs to.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.config import Config, TrainSettings
from jenacast.errors import JenacastError
from jenacast.files import atomic_path
from jenacast.records import check_record

FORMAT = 1
LEFT = "restore a copy, or use the run's best.keras as it is"


@dataclass
class Progress:
    """How far a run is. The order of the windows needs no place here: (seed, epoch) decide it."""

    epoch: int = 0  # whole epochs done, validation included
    step: int = 0  # train batches done in the running epoch
    seconds: float = 0.0  # spent training, over all sittings
    best_epoch: int = 0  # counted from 1; 0 before the first
    best_val_mae_c: float = math.inf
    stale_epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def is_finished(self, settings: TrainSettings) -> bool:
        """Whether the last epoch is done, or patience ran out."""
        return self.epoch >= settings.last_epoch or self.is_out_of_patience(settings)

    def is_out_of_patience(self, settings: TrainSettings) -> bool:
        """Whether as many epochs as `train.patience` allows have brought no better validation MAE."""
        return 0 < settings.patience <= self.stale_epochs


@dataclass(frozen=True)
class _About:
    format: int
    progress: Progress
    config: dict[str, Any]


def save_state(path: Path, progress: Progress, variables: list[np.ndarray], config: Config) -> None:
    """Write the state whole or not at all; the one before stays until then.

    Raises:
        OSError: the disk is full or gone.
    """
    about = {"format": FORMAT, "progress": asdict(progress), "config": config.model_dump()}
    arrays: dict[str, Any] = {f"variable_{number:04d}": value for number, value in enumerate(variables)}
    with atomic_path(path, make_folder=False) as temporary:
        np.savez(temporary, about=np.array(json.dumps(about)), **arrays)


def load_state(path: Path) -> tuple[Progress, list[np.ndarray], dict[str, Any]]:
    """Read a state: the progress, the variables in the learner's order, the settings it belongs to.

    Raises:
        JenacastError: damaged, or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            names = sorted(name for name in file.files if name.startswith("variable_"))
            variables = [file[name] for name in names]
    except Exception as error:  # zipfile, numpy and json have a dozen ways to say that a file is damaged
        reason = str(error).split(". ")[0]  # numpy adds how to unpickle trusted files
        raise JenacastError(f"{path} is damaged ({reason}); {LEFT}") from error
    state = check_record(about, _About, str(path), damaged=LEFT, format=FORMAT)
    return state.progress, variables, state.config
