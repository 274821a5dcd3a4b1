"""A folder of runs that belong together: the seeds of a recipe, the folds of a backtest, the trials of a sweep.

A JSON file in it, the plan, says which runs they are. Each run is an ordinary run folder somewhere below.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from jenacast.config import Config, code_beside
from jenacast.errors import ExistsError, command
from jenacast.files import write_json
from jenacast.locks import process_lock
from jenacast.models.build import with_engine
from jenacast.training import run_folder

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

SWEEP = "sweep.json"  # the plan of a sweep's folder

Plan = TypeVar("Plan", bound="DataclassInstance")


@dataclass(frozen=True)
class RunSet(Generic[Plan]):
    """Where the runs of a set lie, and who may write there.

    One process begins a set, and one at a time continues it. The workers of a sweep, perhaps on several machines,
    `join` one instead, without a lock.

    Attributes:
        folder: of the set.
        plan_file: the name of the plan; a folder that has this file is a set of this kind.
        plan_type: the dataclass that the plan is read as.
        contents: what the folder holds, for error messages: "seeds", "a backtest", "a sweep".
        command: continues the set with `--resume FOLDER`, such as "jenacast train"; unused where sets are joined.
    """

    folder: Path
    plan_file: str
    plan_type: type[Plan]
    contents: str
    command: str = ""

    @property
    def exists(self) -> bool:
        """Whether the folder is a set of this kind."""
        return (self.folder / self.plan_file).is_file()

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            JenacastError: it is missing or damaged.
        """
        return run_folder.read_as(self.plan_type, self.folder / self.plan_file)

    def write(self, config: Config, plan: Plan) -> None:
        """Write the settings that all runs share, their engine too, then the plan."""
        run_folder.write_config(self.folder, with_engine(config))
        write_json(self.folder / self.plan_file, asdict(plan))

    @contextmanager
    def begun(self, config: Config, plan: Plan, remove_old: Callable[[Path], None], *, force: bool) -> Iterator[None]:
        """Make the folder, hold it, and write settings and plan; what stops the work logs how to continue it.

        With `force`, `remove_old` removes the runs and results of an old plan from the folder that it is given.

        Raises:
            ExistsError: the folder is a set already and `force` is not given, or it holds something else.
            InUseError: a living process holds it, or one of the old runs.
        """
        self._make_folder(force=force)
        with process_lock(self.folder / run_folder.LOCK):
            remove_old(self.folder)  # first: no old run may be continued as one of the new plan
            self.write(config, plan)
            with self._resume_hint():
                yield

    @contextmanager
    def resumed(self) -> Iterator[tuple[Config, Plan]]:
        """Hold a set, yield its settings and its plan; what stops the work logs how to continue it.

        Raises:
            JenacastError: the plan or the settings are missing or damaged.
            InUseError: a living process holds the folder.
        """
        plan = self.read_plan()
        with process_lock(self.folder / run_folder.LOCK):
            config = run_folder.read_config(self.folder)
            with self._resume_hint():
                yield config, plan

    def join(self, plan: Plan) -> Plan:
        """Make the folder with `plan`, or return the plan that it has; other processes may do so at the same moment.

        Raises:
            ExistsError: the folder holds something else.
            JenacastError: its plan is damaged.
        """
        self._make_folder(force=True)
        if not self.exists:
            write_json(self.folder / self.plan_file, asdict(plan))
        return self.read_plan()

    def _make_folder(self, *, force: bool) -> None:
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise ExistsError(f"{folder} exists and is not a folder; choose another --run-dir")
        folder.mkdir(parents=True, exist_ok=True)
        existed = self.exists
        # Another process may make the set at this moment: what it is writing is hidden, and the plan comes first.
        if any(not path.name.startswith(".") for path in folder.iterdir()) and not self.exists:
            contents = self.contents.removeprefix("a ")
            raise ExistsError(f"{folder} exists and holds no {contents}; choose another --run-dir")
        if existed and not force:
            raise ExistsError(
                f"{folder} holds {self.contents} already; choose another --run-dir, continue with "
                f"{command(*run_folder.resume_words(folder))}, or replace it with --force"
            )

    @contextmanager
    def _resume_hint(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            logger.warning("stopped. To continue: %s %s", self.command, command(*run_folder.resume_words(self.folder)))
            raise


def train_arguments(
    run: Path, config: Path, data_dir: Path, *, seed: int, calibrate_on: str | None = None, **flags: bool
) -> list[str]:
    """The `jenacast train` that trains one run of a set with the settings that all share, or continues it."""
    if (run / run_folder.CONFIG).is_file() and run_folder.is_run_dir(run):
        return ["train", *run_folder.resume_words(run)]
    options = {"--config": config, "--seed": seed, "--run-dir": run, "--data-dir": data_dir}
    options |= {"--calibrate-on": calibrate_on} if calibrate_on else {}
    options |= {"--code": code} if (code := code_beside(config)) else {}
    given = [f"--{name.replace('_', '-')}" for name, is_wanted in flags.items() if is_wanted]
    return ["train", *(str(word) for option in options.items() for word in option), "--force", *given]


def remove_runs(runs: Sequence[Path]) -> None:
    """Remove run folders, all or none; files that no run wrote stay.

    Raises:
        InUseError: a living process holds one of them; nothing is removed then.
        ExistsError: a file of a run is not a regular one; neither.
    """
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(process_lock(run / run_folder.LOCK))
            run_folder.own_files(run)
    for run in runs:
        with run_folder.claimed_run_dir(run, force=True):
            pass
        with suppress(OSError):  # other files remain in it
            run.rmdir()
