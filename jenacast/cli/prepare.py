"""`jenacast prepare`."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json
from jenacast.data import Protocol
from jenacast.tables import Column, Table, Value, columns

if TYPE_CHECKING:
    from jenacast.data.prepared import Manifest


def prepare(
    protocol: Annotated[
        Protocol,
        typer.Option(help="strict: windows by time, inside one split. book: by row position, as published."),
    ] = "strict",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Clean and audit the CSV, cut it into train, validation and test.

    Prints what is wrong with the series and which windows that costs; the whole audit stands in
    DATA_DIR/prepared/manifest.json.

    Example: jenacast prepare --protocol book
    """
    from jenacast.data.prepare import prepare as run

    manifest = run(data_dir, protocol=protocol, force=force)
    typer.echo(json.dumps(manifest.model_dump()) if json_output else _describe(manifest))


def _describe(manifest: "Manifest") -> str:
    audit = manifest.audit
    blocks = [
        f"{audit['rows_in_file']:,} rows, one every {audit['row_minutes']} minutes; protocol {manifest.protocol}",
        _windows_table(manifest),
        _findings_table(manifest),
    ]
    return "\n\n".join(blocks)


def _windows_table(manifest: "Manifest") -> str:
    causes = {"duplicates": "lost: duplicates", "border": "border", "gaps": "gaps", "values": "values"}
    counted = columns("rows", "windows", *causes.values(), "kept, but touched", form=",")
    rows: list[list[Value]] = []
    for split, record in manifest.splits.items():
        counts = manifest.audit["windows"][split]
        lost = [counts["lost"][cause] for cause in causes]
        times = (record.first_time, record.last_time)
        rows.append([split, *times, counts["rows"], record.windows, *lost, counts["touched"]])
    return Table([*columns("split", "first row", "last row"), *counted], rows).as_text()


def _findings_table(manifest: "Manifest") -> str:
    audit = manifest.audit
    rows: list[list[Value]] = []
    for name, label in (("duplicate_rows", "duplicate rows"), ("conflicting_rows", "rows whose time stands twice")):
        if audit[name]:
            rows.append([label, "", audit[name], "", ""])
    for name, label in (("gaps", "gap"), ("backward_jumps", "backward jump")):
        rows += [[label, jump["after"], "1", f"{jump['hours']:g} h", ""] for jump in audit[name]]
    for value in audit["values"]:
        for kind in ("sentinels", "missing_or_out_of_range"):
            if value[kind]:
                label = f"{value['column']}: {kind.replace('_', ' ')}"
                rows.append([label, value["first_time"], value[kind], "", value["windows_touched"]])
    if not rows:
        return "nothing wrong was found"
    if len(rows) > 20:
        rows = [*rows[:20], [f"... and {len(rows) - 20} more in manifest.json", "", "", "", ""]]
    counted = [Column("rows", ","), Column("length"), Column("windows touched", ",")]
    return Table([*columns("found", "from"), *counted], rows).as_text()
