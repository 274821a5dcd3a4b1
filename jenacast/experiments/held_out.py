"""A recipe trained once for each of several calendar years, which is held out, on all other rows.

The mean error over the years judges a recipe by more weather than one validation split has. Each year is a data folder,
and in it an ordinary run folder for each seed. The held-out year is the validation split: it chooses the best epoch of
its network and gives its error. As on any validation split that makes the error slightly too small, for all alike.
"""

import logging
import shutil
import statistics
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jenacast.config import Config, with_train
from jenacast.data.prepared import FOLDER
from jenacast.errors import JenacastError, command
from jenacast.evaluation.metrics import skill, std, with_std
from jenacast.experiments.run_set import remove_runs, train_arguments
from jenacast.experiments.workers import run_side_by_side
from jenacast.experiments.years import YearsPlan, prepare_years, runs_of, years_in
from jenacast.files import clear_leftovers, write_json
from jenacast.tables import SKILL, Column, Table, Value
from jenacast.training import run_folder
from jenacast.training.contract import check_network

logger = logging.getLogger(__name__)

SUMMARY = "summary.json"  # what `train --folds --json` prints


@dataclass(frozen=True)
class YearScores:
    """The errors on one year of networks that have not been trained on it: of each seed, and their mean; degC."""

    year: int
    windows: int
    val_mae_c: float
    val_maes_c: list[float]
    baseline_mae_c: float
    skill: float
    best_epochs: list[int]
    runs: list[str]


@dataclass(frozen=True)
class YearsSummary:
    """The errors on all held-out years.

    Attributes:
        val_mae_c: the mean over the years, each counted once, and over the seeds.
        val_mae_std_c: the deviation over the years, which differ in how hard they are.
        val_maes_c: the mean over the years of each seed.
        baseline_mae_c: the mean over the years.
    """

    folder: str
    model: str
    seeds: list[int]
    protocol: str
    synthetic: bool
    all_years: bool
    years: list[YearScores]
    val_mae_c: float
    val_mae_std_c: float | None
    val_maes_c: list[float]
    baseline_mae_c: float
    skill: float
    seconds: float


def train_years(config: Config, plan: YearsPlan, folder: Path, *, force: bool = False) -> YearsSummary:
    """Train `config` with each seed of `plan` without each of its years, in run folders `folder`/YEAR/seed-N.

    `folder` is made here and refused where it holds anything; with `force` the years in it are replaced.

    Raises:
        JenacastError: settings that do not fit, no prepared data, old runs that a living process holds, or trainings
            that failed; the others are kept.
    """
    check_network(config)
    with years_in(folder).begun(config, plan, _remove_years, force=force):
        return _train_all(config, plan, folder)


def resume_years(folder: Path) -> YearsSummary:
    """Continue trainings that were stopped or killed: finished ones are kept, the others continue or begin.

    Raises:
        JenacastError: the folder is damaged or in use, the data are others, or trainings failed.
    """
    with years_in(folder).resumed() as (config, plan):
        return _train_all(config, plan, folder)


def write_summary(config: Config, plan: YearsPlan, folder: Path) -> YearsSummary:
    """Summarise the trained years of `folder`; kept in it."""
    outcomes = {(year, seed): run_folder.read_outcome(run) for year, seed, run in runs_of(plan, folder)}
    scores = []
    for year in plan.years:
        of_year = [outcomes[year, seed] for seed in plan.seeds]
        maes_c = [outcome.val_mae_c or 0.0 for outcome in of_year]  # a held-out year is never trained on
        baseline_c = of_year[0].val_baseline_mae_c or 0.0
        scores.append(
            YearScores(
                year=year,
                windows=run_folder.read_record(Path(of_year[0].run_dir)).val_windows,
                val_mae_c=statistics.mean(maes_c),
                val_maes_c=maes_c,
                baseline_mae_c=baseline_c,
                skill=skill(statistics.mean(maes_c), baseline_c),
                best_epochs=[outcome.best_epoch for outcome in of_year],
                runs=[outcome.run_dir for outcome in of_year],
            )
        )
    of_seeds = [statistics.mean(maes_c) for maes_c in zip(*(year.val_maes_c for year in scores), strict=True)]
    mae_c, baseline_mae_c = statistics.mean(of_seeds), statistics.mean(year.baseline_mae_c for year in scores)
    summary = YearsSummary(
        folder=str(folder),
        model=config.name,
        seeds=plan.seeds,
        protocol=plan.protocol,
        synthetic=any(outcome.synthetic for outcome in outcomes.values()),
        all_years=plan.all_years,
        years=scores,
        val_mae_c=mae_c,
        val_mae_std_c=std([year.val_mae_c for year in scores]),
        val_maes_c=of_seeds,
        baseline_mae_c=baseline_mae_c,
        skill=skill(mae_c, baseline_mae_c),
        seconds=sum(outcome.seconds for outcome in outcomes.values()),
    )
    write_json(folder / SUMMARY, asdict(summary))
    return summary


def read_summary(folder: Path) -> YearsSummary:
    """The errors on the held-out years of a folder, wherever it is now.

    Raises:
        JenacastError: it is not finished, or damaged.
    """
    if not (folder / SUMMARY).is_file():
        raise JenacastError(
            f"{folder} is not finished; run: {command('jenacast', 'train', *run_folder.resume_words(folder))}"
        )
    return replace(run_folder.read_as(YearsSummary, folder / SUMMARY), folder=str(folder))


def years_table(summary: YearsSummary) -> Table:
    """A row for each held-out year, and their mean."""
    errors = [Column("validation MAE °C"), Column("baseline MAE", ".3f", "°C"), SKILL]
    rows: list[list[Value]] = [
        [
            *(year.year, year.windows, with_std(year.val_mae_c, std(year.val_maes_c)), year.baseline_mae_c, year.skill),
            ", ".join(map(str, year.best_epochs)),
        ]
        for year in summary.years
    ]
    mean = with_std(summary.val_mae_c, summary.val_mae_std_c)
    rows.append(["mean", "", mean, summary.baseline_mae_c, summary.skill, ""])
    return Table([Column("held out"), Column("windows", ","), *errors, Column("best epoch")], rows)


def _train_all(config: Config, plan: YearsPlan, folder: Path) -> YearsSummary:
    prepare_years(plan, folder)
    jobs = {
        f"without {year}" + (f", seed {seed}" if len(plan.seeds) > 1 else ""): train_arguments(
            run,
            folder / run_folder.CONFIG,
            folder / str(year),
            seed=seed,
            require_cudnn=plan.require_cudnn,
            tensorboard=plan.tensorboard,
        )
        for year, seed, run in runs_of(plan, folder)
        if not run_folder.holds_finished(run, with_train(config, seed=seed))
    }
    if jobs:
        logger.info("%s: %d networks to train, each without one year, side by side", config.name, len(jobs))
    if failed := run_side_by_side(jobs):
        raise JenacastError(
            f"the networks {'; '.join(failed)} failed, the reasons are above; the others are kept. Mend it, and resume"
        )
    return write_summary(config, plan, folder)


def _remove_years(folder: Path) -> None:
    """Remove the data, the runs and the summary of an old plan; other files stay."""
    places = sorted(folder.glob("[0-9][0-9][0-9][0-9]"))
    remove_runs([run for place in places for run in place.glob("seed-*") if run_folder.is_run_dir(run)])
    for place in places:
        clear_leftovers(place)
        shutil.rmtree(place / FOLDER, ignore_errors=True)
        with suppress(OSError):  # other files remain in it
            place.rmdir()
    (folder / SUMMARY).unlink(missing_ok=True)
