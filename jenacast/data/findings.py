"""Prepared data as tables: the splits with their windows, the years, what is wrong with the series, its breaks."""

from jenacast.columns import OPTIONAL_NAMES
from jenacast.data.audit import Audit
from jenacast.data.homogeneity import LEVEL, Homogeneity
from jenacast.data.prepared import Manifest
from jenacast.data.region import REGION, SOURCE
from jenacast.tables import Column, Table, Value, columns

CAUSES = {"duplicates": "lost: duplicates", "border": "border", "gaps": "gaps", "values": "values"}


def splits_table(manifest: Manifest) -> Table:
    """The splits with the windows kept and lost, by cause; the audit of a backtest's fold knows no causes."""
    heads = [*columns("split", "first row", "last row"), *columns("rows", "windows", form=",")]
    rows: list[list[Value]] = []
    for name, split in manifest.splits.items():
        ends = map(_minute, (split.first_time, split.last_time))
        rows.append([name, *ends, split.stop - split.start, split.windows])
        if manifest.audit.windows:
            counts = manifest.audit.windows[name]
            rows[-1][3] = counts.rows  # as many as the file has
            rows[-1] += [*(counts.lost[cause] for cause in CAUSES), counts.touched]
            rows[-1] += [counts.other_lead] if manifest.protocol == "book" else []
    if manifest.audit.windows:
        heads += columns(*CAUSES.values(), "kept, but touched", form=",")
        heads += columns(f"lead not {manifest.lead_hours} h", form=",") if manifest.protocol == "book" else []
    return Table(heads, rows, "The splits (station's clock) and the windows that make no forecast, by cause")


def years_table(audit: Audit) -> Table:
    """The rows and gaps of every year, and how many values of which columns are missing or cannot be true."""
    heads = [Column("year"), *columns("rows", "gaps", form=","), Column("missing values", is_left=True)]
    rows: list[list[Value]] = []
    for year in audit.years:
        absent = [name for name in OPTIONAL_NAMES if year.missing.get(name) == year.rows]
        counts = [f"{name} {count:,}" for name, count in year.missing.items() if name not in absent]
        if absent:
            lacking = "the optional columns" if len(absent) == len(OPTIONAL_NAMES) else ", ".join(absent)
            counts.append(f"all of {lacking}")
        rows.append([str(year.year), year.rows, year.gaps, ", ".join(counts)])
    return Table(heads, rows, "The years (station's clock)")


def steps_table(audit: Audit) -> Table:
    """The gaps and the jumps back in time, each told by the rows around it; no rows where there are none."""
    rows: list[list[Value]] = [
        [label, _minute(step.after), _minute(step.next), f"{step.hours:g} h"]
        for label, steps in (("gap", audit.gaps), ("backward jump", audit.backward_jumps))
        for step in steps
    ]
    return Table(columns("found", "from", "next row", "length"), rows, "Gaps and jumps back in time (station's clock)")


def values_table(audit: Audit) -> Table:
    """The values that cannot be true, by column and split; no rows where there are none."""
    rows: list[list[Value]] = [
        [
            *(value.column, value.split, _minute(value.first_time)),
            *(value.sentinels, value.missing_or_out_of_range, value.windows_touched),
        ]
        for value in audit.values
    ]
    counted = columns("-9999", "other", "windows", form=",")
    return Table(
        [*columns("values not true", "split", "from"), *counted],
        rows,
        "Values that cannot be true: marked as missing, otherwise missing or out of range, and the windows touched",
    )


def _minute(time: str) -> str:
    """A time in ISO 8601 for people: 2026-11-21 14:10, with seconds where they are not 0."""
    return time.replace("T", " ").removesuffix(":00")


def breaks_finding(homogeneity: Homogeneity) -> str:
    """The breaks in one sentence; nothing where the series was not compared with its region."""
    if not homogeneity.difference_c:
        return ""
    steps = " and ".join(f"by {each.step_c:+.2f} °C in {each.month}" for each in homogeneity.breaks)
    found = f"steps {steps}" if steps else f"has no break (p > {LEVEL:g})"
    return f"Against {REGION} ({len(homogeneity.difference_c)} months) the temperature {found}."


def breaks_table(homogeneity: Homogeneity) -> Table:
    """The breaks, one row each, with 95 % intervals of the month and of the step."""
    heads = [*columns("break from", "95 % interval"), Column("step", "+.2f", "°C"), Column("95 % interval", "+.2f")]
    rows: list[list[Value]] = [
        [each.month, " .. ".join(each.month_ci95), each.step_c, each.step_ci95_c, each.p] for each in homogeneity.breaks
    ]
    caption = f"The first months after a break of the temperature against {REGION}'s, and its steps. {SOURCE}"
    return Table([*heads, Column("p", ".4f")], rows, caption)
