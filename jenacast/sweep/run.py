"""A sweep from its request to its result: checked whole, begun or joined, worked on."""

import logging
import os
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jenacast.config import standard_task
from jenacast.data.prepared import load_prepared
from jenacast.errors import ExistsError, JenacastError
from jenacast.experiments.run_set import SWEEP as LOCATION
from jenacast.experiments.run_set import RunSet
from jenacast.experiments.workers import run_side_by_side
from jenacast.experiments.years import find_years
from jenacast.sweep.results import SweepResult, read_result
from jenacast.sweep.samplers import make_pruner, make_sampler
from jenacast.sweep.storage import STUDY_FILE, open_storage, storage_errors
from jenacast.sweep.study import SweepPlan, SweepRequest, find_study, join_study
from jenacast.sweep.trials import Objective
from jenacast.sweep.worker import ended, is_done, raise_after_failures, work

if TYPE_CHECKING:
    from optuna.study import Study

logger = logging.getLogger(__name__)

QUIETED_LOGGERS = ("jenacast.training", "jenacast.experiments", "jenacast.files")  # a sweep says a line a trial


@dataclass(frozen=True)
class StudyLocation:
    """Which study a sweep's folder belongs to; `sweep.json`. `storage` is "" for the file in the folder itself."""

    study: str
    storage: str


def sweep(request: SweepRequest, workers: Sequence[Sequence[str]] = ()) -> SweepResult:
    """Begin a sweep, or continue it, until it has the trials wanted.

    Args:
        request: what is wanted.
        workers: arguments of `jenacast` for each process that shall work; this one alone where there are none.

    Raises:
        ExistsError: the folder, or the study of this name, is another sweep's.
        StorageError: the database cannot be used.
        JenacastError: no prepared data, or trials fail one after the other.
    """
    prepared = load_prepared(request.data_dir)
    manifest = prepared.manifest
    if request.folds:
        request = replace(request, years=find_years(prepared, standard_task()))
    grid = request.space.grid() if request.sampler == "grid" else []
    if grid:
        request = replace(request, trials=min(request.trials, len(grid)))
    plan = SweepPlan(
        space=request.space.describe(),
        seeds=request.seeds,
        sampler=request.sampler,
        pruner=request.pruner,
        source_sha256=manifest.source_sha256,
        protocol=manifest.protocol,
        synthetic=manifest.synthetic,
        years=request.years,
    )
    storage = open_storage(request.storage) if request.storage else None  # before the folder is claimed for it
    _claim(request)
    place = request.storage or request.folder / STUDY_FILE
    with storage_errors(place):
        study = join_study(storage or open_storage(place), request.space.name, plan, grid)
        ended_before = ended(study)
        try:
            _work(request, study, workers)
        except BaseException as error:
            if not (request.worker or isinstance(error, Exception)):
                logger.warning("stopped. To continue, give the same command again")
            raise
        trials = study.get_trials(deepcopy=False)
        if not is_done(trials, request) and request.timeout_s is None:
            raise_after_failures(trials, ended_before)
            raise JenacastError("workers failed, the reasons are above; to continue, give the same command again")
        return read_result(study)


def open_study(place: str, storage: str) -> "tuple[Study, Path | None]":
    """The study of a sweep's folder, or the study `place` in `storage`; and the folder. It can only be read.

    A folder may be a received one: no database is connected to because it says so.

    Raises:
        JenacastError: not found, or the folder's study lies in another database than `storage`.
        StorageError: the database cannot be used.
    """
    folder = Path(place)
    run_set = _run_set(folder)
    if not run_set.exists and not storage:
        raise JenacastError(f"{folder / LOCATION} not found; name a sweep's folder, or its study and --storage")
    location = run_set.read_plan() if run_set.exists else StudyLocation(place, storage)
    if location.storage and location.storage != storage:
        raise JenacastError(
            f"the study of {folder} lies in another database, {location.storage!r}; where you trust it, name it with "
            "--storage or JENACAST_STORAGE"
        )
    opened = storage if location.storage else folder / STUDY_FILE
    with storage_errors(opened):
        return find_study(open_storage(opened, read_only=True), location.study), folder if run_set.exists else None


def _run_set(folder: Path) -> RunSet[StudyLocation]:
    return RunSet(folder, LOCATION, StudyLocation, "a sweep")


def _claim(request: SweepRequest) -> None:
    """Make the folder, or find that it is this sweep's."""
    wanted = StudyLocation(request.space.name, request.storage)
    found = _run_set(request.folder).join(wanted)
    if found != wanted:
        raise ExistsError(
            f"{request.folder} is of the sweep {found.study!r} in {found.storage or 'its own file'}, not of "
            f"{wanted.study!r} in {wanted.storage or 'its own file'}; choose another --run-dir"
        )


def _work(request: SweepRequest, study: "Study", workers: Sequence[Sequence[str]]) -> None:
    begun = len(study.get_trials(deepcopy=False))
    if begun:
        logger.info("continuing the sweep %s, which has begun %d trials", study.study_name, begun)
    if workers:
        run_side_by_side({f"worker {number}": command for number, command in enumerate(workers, start=1)}, len(workers))
        return
    # Where many machines work, nothing tells their workers apart but this.
    entropy = [zlib.crc32(socket.gethostname().encode()), os.getpid()] if request.storage else []
    study.sampler = make_sampler(request.sampler, request.space, [begun, request.worker, *entropy])
    study.pruner = make_pruner(request.pruner, request.space, years=len(request.years))
    with _quieted(QUIETED_LOGGERS):
        work(study, Objective(request))


@contextmanager
def _quieted(names: Sequence[str]) -> Iterator[None]:
    """Let these loggers pass on errors alone."""
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
