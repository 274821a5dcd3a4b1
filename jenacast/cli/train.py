"""`jenacast train`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jenacast.cli.app import (
    DATA_DIR,
    Assignments,
    ConfigFile,
    DataDir,
    Force,
    Json,
    ModelName,
    allow_code,
    echo,
    run_dir_option,
    say,
)
from jenacast.errors import command

if TYPE_CHECKING:
    from jenacast.config import Config
    from jenacast.experiments.held_out import YearsSummary
    from jenacast.experiments.seeds import Summary
    from jenacast.training.run_folder import Outcome

Seeds = Annotated[
    int | None,
    typer.Option(min=1, metavar="K", help="Train K seeds from --seed on, side by side: K runs and a summary of them."),
]
Patience = Annotated[
    int | None, typer.Option(help="train.patience: stop after so many epochs without a better validation MAE.")
]
Refit = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Train this run's network again, on train and validation together, up to its best epoch; of a folder of "
        "--folds with intervals.",
    ),
]
CalibrateOn = Annotated[Path | None, typer.Option(hidden=True, help="The held-out years that calibrate a refit.")]
Folds = Annotated[
    bool,
    typer.Option(
        "--folds", help="Hold out the six years before the test split, each in turn, and print the error on each."
    ),
]
AllYears = Annotated[
    bool, typer.Option("--all-years", help="With --folds: hold out every year of the series, those of test too.")
]


def train(
    model: ModelName = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    seed: Annotated[int | None, typer.Option(help="train.seed: the same seed gives the same run.")] = None,
    seeds: Seeds = None,
    epochs: Annotated[int | None, typer.Option(help="train.epochs.")] = None,
    patience: Patience = None,
    run_dir: Annotated[Path | None, run_dir_option("runs/<model>-<date>-<time>")] = None,
    folds: Folds = False,
    all_years: AllYears = False,
    refit: Refit = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Continue this run.")] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="train.deterministic: bit for bit the same on a GPU too.")
    ] = False,
    require_cudnn: Annotated[
        bool, typer.Option("--require-cudnn", help="Fail where cuDNN cannot run this network, instead of going slower.")
    ] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard logs.")] = False,
    calibrate_on: CalibrateOn = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Train a network on the prepared data and keep the best one by validation MAE.

    Settings come from --model or --config, then --set, then the other options. The run folder holds
    best.keras, last.keras, config.toml, history.csv, metrics.json and learning_curves.png. Prints the path
    of best.keras.

    --refit RUN takes the settings of a finished run, or of a folder of seeds, and trains on train and validation as
    one for as many epochs as were best: nothing is left to judge it by but the test split. Of a folder of --folds the
    same is trained for the median of the best epochs, on test too with --all-years; the errors of the networks that
    have not seen a year calibrate its intervals, and say what to expect of it.

    With --seeds K, --run-dir holds K such folders, seed-N, and summary.json; prints its path.

    With --folds a network is trained for each held-out year on all other rows before the test split, so the cost is
    that of so many trainings; with --seeds K times as many. The year chooses the best epoch, and its error counts:
    their mean judges a recipe by more than one split. A full year has windows on 330 days. No window is of both a
    held-out year and train; under `book` that goes by row position. --run-dir holds the folders YEAR/seed-N. With
    --all-years a year counts from 56 days with windows on.

    A run that was stopped or killed continues with --resume RUN as if it had not been; --epochs may be raised.

    Example: jenacast train --model stacked-gru --epochs 20 --seed 1
    Example: jenacast train --model dense --folds
    """
    from jenacast.config import with_train

    if resume is not None:
        others = (model, config, assignments, seeds, folds, all_years, refit, run_dir, deterministic, require_cudnn)
        if any((*others, force, seed is not None, patience is not None)):
            raise typer.BadParameter("--resume takes everything from the run; only --epochs may go with it")
        _resume(resume, epochs, json_output)
        return
    if (all_years and not folds) or (folds and refit is not None):
        raise typer.BadParameter("--all-years goes with --folds, and --refit without it")
    settings = load_settings(model, config, assignments or [], refit)
    changes = {"seed": seed, "epochs": epochs, "patience": patience, "deterministic": deterministic or None}
    flags = {"require_cudnn": require_cudnn, "tensorboard": tensorboard}
    settings = with_train(settings, **changes)
    if folds:
        _print_years(_hold_out(settings, seeds or 1, data_dir, run_dir, all_years, force, flags), json_output)
    else:
        years = _years(refit or calibrate_on)
        _print(_begin(settings, seeds, data_dir, run_dir, years, force, flags), json_output)


def _years(folder: Path | None) -> Path | None:
    """The folder, if it holds held-out years."""
    from jenacast.experiments.years import years_in

    return folder if folder is not None and years_in(folder).exists else None


