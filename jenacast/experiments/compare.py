"""Runs compared: the seeds of one recipe together, and only runs that were measured alike."""

import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jenacast.config import Config
from jenacast.errors import JenacastError, command
from jenacast.evaluation.bootstrap import Interval
from jenacast.evaluation.daily import OTHER_WINDOWS, DailyErrors, pair
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.files import stored_days, stored_scores, write_evaluation
from jenacast.evaluation.metrics import skill, std, with_std
from jenacast.experiments.changed import changed_settings
from jenacast.experiments.seeds import run_folders
from jenacast.models.checkpoint import BEST
from jenacast.tables import SKILL, Column, Table, columns
from jenacast.training import run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TestErrors:
    """The figures of an evaluation on the test split that are compared, in degC, and the protocol they follow."""

    protocol: str
    mae_c: float
    baseline_mae_c: float
    windows_sha256: str | None = None


@dataclass(frozen=True)
class FinishedRun:
    """A run folder's settings, record, outcome and errors on the test split; `days` is None where they are not kept."""

    path: Path
    config: Config
    record: run_folder.RunRecord
    outcome: run_folder.Outcome
    test: TestErrors
    days: DailyErrors | None


@dataclass(frozen=True)
class RecipeScores:
    """The scores of one recipe, means over its seeds. `spread` is the standard deviation, None for a single seed.

    `settings` are those that differ from the shipped recipe of this name, such as "train.epochs=5", without the seed.
    `difference_to_first_c` is the test MAE less that of the first row, the best on validation, with its paired interval
    over days, and `reading` says whether that is more than chance, or why there is none: see `daily.pair`. Of the
    first row they are None.
    """

    model: str
    parameters: int
    seeds: list[int]
    val_mae_c: float | None
    val_mae_spread_c: float | None
    test_mae_c: float
    test_mae_spread_c: float | None
    baseline_mae_c: float
    skill: float
    epochs: float
    steps: float
    seconds_per_epoch: float
    windows_per_second: float
    device: str
    commits: list[str]
    test_maes_c: list[float]
    runs: list[str]
    settings: list[str]
    difference_to_first_c: float | None = None
    difference_to_first_ci95_c: Interval | None = None
    reading: str | None = None

    @property
    def val_text(self) -> str:
        """The validation MAE as tables show it: mean ± standard deviation."""
        return with_std(self.val_mae_c, self.val_mae_spread_c)

    @property
    def test_text(self) -> str:
        """The test MAE as tables show it."""
        return with_std(self.test_mae_c, self.test_mae_spread_c)


def compare(paths: Sequence[Path]) -> list[RecipeScores]:
    """The scores of each recipe among the runs, the best validation MAE first.

    A folder of seeds is all of its runs, what is no run is left out with a note, and a run counts once.
    Evaluations on the test split that are missing, or of other weights than the checkpoint's, are made and kept in the
    run folders.

    Raises:
        JenacastError: no run, or a damaged one, or the runs saw different data or protocols.
    """
    found = {run.resolve(): run for path in paths for run in run_folders(path)}
    is_run = {run: (run / run_folder.METRICS).exists() and run_folder.is_run_dir(run) for run in found.values()}
    for other in (path for path, whole in is_run.items() if not whole):
        logger.info("%s is no run that has a result, and is left out", other)
    runs = [load_run(path) for path, whole in is_run.items() if whole]
    if not runs:
        raise JenacastError("no run to compare; give folders that `jenacast train` made")
    _refuse_mixtures(runs)
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        groups.setdefault(recipe_of(run.config), []).append(run)
    for run in (run for run in runs if not run.days and len(groups) > 1):
        remedy = command("jenacast", "evaluate", run.path)
        logger.info("%s keeps no errors by day, which its differences to others need; run: %s", run.path, remedy)
    # Those that are compared have all seen validation, or none has.
    rows = [(_summarise(group), group) for group in groups.values()]
    (first, best), *others = sorted(rows, key=lambda row: row[0].val_mae_c or row[0].test_mae_c)
    return [first, *(_beside(best, row, group) for row, group in others)]


def _beside(best: Sequence[FinishedRun], row: RecipeScores, group: Sequence[FinishedRun]) -> RecipeScores:
    """A row with its difference to the first one."""
    paired = pair([run.days for run in group], [run.days for run in best])
    if paired.reading == OTHER_WINDOWS:
        one, other = group[0].path, best[0].path
        remedy = command("jenacast", "evaluate", one, "--against", other)
        logger.info("%s and %s were not measured on the same windows; for those of both: %s", one, other, remedy)
    return replace(
        row, difference_to_first_c=paired.difference_c, difference_to_first_ci95_c=paired.ci95_c, reading=paired.reading
    )


