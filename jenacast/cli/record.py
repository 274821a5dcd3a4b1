"""`jenacast record`."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, echo, say
from jenacast.data import SYNTHETIC_WARNING
from jenacast.errors import DataError
from jenacast.forecasting import RECORD

if TYPE_CHECKING:
    from jenacast.forecasting.record_scores import NetworkScores

SHOWN_DAYS = 10

logger = logging.getLogger(__name__)
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="Station files with what came.", show_default="the newest hours"),
]


def record(
    files: Files = None,
    offline: Annotated[bool, typer.Option("--offline", help="Without files: take what was fetched before.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Picture of the last ten days: .png, .svg or .pdf.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="CSV file for every kept hour beside its truth.")] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Judge the forecasts that were kept by what came.

    `jenacast forecast --keep` writes what it says into DATA_DIR/record.sqlite, which only grows. This command adds what
    was measured since, from files or from the station's newest hours, and shows the errors beside those of "the same
    as now", by lead and by month, and how many truths lay inside the intervals.

    Example: jenacast record --plot last-days.png
    Example: jenacast record mpi_roof_2026a.zip --json
    """
    from jenacast.files import atomic_path, refuse_existing
    from jenacast.forecasting.record_scores import draw_recent, recent, score_record, write_record
    from jenacast.plotting import check_suffix

    if offline and files:
        raise typer.BadParameter(f"--offline and {files[0]} exclude each other: files are never fetched")
    for target in filter(None, (plot, csv)):
        refuse_existing(target, force=force)
    if plot:
        check_suffix(plot)
    path = data_dir / RECORD
    _add_truths(path, files or [], data_dir, offline)
    scores = score_record(path)
    if csv:
        with atomic_path(csv, force=force) as temporary:
            write_record(path, temporary)
        say(f"wrote {csv}")
    if plot:
        with atomic_path(plot, force=force) as temporary:
            draw_recent(temporary, recent(path, scores[0], SHOWN_DAYS), f"{scores[0].network}, made {scores[0].kind}")
        say(f"wrote {plot}")
    if json_output:
        echo(json.dumps({"record": str(path), "networks": [each.as_json() for each in scores]}))
    else:
        echo(_describe(scores))


def _add_truths(path: Path, files: Sequence[Path], data_dir: Path, offline: bool) -> None:
    """Read what came since, where some truth is missing; what cannot be fetched leaves the record as it is."""
    from jenacast.columns import TARGET
    from jenacast.forecasting.newest import read_files
    from jenacast.forecasting.observations import join_observations
    from jenacast.forecasting.record import add_truths, awaits_truth

    if not awaits_truth(path):
        return
    try:
        found, source = read_files(files, data_dir, offline=offline)
    except DataError as error:
        if files:
            raise
        logger.warning("what came since is not known: %s", error)
        return
    new = add_truths(path, join_observations(found, columns=[TARGET], max_gap_hours=0, source=source))
    say(f"{new:,} truths added to {path}")


def _describe(scores: "Sequence[NetworkScores]") -> str:
    from jenacast.forecasting.record_tables import MEANING, record_tables

    tables = [f"{table.caption}\n{table.as_text()}" for table in record_tables(scores)]
    warning = [SYNTHETIC_WARNING] * any(each.synthetic for each in scores)
    return "\n\n".join([*tables, MEANING, *warning])
