"""`jenacast demo`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json, say
from jenacast.cli.evaluate import describe


def demo(
    run_dir: Annotated[
        Path | None, typer.Option(help="Where the run is kept.", show_default="runs/demo-<date>-<time>")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Go the whole way in a few minutes: data, preparation, a small network, its judgement and plots.

    Uses the series in DATA_DIR or downloads it; without either it makes a synthetic one and says so.

    Example: jenacast demo
    """
    from jenacast.demo import demo as run
    from jenacast.rundir import default_run_dir

    folder = run_dir or default_run_dir("demo")
    evaluation = run(data_dir=data_dir, run_dir=folder, force=force)
    typer.echo(json.dumps(asdict(evaluation.scores)) if json_output else describe(evaluation.scores))
    say(f"the run, with its plots: {folder}")
