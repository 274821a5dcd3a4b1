"""`jenacast prepare`."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json
from jenacast.cli.table import format_table

if TYPE_CHECKING:
    from jenacast.data.prepared import Manifest


class ProtocolName(StrEnum):
    """The protocols, as the command line spells them."""

    strict = "strict"
    book = "book"


def prepare(
    protocol: Annotated[
        ProtocolName,
        typer.Option(help="strict: windows by time, inside one split. book: by row position, as published."),
    ] = ProtocolName.strict,
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

    manifest = run(data_dir, protocol=protocol.value, force=force)
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
    rows = []
    for split, record in manifest.splits.items():
        counts = manifest.audit["windows"][split]
        lost = [f"{counts['lost'][cause]:,}" for cause in ("duplicates", "border", "gaps", "values")]
        rows.append(
            [
                *(split, record.first_time, record.last_time),
                *(f"{counts['rows']:,}", f"{record.windows:,}", *lost, f"{counts['touched']:,}"),
            ]
        )
    return format_table(
        [
            *("split", "first row", "last row", "rows", "windows"),
            *("lost: duplicates", "border", "gaps", "values", "kept, but touched"),
        ],
        rows,
    )


def _findings_table(manifest: "Manifest") -> str:
    audit = manifest.audit
    rows = [["duplicate rows", "", f"{audit['duplicate_rows']:,}", "", ""]] if audit["duplicate_rows"] else []
    if audit["conflicting_rows"]:
        rows.append(["rows whose time stands twice", "", f"{audit['conflicting_rows']:,}", "", ""])
    for name, label in (("gaps", "gap"), ("backward_jumps", "backward jump")):
        rows += [[label, jump["after"], "1", f"{jump['hours']:g} h", ""] for jump in audit[name]]
    for value in audit["values"]:
        for kind in ("sentinels", "missing_or_out_of_range"):
            if value[kind]:
                label = f"{value['column']}: {kind.replace('_', ' ')}"
                touched = f"{value['windows_touched']:,}"
                rows.append([label, value["first_time"], f"{value[kind]:,}", "", touched])
    if not rows:
        return "nothing wrong was found"
    if len(rows) > 20:
        rows = [*rows[:20], [f"... and {len(rows) - 20} more in manifest.json", "", "", "", ""]]
    return format_table(["found", "from", "rows", "length", "windows touched"], rows)
