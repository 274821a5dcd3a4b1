"""What is asked of a sweep, what its workers must agree on, and its study: made, or joined where it exists."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jenacast.errors import ExistsError, JenacastError
from jenacast.records import check_record
from jenacast.sweep import Pruner, Sampler
from jenacast.sweep.samplers import load_optuna
from jenacast.sweep.space import Chosen, Space
from jenacast.toml_files import up_to_date

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study

PLAN = "plan"  # the study's attribute
READY_SECONDS = 30.0  # from making a study to writing its plan; a grid's trials are queued in between


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it is asked for.

    Attributes:
        trials: wanted in all, those of other workers and earlier ones counted in.
        seed_count: seeds that each is trained with, from the space's `train.seed` on.
        folder: of the trials; made by the sweep. Each is a run folder in it, or with several seeds a folder of them.
        storage: of the study, by `storage.check_url`; "" for a file in the folder.
        timeout_s: no trial begins after so many seconds.
        worker: which of several workers on this machine this is.
        folds: judge each trial by held-out years, which `years` then names.
    """

    space: Space
    trials: int
    seed_count: int
    sampler: Sampler
    pruner: Pruner
    data_dir: Path
    folder: Path
    storage: str = ""
    timeout_s: float | None = None
    worker: int = 0
    folds: bool = False
    years: list[int] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """The seeds of each trial. The pruner sees the first; what survives it is trained with all."""
        return [self.space.first_seed + number for number in range(self.seed_count)]


@dataclass(frozen=True)
class SweepPlan:
    """What all workers of a sweep must agree on, stored with the study.

    The space is as `Space.describe` gives it; `source_sha256` is the hash of the series, `protocol` says how its
    windows are found, and `synthetic` whether it is made up. `years` are those that are held out, if any.
    """

    space: dict[str, Any]
    seeds: list[int]
    sampler: Sampler
    pruner: Pruner
    source_sha256: str
    protocol: str
    synthetic: bool
    years: list[int] = field(default_factory=list)


def join_study(storage: "RDBStorage", name: str, plan: SweepPlan, queue: Sequence[Chosen] = ()) -> "Study":
    """The study `name`: made, with the trials of `queue` to begin with, or that of the same plan.

    Raises:
        ExistsError: one of another plan exists; the text lists the differences.
    """
    optuna = load_optuna()
    try:
        study: Study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
        for chosen in queue:
            study.enqueue_trial(chosen)
        study.set_user_attr(PLAN, asdict(plan))
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    begun = asdict(read_plan(study))
    for recipe, settings in begun["space"].get("settings", {}).items():
        begun["space"]["settings"][recipe] = up_to_date(settings)
    if differences := list_differences(asdict(plan), begun):
        raise ExistsError(
            f"a sweep {name!r} exists with another plan; continue that one, or give this one another `name` in its "
            "file (or another --run-dir):\n  " + "\n  ".join(differences)
        )
    return study


def find_study(storage: "RDBStorage", name: str) -> "Study":
    """The study `name`, to be read.

    Raises:
        JenacastError: not found.
    """
    optuna = load_optuna()
    try:
        study: Study = optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        known = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise JenacastError(f"no sweep {name!r} in this database; there are: {known}") from None
    return study


def read_plan(study: "Study") -> SweepPlan:
    """What the study was begun with.

    Raises:
        JenacastError: the study has no plan.
    """
    until = time.monotonic() + READY_SECONDS
    while PLAN not in study.user_attrs and time.monotonic() < until:
        time.sleep(0.2)
    remedy = "it is of another program, or its beginning was cut off; choose another name"
    return check_record(study.user_attrs.get(PLAN), SweepPlan, f"the study {study.study_name!r}", damaged=remedy)


def list_differences(now: Any, begun: Any, place: str = "") -> list[str]:
    """One line for each value that differs between two plans, or parts of them."""
    if isinstance(now, Mapping) and isinstance(begun, Mapping):
        keys = [*begun, *(key for key in now if key not in begun)]
        parts = [(now.get(key), begun.get(key), f"{place}.{key}".lstrip(".")) for key in keys]
        return [line for part in parts for line in list_differences(*part)]
    shown = ["absent" if value is None else json.dumps(value) for value in (begun, now)]
    return [] if now == begun else [f"{place}: {shown[0]}, now {shown[1]}"]
