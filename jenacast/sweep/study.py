"""A sweep's study: begun, or joined where the same sweep has begun it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from jenacast.config import without_retired
from jenacast.errors import ExistsError, JenacastError
from jenacast.sweep import Pruner, Sampler
from jenacast.sweep.samplers import load_optuna
from jenacast.sweep.space import Chosen

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study

PLAN = "plan"  # the study's attribute
BEGUN_WITHIN_S = 30.0  # from making a study to telling what it is of, a grid's trials being queued in between


@dataclass(frozen=True)
class Plan:
    """What all workers of a sweep must agree on.

    Attributes:
        space: as `Space.describe` tells it.
        seeds: that each trial is trained with.
        sampler: who chooses.
        pruner: who ends hopeless trials.
        source_sha256: of the series.
        protocol: how the windows are found.
        synthetic: whether the series is made up.
    """

    space: dict[str, Any]
    seeds: list[int]
    sampler: Sampler
    pruner: Pruner
    source_sha256: str
    protocol: str
    synthetic: bool


def join(storage: "RDBStorage", name: str, plan: Plan, queue: Sequence[Chosen] = ()) -> "Study":
    """The study `name`: made, with the trials of `queue` to begin with, or that of the same plan.

    Raises:
        ExistsError: there is one of another plan; the differences are told.
    """
    load_optuna()
    import optuna

    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="minimize")
        for chosen in queue:
            study.enqueue_trial(chosen)
        study.set_user_attr(PLAN, asdict(plan))
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name)
    begun = asdict(read_plan(study))
    begun["space"]["settings"] = {
        recipe: without_retired(settings) for recipe, settings in begun["space"].get("settings", {}).items()
    }
    differences = list_differences(json.loads(json.dumps(asdict(plan))), begun)
    if differences:
        raise ExistsError(
            f"a sweep {name!r} has begun with another plan; go on with that, or give this one another `name` in its "
            "file (or another --run-dir):\n  " + "\n  ".join(differences)
        )
    return study


def find_study(storage: "RDBStorage", name: str) -> "Study":
    """The study `name`, to be read.

    Raises:
        JenacastError: there is none.
    """
    load_optuna()
    import optuna

    try:
        return optuna.load_study(storage=storage, study_name=name)
    except KeyError:
        known = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise JenacastError(f"no sweep {name!r} in this database; there are: {known}") from None


def read_plan(study: "Study") -> Plan:
    """What the study was begun with.

    Raises:
        JenacastError: it does not say.
    """
    until = time.monotonic() + BEGUN_WITHIN_S
    while PLAN not in study.user_attrs and time.monotonic() < until:
        time.sleep(0.2)
    try:
        return TypeAdapter(Plan).validate_python(study.user_attrs.get(PLAN))
    except ValidationError as error:
        raise JenacastError(
            f"{study.study_name!r} is a study of another program, or its beginning was cut off "
            f"({error.errors()[0]['msg']}); choose another name"
        ) from None


def list_differences(now: Mapping[str, Any], begun: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for each value that differs between two plans, as JSON has them."""
    lines = []
    for key in [*begun, *(key for key in now if key not in begun)]:
        ours, theirs, place = now.get(key), begun.get(key), f"{prefix}{key}"
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            lines += list_differences(ours, theirs, f"{place}.")
        elif ours != theirs:
            lines.append(f"{place}: {_shown(theirs)}, now {_shown(ours)}")
    return lines


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)
