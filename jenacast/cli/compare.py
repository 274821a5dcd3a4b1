"""`jenacast compare`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jenacast.cli.app import Force, say
from jenacast.data import SAME_AS_NOW
from jenacast.tables import Table, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenacast.experiments.compare import RecipeScores

TableFormat = Literal["table", "json", "csv", "markdown"]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, and folders of seeds.")],
    form: Annotated[TableFormat, typer.Option("--format", help="How to print the table.")] = "table",
    plot: Annotated[
        Path | None, typer.Option(help="Picture of the test MAEs, .png, .svg or .pdf, the baseline as a line.")
    ] = None,
    force: Force = False,
) -> None:
    """Put runs side by side: seeds of one recipe become mean ± deviation.

    Missing evaluations on the test split are made; what is no run is left out. Runs of different data or protocols are
    not ranked in one table. `settings` are those that differ from the recipe of this name.

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
    typer.echo(_render(rows, form))


def _render(rows: "Sequence[RecipeScores]", form: TableFormat) -> str:
    from jenacast.experiments.compare import comparison_table

    if form == "json":
        return json.dumps([asdict(row) for row in rows])
    if form == "csv":
        fields = [asdict(row) for row in rows]
        cells = [
            ["; ".join(map(str, value)) if isinstance(value, list) else value for value in row.values()]
            for row in fields
        ]
        return Table(columns(*fields[0]), cells).as_csv()
    table = comparison_table(rows)
    text = table.as_text() if form == "table" else table.as_markdown()
    return f"{text}\n\nbaseline, {SAME_AS_NOW}: {rows[0].baseline_mae_c:.3f} °C on test"
