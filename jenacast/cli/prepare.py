"""`jenacast prepare`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json
from jenacast.data import Protocol
from jenacast.tables import Table

if TYPE_CHECKING:
    from jenacast.data.prepared import Manifest

SHOWN = 20  # findings


def prepare(
    protocol: Annotated[
        Protocol, typer.Option(help="strict: windows by time, inside one split. book: by row position, as published.")
    ] = "strict",
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Clean and audit the CSV, cut it into train, validation and test.

    Prints what is wrong with the series and which windows that costs; the whole audit is in
    DATA_DIR/prepared/manifest.json.

    Example: jenacast prepare --protocol book
    """
    from jenacast.data.prepare import prepare as run

    manifest = run(data_dir, protocol=protocol, force=force)
    typer.echo(json.dumps(manifest.model_dump()) if json_output else _describe(manifest))


def _describe(manifest: "Manifest") -> str:
    from jenacast.data.findings import findings_table, splits_table

    audit, found = manifest.audit, findings_table(manifest.audit)
    if len(found.rows) > SHOWN:
        more = [f"... and {len(found.rows) - SHOWN} more in manifest.json", *[""] * (len(found.columns) - 1)]
        found = Table(found.columns, [*found.rows[:SHOWN], more])
    head = f"{audit.rows_in_file:,} rows, one every {audit.row_minutes} minutes; protocol {manifest.protocol}"
    narrow = found.pick("found", "split", "from", "rows", "length", "windows touched")  # the length says what is next
    return "\n\n".join(
        [head, splits_table(manifest).as_text(), narrow.as_text() if found.rows else "nothing wrong was found"]
    )
