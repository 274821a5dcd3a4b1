"""`jenacast models`."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer

from jenacast.cli.app import Json, complete_recipe, echo, say
from jenacast.tables import Column, Table, Value, columns

TEMPLATE = "my_net.py"  # beside the recipes
ERROR = r"(\d\.\d{3}) ± (\d\.\d{3}) °C"
# The first lines of a recipe: how to train it, what that costs, and what it gave
HEAD = re.compile(rf"# .* --seeds (\d+): \d+ epochs, (\d+) s a seed .*\n# Validation MAE {ERROR}, test {ERROR} ")
MEASURED = ("seeds", "seconds", "val_mae_c", "val_mae_std_c", "test_mae_c", "test_mae_std_c")


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            autocompletion=complete_recipe,
            help="Print the complete settings of this recipe, or of a network in a Python file, as TOML.",
        ),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a Python file to start a network of your own from.")
    ] = False,
    json_output: Json = False,
) -> None:
    """List the recipes `train --model` knows, or print one as TOML for `train --config`.

    The list begins with the lowest validation MAE. Errors (mean ± deviation over seeds, hourly series, protocol
    book) and the seconds of one seed on a CPU are those that the head of each recipe tells; some were not measured.

    `default` prints the settings that all recipes begin with, and what each of them means. With model.engine="auto"
    GRU and LSTM layers train as `tied` on a CPU and as `weight-drop` on a GPU; the book's were measured with `keras`.

    Example: jenacast models stacked-gru > mine.toml
    Example: jenacast models --template > my_net.py
    """
    from jenacast.config import configs_dir, dump_config, load_recipe, recipe_names
    from jenacast.network_file import is_file

    if template:
        if name is not None or json_output:
            raise typer.BadParameter("--template stands alone: it prints a Python file")
        echo((configs_dir() / TEMPLATE).read_text(encoding="utf-8").rstrip())
        return
    if is_file(name):
        settings = _settings_of(Path(str(name)))
        echo(json.dumps(settings) if json_output else tomli_w.dumps(settings).rstrip())
        return
    if name == "default" and not json_output:
        echo((configs_dir() / "default.toml").read_text(encoding="utf-8").rstrip())
        return
    if name is not None:
        config = load_recipe(name)
        echo(json.dumps(config.model_dump()) if json_output else dump_config(config).rstrip())
        return
    say("building each model to count its parameters ...")
    rows = sorted(map(_row, recipe_names()), key=lambda row: (row["val_mae_c"] is None, row["val_mae_c"], row["name"]))
    echo(json.dumps(rows) if json_output else _describe(rows))


def _settings_of(path: Path) -> dict[str, Any]:
    """The settings of a network in a Python file, for a TOML in this folder, whatever becomes of the file."""
    from jenacast.config import load_network

    settings = load_network(path).model_dump()
    del settings["model"]["code_sha256"]
    settings["model"]["architecture"] = str(path)
    return settings


def _row(name: str) -> dict[str, Any]:
    """What is known of a recipe; None for what was not measured."""
    from jenacast.config import configs_dir, load_recipe
    from jenacast.models.build import build_model

    config = load_recipe(name)
    found = HEAD.match((configs_dir() / f"{name}.toml").read_text(encoding="utf-8"))
    figures = [int(each) if each.isdigit() else float(each) for each in found.groups()] if found else [None] * 6
    about = {"name": name, "parameters": build_model(config).count_params(), "epochs": config.train.last_epoch}
    return about | dict(zip(MEASURED, figures, strict=True)) | {"summary": config.summary, "source": config.source}


def _describe(rows: list[dict[str, Any]]) -> str:
    errors = columns("validation MAE", "test MAE", unit="°C")
    heads = [Column("recipe"), *errors, *columns("epochs", "seconds", "parameters", form=",")]
    figures: list[list[Value]] = [
        [
            *(row["name"], _error(row, "val_mae"), _error(row, "test_mae")),
            *(row["epochs"], row["seconds"], row["parameters"]),
        ]
        for row in rows
    ]
    what = Table(
        [Column("recipe"), Column("what it is", is_left=True)], [[row["name"], row["summary"]] for row in rows]
    )
    return f"{Table(heads, figures).as_text()}\n\n{what.as_text()}"


def _error(row: dict[str, Any], key: str) -> str | None:
    return None if row[f"{key}_c"] is None else f"{row[f'{key}_c']:.3f} ± {row[f'{key}_std_c']:.3f}"
