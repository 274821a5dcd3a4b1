"""`jenacast sweep-report`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import Force, Json, Storage, echo, say


def sweep_report(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A sweep's folder; with --storage, its name.")],
    output: Annotated[
        Path | None,
        typer.Option("--out", "--output", "-o", help="The folder to write into.", show_default="STUDY/report"),
    ] = None,
    storage: Storage = "",
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Show what a sweep found so far, while it runs or after: which settings matter, and the best trials.

    Writes report.html, a page with everything; history.png, importance.png and parallel.png, as far as there are
    trials enough; and winner.toml, the best trial's settings where they differ from the defaults, for
    `jenacast train --config`. The best of many trials owes something to luck: train the winner with --seeds before
    you believe it. Prints the path of winner.toml.

    Example: jenacast sweep-report runs/sweep-space
    """
    from jenacast.sweep.report import write_report
    from jenacast.sweep.run import open_study
    from jenacast.sweep.storage import check_url

    found, folder = open_study(study, check_url(storage) if storage else "")
    out = output or (folder or Path(found.study_name)) / "report"
    winner = write_report(found, out, force=force)
    say(f"wrote {out}; the page is {out / 'report.html'}")
    told = {"winner": str(winner), "page": str(out / "report.html"), "folder": str(out)}
    echo(json.dumps(told) if json_output else winner)
