"""`jenacast compare`."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from jenacast.cli.app import Force, Json, echo, say
from jenacast.data import SAME_AS_NOW
from jenacast.tables import Table, Value, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenacast.experiments.compare import RecipeScores
    from jenacast.experiments.compare_years import YearsRow

TableFormat = Literal["table", "json", "csv", "markdown"]


Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, of seeds, or of held-out years.")]


def compare(
    runs: Runs,
    form: Annotated[TableFormat, typer.Option("--format", help="How to print the table.")] = "table",
    plot: Annotated[
        Path | None, typer.Option(help="Picture of test MAEs, baseline and differences: .png, .svg or .pdf.")
    ] = None,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Put runs side by side: seeds of one recipe become mean ± deviation.

    Missing evaluations on the test split are made; what is no run is left out. Runs of different data or protocols are
    not ranked in one table. `settings` are those that differ from the recipe of this name.

    Each row but the first is compared with that, the best on validation: the difference of their test MAEs, with a
    95 % interval. Errors are paired by day, each the mean over the seeds of a row, so what makes a day hard for both
    cancels. The interval is over days and leaves the spread over seeds to the ±. If it holds 0, the difference may be
    chance.

    Folders of `train --folds` are compared by their errors on the held-out years, year by year with the best.

    Example: jenacast compare runs/* --plot comparison.png
    """
    from jenacast.experiments.compare import compare as run
    from jenacast.experiments.compare_years import compare_years
    from jenacast.experiments.plots import comparison
    from jenacast.experiments.years import years_in
    from jenacast.files import atomic_path, refuse_existing
    from jenacast.plotting import check_suffix

    if plot:
        check_suffix(plot)
        refuse_existing(plot, force=force)
    form = "json" if json_output else form
    if any(years_in(path).exists for path in runs):
        if plot:
            raise typer.BadParameter("--plot shows test MAEs, and held-out years have none")
        echo(_render_years(compare_years(runs), form))
        return
    rows = run(runs)
    if plot:
        with atomic_path(plot, force=force) as path:
            comparison(path, rows)
        say(f"wrote {plot}")
    echo(_render(rows, form))


def _render(rows: "Sequence[RecipeScores]", form: TableFormat) -> str:
    from jenacast.experiments.compare import comparison_table

    baseline, table = f"baseline, {SAME_AS_NOW}: {rows[0].baseline_mae_c:.3f} °C on test", comparison_table(rows)
    return _in_form([asdict(row) for row in rows], table, _narrow(table), baseline, form)


def _render_years(rows: "Sequence[YearsRow]", form: TableFormat) -> str:
    from jenacast.experiments.compare_years import years_comparison_table

    years = ", ".join(map(str, rows[0].years))
    note = f"validation on {years}, each held out in turn; baseline, {SAME_AS_NOW}: {rows[0].baseline_mae_c:.3f} °C"
    table = years_comparison_table(rows)
    narrow = [table.pick("model", "seeds", "MAE °C", "skill", "less the best's °C", "behind in").as_text()]
    narrow.append(table.pick("model", "folder", "settings").as_text())
    return _in_form([asdict(row) for row in rows], table, "\n\n".join(narrow), note, form)


def _in_form(fields: list[dict[str, Any]], table: Table, text: str, note: str, form: TableFormat) -> str:
    if form == "json":
        return json.dumps(fields)
    if form == "csv":
        rows = [_cells(row) for row in fields]
        return Table(columns(*rows[0]), [list(cells.values()) for cells in rows]).as_csv()
    return f"{table.as_markdown() if form == 'markdown' else text}\n\n{note}"


def _cells(row: dict[str, Any]) -> dict[str, Value]:
    """A row's values by their columns in a CSV: lists as one text, an interval as its two ends."""
    cells: dict[str, Value] = {}
    for key, value in row.items():
        if key.endswith("_ci95_c"):
            cells |= dict(zip((f"{key[:-7]}_low_c", f"{key[:-7]}_high_c"), value or (None, None), strict=True))
        else:
            cells[key] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return cells


def _narrow(table: Table) -> str:
    """The columns in tables that 80 characters show whole."""
    first, *others = (str(cells[0]) for cells in table.rows)
    beside = replace(table, rows=table.rows[1:]).pick("model", "difference", "95 % interval", "reading").as_text()
    parts = [
        table.pick("model", "seeds", "validation MAE °C", "test MAE °C", "skill").as_text(),
        *([f"test MAE less that of {first}, paired by day:\n{beside}"] if others else []),
        table.pick("model", "parameters", "epochs", "steps", "s/epoch", "windows/s", "device").as_text(),
        table.pick("model", "runs", "settings").as_text(),
    ]
    return "\n\n".join(parts)
