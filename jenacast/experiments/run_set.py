"""A folder of runs that belong together: the seeds of a recipe, the folds of a backtest, the trials of a sweep.

A JSON file in it, the plan, says which runs they are. Each run is an ordinary run folder somewhere below.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from jenacast.config import Config, load_config
from jenacast.errors import ExistsError
from jenacast.files import process_lock, write_json
from jenacast.training import run_folder

logger = logging.getLogger(__name__)

Plan = TypeVar("Plan")  # a dataclass of JSON values


@dataclass(frozen=True)
class RunSet(Generic[Plan]):
    """Where the runs of a set lie, and who may write there.

    One process begins a set (`claimed`, then `write`) and one at a time continues it (`resumed`). The workers of a
    sweep, perhaps on several machines, `join` one instead, without a lock.

    Attributes:
        folder: of the set.
        plan_file: the name of the plan; a folder that has this file is a set of this kind.
        plan_type: the dataclass that the plan is read as.
        contents: what the folder holds, for error messages: "seeds", "a backtest", "a sweep".
        command: continues the set with `--resume FOLDER`, such as "jenacast train"; "" where it has no such option.
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

    @property
    def resume_command(self) -> str:
        """What a user types to continue the set."""
        return f"{self.command} --resume {self.folder}"

    def read_plan(self) -> Plan:
        """Read the plan.

        Raises:
            JenacastError: it is missing or damaged.
        """
        return run_folder.read_as(self.plan_type, self.folder / self.plan_file)

    def write(self, config: Config, plan: Plan) -> None:
        """Write the settings that all runs share, then the plan; the runs of another plan must be gone by then."""
        run_folder.write_config(self.folder, config)
        self._write_plan(plan)

    @contextmanager
    def claimed(self, *, force: bool) -> Iterator[None]:
        """Make the folder and hold it against other processes; with `force`, take over a set of this kind.

        Nothing is removed: the caller removes the old runs with `remove_runs`.

        Raises:
            ExistsError: the folder is a set already and `force` is not given, or it holds something else.
            InUseError: a living process holds it.
        """
        self._make_folder(force=force)
        with process_lock(self.folder / run_folder.LOCK):
            yield

    @contextmanager
    def resumed(self) -> Iterator[tuple[Config, Plan]]:
        """Hold a set to continue it; yields its settings and its plan.

        Raises:
            JenacastError: the plan or the settings are missing or damaged.
            InUseError: a living process holds the folder.
        """
        plan = self.read_plan()
        with process_lock(self.folder / run_folder.LOCK):
            yield load_config(self.folder / run_folder.CONFIG), plan

    @contextmanager
    def resume_hint(self) -> Iterator[None]:
        """Log how to continue the set when anything stops it."""
        try:
            yield
        except BaseException:
            logger.warning("stopped. To continue: %s", self.resume_command)
            raise

    def join(self, plan: Plan) -> Plan:
        """Make the folder with `plan`, or take the set that it holds; other processes may do so at the same moment.

        Returns:
            The plan that the folder has now, which may be another than `plan`.

        Raises:
            ExistsError: the folder holds something else.
            JenacastError: its plan is damaged.
        """
        self._make_folder(force=True)
        if not self.exists:
            self._write_plan(plan)
        return self.read_plan()

    def _make_folder(self, *, force: bool) -> None:
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise ExistsError(f"{folder} exists and is not a folder; choose another --run-dir")
        folder.mkdir(parents=True, exist_ok=True)
        existed = self.exists
        # Another process may make the set at this moment: what it is writing is hidden, and the plan comes first.
        others = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if others and not self.exists:
            contents = self.contents.removeprefix("a ")
            raise ExistsError(f"{folder} exists and holds no {contents}; choose another --run-dir")
        if existed and not force:
            raise ExistsError(
                f"{folder} holds {self.contents} already; choose another --run-dir, continue with --resume {folder}, "
                "or replace it with --force"
            )

    def _write_plan(self, plan: Any) -> None:
        write_json(self.folder / self.plan_file, asdict(plan))


def remove_runs(runs: Sequence[Path]) -> None:
    """Remove run folders, all or none; files that no run wrote stay.

    Raises:
        InUseError: a living process holds one of them; nothing is removed then.
    """
    with ExitStack() as locks:
        for run in runs:
            locks.enter_context(process_lock(run / run_folder.LOCK))
    for run in runs:
        with run_folder.claimed_run_dir(run, force=True):
            pass
        with suppress(OSError):  # other files remain in it
            run.rmdir()
