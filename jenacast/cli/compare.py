"""`jenacast compare`."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jenacast.cli.app import Force, Json, echo, say
from jenacast.data import SAME_AS_NOW
from jenacast.tables import Table, Value, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenacast.experiments.compare import RecipeScores

TableFormat = Literal["table", "json", "csv", "markdown"]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, and folders of seeds.")],
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

    Example: jenacast compare runs/* --plot comparison.png
    """
    from jenacast.experiments.compare import compare as run
    from jenacast.experiments.plots import comparison
    from jenacast.files import atomic_path, refuse_existing
    from jenacast.plotting import check_suffix

    if plot:
        check_suffix(plot)
        refuse_existing(plot, force=force)
    rows = run(runs)
    if plot:
        with atomic_path(plot, force=force) as path:
            comparison(path, rows)
        say(f"wrote {plot}")
    echo(_render(rows, "json" if json_output else form))


def _render(rows: "Sequence[RecipeScores]", form: TableFormat) -> str:
    from jenacast.experiments.compare import comparison_table

    if form == "json":
        return json.dumps([asdict(row) for row in rows])
    if form == "csv":
        fields = [_cells(row) for row in rows]
        return Table(columns(*fields[0]), [list(cells.values()) for cells in fields]).as_csv()
    table = comparison_table(rows)
    baseline = f"baseline, {SAME_AS_NOW}: {rows[0].baseline_mae_c:.3f} °C on test"
    text = table.as_markdown() if form == "markdown" else "\n\n".join(_narrow(table))
    return f"{text}\n\n{baseline}"


def _cells(row: "RecipeScores") -> dict[str, Value]:
    """A row's values by their columns in a CSV: lists as one text, an interval as its two ends."""
    cells = asdict(row)
    ends = cells.pop("difference_to_first_ci95_c") or (None, None)
    cells |= dict(zip(("difference_to_first_low_c", "difference_to_first_high_c"), ends, strict=True))
    return {key: "; ".join(map(str, value)) if isinstance(value, list) else value for key, value in cells.items()}


def _narrow(table: Table) -> list[str]:
    """The columns in tables that 80 characters show whole."""
    first, *others = (str(cells[0]) for cells in table.rows)
    beside = replace(table, rows=table.rows[1:]).pick("model", "difference", "95 % interval", "reading").as_text()
    return [
        table.pick("model", "seeds", "validation MAE °C", "test MAE °C", "skill").as_text(),
        *([f"test MAE less that of {first}, paired by day:\n{beside}"] if others else []),
        table.pick("model", "parameters", "epochs", "steps", "s/epoch", "windows/s", "device").as_text(),
        table.pick("model", "runs", "settings").as_text(),
    ]
