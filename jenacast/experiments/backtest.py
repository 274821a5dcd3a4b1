"""A recipe trained several times on a growing past, each time tested on the period that follows.

Each fold is a data folder and an ordinary run folder, so that every command works on it: `evaluate`, `compare`.
"""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from jenacast.config import Config
from jenacast.data.prepare import prepare_fold
from jenacast.data.prepared import FOLDER, SplitRecord, load_manifest, load_prepared
from jenacast.evaluation.bootstrap import LEAST_DAYS, Interval, interval_of
from jenacast.evaluation.daily import DailyErrors, pool
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.files import stored_days, write_evaluation
from jenacast.evaluation.metrics import skill
from jenacast.experiments import plots
from jenacast.experiments.folds import Fold, FoldScores, find_edges, load_series, make_folds
from jenacast.experiments.run_set import RunSet, remove_runs
from jenacast.files import clear_leftovers, write_json
from jenacast.models.checkpoint import BEST
from jenacast.training import run_folder
from jenacast.training.contract import check_network
from jenacast.training.run import train_or_resume

logger = logging.getLogger(__name__)

PLAN = "folds.json"
SUMMARY, PLOT = "backtest.json", "backtest.png"
RUN = "run"  # of a fold, beside its `prepared/`
SCORES = "scores.json"  # of a fold that is done


@dataclass(frozen=True)
class BacktestPlan:
    """Which series is cut where: the days at which the periods begin, and the day after the last; `folds.json`."""

    data_dir: str
    source_sha256: str
    protocol: str
    edges: list[str]

    @property
    def folds(self) -> list[Fold]:
        """The folds in order of time."""
        return make_folds([np.datetime64(edge, "D") for edge in self.edges])


@dataclass(frozen=True)
class Backtest:
    """All folds, and the errors over the windows of all of them.

    `difference_c` is the MAE less the baseline's; `ci95` are 95 % intervals over days.
    """

    folder: str
    model: str
    seed: int
    protocol: str
    synthetic: bool
    folds: list[FoldScores]
    test_windows: int
    test_mae_c: float
    test_mae_ci95_c: Interval | None
    test_bias_c: float
    test_bias_ci95_c: Interval | None
    baseline_mae_c: float
    baseline_mae_ci95_c: Interval | None
    difference_c: float
    difference_ci95_c: Interval | None
    skill: float


def backtest_in(folder: Path) -> RunSet[BacktestPlan]:
    """The backtest of a folder, which need not exist."""
    return RunSet(folder, PLAN, BacktestPlan, "a backtest", command="jenacast backtest")


def backtest(
    config: Config, *, data_dir: Path, first: np.datetime64, step_months: int, folder: Path, force: bool = False
) -> Backtest:
    """Train and test `config` on one period after the other, up to the end of the series prepared in `data_dir`.

    The first test period begins on the day `first`; each is as long as the validation period before it. `folder` is
    made here and refused where it holds anything; with `force` the backtest in it is replaced.

    Raises:
        JenacastError: no prepared data, no fold in it, settings that do not fit, or a fold that failed; those before
            it are kept.
    """
    check_network(config)
    prepared = load_prepared(data_dir)
    edges = find_edges(prepared, first, step_months, config.data)
    if edges[-1] <= prepared.series.times.max():
        logger.info("the rows from %s on hold windows on fewer than %d days: no fold", edges[-1], LEAST_DAYS)
    series, protocol = prepared.manifest.source_sha256, prepared.manifest.protocol
    plan = BacktestPlan(str(data_dir.resolve()), series, protocol, [str(edge) for edge in edges])
    with backtest_in(folder).begun(config, plan, _remove_folds, force=force):
        return _run_all(config, plan, folder)


def resume_backtest(folder: Path) -> Backtest:
    """Continue a backtest that was stopped or killed: folds that are done are kept, the others continue or begin.

    Raises:
        JenacastError: not a backtest, one that a living process holds, other data than it began with, or a fold that
            failed.
    """
    with backtest_in(folder).resumed() as (config, plan):
        return _run_all(config, plan, folder)


def _remove_folds(folder: Path) -> None:
    """Remove the folds of the old plan, but no file that a backtest did not write."""
    places = sorted(folder.glob("????-??-??"))
    remove_runs([place / RUN for place in places if run_folder.is_run_dir(place / RUN)])
    for place in places:
        clear_leftovers(place)
        shutil.rmtree(place / FOLDER, ignore_errors=True)
        (place / SCORES).unlink(missing_ok=True)
        with suppress(OSError):  # other files remain in it
            place.rmdir()
    for name in (SUMMARY, PLOT):
        (folder / name).unlink(missing_ok=True)


