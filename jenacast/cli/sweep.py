"""`jenacast sweep`."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Json, Storage, echo, run_dir_option, say
from jenacast.sweep import Pruner, Sampler

if TYPE_CHECKING:
    from jenacast.sweep.results import State, SweepResult
    from jenacast.sweep.study import SweepRequest

logger = logging.getLogger(__name__)

SHOWN = 3  # trials of a dry run

Space = Annotated[Path, typer.Argument(metavar="SPACE.toml", help="The search space.")]
Trials = Annotated[int, typer.Option(min=1, metavar="N", help="Trials in all, earlier ones counted in.")]
Seeds = Annotated[
    int,
    typer.Option(
        min=1, metavar="K", help="Train each trial with K seeds; it counts by their mean, the pruner sees the first."
    ),
]
Folds = Annotated[
    bool,
    typer.Option(
        "--folds",
        help="Judge each trial by six held-out years, as train --folds does: six trainings a trial; the pruner sees "
        "the mean after each year.",
    ),
]
SamplerName = Annotated[
    Sampler, typer.Option(help="Who chooses: the tree-structured Parzen estimator, chance, or a grid of all choices.")
]
PrunerName = Annotated[Pruner, typer.Option(help="Who ends hopeless trials by their validation MAE after each epoch.")]
Workers = Annotated[
    int, typer.Option(min=1, metavar="W", help="Processes side by side, each with its own GPU or share of the cores.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Begin no trial after so long.", show_default="no limit")
]
RunDir = Annotated[Path | None, run_dir_option("runs/sweep-<name>")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the first trials' settings, and do nothing.")]
WorkerNumber = Annotated[
    int | None, typer.Option(hidden=True, help="Which of several this process is; it prints nothing.")
]


def sweep(
    space: Space,
    trials: Trials,
    seeds: Seeds = 1,
    folds: Folds = False,
    sampler: SamplerName = "tpe",
    pruner: PrunerName = "halving",
    workers: Workers = 1,
    timeout: Timeout = None,
    storage: Storage = "",
    run_dir: RunDir = None,
    dry_run: DryRun = False,
    worker: WorkerNumber = None,
    data_dir: DataDir = DATA_DIR,
    json_output: Json = False,
) -> None:
    """Search for better settings: many trainings, judged by the validation MAE of their best epoch.

    SPACE.toml is a config in which some values are domains:

    \b
    recipe = "stacked-gru"
    model.units = { low = 16, high = 64, step = 16 }
    [train]
    epochs = 20
    learning_rate = { low = 1e-4, high = 1e-2, log = true }
    optimizer = { choices = ["adam", "adamw"] }
    weight_decay = { low = 0, high = 0.1, when = { train.optimizer = "adamw" } }

    The same command continues where it stopped, and a second one joins in; with --storage also from other machines
    (docs/many-machines.md). Each trial is a run folder, for compare, evaluate and report. The test split is not read.
    Prints the folder of the best trial.

    With --folds a trial counts by its mean over the held-out years, each of which is kept in the study. It costs six
    trainings where another costs one; of trials without a chance the pruner spares the later years.

    Example: jenacast sweep space.toml --trials 40 --workers 2
    """  # noqa: D301 - \b keeps the lines of the example apart
    from jenacast.sweep.run import sweep as run
    from jenacast.sweep.space_file import load_space
    from jenacast.sweep.storage import check_url
    from jenacast.sweep.study import SweepRequest

    searched = load_space(space)
    request = SweepRequest(
        space=searched,
        trials=trials,
        seed_count=seeds,
        folds=folds,
        sampler=sampler,
        pruner=pruner,
        data_dir=data_dir,
        folder=run_dir or Path("runs") / f"sweep-{searched.name}",
        storage=check_url(storage) if storage else "",
        timeout_s=timeout,
        worker=worker or 0,
    )
    if dry_run:
        echo(_first_trials(request))
        return
    result = run(request, [_arguments(space, request, number + 1) for number in range(workers if workers > 1 else 0)])
    if worker is None:
        _print_best(result, request, json_output)


def _arguments(space: Path, request: "SweepRequest", worker: int) -> list[str]:
    """The `jenacast sweep` of one worker."""
    options = {
        "--trials": request.trials,
        "--seeds": request.seed_count,
        "--sampler": request.sampler,
        "--pruner": request.pruner,
        "--run-dir": request.folder,
        "--data-dir": request.data_dir,
        "--storage": request.storage or None,
        "--timeout": request.timeout_s,
        "--worker": worker,
        "--code": network.code.path if (network := request.space.kind.network) else None,
    }
    given = [(name, str(value)) for name, value in options.items() if value is not None]
    flags = ["--folds"] if request.folds else []
    return ["sweep", str(space), *(part for option in given for part in option), *flags]


def _first_trials(request: "SweepRequest") -> str:
    from jenacast.config import dump_difference
    from jenacast.sweep.samplers import draw

    shown = []
    for number, chosen in enumerate(draw(request.space, min(request.trials, SHOWN), request.sampler)):
        values = ", ".join(f"{setting}={label}" for setting, label in chosen.items())
        config = request.space.config(chosen, f"{request.space.name}-{number}")
        shown.append(f"# {values}\n{dump_difference(config)}")
    return "\n".join(shown).rstrip()


def _print_best(result: "SweepResult", request: "SweepRequest", json_output: bool) -> None:
    from jenacast.data import SAME_AS_NOW
    from jenacast.errors import JenacastError, command

    if not result.complete:
        raise JenacastError("no trial is complete; give the same command again with more --trials or --timeout")
    best, baseline_c = result.complete[0], result.baseline_mae_c
    ended: tuple[State, ...] = ("complete", "pruned", "failed", "stopped")
    counts: dict[str, int] = {state: result.count(state) for state in ended}
    told: dict[str, Any] = {"study": result.name, "folder": str(request.folder), **counts, "baseline_mae_c": baseline_c}
    echo(json.dumps(told | {"best": asdict(best)}) if json_output else best.run)
    say(
        f"best of {', '.join(f'{count} {state}' for state, count in counts.items() if count)} trials: "
        f"trial {best.number} on {best.host}, validation MAE {best.val_mae_c:.3f} °C"
    )
    if result.is_behind:
        logger.warning("the best trial is behind the baseline, %s, with %.3f °C on validation", SAME_AS_NOW, baseline_c)
    storage = ["--storage", request.storage] if request.storage else []
    report = command("jenacast", "sweep-report", request.folder, *storage)
    say(f"which settings matter, and the best ones as TOML: {report}")
