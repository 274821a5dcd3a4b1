"""The section of a report about the data: where they are from, how they are cut, what is wrong with them."""

from collections.abc import Sequence

from jenacast.data import SYNTHETIC_WARNING
from jenacast.data.audit import Audit, SeriesAudit
from jenacast.data.prepared import Manifest
from jenacast.report.page import Part, Section
from jenacast.report.runs import ReportedRun
from jenacast.tables import Column, Table, Value, columns

NAMES = {"train": "train", "val": "validation", "test": "test"}


def describe_data(runs: Sequence[ReportedRun]) -> Section:
    """One part for each series that the runs were trained on."""
    series = {run.series: run for run in reversed(runs)}
    return Section("data", "Data", [_part(run, len(series) > 1, runs) for run in reversed(series.values())])


def _part(run: ReportedRun, is_one_of_many: bool, runs: Sequence[ReportedRun]) -> Part:
    whose = [other.label for other in runs if other.series == run.series]
    title = f"Of {', '.join(whose)}" if is_one_of_many else "The series"
    notes = [f"Protocol {run.record.protocol}; SHA-256 of the source: {run.record.source_sha256}."]
    if run.synthetic:
        notes.insert(0, f"{SYNTHETIC_WARNING}: no figure of this page says anything about real weather.")
    if run.manifest is None:
        return Part(title, [*notes, f"The prepared data cannot be had, so there is no more about them: {run.trouble}"])
    if run.trouble:
        notes.append(f"The runs could not be evaluated: {run.trouble}")
    manifest = run.manifest
    if manifest.fold:
        notes.append(f"A fold of a backtest: {manifest.fold}.")
    notes.append(f"Source: {manifest.source}, {manifest.rows:,} rows, {manifest.rows_per_hour} an hour.")
    notes.append(_found(manifest.audit))
    return Part(title, notes, tables=[_splits(manifest)], folded=_findings(manifest.audit))


def _found(audit: Audit | SeriesAudit) -> str:
    found = [
        f"{len(audit.gaps)} gaps",
        f"{len(audit.backward_jumps)} jumps back in time",
        f"{audit.duplicate_rows:,} repeated rows",
    ]
    if isinstance(audit, Audit):
        values = sum(value.sentinels + value.missing_or_out_of_range for value in audit.values)
        found.append(f"{values:,} values that cannot be true")
    return f"The audit found {', '.join(found[:-1])} and {found[-1]}."


def _splits(manifest: Manifest) -> Table:
    by_split = manifest.audit.windows if isinstance(manifest.audit, Audit) else {}
    causes = list(next(iter(by_split.values())).lost) if by_split else []
    counted = columns("windows", *(f"lost: {cause}" for cause in causes), form=",")
    rows: list[list[Value]] = []
    for name, split in manifest.splits.items():
        times = [time.replace("T", " ") for time in (split.first_time, split.last_time)]
        lost = by_split[name].lost.values() if by_split else ()
        rows.append([NAMES.get(name, name), split.stop - split.start, *times, split.windows, *lost])
    caption = "The splits (times by the station's clock) and the windows that make no forecast, by cause"
    return Table([Column("split"), Column("rows", ","), *columns("from", "to"), *counted], rows, caption)


def _findings(audit: Audit | SeriesAudit) -> list[Table]:
    tables = []
    steps = [("gap", step) for step in audit.gaps] + [("jump back", step) for step in audit.backward_jumps]
    if steps:
        rows: list[list[Value]] = [
            [step.after.replace("T", " "), kind, step.next.replace("T", " "), step.hours] for kind, step in steps
        ]
        heads = [*columns("after", "what", "next row"), Column("length", ".1f", "h")]
        tables.append(Table(heads, rows, "Gaps and jumps in time (station's clock)"))
    if isinstance(audit, Audit) and audit.values:
        rows = [
            [
                *(value.column, NAMES.get(value.split, value.split), value.sentinels, value.missing_or_out_of_range),
                *(value.first_time.replace("T", " "), value.windows_touched),
            ]
            for value in audit.values
        ]
        counted = [*columns("sentinels", "missing or out of range", form=","), Column("first at")]
        heads = [*columns("column", "split"), *counted, Column("windows touched", ",")]
        tables.append(Table(heads, rows, "Values that cannot be true"))
    return tables
