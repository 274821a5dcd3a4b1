"""`jenacast prepare`."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, echo, say
from jenacast.cli.times import parse_time
from jenacast.data import Protocol
from jenacast.tables import Table

if TYPE_CHECKING:
    from jenacast.data.prepared import Manifest

SHOWN = 20  # findings of a kind

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]...",
        help="Files of the station (.csv, .csv.gz, .zip), in any order.",
        show_default="what `jenacast download` placed",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(
        metavar="TIME",
        parser=parse_time,
        help="Cut the splits here instead: their last time, such as 2021-01-01. Give both; strict only.",
        show_default="half and three quarters of the rows",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(help="Picture of the temperature: all years, and the first ten days; .png, .svg or .pdf."),
]


def prepare(
    files: Files = None,
    protocol: Annotated[
        Protocol, typer.Option(help="strict: windows by time, inside one split. book: by row position, as published.")
    ] = "strict",
    train_until: Until = None,
    val_until: Until = None,
    plot: Plot = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Clean and audit the series, cut it into train, validation and test.

    Prints what is wrong with the series and which windows that costs; the whole audit is in
    DATA_DIR/prepared/manifest.json.

    Several files become one series: rows that stand twice are taken once, and rows every ten minutes are thinned to
    hourly ones where another file has only those.

    The result under the other protocol is kept in DATA_DIR/prepared-other, and is back at once when you prepare with
    that protocol again.

    --plot draws what is prepared, also where it was prepared before, and marks gaps and values that were replaced.

    Example: jenacast prepare --protocol book --plot series.png
    Example: jenacast prepare mpi_roof_20*.zip --train-until 2021-01-01 --val-until 2023-01-01
    """
    from jenacast.data.prepare import prepare as run
    from jenacast.files import refuse_existing
    from jenacast.plotting import check_suffix

    until = _check_borders(protocol, train_until, val_until)
    if plot:
        check_suffix(plot)
        refuse_existing(plot, force=force)
    manifest = run(data_dir, files or (), protocol=protocol, until=until, force=force)
    if plot:
        _draw(plot, data_dir, force=force)
    echo(json.dumps(manifest.model_dump()) if json_output else _describe(manifest))


def _draw(plot: Path, data_dir: Path, *, force: bool) -> None:
    from jenacast.data.prepared import load_prepared
    from jenacast.features import plots
    from jenacast.files import atomic_path

    prepared = load_prepared(data_dir)
    manifest = prepared.manifest
    title = f"{manifest.rows:,} rows, {manifest.rows_per_hour} an hour; protocol {manifest.protocol}"
    with atomic_path(plot, force=force) as path:
        plots.series(path, prepared, title=title, synthetic=manifest.synthetic)
    say(f"wrote {plot}")


def _check_borders(protocol: str, train_until: datetime | None, val_until: datetime | None) -> dict[str, str]:
    if train_until is None and val_until is None:
        return {}
    if train_until is None or val_until is None:
        raise typer.BadParameter("--train-until and --val-until go together; give both")
    if protocol != "strict":
        raise typer.BadParameter("the borders of --protocol book are those of the book; leave out --train-until")
    if train_until >= val_until:
        raise typer.BadParameter(f"--train-until {train_until} is not before --val-until {val_until}")
    return {"train": train_until.isoformat(), "val": val_until.isoformat()}


def _describe(manifest: "Manifest") -> str:
    from jenacast.data.findings import (
        breaks_finding,
        breaks_table,
        splits_table,
        steps_table,
        values_table,
        years_table,
    )

    audit, files = manifest.audit, len(manifest.sources)
    rows = f"{audit.rows_in_file:,} rows" + (f" in {files} files" if files > 1 else "")
    parts = [f"{rows}, one every {audit.row_minutes} minutes; protocol {manifest.protocol}"]
    parts += [splits_table(manifest).as_text(), years_table(audit).as_text()]
    repeated = {"duplicate rows": audit.duplicate_rows, "rows that repeat a time": audit.conflicting_rows}
    found = [f"{label}, left out: {count:,}" for label, count in repeated.items() if count]
    found += [table.as_text() for table in map(_first, (steps_table(audit), values_table(audit))) if table.rows]
    parts += found or ["nothing wrong was found"]
    if homogeneity := manifest.homogeneity:
        parts += [breaks_finding(homogeneity), breaks_table(homogeneity).as_text() if homogeneity.breaks else ""]
    return "\n\n".join(filter(None, parts))


def _first(table: Table) -> Table:
    """The first rows of a long table."""
    if len(table.rows) <= SHOWN:
        return table
    more = [f"... {len(table.rows) - SHOWN} more in manifest.json", *[""] * (len(table.columns) - 1)]
    return Table(table.columns, [*table.rows[:SHOWN], more])
