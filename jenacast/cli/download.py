"""`jenacast download`: the series' CSV into the data folder."""

import dataclasses
import json
from typing import Annotated, Literal

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json
from jenacast.data import download as plain
from jenacast.errors import UnreachableError

Source = Literal["tensorflow", "book"]  # the public copies


def download(
    source: Annotated[
        Source | None,
        typer.Option(help="Public copy to fetch: tensorflow (420,551 rows, the default) or book (420,451)."),
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="FILE|URL", help="Take this zip or CSV instead of a public copy.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fetch the ten-minute observations of 2009 to 2016 and print the path of the CSV.

    The file is checked before it is placed; if it exists already, nothing happens.

    If one public copy cannot be reached, the other is used, with a warning.

    Example, with the network and without:

        jenacast download

        jenacast download --from ~/Downloads/jena_climate_2009_2016.csv.zip
    """
    if source and origin is not None:
        raise typer.BadParameter("--source names a public copy, --from another one: give one of them")
    try:
        done = plain.download(data_dir, source=source, origin=origin, force=force)
    except UnreachableError as error:
        raise UnreachableError(f"{error}; or see everything at work on made-up data: jenacast demo") from None
    answer = dataclasses.asdict(done) | {"path": str(done.path)}
    typer.echo(json.dumps(answer) if as_json else answer["path"])
