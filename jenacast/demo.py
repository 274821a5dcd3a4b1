"""The whole way in a few minutes: data, preparation, a small network, its judgement."""

import logging
from pathlib import Path

from jenacast.config import load_recipe
from jenacast.download import CSV_NAME, download
from jenacast.errors import UnreachableError
from jenacast.evaluation import Evaluation, evaluate
from jenacast.evaluation_files import write_evaluation
from jenacast.prepare import prepare
from jenacast.prepared import FOLDER
from jenacast.synthetic import synthetic_series, write_csv
from jenacast.training import train

logger = logging.getLogger(__name__)

SYNTHETIC_ROWS = 420_551  # as many as the real series has
SYNTHETIC_FOLDER = "synthetic"


def demo(*, data_dir: Path, run_dir: Path, force: bool = False) -> Evaluation:
    """Train the `demo` recipe and evaluate it on the test split, with plots, in `run_dir`.

    Takes the series in `data_dir`, or downloads it there; where neither is to be had, makes one up in
    `data_dir`/synthetic, so that no made-up file ever stands where the real one belongs.

    Raises:
        JenacastError: a step failed.
    """
    folder, synthetic = data_dir, False
    if not (data_dir / CSV_NAME).exists():
        try:
            download(data_dir)
        except UnreachableError as error:
            logger.warning("%s", error)
            logger.warning("NO REAL DATA: GOING ON WITH A SYNTHETIC SERIES; ITS FIGURES SAY NOTHING ABOUT JENA")
            folder, synthetic = data_dir / SYNTHETIC_FOLDER, True
            write_csv(folder / CSV_NAME, *synthetic_series(rows=SYNTHETIC_ROWS))
    if synthetic or not (folder / FOLDER).exists():
        prepare(folder, force=synthetic, synthetic=synthetic)
    outcome = train(load_recipe("demo"), data_dir=folder, run_dir=run_dir, force=force)
    evaluation = evaluate(Path(outcome.checkpoint), data_dir=folder)
    for file in write_evaluation(evaluation, run_dir):
        logger.info("wrote %s", file)
    return evaluation
