"""`jenacast report`."""

from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import Force, say


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of seeds.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    force: Force = False,
) -> None:
    """Write one HTML page about runs, to be read anywhere: it needs no network and no other file.

    It holds what was trained on what, learning curves, the errors on the test split beside the baseline's with 95 %
    intervals, by month and hour and lead, weeks of forecasts against the truth, and how far the network's own
    intervals can be trusted. Several runs stand in one table, each held against the best on validation. The test
    split is read from the prepared data that the runs were trained on; where that is gone, the page says so. Prints
    the page's path.

    Example: jenacast report runs/best -o report.html
    """
    from jenacast.report import write_report

    write_report(runs, output, force=force)
    say("it can be opened in any browser, mailed, or printed")
    typer.echo(output)
