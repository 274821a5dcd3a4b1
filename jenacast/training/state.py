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
from pydantic import TypeAdapter, ValidationError

from jenacast.config import Config
from jenacast.errors import JenacastError
from jenacast.files import atomic_path

FORMAT = 1
LEFT = "the run cannot go on, but its best.keras can be used"


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
            found = about["format"]
    except Exception as error:  # zipfile, numpy and json have a dozen ways to say that a file is damaged
        reason = str(error).split(". ")[0]  # numpy goes on with how to unpickle what one trusts
        raise JenacastError(f"{path} is damaged ({reason}); {LEFT}") from error
    if found != FORMAT:
        raise JenacastError(f"{path} has format {found!r}, this version reads {FORMAT}; use the jenacast that wrote it")
    try:
        progress = TypeAdapter(Progress).validate_python(about["progress"])
        config = TypeAdapter(dict[str, Any]).validate_python(about["config"])
    except KeyError as error:
        raise JenacastError(f"{path} is damaged (no {error}); {LEFT}") from None
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise JenacastError(f"{path} is damaged ({problem}); {LEFT}") from None
    return progress, variables, config
