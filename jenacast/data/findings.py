"""Prepared data as tables: the splits with their windows, and what is wrong with the series."""

from jenacast.data.audit import Audit, SeriesAudit
from jenacast.data.prepared import Manifest
from jenacast.tables import Column, Table, Value, columns

CAUSES = {"duplicates": "lost: duplicates", "border": "border", "gaps": "gaps", "values": "values"}


def splits_table(manifest: Manifest) -> Table:
    """The splits with the windows kept and lost, by cause; the audit of a backtest's fold knows no causes."""
    heads = [*columns("split", "first row", "last row"), *columns("rows", "windows", form=",")]
    rows: list[list[Value]] = []
    for name, split in manifest.splits.items():
        rows.append([name, split.first_time, split.last_time, split.stop - split.start, split.windows])
        if isinstance(manifest.audit, Audit):
            counts = manifest.audit.windows[name]
            rows[-1][3] = counts.rows  # as many as the file has
            rows[-1] += [*(counts.lost[cause] for cause in CAUSES), counts.touched]
    if isinstance(manifest.audit, Audit):
        heads += columns(*CAUSES.values(), "kept, but touched", form=",")
    return Table(heads, rows, "The splits (station's clock) and the windows that make no forecast, by cause")


def findings_table(audit: SeriesAudit) -> Table:
    """Everything that is wrong with the series, one row a finding; no rows where nothing is."""
    repeated = {"duplicate rows": audit.duplicate_rows, "rows that repeat a time": audit.conflicting_rows}
    rows: list[list[Value]] = [[label, "", count, "", ""] for label, count in repeated.items() if count]
    for label, steps in (("gap", audit.gaps), ("backward jump", audit.backward_jumps)):
        rows += [[label, step.after, 1, f"{step.hours:g} h", ""] for step in steps]
    for value in audit.values if isinstance(audit, Audit) else ():
        kinds = {"sentinels": value.sentinels, "missing or out of range": value.missing_or_out_of_range}
        labels = {f"{value.column}: {kind}": count for kind, count in kinds.items() if count}
        rows += [[label, value.first_time, count, "", value.windows_touched] for label, count in labels.items()]
    counted = [Column("rows", ","), Column("length"), Column("windows touched", ",")]
    return Table([*columns("found", "from"), *counted], rows, "What is wrong with the series (station's clock)")
