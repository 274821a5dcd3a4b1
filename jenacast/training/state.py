"""The whole state of a training, taken out at any step and put back exactly.

One `.npz` file: every variable of the learner (weights, optimizer, the seed generators of dropout that no Keras
file holds, the sums of the running epoch), the progress as JSON, and the settings it belongs to.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from jenacast.config import Config
from jenacast.errors import JenacastError
from jenacast.files import atomic_path, open_regular
from jenacast.records import check_record
from jenacast.settings import TrainSettings

FORMAT = 1
MEASURED = ("train_loss", "train_mae_c", "val_mae_c", "val_rmse_c", "learning_rate", "seconds")  # of an epoch
Count = Annotated[int, Field(ge=0)]
LEFT = "restore a copy, or use the run's best.keras as it is"


@dataclass
class Progress:
    """How far a run is. The order of the windows needs no place here: (seed, epoch) decide it."""

    epoch: Count = 0  # whole epochs done, validation included
    step: Count = 0  # train batches done in the running epoch
    seconds: Annotated[float, Field(ge=0)] = 0.0  # spent training, over all sittings
    best_epoch: Count = 0  # counted from 1; 0 before the first
    best_val_mae_c: Annotated[float, Field(ge=0)] = math.inf
    stale_epochs: Count = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse what no training leaves, such as a history of other epochs."""
        check_history(self.history)
        if len(self.history) != self.epoch or max(self.best_epoch, self.stale_epochs) > self.epoch:
            raise ValueError(f"epoch {self.epoch} does not fit its history or its best epoch")

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
    """Write the state whole or not at all; the one before stays until then."""
    about = {"format": FORMAT, "progress": asdict(progress), "config": config.model_dump()}
    arrays: dict[str, Any] = {f"variable_{number:04d}": value for number, value in enumerate(variables)}
    with atomic_path(path, make_folder=False) as temporary:
        np.savez(temporary, about=np.array(json.dumps(about)), **arrays)


def check_history(history: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValueError unless records are of the epochs 1, 2 and so on, with finite numbers or no validation."""
    for number, record in enumerate(history, 1):
        if record.get("epoch") != number:
            raise ValueError(f"record {number} is of epoch {record.get('epoch')!r}")
        for name in MEASURED:
            value = record.get(name)
            is_missing = value is None and name.startswith("val_")
            if not is_missing and not (isinstance(value, int | float) and math.isfinite(value)):
                raise ValueError(f"{name} of epoch {number} is {value!r}")


def load_state(path: Path, *, with_variables: bool = True) -> tuple[Progress, dict[str, Any], list[np.ndarray]]:
    """Read a state: the progress, the settings it belongs to, the variables in the learner's order.

    Raises:
        JenacastError: damaged, or of another format.
    """
    try:
        with open_regular(path) as opened, np.load(opened, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            names = sorted(name for name in file.files if name.startswith("variable_"))
            variables = [file[name] for name in names] if with_variables else []
    except Exception as error:  # zipfile, numpy and json have a dozen ways to say that a file is damaged
        reason = str(error).split(". ")[0]  # numpy adds how to unpickle trusted files
        raise JenacastError(f"{path} is damaged ({reason}); {LEFT}") from error
    state = check_record(about, _About, str(path), damaged=LEFT, format=FORMAT)
    return state.progress, state.config, variables
