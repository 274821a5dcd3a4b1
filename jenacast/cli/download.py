"""`jenacast download`: the series' CSV, or the station's own files, into the data folder."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, echo, say
from jenacast.data import download as plain
from jenacast.errors import DownloadError, UnreachableError

Source = Literal["tensorflow", "book", "station"]  # the public copies, and the archive that goes on


def download(
    source: Annotated[
        Source | None,
        typer.Option(
            help="Public copy to fetch: tensorflow (420,551 rows, the default) or book (420,451); "
            "or station: all the station's own files, into DATA_DIR/station/."
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE|URL",
            help="Take this zip or CSV instead of a public copy. With --source station also a folder, "
            "or the URL of a page with links; repeatable.",
        ),
    ] = None,
    from_year: Annotated[
        int | None, typer.Option(metavar="YEAR", help="With --source station: nothing that ended before.")
    ] = None,
    to_year: Annotated[
        int | None, typer.Option(metavar="YEAR", help="With --source station: nothing that began later.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fetch the ten-minute observations of 2009 to 2016 and print the path of the CSV.

    The file is checked before it is placed; if it exists already, nothing happens. If one public copy cannot be
    reached, the other is used, with a warning.

    With --source station, the files that the station's page links to are fetched instead, from 2004 until now, and the
    path of their folder is printed. Later calls fetch what is new or has changed. A file that has become smaller does
    not take the place of the old one without --force.

    Example: jenacast download
    Example: jenacast download --from ~/Downloads/jena_climate_2009_2016.csv.zip
    Example: jenacast download --source station --from-year 2017
    """
    origins = origin or []
    if source == "station":
        if from_year is not None and to_year is not None and from_year > to_year:
            raise typer.BadParameter(f"--from-year {from_year} is later than --to-year {to_year}")
        return _download_station(data_dir, origins, from_year, to_year, force=force, as_json=as_json)
    if from_year is not None or to_year is not None or len(origins) > 1:
        raise typer.BadParameter("--from-year, --to-year and several --from need --source station")
    if source and origins:
        raise typer.BadParameter("--source names a public copy, --from another one: give one of them")
    try:
        done = plain.download(data_dir, source=source, origin=origins[0] if origins else None, force=force)
    except UnreachableError as error:
        raise UnreachableError(f"{error}; or see everything at work on made-up data: jenacast demo") from None
    answer = dataclasses.asdict(done) | {"path": str(done.path)}
    echo(json.dumps(answer) if as_json else answer["path"])
    return None


def _download_station(
    data_dir: Path, origins: list[str], from_year: int | None, to_year: int | None, *, force: bool, as_json: bool
) -> None:
    from jenacast.data.archive import update

    done = update(data_dir, origins, first_year=from_year, last_year=to_year, force=force)
    say(f"{len(done.fetched) or 'nothing'} new, {len(done.kept)} as before")
    answer = dataclasses.asdict(done) | {"path": str(done.path)}
    echo(json.dumps(answer) if as_json else answer["path"])
    if done.missing:
        raise DownloadError(
            f"missing, for the reasons above: {', '.join(done.missing)}. The others are in {done.path}; try again "
            "later, or hand these over: jenacast download --source station --from FILE"
        )
