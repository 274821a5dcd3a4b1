"""`jenacast demo`: the whole way in a few minutes."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json, run_dir_option, say
from jenacast.cli.evaluate import describe

if TYPE_CHECKING:
    from jenacast.evaluation.evaluate import Evaluation

SYNTHETIC_ROWS = 420_551  # as many as the real series has
SYNTHETIC_FOLDER = "synthetic"


def demo(
    run_dir: Annotated[Path | None, run_dir_option("runs/demo-<date>-<time>")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Go the whole way in a few minutes: data, preparation, a small network, its judgement and plots.

    Uses the series in DATA_DIR or downloads it; without either it makes a synthetic one and says so.

    Example: jenacast demo
    """
    from jenacast.training.run_folder import default_run_dir

    folder = run_dir or default_run_dir("demo")
    evaluation = run_demo(data_dir=data_dir, run_dir=folder, force=force)
    typer.echo(json.dumps(asdict(evaluation.scores)) if json_output else describe(evaluation.scores))
    say(f"the run, with its plots: {folder}")


def run_demo(*, data_dir: Path, run_dir: Path, force: bool = False) -> "Evaluation":
    """Train the `demo` recipe and evaluate it on the test split, with plots, in `run_dir`.

    Takes the series in `data_dir`, or downloads it there; where neither is to be had, makes one up in
    `data_dir`/synthetic, so that no made-up file ever stands where the real one belongs.

    Raises:
        JenacastError: a step failed.
    """
    from jenacast.config import load_recipe
    from jenacast.data.download import CSV_NAME, download
    from jenacast.data.prepare import prepare
    from jenacast.data.prepared import FOLDER
    from jenacast.data.synthetic import synthetic_series, write_csv
    from jenacast.errors import UnreachableError
    from jenacast.evaluation.evaluate import evaluate
    from jenacast.evaluation.files import write_evaluation
    from jenacast.training.run import train

    folder, synthetic = data_dir, False
    if not (data_dir / CSV_NAME).exists():
        try:
            download(data_dir)
        except UnreachableError as error:
            say(f"warning: {error}")
            say("warning: NO REAL DATA: GOING ON WITH A SYNTHETIC SERIES; ITS FIGURES SAY NOTHING ABOUT JENA")
            folder, synthetic = data_dir / SYNTHETIC_FOLDER, True
            write_csv(folder / CSV_NAME, *synthetic_series(rows=SYNTHETIC_ROWS))
    if synthetic or not (folder / FOLDER).exists():
        prepare(folder, force=synthetic, synthetic=synthetic)
    outcome = train(load_recipe("demo"), data_dir=folder, run_dir=run_dir, force=force)
    evaluation = evaluate(Path(outcome.checkpoint), data_dir=folder)
    for file in write_evaluation(evaluation, run_dir):
        say(f"wrote {file}")
    return evaluation
