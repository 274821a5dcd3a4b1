"""A sweep from its order to its result: checked whole, begun or joined, worked on."""

import logging
import os
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jenacast.data.prepared import load_prepared
from jenacast.errors import ExistsError, JenacastError
from jenacast.experiments.run_set import RunSet
from jenacast.experiments.workers import run_side_by_side
from jenacast.sweep import Pruner, Sampler
from jenacast.sweep.results import SweepResult, read_result
from jenacast.sweep.samplers import make_pruner, make_sampler
from jenacast.sweep.space import Space
from jenacast.sweep.storage import file_url, open_storage, telling_what_fails
from jenacast.sweep.study import Plan, find_study, join
from jenacast.sweep.trials import Objective
from jenacast.sweep.worker import ended, is_done, refuse_failures, work
from jenacast.training import run_folder

if TYPE_CHECKING:
    from optuna.study import Study

logger = logging.getLogger(__name__)

PLACE = "sweep.json"
TALKATIVE = ("jenacast.training", "jenacast.fitting", "jenacast.seeds", "jenacast.lock")  # a sweep says a line a trial


@dataclass(frozen=True)
class Place:
    """Which study a sweep's folder belongs to; `sweep.json`. `storage` is "" for the file in the folder itself."""

    study: str
    storage: str


@dataclass(frozen=True)
class Order:
    """A sweep as it is asked for.

    Attributes:
        space: what is searched.
        trials: wanted in all, those of other workers and of before counted in.
        seeds: that each is trained with, from the space's `train.seed` on.
        sampler: who chooses.
        pruner: who ends hopeless trials.
        data_dir: where the prepared data lie.
        folder: of the runs; made here.
        storage: of the study, by `storage.check_url`; "" for a file in the folder.
        timeout_s: no trial begins after so many seconds.
        worker: which of several workers on this machine this is.
    """

    space: Space
    trials: int
    seeds: int
    sampler: Sampler
    pruner: Pruner
    data_dir: Path
    folder: Path
    storage: str = ""
    timeout_s: float | None = None
    worker: int = 0


def sweep(order: Order, workers: Sequence[Sequence[str]] = ()) -> SweepResult:
    """Begin a sweep, or go on with it, until it has the trials wanted.

    Args:
        order: what is wanted.
        workers: arguments of `jenacast` for each process that shall work; this one alone where there are none.

    Raises:
        ExistsError: the folder, or the study of this name, is another sweep's.
        StorageError: the database cannot be used.
        JenacastError: no prepared data, or trials fail one after the other.
    """
    manifest = load_prepared(order.data_dir).manifest
    grid = order.space.grid() if order.sampler is Sampler.grid else None
    seeds = [order.space.first_seed + number for number in range(order.seeds)]
    plan = Plan(
        space=order.space.describe(),
        seeds=seeds,
        sampler=order.sampler,
        pruner=order.pruner,
        source_sha256=manifest.source_sha256,
        protocol=manifest.protocol,
        synthetic=manifest.synthetic,
    )
    url = order.storage or file_url(order.folder)
    _claim(order)
    with telling_what_fails(url):
        study = join(open_storage(url), order.space.name, plan, grid or ())
    wanted, queued = (min(order.trials, len(grid)), len(grid)) if grid else (order.trials, None)
    objective = Objective(order.space, seeds, order.data_dir, order.folder, wanted, queued)
    with telling_what_fails(url):
        ended_before = ended(study)
        try:
            _work(order, study, objective, workers)
        except BaseException as error:
            if not (order.worker or isinstance(error, Exception)):
                logger.warning("stopped. To go on, give the same command again")
            raise
        trials = study.get_trials(deepcopy=False)
        if not is_done(trials, objective) and order.timeout_s is None:
            refuse_failures(trials, ended_before)
            raise JenacastError("workers failed, the reasons stand above; to go on, give the same command again")
        return read_result(study)


def open_study(place: str, storage: str) -> "tuple[Study, Path | None]":
    """The study of a sweep's folder, or the study `place` in `storage`; and the folder.

    Raises:
        JenacastError: there is none.
        StorageError: the database cannot be used.
    """
    folder = Path(place)
    if storage and not (folder / PLACE).is_file():
        with telling_what_fails(storage):
            return find_study(open_storage(storage), place), None
    if not (folder / PLACE).is_file():
        raise JenacastError(f"{folder / PLACE} not found; name a sweep's folder, or its study and --storage")
    known = run_folder.read_as(Place, folder / PLACE)
    url = known.storage or file_url(folder)
    with telling_what_fails(url):
        return find_study(open_storage(url), known.study), folder


def _claim(order: Order) -> None:
    """Make the folder, or find that it is this sweep's."""
    place = Place(order.space.name, order.storage)
    known = RunSet(order.folder, PLACE, Place, "a sweep").join(place)
    if known != place:
        raise ExistsError(
            f"{order.folder} is of the sweep {known.study!r} in {known.storage or 'its own file'}, not of "
            f"{place.study!r} in {place.storage or 'its own file'}; choose another --run-dir"
        )


def _work(order: Order, study: "Study", objective: Objective, workers: Sequence[Sequence[str]]) -> None:
    begun = len(study.get_trials(deepcopy=False))
    if begun:
        logger.info("going on with the sweep %s, which has begun %d trials", study.study_name, begun)
    if workers:
        run_side_by_side({f"worker {number}": command for number, command in enumerate(workers, start=1)}, len(workers))
        return
    # Where many machines work, nothing tells their workers apart but this.
    entropy = [zlib.crc32(socket.gethostname().encode()), os.getpid()] if order.storage else []
    study.sampler = make_sampler(order.sampler, order.space, [begun, order.worker, *entropy])
    study.pruner = make_pruner(order.pruner, order.space)
    with _silenced(TALKATIVE):
        work(study, objective, timeout_s=order.timeout_s)


@contextmanager
def _silenced(names: Sequence[str]) -> Iterator[None]:
    """Let these modules tell of errors alone."""
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
