"""`jenacast evaluate`."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json, say
from jenacast.cli.table import format_table

if TYPE_CHECKING:
    from jenacast.bootstrap import Interval
    from jenacast.evaluation import Scores


class SplitName(StrEnum):
    """The splits that may be evaluated."""

    test = "test"
    val = "val"


def evaluate(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CKPT...", help="A .keras file, a run folder, or `pretrained`; several are averaged."),
    ],
    split: Annotated[SplitName, typer.Option(help="Which windows of the prepared data.")] = SplitName.test,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Evaluate on all of this station file instead.", show_default=False)
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="Measure the difference to this one too.", show_default=False),
    ] = None,
    fit_blend: Annotated[
        bool, typer.Option("--fit-blend", help="Fit weights and an offset on validation, instead of a plain mean.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the scores (JSON) and the plots (PNG).", show_default=False)
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="CSV file for every forecast beside truth and baseline.", show_default=False)
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Measure a checkpoint, or the mean of several, against the baseline on the same windows.

    skill = 1 - MAE / baseline MAE. The 95 % intervals are a bootstrap over blocks of 7 days: what other days might
    have given, not what other seeds would. A difference whose interval holds 0 may be chance. For a checkpoint in
    its run folder, by itself, the scores and plots are added there; otherwise nothing is written unless --out or
    --predictions says where.

    Example: jenacast evaluate runs/stacked-gru-20260101-120000 --json
    Example: jenacast evaluate best/seed-0 best/seed-1 --against pretrained
    """
    from jenacast.evaluation import evaluate as run
    from jenacast.evaluation import write_evaluation, write_predictions
    from jenacast.files import refuse_existing
    from jenacast.rundir import is_run_dir

    if predictions:
        refuse_existing(predictions, force=force)
    evaluation = run(*checkpoints, data_dir=data_dir, split=split.value, csv_path=csv, against=against, fit=fit_blend)
    scores = evaluation.scores
    if predictions:
        write_predictions(evaluation, predictions)
        say(f"wrote {predictions}")
    home = Path(scores.checkpoint).parent
    is_own = is_run_dir(home) and len(checkpoints) == 1 and not (fit_blend or against)  # what `compare` may read
    folder = out or (home if is_own else None)
    if folder:
        for file in write_evaluation(evaluation, folder):
            say(f"wrote {file}")
    typer.echo(json.dumps(asdict(scores)) if json_output else describe(scores))


def describe(scores: "Scores") -> str:
    """The scores as a short table."""
    trained = scores.trained_protocol or "unknown"
    head = f"{scores.model} on {scores.split}: {scores.windows:,} windows; protocol {scores.protocol}, trained under "
    if scores.trained_on not in (None, "train"):
        trained += f" on {scores.trained_on}"
    if scores.windows_dropped:
        trained += f"; {scores.windows_dropped:,} windows lack hours of the {scores.needed_hours} needed"
    lines = [head + trained + ("; SYNTHETIC SERIES, not Jena" if scores.synthetic else "")]
    skill = f"{scores.skill:+.1%}"
    mine, baseline = _interval(scores.mae_ci95_c), _interval(scores.baseline_mae_ci95_c)
    rows = [
        [scores.model, f"{scores.mae_c:.3f}", mine, f"{scores.rmse_c:.3f}", f"{scores.bias_c:+.3f}", skill],
        ["the same as now", f"{scores.baseline_mae_c:.3f}", baseline, f"{scores.baseline_rmse_c:.3f}", "", "0.0%"],
        _difference(scores.difference_c, scores.difference_ci95_c),
    ]
    if scores.against is not None and scores.difference_to_against_c is not None:
        rows.append([scores.against, f"{scores.against_mae_c:.3f}", "", "", "", ""])
        rows.append(_difference(scores.difference_to_against_c, scores.difference_to_against_ci95_c))
    lines.append(format_table(["forecast", "MAE °C", "95 % interval", "RMSE °C", "bias °C", "skill"], rows))
    return "\n".join(lines)


def _difference(difference_c: float, interval: "Interval | None") -> list[str]:
    """The row below another forecast's: the checkpoint's MAE less that one's."""
    return ["difference to it", f"{difference_c:+.3f}", _interval(interval, "+"), "", "", ""]


def _interval(interval: "Interval | None", sign: str = "") -> str:
    """Its ends, or a dash where there are too few days for one."""
    return " .. ".join(f"{end:{sign}.3f}" for end in interval) if interval else "-"