def comparison_table(rows: Sequence[RecipeScores]) -> Table:
    """The recipes' errors as mean ± standard deviation over seeds, and what their trainings cost."""
    errors = [*columns("validation MAE °C", "test MAE °C"), SKILL]
    difference = [*columns("difference", "95 % interval", form="+.3f", unit="°C"), Column("reading")]
    steps = [Column("epochs", "g"), Column("steps", ",.0f")]
    speed = [Column("s/epoch", ".1f"), Column("windows/s", ",.0f"), Column("device")]
    which = [Column("runs", is_left=True), Column("settings", is_left=True)]
    return Table(
        [Column("model"), Column("parameters", ","), Column("seeds"), *errors, *difference, *steps, *speed, *which],
        [
            [
                *(name, row.parameters, ",".join(map(str, row.seeds)), row.val_text, row.test_text, row.skill),
                *(row.difference_to_first_c, row.difference_to_first_ci95_c, row.reading or "the first"),
                *(row.epochs, row.steps, row.seconds_per_epoch, row.windows_per_second, row.device),
                *(", ".join(row.runs), "; ".join(row.settings)),
            ]
            for name, row in zip(names(rows), rows, strict=True)
        ],
    )


def names(rows: Sequence[RecipeScores]) -> list[str]:
    """What tables call the rows: the models, and with a number where several have one name."""
    models = [row.model for row in rows]
    numbered = [f"{model} ({models[:place].count(model) + 1})" for place, model in enumerate(models)]
    return [one if models.count(model) > 1 else model for model, one in zip(models, numbered, strict=True)]


def recipe_of(config: Config) -> str:
    """A key that runs of one recipe share: all settings except the seed."""
    settings = config.model_dump()
    settings["train"].pop("seed")
    return repr(settings)


def load_run(path: Path) -> FinishedRun:
    """Read a run folder; evaluate its best checkpoint on the test split if no evaluation of it is there.

    Raises:
        JenacastError: it is damaged.
    """
    record, outcome = run_folder.read_record(path), run_folder.read_outcome(path)
    if not outcome.finished:
        logger.warning("%s is not finished: %d epochs so far", path, outcome.epochs)
    scores = stored_scores(path)
    if scores is None:
        logger.info("evaluating %s", path / BEST)
        scores, *_ = write_evaluation(evaluate(path / BEST, data_dir=Path(record.data_dir)), path)
    test, days = run_folder.read_as(TestErrors, scores), stored_days(path)
    if days and days.windows_sha256 != test.windows_sha256:  # of another evaluation than the scores
        days = None
    return FinishedRun(path, run_folder.read_config(path), record, outcome, test, days)


def _refuse_mixtures(runs: Sequence[FinishedRun]) -> None:
    kinds: dict[tuple[Any, ...], list[str]] = {}
    for run in runs:
        data = run.config.data
        kind = (
            f"series {run.record.source_sha256[:12]}",
            f"protocol {run.test.protocol}, trained under {run.record.protocol}",
            f"{data.history_hours} h of history, {data.lead_hours} h of lead",
            f"fitted on {data.fit_on}",
            *([f"fold {fold}"] if (fold := run.record.fold) else []),
        )
        kinds.setdefault(kind, []).append(str(run.path))
    if len(kinds) > 1:
        lines = [f"  {'; '.join(kind)}: {', '.join(paths)}" for kind, paths in kinds.items()]
        raise JenacastError(
            "these runs cannot be ranked in one table, since they were not measured alike; compare each group "
            "by itself:\n" + "\n".join(lines)
        )


def _summarise(group: Sequence[FinishedRun]) -> RecipeScores:
    first = group[0]
    val = [run.outcome.val_mae_c for run in group if run.outcome.val_mae_c is not None]
    test = [run.test.mae_c for run in group]
    seeds = sorted(run.config.train.seed for run in group)
    if len(set(seeds)) < len(seeds):
        paths = ", ".join(str(run.path) for run in group)
        logger.warning("some of %s have equal settings and equal seeds: their deviation is not that of seeds", paths)
    epochs = [run.outcome.epochs for run in group]
    per_epoch_s = statistics.mean(run.outcome.seconds / run.outcome.epochs for run in group)
    windows = first.record.train_windows + first.record.val_windows
    return RecipeScores(
        model=first.config.name,
        parameters=first.record.parameters,
        seeds=seeds,
        val_mae_c=statistics.mean(val) if val else None,
        val_mae_spread_c=std(val),
        test_mae_c=statistics.mean(test),
        test_mae_spread_c=std(test),
        baseline_mae_c=first.test.baseline_mae_c,
        skill=skill(statistics.mean(test), first.test.baseline_mae_c),
        epochs=statistics.mean(epochs),
        steps=statistics.mean(run.outcome.steps for run in group),
        seconds_per_epoch=per_epoch_s,
        windows_per_second=windows / per_epoch_s,
        device=", ".join(sorted({run.record.device for run in group})),
        commits=sorted({run.record.commit for run in group}),
        test_maes_c=test,
        runs=[str(run.path) for run in group],
        settings=changed_settings(first.config.model_dump()),
    )
