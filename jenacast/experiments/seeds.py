"""One recipe trained with several seeds: ordinary runs, processes side by side, and a summary of them.

Networks of this size do not fill two cores: two processes with a core each train 1.3 to 2 times as much as one that has
both (`docs/experiments.md`), so there are as many at a time as there are cores, each bound to its share. With GPUs each
has one at a time.
"""

import logging
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from jenacast.config import Config, with_train
from jenacast.data.prepared import load_prepared
from jenacast.errors import JenacastError, command
from jenacast.evaluation.metrics import std, with_std
from jenacast.experiments.run_set import RunSet, remove_runs, train_arguments
from jenacast.experiments.workers import run_side_by_side
from jenacast.experiments.years import finished_runs, runs_of, years_in
from jenacast.files import write_json
from jenacast.training import run_folder
from jenacast.training.contract import check_network

logger = logging.getLogger(__name__)

PLAN = "plan.json"
SUMMARY = "summary.json"  # what `train --seeds --json` prints


@dataclass(frozen=True)
class SeedsPlan:
    """Which seeds are trained on which data; `plan.json`, beside the `config.toml` that all of them share.

    `folds` is the folder of held-out years that calibrate them, where they are trained on all years.
    """

    data_dir: str
    seeds: list[int]
    require_cudnn: bool
    tensorboard: bool
    folds: str | None = None


@dataclass(frozen=True)
class Summary:
    """The results of the seeds on validation; `val_mae_std_c` is None for one seed. The test split is never read."""

    folder: str
    model: str
    seeds: list[int]
    runs: list[str]
    val_mae_c: float | None
    val_mae_std_c: float | None
    val_maes_c: list[float]
    best_epochs: list[int]
    seconds: list[float]


def seeds_in(folder: Path) -> RunSet[SeedsPlan]:
    """The seeds of a folder, which need not exist."""
    return RunSet(folder, PLAN, SeedsPlan, "seeds", command="jenacast train")


def train_seeds(config: Config, plan: SeedsPlan, folder: Path, *, force: bool = False) -> Summary:
    """Train `config` with each seed of `plan`, not its own, in run folders `folder`/seed-N.

    `folder` is made here and refused where it holds anything; with `force` the seeds in it are replaced.

    Raises:
        JenacastError: settings that do not fit, no prepared data, old seeds that a living process holds, or seeds
            that failed; the others are kept.
    """
    check_network(config)
    load_prepared(Path(plan.data_dir))
    with seeds_in(folder).begun(config, plan, _remove_seeds, force=force):
        return _train_all(config, plan, folder)


def resume_seeds(folder: Path) -> Summary:
    """Continue seeds that were stopped or killed: finished ones are kept, the others continue or begin.

    Raises:
        JenacastError: the folder is damaged or in use, or seeds failed.
    """
    with seeds_in(folder).resumed() as (config, plan):
        return _train_all(config, plan, folder)


def write_summary(config: Config, plan: SeedsPlan, folder: Path) -> Summary:
    """Summarise the trained seeds of `folder`, on validation; kept in it."""
    runs = run_folders(folder)
    outcomes = [run_folder.read_outcome(run) for run in runs]
    maes_c = [outcome.val_mae_c for outcome in outcomes if outcome.val_mae_c is not None]
    mean_c = statistics.mean(maes_c) if maes_c else None
    std_c = std(maes_c)
    logger.info("%s: validation MAE %s °C over %d seeds", config.name, with_std(mean_c, std_c), len(maes_c))
    summary = Summary(
        folder=str(folder),
        model=config.name,
        seeds=plan.seeds,
        runs=[str(run) for run in runs],
        val_mae_c=mean_c,
        val_mae_std_c=std_c,
        val_maes_c=maes_c,
        best_epochs=[outcome.best_epoch for outcome in outcomes],
        seconds=[outcome.seconds for outcome in outcomes],
    )
    write_json(folder / SUMMARY, asdict(summary))
    return summary


def refit_settings(path: Path, assignments: Iterable[str] = ()) -> Config:
    """The settings of a finished run, changed to train on train and validation as one up to its best epoch.

    Of a folder of seeds, or of held-out years, the median best epoch is taken; where all years were held out, test is
    trained on too. `assignments` are further changes, such as `train.seed=1`.

    Raises:
        JenacastError: not a run, not finished, or trained without a validation, which leaves its best epoch unknown.
    """
    years = years_in(path)
    runs = finished_runs(path) if years.exists else run_folders(path)
    outcomes = [run_folder.read_outcome(run) for run in runs]
    for run, outcome in zip(runs, outcomes, strict=True):
        if not outcome.finished or outcome.val_mae_c is None:
            what = "has no validation" if outcome.finished else "is not finished"
            raise JenacastError(f"{run} {what}, so its best epoch is not known; refit another run")
    best_epoch = statistics.median_high(outcome.best_epoch for outcome in outcomes)
    fit_on = "train+val+test" if years.exists and years.read_plan().all_years else "train+val"
    refit = [f"data.fit_on={fit_on}", f"train.stop_epoch={best_epoch}"]
    return run_folder.read_config(path, [*refit, *assignments])


def run_folders(path: Path) -> list[Path]:
    """The runs of a folder of seeds; any other folder is taken for a run itself.

    Raises:
        JenacastError: the folder of seeds is damaged, or one of held-out years: no network of it stands for the others.
    """
    if years_in(path).exists:
        _, _, first = next(runs_of(years_in(path).read_plan(), path))
        compare, refit = (command("jenacast", *words, path) for words in (["compare"], ["train", "--refit"]))
        raise JenacastError(
            f"{path} holds networks that have each not seen one year; name one, such as {first}. Their errors: "
            f"{compare}; one network of all years: {refit}"
        )
    seeds = seeds_in(path)
    return [path / f"seed-{seed}" for seed in seeds.read_plan().seeds] if seeds.exists else [path]


def only_run(path: Path) -> Path:
    """`path` itself, or the one run of a folder of seeds, for commands that take one network.

    Raises:
        JenacastError: there are several seeds.
    """
    runs = run_folders(path)
    if len(runs) > 1:
        average = command("jenacast", "ensemble", path, "--out", "mean.keras")
        raise JenacastError(f"{path} holds {len(runs)} seeds; give one, such as {runs[0]}, or average them: {average}")
    return runs[0]


def _remove_seeds(folder: Path) -> None:
    """Remove the runs and the summary of an old plan; other files stay."""
    numbered = [path for path in sorted(folder.glob("seed-*")) if path.name.removeprefix("seed-").isdecimal()]
    remove_runs([path for path in numbered if run_folder.is_run_dir(path)])
    (folder / SUMMARY).unlink(missing_ok=True)


def _train_all(config: Config, plan: SeedsPlan, folder: Path) -> Summary:
    flags = {"require_cudnn": plan.require_cudnn, "tensorboard": plan.tensorboard}
    shared, data_dir = folder / run_folder.CONFIG, Path(plan.data_dir)
    jobs = {
        f"seed {seed}": train_arguments(
            folder / f"seed-{seed}", shared, data_dir, seed=seed, calibrate_on=plan.folds, **flags
        )
        for seed in plan.seeds
        if not run_folder.holds_finished(folder / f"seed-{seed}", with_train(config, seed=seed))
    }
    if jobs:
        logger.info("%s: %d seeds to train, side by side", config.name, len(jobs))
    if failed := run_side_by_side(jobs):
        names = ", ".join(failed)
        raise JenacastError(f"{names} failed, the reasons are above; the others are kept. Mend it, and resume")
    return write_summary(config, plan, folder)