def _resume(folder: Path, epochs: int | None, json_output: bool) -> None:
    from jenacast.experiments.held_out import resume_years
    from jenacast.experiments.seeds import resume_seeds, seeds_in
    from jenacast.experiments.years import years_in
    from jenacast.training.run import resume

    is_years, is_seeds = years_in(folder).exists, seeds_in(folder).exists
    if epochs is not None and (is_years or is_seeds):
        raise typer.BadParameter(f"--epochs may be raised for one run: {command('--resume', folder / 'seed-N')}")
    if is_years:
        _print_years(resume_years(folder), json_output)
    else:
        _print(resume_seeds(folder) if is_seeds else resume(folder, epochs=epochs), json_output)


def _begin(
    settings: "Config",
    seeds: int | None,
    data_dir: Path,
    run_dir: Path | None,
    years: Path | None,
    force: bool,
    flags: dict[str, Any],
) -> "Outcome | Summary":
    from jenacast.config import with_train
    from jenacast.experiments.seeds import SeedsPlan, train_seeds
    from jenacast.experiments.years import calibrating_runs
    from jenacast.training.run import train
    from jenacast.training.run_folder import chosen_run_dir

    first = settings.train.seed
    numbers = list(range(first, first + (seeds or 1)))
    folds = [calibrating_runs(years, with_train(settings, seed=seed), data_dir) if years else [] for seed in numbers]
    with chosen_run_dir(run_dir, settings.name) as folder:
        if seeds is None:
            return train(settings, data_dir=data_dir, run_dir=folder, force=force, folds=folds[0], **flags)
        plan = SeedsPlan(str(data_dir.resolve()), numbers, **flags, folds=str(years.resolve()) if years else None)
        return train_seeds(settings, plan, folder, force=force)


def _hold_out(
    settings: "Config",
    seeds: int,
    data_dir: Path,
    run_dir: Path | None,
    all_years: bool,
    force: bool,
    flags: dict[str, Any],
) -> "YearsSummary":
    from jenacast.experiments.held_out import train_years
    from jenacast.experiments.years import plan_years
    from jenacast.training.run_folder import chosen_run_dir

    first = settings.train.seed
    plan = plan_years(settings, data_dir, range(first, first + seeds), all_years=all_years, **flags)
    with chosen_run_dir(run_dir, f"{settings.name}-folds") as folder:
        return train_years(settings, plan, folder, force=force)


def _print_years(summary: "YearsSummary", json_output: bool) -> None:
    from jenacast.data import SYNTHETIC_WARNING
    from jenacast.experiments.held_out import years_table

    warning = f"; {SYNTHETIC_WARNING}" if summary.synthetic else ""
    text = f"{summary.model}, protocol {summary.protocol}{warning}\n{years_table(summary).as_text()}"
    echo(json.dumps(asdict(summary)) if json_output else text)
    say(f"kept in {summary.folder}; beside others: {command('jenacast', 'compare', summary.folder, 'OTHER')}")


def _print(outcome: "Outcome | Summary", json_output: bool) -> None:
    from jenacast.evaluation.coverage import held_out_table
    from jenacast.models.checkpoint import BEST, read_metadata
    from jenacast.training.run_folder import Outcome, read_record

    if isinstance(outcome, Outcome):
        path, run = outcome.checkpoint, outcome.run_dir
    else:
        path, run = outcome.folder, outcome.runs[0]
    echo(json.dumps(asdict(outcome)) if json_output else path)
    record = read_record(Path(run))
    about = read_metadata(Path(run) / BEST)
    if about and about.held_out:
        say(held_out_table(about.held_out).as_text())
    elif record.fold is None:  # a fold is judged by what trains it
        judge = command("jenacast", "evaluate", path, "--data-dir", record.data_dir)
        say(f"to judge it on the test split: {judge}")
    if not isinstance(outcome, Outcome):
        say(f"to judge each seed: {command('jenacast', 'compare', path)}")


def load_settings(
    model: str | None, config: Path | None, assignments: list[str], refit: Path | None = None
) -> "Config":
    """The settings that exactly one of --model, --config and --refit names.

    Raises:
        ConfigError: they break a rule.
    """
    from jenacast.config import load_config, load_network, load_recipe
    from jenacast.network_file import is_file

    if sum(each is not None for each in (model, config, refit)) != 1:
        raise typer.BadParameter(
            "give exactly one of --model, --config and --refit; `jenacast models` lists the models"
        )
    if refit is not None:
        from jenacast.experiments.seeds import refit_settings

        return refit_settings(refit, assignments)
    if config is not None:
        return load_config(config, assignments)
    if is_file(model):
        allow_code(Path(str(model)))
        return load_network(Path(str(model)), assignments)
    return load_recipe(str(model), assignments)
