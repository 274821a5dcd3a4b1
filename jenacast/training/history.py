"""The epochs of a run as a file, one line each."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jenacast.errors import JenacastError
from jenacast.files import atomic_path, open_regular
from jenacast.training.run_folder import HISTORY, METRICS, NEW_RUN, STATE, read_outcome
from jenacast.training.state import check_history, load_state


def write_history(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one CSV line an epoch, with full precision."""
    import pandas as pd

    with atomic_path(path, make_folder=False) as temporary:
        pd.DataFrame(epochs).to_csv(temporary, index=False, lineterminator="\n", compression=None)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """What `write_history` wrote: one record an epoch; None where nothing was measured.

    Raises:
        JenacastError: missing or damaged, or not what the result and the state of the run say.
    """
    path, state = folder / HISTORY, folder / STATE
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        measured = [{key: float(cell) if cell else None for key, cell in line.items()} for line in lines]
        history = [figures | {"epoch": int(line["epoch"])} for line, figures in zip(lines, measured, strict=True)]
        check_history(history)
        # A run that was killed may have its last epoch in the history alone.
        known = load_state(state, with_variables=False)[0].history if state.is_file() else []
        if len(history) < read_outcome(folder).epochs or history[: len(known)] != known:
            raise ValueError(f"{len(history)} epochs that are not those of {METRICS} and {STATE}")
    except FileNotFoundError:
        raise JenacastError(f"{path} not found; {folder} is not a whole run folder") from None
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise JenacastError(f"{path} is damaged ({error}); {NEW_RUN}") from None
    return history
