"""`jenacast evaluate`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jenacast.cli.app import (
    DATA_DIR,
    DataDir,
    FitBlend,
    Force,
    Json,
    TrustSavedModel,
    complete_checkpoint,
    echo,
    is_given,
    say,
)
from jenacast.errors import command
from jenacast.models import checkpoint_path
from jenacast.plotting import Format

if TYPE_CHECKING:
    from jenacast.evaluation.evaluate import Evaluation, Scores
    from jenacast.evaluation.files import Groups


class ByName(StrEnum):
    """What the windows may be grouped by; Typer takes no list of Literals."""

    month = "month"
    season = "season"
    hour = "hour"
    year = "year"
    change = "change"
    lead = "lead"


Groupings = Annotated[
    list[ByName] | None, typer.Option(help="Where it errs: the errors of each group too; repeatable.")
]
Checkpoints = Annotated[
    list[Path],
    typer.Argument(
        metavar="CKPT...",
        parser=checkpoint_path,
        autocompletion=complete_checkpoint,
        help="A .keras file, a run folder, one of seeds, `pretrained` or `pretrained-all`; several are averaged.",
    ),
]
SplitName = Annotated[Literal["test", "val"], typer.Option(help="Which windows of the prepared data.")]
StationFiles = Annotated[
    list[Path] | None, typer.Option("--csv", help="Evaluate on all of this station file instead; repeatable.")
]
Against = Annotated[
    Path | None,
    typer.Option(
        metavar="CKPT",
        parser=checkpoint_path,
        autocompletion=complete_checkpoint,
        help="Measure the difference to this one too.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the scores and the pictures.")]
Form = Annotated[Format, typer.Option("--format", help="Of the pictures: png and svg for screens, pdf for print.")]
Predictions = Annotated[Path | None, typer.Option(help="CSV file for every forecast beside truth and baseline.")]


def evaluate(
    context: typer.Context,
    checkpoints: Checkpoints,
    split: SplitName = "test",
    csv: StationFiles = None,
    against: Against = None,
    fit_blend: FitBlend = False,
    by: Groupings = None,
    out: Out = None,
    form: Form = "png",
    predictions: Predictions = None,
    trust_saved_model: TrustSavedModel = False,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Measure a checkpoint, or the mean of several, against the baseline on the same windows.

    skill = 1 - MAE / baseline MAE. The 95 % intervals come from a bootstrap over blocks of 7 days: other days, not
    other seeds. A difference whose interval holds 0 may be chance. The scores and pictures of one checkpoint are added
    to its run folder; otherwise --out or --predictions says where. Without --data-dir the first run names its data.

    A checkpoint that gives intervals is judged by how often they hold the truth, how wide they are, and by the CRPS.
    --by lead shows the error of each hour of the next day, for networks that forecast all of them.

    Example: jenacast evaluate runs/stacked-gru-20260101-120000 --json
    Example: jenacast evaluate pretrained --by season --by lead --out pictures
    Example: jenacast evaluate lagged/seed-0 lagged/seed-1 --against pretrained
    """
    from jenacast.evaluation.evaluate import evaluate as run
    from jenacast.evaluation.files import as_json, write_evaluation, write_predictions
    from jenacast.evaluation.groups import errors_by, group_table
    from jenacast.evaluation.table import describe
    from jenacast.experiments.seeds import only_run
    from jenacast.files import atomic_path, refuse_existing
    from jenacast.training.run_folder import data_of_run

    if predictions:
        refuse_existing(predictions, force=force)
    paths = _each_run(checkpoints)
    evaluation = run(
        *paths,
        data_dir=data_dir if is_given(context, "data_dir") else data_of_run(paths[0]) or data_dir,
        split=split,
        csv_paths=csv or [],
        against=only_run(against) if against else None,
        fit=fit_blend,
        trust_saved_model=trust_saved_model,
    )
    groups: Groups = {each.value: errors_by(evaluation.leads, each.value) for each in by or []}
    if predictions:
        with atomic_path(predictions, force=force) as path:
            write_predictions(evaluation.judged, path)
        say(f"wrote {predictions}")
    is_alone = len(paths) == 1 and not (fit_blend or against)  # what `compare` may read
    if folder := out or (_run_of(evaluation) if is_alone else None):
        for file in write_evaluation(evaluation, folder, groups, form=form):
            say(f"wrote {file}")
    shown = [
        describe(evaluation.scores, _why_no_intervals(evaluation.scores)),
        *(group_table(by, found).as_text() for by, found in groups.items()),
    ]
    echo(json.dumps(as_json(evaluation, groups)) if json_output else "\n\n".join(shown))


def _each_run(checkpoints: list[Path]) -> list[Path]:
    """The checkpoints, a folder of seeds as its runs."""
    from jenacast.experiments.seeds import run_folders

    paths = [each for path in checkpoints for each in run_folders(path)]
    if len(paths) > len(checkpoints):
        say(f"evaluating the mean of {len(paths)} networks; `jenacast compare` judges each seed")
    return paths


def _run_of(evaluation: "Evaluation") -> Path | None:
    """The run folder that the checkpoint lies in."""
    from jenacast.training.run_folder import is_run_dir

    folder = Path(evaluation.scores.checkpoint).parent
    return folder if is_run_dir(folder) else None


def _why_no_intervals(scores: "Scores") -> str | None:
    """The reason that lies in the checkpoint's run; None where there is none."""
    from jenacast.training.run_folder import METRICS, read_outcome, resume_words

    run = Path(scores.checkpoint).parent
    if scores.members or scores.trained_on != "train" or not (run / METRICS).is_file() or read_outcome(run).finished:
        return None
    return f"its run is not finished; continue it: {command('jenacast', 'train', *resume_words(run))}"
