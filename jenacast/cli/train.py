"""`jenacast train`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json, say

if TYPE_CHECKING:
    from jenacast.config import Config

ModelName = Annotated[
    str | None, typer.Option("--model", help="A recipe by name; `jenacast models` lists them.", show_default=False)
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file of settings instead.", show_default=False)
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as train.epochs=5; repeatable."),
]


def train(
    model: ModelName = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    seed: Annotated[int | None, typer.Option(help="train.seed: the same seed gives the same run.")] = None,
    epochs: Annotated[int | None, typer.Option(help="train.epochs.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="train.patience: stop after so many epochs without a better validation MAE.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Where the run is kept.", show_default="runs/<model>-<date>-<time>")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with this run; it knows the rest.", show_default=False),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="train.deterministic: bit for bit the same on a GPU too.")
    ] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard logs.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Train a network on the prepared data and keep the best one by validation MAE.

    Settings come from --model or --config, then --set, then the other options. The run folder holds
    best.keras, last.keras, config.toml, history.csv, metrics.json and learning_curves.png. Prints the path
    of best.keras.

    A run that was stopped or killed goes on with --resume RUN, as if it never had been; --epochs may be raised.

    Example: jenacast train --model stacked-gru --epochs 20 --seed 1
    """
    from jenacast import training
    from jenacast.config import with_train
    from jenacast.rundir import RECORD, default_run_dir, read_json

    if resume is not None:
        if any((model, config, assignments, seed is not None, patience is not None, run_dir, deterministic, force)):
            raise typer.BadParameter("--resume takes everything from the run; only --epochs may go with it")
        outcome = training.resume(resume, epochs=epochs)
        data_dir = Path(read_json(resume / RECORD)["data_dir"])
    else:
        settings = with_train(
            load_settings(model, config, assignments or []),
            seed=seed,
            epochs=epochs,
            patience=patience,
            deterministic=deterministic or None,
        )
        folder = run_dir or default_run_dir(settings.name)
        outcome = training.train(settings, data_dir=data_dir, run_dir=folder, force=force, tensorboard=tensorboard)
    typer.echo(json.dumps(asdict(outcome)) if json_output else outcome.checkpoint)
    say(f"to judge it on the test split: jenacast evaluate {outcome.checkpoint} --data-dir {data_dir}")


def load_settings(model: str | None, config: Path | None, assignments: list[str]) -> "Config":
    """The settings that exactly one of --model and --config names.

    Raises:
        ConfigError: they break a rule.
    """
    from jenacast.config import load_config, load_recipe

    if (model is None) == (config is None):
        raise typer.BadParameter("give exactly one of --model and --config; `jenacast models` lists the models")
    if config is not None:
        return load_config(config, assignments)
    return load_recipe(str(model), assignments)
