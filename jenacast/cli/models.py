"""`jenacast models`."""

import json
from typing import Annotated

import typer

from jenacast.cli.app import Json, say
from jenacast.tables import Column, Table


def models(
    name: Annotated[str | None, typer.Argument(help="Print this recipe's complete settings as TOML.")] = None,
    json_output: Json = False,
) -> None:
    """List the recipes `train --model` knows, or print one as TOML for `train --config`.

    `default` prints the settings that all recipes begin with, and what each of them means.

    Example: jenacast models stacked-gru > mine.toml
    """
    from jenacast.config import configs_dir, dump_config, load_recipe, recipe_names

    if name == "default" and not json_output:
        typer.echo((configs_dir() / "default.toml").read_text(encoding="utf-8").rstrip())
        return
    if name is not None:
        config = load_recipe(name)
        typer.echo(json.dumps(config.model_dump()) if json_output else dump_config(config).rstrip())
        return
    from jenacast.models.build import build_model

    say("building each model to count its parameters ...")
    rows = []
    for recipe in recipe_names():
        config = load_recipe(recipe)
        parameters = build_model(config).count_params()
        rows.append({"name": recipe, "parameters": parameters, "summary": config.summary, "source": config.source})
    if json_output:
        typer.echo(json.dumps(rows))
        return
    columns = [Column("name"), Column("parameters", ","), Column("summary (source)", is_left=True)]
    lines = [[row["name"], row["parameters"], f"{row['summary']} ({row['source']})"] for row in rows]
    typer.echo(Table(columns, lines).as_text())
