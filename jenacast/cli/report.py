"""`jenacast report`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import Force, Json, echo, say


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of seeds.")],
    output: Annotated[Path, typer.Option("--out", "--output", "-o", help="The HTML file.")] = Path("report.html"),
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Write one HTML page about runs, which needs no network and no other file.

    It shows what was trained on which data, learning curves, the errors on the test split beside the baseline's with
    95 % intervals, by month, hour and lead, weeks of forecasts beside the truth, and how reliable the network's own
    intervals are. Several runs are compared in one table, and each with the best on validation. The test split is
    read from the prepared data that the runs were trained on; if those are missing, the page says so. Prints the
    page's path.

    Example: jenacast report runs/lagged -o report.html
    """
    from jenacast.report import write_report

    write_report(runs, output, force=force)
    say("any browser can open and print it")
    echo(json.dumps({"path": str(output)}) if json_output else output)
