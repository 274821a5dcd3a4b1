"""`jenacast runs`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import Json, echo
from jenacast.tables import Column, Table, columns, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenacast.experiments.runs import RunRow


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds the runs.")] = Path("runs"),
    json_output: Json = False,
) -> None:
    """List the runs below a folder, and how each goes on.

    Seeds, held-out years, a backtest and a sweep are one row each; name their folder to see the runs in it. Errors are
    mean ± deviation over seeds or held-out years, of a sweep those of its best trial. The test MAE is shown where
    `evaluate`, `compare` or `backtest` has measured it; nothing is evaluated here. `jenacast compare` sets runs side by
    side that saw the same data.

    A run is finished, running, stopped (with the command that continues it), failed (with the reason) or damaged. A
    sweep in which no trial runs is idle: the command that began it continues it.

    Example: jenacast runs
    """
    from jenacast.experiments.runs import list_runs

    rows = list_runs(folder)
    echo(json.dumps([asdict(row) for row in rows]) if json_output else _describe(rows, folder))


def _describe(rows: "Sequence[RunRow]", folder: Path) -> str:
    from jenacast.data import SYNTHETIC_WARNING
    from jenacast.evaluation.metrics import with_std

    if not rows:
        return f"no runs below {folder}"
    heads = [Column("run"), Column("recipe", is_left=True), Column("seeds"), Column("epochs", ".4g")]
    table = Table(
        [*heads, *columns("validation MAE °C", "test MAE °C"), Column("state", is_left=True)],
        [
            [
                *(row.name, _what(row), len(row.seeds) or None, row.epochs),
                *(with_std(row.val_mae_c, row.val_mae_std_c), with_std(row.test_mae_c, row.test_mae_std_c)),
                row.state,
            ]
            for row in rows
        ],
    )
    parts = [table.as_text()]
    if changed := [[row.name, row.model, "; ".join(row.settings)] for row in rows if row.settings]:
        names = [Column("run"), Column("recipe", is_left=True), Column("differs from the recipe in", is_left=True)]
        parts.append(Table(names, changed).as_text())
    for row in (row for row in rows if row.note or row.resume):
        told = wrapped(f"{row.name}: {'; '.join(filter(None, (row.state, row.note)))}", "  ")
        parts.append(told + (f"\n  to continue: {row.resume}" if row.resume else ""))
    if synthetic := [row.name for row in rows if row.synthetic]:
        parts.append(wrapped(f"{SYNTHETIC_WARNING}: {', '.join(synthetic)}", "  "))
    return "\n\n".join(parts)


def _what(row: "RunRow") -> str:
    """The recipe, and what the runs of a row are where they are no seeds of it."""
    kind = None if row.kind in ("run", "seeds") else row.kind
    return ", ".join(filter(None, (row.model, kind))) or "-"
