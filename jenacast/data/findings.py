"""Prepared data as tables: the splits with their windows, and what is wrong with the series."""

from jenacast.data.audit import Audit
from jenacast.data.prepared import Manifest
from jenacast.tables import Column, Table, Value, columns

CAUSES = {"duplicates": "lost: duplicates", "border": "border", "gaps": "gaps", "values": "values"}


def splits_table(manifest: Manifest) -> Table:
    """The splits with the windows kept and lost, by cause; the audit of a backtest's fold knows no causes."""
    heads = [*columns("split", "first row", "last row"), *columns("rows", "windows", form=",")]
    rows: list[list[Value]] = []
    for name, split in manifest.splits.items():
        rows.append([name, split.first_time, split.last_time, split.stop - split.start, split.windows])
        if manifest.audit.windows:
            counts = manifest.audit.windows[name]
            rows[-1][3] = counts.rows  # as many as the file has
            rows[-1] += [*(counts.lost[cause] for cause in CAUSES), counts.touched]
            rows[-1] += [counts.other_lead] if manifest.protocol == "book" else []
    if manifest.audit.windows:
        heads += columns(*CAUSES.values(), "kept, but touched", form=",")
        heads += columns(f"lead not {manifest.lead_hours} h", form=",") if manifest.protocol == "book" else []
    return Table(heads, rows, "The splits (station's clock) and the windows that make no forecast, by cause")


def findings_table(audit: Audit) -> Table:
    """Everything that is wrong with the series, one row a finding; no rows where nothing is.

    Values that cannot be true are listed by split; a gap or a jump back in time is told by the rows around it.
    """
    repeated = {"duplicate rows": audit.duplicate_rows, "rows that repeat a time": audit.conflicting_rows}
    rows: list[list[Value]] = [[label, "", "", "", count, "", ""] for label, count in repeated.items() if count]
    for label, steps in (("gap", audit.gaps), ("backward jump", audit.backward_jumps)):
        rows += [[label, "", step.after, step.next, 1, f"{step.hours:g} h", ""] for step in steps]
    for value in audit.values:
        kinds = {"sentinels": value.sentinels, "missing or out of range": value.missing_or_out_of_range}
        rows += [
            [f"{value.column}: {kind}", value.split, value.first_time, "", count, "", value.windows_touched]
            for kind, count in kinds.items()
            if count
        ]
    counted = [Column("rows", ","), Column("length"), Column("windows touched", ",")]
    heads = columns("found", "split", "from", "next row")
    return Table([*heads, *counted], rows, "What is wrong with the series (station's clock)")
