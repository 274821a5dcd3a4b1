"""`jenacast demo`: all steps in a few minutes."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, echo, run_dir_option, say

logger = logging.getLogger(__name__)

SYNTHETIC_ROWS = 420_551  # as many as the real series has
SYNTHETIC_FOLDER = "synthetic"


def demo(
    run_dir: Annotated[Path | None, run_dir_option("runs/demo-<date>-<time>")] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Run all steps in a few minutes: download, preparation, a small network, its evaluation and pictures.

    Uses the series in DATA_DIR or downloads it; if neither is possible, it makes a synthetic one and says so.

    Example: jenacast demo
    """
    from jenacast.config import load_recipe
    from jenacast.evaluation.evaluate import evaluate
    from jenacast.evaluation.files import write_evaluation
    from jenacast.evaluation.table import describe
    from jenacast.training.run import train
    from jenacast.training.run_folder import chosen_run_dir

    data_dir = _prepared(data_dir)
    with chosen_run_dir(run_dir, "demo") as folder:
        outcome = train(load_recipe("demo"), data_dir=data_dir, run_dir=folder, force=force)
    evaluation = evaluate(Path(outcome.checkpoint), data_dir=data_dir)
    for file in write_evaluation(evaluation, folder):
        say(f"wrote {file}")
    echo(json.dumps(asdict(evaluation.scores)) if json_output else describe(evaluation.scores))
    say(f"the run, with its pictures: {folder}")


def _prepared(data_dir: Path) -> Path:
    """Where prepared data are: `data_dir`, or its folder of a synthetic series if the real one is not available."""
    from jenacast.data.download import CSV_NAME, download
    from jenacast.data.prepare import prepare
    from jenacast.data.prepared import FOLDER
    from jenacast.data.synthetic import synthetic_series, write_csv
    from jenacast.errors import UnreachableError

    if not (data_dir / CSV_NAME).exists():
        try:
            download(data_dir)
        except UnreachableError as error:
            logger.warning("%s", error)
            logger.warning("NO REAL DATA: CONTINUING WITH A SYNTHETIC SERIES; ITS FIGURES SAY NOTHING ABOUT JENA")
            folder = data_dir / SYNTHETIC_FOLDER  # never where the real file belongs
            write_csv(folder / CSV_NAME, *synthetic_series(rows=SYNTHETIC_ROWS))
            prepare(folder, force=True, synthetic=True)
            return folder
    if not (data_dir / FOLDER).exists():
        prepare(data_dir)
    return data_dir
