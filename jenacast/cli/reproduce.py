"""`jenacast reproduce`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, echo, say
from jenacast.errors import command


def reproduce(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Recipes of the book; all where none is given.")
    ] = None,
    edition: Annotated[int, typer.Option(min=2, max=3, help="2 trains with rmsprop, 3 with adam.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, ... for each recipe.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipes' own.")] = None,
    runs_dir: Annotated[
        Path, typer.Option(help="Where the runs are kept; finished ones are not trained again.")
    ] = Path("runs/reproduce"),
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the ledger, as Markdown.")] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Train the book's recipes under `book` and compare them with the published figures.

    A figure agrees when it lies within the tolerance that the seeds' standard deviation gives. Layers are Keras' own,
    `model.engine=keras`, as in the book. All of it takes about an hour on two cores with the hourly series, six times
    that with 10-minute rows; called again it continues.

    Example: jenacast reproduce dense lstm --seeds 3 --out ledger.md
    """
    from jenacast.experiments.reproduce import ledger
    from jenacast.experiments.reproduce import reproduce as run
    from jenacast.files import atomic_path, refuse_existing

    if out:
        refuse_existing(out, force=force)
    entries = run(names or [], data_dir=data_dir, runs_dir=runs_dir, edition=edition, seeds=seeds, epochs=epochs)
    options = ["--edition", edition, "--seeds", seeds, *(["--epochs", epochs] if epochs else [])]
    called = command("jenacast", "reproduce", *(names or []), *options)
    page = ledger(entries, data_dir=data_dir, command=called, edition=edition)
    if out:
        with atomic_path(out, force=force) as path:
            path.write_text(page, encoding="utf-8")
        say(f"wrote {out}")
    echo(json.dumps([asdict(entry) for entry in entries]) if json_output else page.rstrip())