def _run_all(config: Config, plan: BacktestPlan, folder: Path) -> Backtest:
    _prepare_folds(plan, folder)
    places = [folder / fold.name for fold in plan.folds]
    folds = _run_folds(config, places)
    days = pool([_days(place) for place in places])
    difference = days.absolute - days.baseline
    result = Backtest(
        folder=str(folder),
        model=config.name,
        seed=config.train.seed,
        protocol=plan.protocol,
        synthetic=load_manifest(folder / plan.folds[0].name / FOLDER).synthetic,
        folds=folds,
        test_windows=sum(days.windows),
        test_mae_c=days.absolute.mean,
        test_mae_ci95_c=interval_of(days.absolute),
        test_bias_c=days.signed.mean,
        test_bias_ci95_c=interval_of(days.signed),
        baseline_mae_c=days.baseline.mean,
        baseline_mae_ci95_c=interval_of(days.baseline),
        difference_c=difference.mean,
        difference_ci95_c=interval_of(difference),
        skill=skill(days.absolute.mean, days.baseline.mean),
    )
    write_json(folder / SUMMARY, asdict(result))
    errors = f"MAE {result.test_mae_c:.3f} °C over {len(folds)} folds, baseline {result.baseline_mae_c:.3f} °C"
    title = f"{config.name}: {errors}"
    plots.folds(folder / PLOT, folds, title=title, synthetic=result.synthetic)
    return result


def _prepare_folds(plan: BacktestPlan, folder: Path) -> None:
    """Cut the series for every fold, before the first one is trained: errors are found at once."""
    missing = [fold for fold in plan.folds if not (folder / fold.name / FOLDER).is_dir()]
    if not missing:
        return
    prepared = load_series(Path(plan.data_dir), plan.source_sha256, plan.protocol)
    for fold in missing:
        prepare_fold(prepared, fold.borders(prepared.series.times), folder / fold.name, fold=fold.period)


def _run_folds(config: Config, places: Sequence[Path]) -> list[FoldScores]:
    splits = [load_manifest(place / FOLDER).splits for place in places]
    windows = [each["train"].windows for each in splits]
    done, trained_windows, trained_s = [], 0, 0.0
    for number, place in enumerate(places):
        head = f"fold {number + 1} of {len(places)}"
        if (place / SCORES).is_file():
            done.append(replace(run_folder.read_as(FoldScores, place / SCORES), run=str(place / RUN)))
            logger.info("%s is done already", head)
            continue
        spans = (f"{name} {each.first_time[:10]} to {each.last_time[:10]}" for name, each in splits[number].items())
        logger.info("%s: %s", head, ", ".join(spans))
        began = time.monotonic()
        scores = _run_fold(config, place, splits[number])
        trained_windows, trained_s = trained_windows + windows[number], trained_s + time.monotonic() - began
        left_s = trained_s / trained_windows * sum(windows[number + 1 :])
        left = f"; about {left_s:.0f} s left" if left_s else ""
        logger.info("%s: test MAE %.3f °C, baseline %.3f °C%s", head, scores.test_mae_c, scores.baseline_mae_c, left)
        done.append(scores)
    return done


def _run_fold(config: Config, place: Path, splits: Mapping[str, SplitRecord]) -> FoldScores:
    """Train a fold, or continue it, and test it; its scores are written last, and mark it as done."""
    run = place / RUN
    outcome = train_or_resume(config, data_dir=place, run_dir=run)
    evaluation = evaluate(run / BEST, data_dir=place)
    write_evaluation(evaluation, run)
    of_test = vars(evaluation.scores)
    known = {
        **{f"{split}_{name}": value for split, each in splits.items() for name, value in each},
        **{f"test_{name}": value for name, value in of_test.items()},
        **(of_test | vars(outcome) | dict(run_folder.read_record(run)) | {"run": str(run)}),
    }
    scores = FoldScores(**{field.name: known[field.name] for field in fields(FoldScores)})
    write_json(place / SCORES, asdict(scores))
    return scores


def _days(place: Path) -> DailyErrors:
    """A fold's errors by day; it is evaluated again where an earlier version kept none."""
    run = place / RUN
    if days := stored_days(run):
        return days
    logger.info("evaluating %s again: it keeps no errors by day", run)
    evaluation = evaluate(run / BEST, data_dir=place)
    write_evaluation(evaluation, run)
    return evaluation.daily
