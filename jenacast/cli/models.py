"""`jenacast models`."""

import json
from typing import Annotated

import typer

from jenacast.cli.app import Json, say
from jenacast.cli.table import format_table


def models(
    name: Annotated[
        str | None, typer.Argument(help="Print this recipe's complete settings as TOML.", show_default=False)
    ] = None,
    json_output: Json = False,
) -> None:
    """List the recipes `train --model` knows, or print one as TOML for `train --config`.

    Example: jenacast models stacked-gru > mine.toml
    """
    from jenacast.config import dump_config, load_recipe, recipe_names

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
    # The last column is text: a plain join keeps it ragged instead of padded.
    table = format_table(["name", "parameters"], [[row["name"], f"{row['parameters']:,}"] for row in rows])
    texts = ["summary (source)", "", *(f"{row['summary']} ({row['source']})" for row in rows)]
    typer.echo("\n".join(f"{line}  {text}".rstrip() for line, text in zip(table.splitlines(), texts, strict=True)))
