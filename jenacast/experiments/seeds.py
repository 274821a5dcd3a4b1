"""One recipe trained with several seeds: ordinary runs, processes side by side, and a summary of them.

Networks of this size do not fill two cores: a process bound to one trains nearly as fast as one that has both
(`docs/experiments.md`), so there are as many at a time as there are cores, each bound to its share. With GPUs each
has one at a time.
"""

import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jenacast.config import Config, load_config, with_train
from jenacast.data.prepared import load_prepared
from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import std, with_std
from jenacast.experiments.workers import run_side_by_side
from jenacast.files import process_lock, write_json
from jenacast.models.build import check_model
from jenacast.training import run_folder

logger = logging.getLogger(__name__)

PLAN = "plan.json"  # what `--resume` goes on with
SUMMARY = "summary.json"  # what `train --seeds --json` prints


@dataclass(frozen=True)
class Plan:
    """Which seeds are trained on which data; `plan.json`, beside the `config.toml` that all of them share."""

    data_dir: str
    seeds: list[int]
    require_cudnn: bool
    tensorboard: bool


@dataclass(frozen=True)
class Summary:
    """What the seeds came to on validation; the deviation is None for one seed. The test split stays unread."""

    folder: str
    model: str
    seeds: list[int]
    runs: list[str]
    val_mae_c: float | None
    val_mae_std_c: float | None
    val_maes_c: list[float]
    best_epochs: list[int]
    seconds: list[float]


def train_seeds(config: Config, plan: Plan, folder: Path, *, force: bool = False) -> Summary:
    """Train `config` with each seed of `plan` in a run folder of its own, `folder`/seed-N.

    Args:
        config: the settings; its own seed is not used.
        plan: seeds and data.
        folder: made here; refused where it holds anything.
        force: replace the seeds that stand in `folder`, those too that are not in `plan`.

    Raises:
        JenacastError: settings that do not fit, no prepared data, seeds of before that a living process holds, or
            seeds that failed; the others are kept.
    """
    check_model(config)
    load_prepared(Path(plan.data_dir))
    run_folder.make_folder_of_runs(folder, PLAN, "seeds", force=force)
    with process_lock(folder / run_folder.LOCK):
        _remove_runs(folder)
        write_plan(config, plan, folder)
        return _train_all(config, plan, folder)


def resume_seeds(folder: Path) -> Summary:
    """Go on with seeds that were stopped or killed: finished ones stay, the others go on or begin.

    Raises:
        JenacastError: the folder is damaged or in use, or seeds failed.
    """
    plan = _read_plan(folder)
    with process_lock(folder / run_folder.LOCK):
        return _train_all(load_config(folder / run_folder.CONFIG), plan, folder)


def write_plan(config: Config, plan: Plan, folder: Path) -> None:
    """Make `folder` one of seeds, whose runs are still to be trained."""
    run_folder.write_config(folder, config)
    write_json(folder / PLAN, asdict(plan))
    (folder / SUMMARY).unlink(missing_ok=True)


def write_summary(config: Config, plan: Plan, folder: Path) -> Summary:
    """What the trained seeds of `folder` came to; kept in it."""
    summary = _summarise(config, plan, folder, run_folders(folder))
    write_json(folder / SUMMARY, asdict(summary))
    return summary


def refit_settings(path: Path, assignments: Iterable[str] = ()) -> Config:
    """The settings of a run, changed to train on train and validation as one up to its best epoch.

    Args:
        path: a finished run, or a folder of seeds, whose median best epoch is taken.
        assignments: further changes, such as `train.seed=1`.

    Raises:
        JenacastError: not a run, not finished, or one without a validation to tell its best epoch.
    """
    runs = run_folders(path)
    outcomes = [run_folder.read_outcome(run) for run in runs]
    for run, outcome in zip(runs, outcomes, strict=True):
        if not outcome.finished or outcome.val_mae_c is None:
            what = "has no validation" if outcome.finished else "is not finished"
            raise JenacastError(f"{run} {what}, so its best epoch is not known; refit another run")
    best_epoch = statistics.median_high(outcome.best_epoch for outcome in outcomes)
    refit = ["data.fit_on=train+val", f"train.stop_epoch={best_epoch}"]
    return load_config(path / run_folder.CONFIG, [*refit, *assignments])


def run_folders(path: Path) -> list[Path]:
    """The runs of a folder of seeds; any other folder is taken for a run itself.

    Raises:
        JenacastError: the folder of seeds is damaged.
    """
    return [path / f"seed-{seed}" for seed in _read_plan(path).seeds] if is_seeds_dir(path) else [path]


def is_seeds_dir(path: Path) -> bool:
    """Whether `train_seeds` made this folder."""
    return (path / PLAN).is_file()


def _read_plan(folder: Path) -> Plan:
    return run_folder.read_as(Plan, folder / PLAN)


def _remove_runs(folder: Path) -> None:
    """Remove the runs of the plan before: none is gone on with, or compared, as one of the new plan."""
    numbered = [path for path in sorted(folder.glob("seed-*")) if path.name.removeprefix("seed-").isdecimal()]
    run_folder.remove_runs([path for path in numbered if run_folder.is_run_dir(path)])


def _train_all(config: Config, plan: Plan, folder: Path) -> Summary:
    runs = {seed: folder / f"seed-{seed}" for seed in plan.seeds}
    wanted = [seed for seed in plan.seeds if not run_folder.holds_finished(runs[seed], _seeded(config, seed))]
    if wanted:
        logger.info("%s: %d seeds to train, side by side", config.name, len(wanted))
    try:
        failed = run_side_by_side({f"seed {seed}": _arguments(plan, folder, seed) for seed in wanted})
    except BaseException:
        logger.warning("stopped. To go on: jenacast train --resume %s", folder)
        raise
    if failed:
        raise JenacastError(
            f"{', '.join(failed)} failed, the reasons stand above; the others are kept. Mend it, then go on: "
            f"jenacast train --resume {folder}"
        )
    return write_summary(config, plan, folder)


def _seeded(config: Config, seed: int) -> Config:
    return with_train(config, seed=seed)


def _arguments(plan: Plan, folder: Path, seed: int) -> list[str]:
    """The `jenacast train` that trains one seed, or goes on with it."""
    run = folder / f"seed-{seed}"
    if (run / run_folder.CONFIG).is_file() and run_folder.is_run_dir(run):
        return ["train", "--resume", str(run)]
    options = [
        "train",
        "--config",
        str(folder / run_folder.CONFIG),
        "--seed",
        str(seed),
        "--run-dir",
        str(run),
        "--force",
    ]
    flags = {"--require-cudnn": plan.require_cudnn, "--tensorboard": plan.tensorboard}
    return [*options, "--data-dir", plan.data_dir, *(flag for flag, wanted in flags.items() if wanted)]


def _summarise(config: Config, plan: Plan, folder: Path, runs: Sequence[Path]) -> Summary:
    outcomes = [run_folder.read_outcome(run) for run in runs]
    maes = [outcome.val_mae_c for outcome in outcomes if outcome.val_mae_c is not None]
    mean, deviation = statistics.mean(maes) if maes else None, std(maes)
    logger.info("%s: validation MAE %s °C over %d seeds", config.name, with_std(mean, deviation), len(maes))
    return Summary(
        folder=str(folder),
        model=config.name,
        seeds=plan.seeds,
        runs=[str(run) for run in runs],
        val_mae_c=mean,
        val_mae_std_c=deviation,
        val_maes_c=maes,
        best_epochs=[outcome.best_epoch for outcome in outcomes],
        seconds=[outcome.seconds for outcome in outcomes],
    )
