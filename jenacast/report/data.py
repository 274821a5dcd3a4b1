"""The section of a report about the data: where they are from, how they are cut, what is wrong with them."""

from collections.abc import Sequence

from jenacast.data import SYNTHETIC_WARNING
from jenacast.data.audit import Audit
from jenacast.data.findings import splits_table, steps_table, values_table, years_table
from jenacast.report.homogeneity import describe_homogeneity
from jenacast.report.page import Part, Section
from jenacast.report.runs import ReportedRun


def describe_data(runs: Sequence[ReportedRun]) -> Section:
    """One part for each series that the runs were trained on."""
    series = {run.series: run for run in reversed(runs)}
    parts = []
    for number, run in enumerate(reversed(series.values())):
        parts.append(_part(run, len(series) > 1, runs))
        parts += describe_homogeneity(run.manifest.homogeneity if run.manifest else None, f"data-{number}")
    return Section("data", "Data", parts)


def _part(run: ReportedRun, is_one_of_many: bool, runs: Sequence[ReportedRun]) -> Part:
    whose = [other.label for other in runs if other.series == run.series]
    title = f"Of {', '.join(whose)}" if is_one_of_many else "The series"
    notes = [f"Protocol {run.record.protocol}; SHA-256 of the source: {run.record.source_sha256}."]
    if run.synthetic:
        notes.insert(0, f"{SYNTHETIC_WARNING}: no figure of this page says anything about real weather.")
    if run.manifest is None:
        return Part(title, [*notes, f"The prepared data are not available: {run.trouble}"])
    if run.trouble:
        notes.append(f"The runs could not be evaluated: {run.trouble}")
    manifest = run.manifest
    if manifest.fold:
        notes.append(f"A fold: {manifest.fold}.")
    notes.append(f"Source: {manifest.source}, {manifest.rows:,} rows, {manifest.rows_per_hour} an hour.")
    notes.append(_found(manifest.audit))
    found = [table(manifest.audit) for table in (years_table, steps_table, values_table)]
    return Part(title, notes, tables=[splits_table(manifest)], folded=[table for table in found if table.rows])


def _found(audit: Audit) -> str:
    found = [
        f"{len(audit.gaps)} gaps",
        f"{len(audit.backward_jumps)} jumps back in time",
        f"{audit.duplicate_rows:,} repeated rows",
    ]
    if audit.windows:
        values = sum(value.sentinels + value.missing_or_out_of_range for value in audit.values)
        found.append(f"{values:,} values that cannot be true")
    return f"The audit found {', '.join(found[:-1])} and {found[-1]}."
