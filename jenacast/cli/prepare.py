"""`jenacast prepare`."""

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json
from jenacast.data import Protocol
from jenacast.tables import Column, Table, Value, columns

if TYPE_CHECKING:
    from jenacast.data.audit import Audit
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

    Prints what is wrong with the series and which windows that costs; the whole audit is in
    DATA_DIR/prepared/manifest.json.

    Example: jenacast prepare --protocol book
    """
    from jenacast.data.prepare import prepare as run

    manifest = run(data_dir, protocol=protocol, force=force)
    typer.echo(json.dumps(manifest.model_dump()) if json_output else _describe(manifest))


def _describe(manifest: "Manifest") -> str:
    audit = cast("Audit", manifest.audit)  # that of a backtest's fold alone says nothing of splits
    blocks = [
        f"{audit.rows_in_file:,} rows, one every {audit.row_minutes} minutes; protocol {manifest.protocol}",
        _windows_table(manifest, audit),
        _findings_table(audit),
    ]
    return "\n\n".join(blocks)


def _windows_table(manifest: "Manifest", audit: "Audit") -> str:
    causes = {"duplicates": "lost: duplicates", "border": "border", "gaps": "gaps", "values": "values"}
    counted = columns("rows", "windows", *causes.values(), "kept, but touched", form=",")
    rows: list[list[Value]] = []
    for split, record in manifest.splits.items():
        counts = audit.windows[split]
        lost = [counts.lost[cause] for cause in causes]
        rows.append([split, record.first_time, record.last_time, counts.rows, record.windows, *lost, counts.touched])
    return Table([*columns("split", "first row", "last row"), *counted], rows).as_text()


def _findings_table(audit: "Audit") -> str:
    rows: list[list[Value]] = []
    repeated = {"duplicate rows": audit.duplicate_rows, "rows that repeat a time": audit.conflicting_rows}
    rows += [[label, "", count, "", ""] for label, count in repeated.items() if count]
    for label, steps in (("gap", audit.gaps), ("backward jump", audit.backward_jumps)):
        rows += [[label, step.after, "1", f"{step.hours:g} h", ""] for step in steps]
    for value in audit.values:
        kinds = {"sentinels": value.sentinels, "missing or out of range": value.missing_or_out_of_range}
        for kind, count in kinds.items():
            if count:
                rows.append([f"{value.column}: {kind}", value.first_time, count, "", value.windows_touched])
    if not rows:
        return "nothing wrong was found"
    if len(rows) > 20:
        rows = [*rows[:20], [f"... and {len(rows) - 20} more in manifest.json", "", "", "", ""]]
    counted = [Column("rows", ","), Column("length"), Column("windows touched", ",")]
    return Table([*columns("found", "from"), *counted], rows).as_text()
