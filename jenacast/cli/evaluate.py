"""`jenacast evaluate`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Force, Json, say
from jenacast.cli.table import format_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jenacast.evaluation.bootstrap import Interval
    from jenacast.evaluation.coverage import IntervalScores
    from jenacast.evaluation.evaluate import Scores
    from jenacast.evaluation.groups import Group


class SplitName(StrEnum):
    """The splits that may be evaluated."""

    test = "test"
    val = "val"


class ByName(StrEnum):
    """What the windows may be grouped by."""

    month = "month"
    season = "season"
    hour = "hour"
    year = "year"
    change = "change"
    lead = "lead"


class FormatName(StrEnum):
    """The formats of pictures."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def evaluate(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CKPT...", help="A .keras file, a run folder, or `pretrained`; several are averaged."),
    ],
    split: Annotated[SplitName, typer.Option(help="Which windows of the prepared data.")] = SplitName.test,
    csv: Annotated[
        list[Path] | None,
        typer.Option("--csv", help="Evaluate on all of this station file instead; repeatable.", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="CKPT", help="Measure the difference to this one too.", show_default=False),
    ] = None,
    fit_blend: Annotated[
        bool, typer.Option("--fit-blend", help="Fit weights and an offset on validation, instead of a plain mean.")
    ] = False,
    by: Annotated[
        list[ByName] | None,
        typer.Option(help="Where it errs: the errors of each group too; repeatable.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the scores (JSON) and the pictures.", show_default=False)
    ] = None,
    form: Annotated[
        FormatName, typer.Option("--format", help="Of the pictures: png and svg for screens, pdf for print.")
    ] = FormatName.png,
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
    its run folder, by itself, the scores and pictures are added there; otherwise nothing is written unless --out or
    --predictions says where.

    A checkpoint that gives intervals is judged by how often they hold the truth, how wide they are, and by the CRPS.
    --by lead shows the error of each hour of the next day, for networks that say all of them.

    Example: jenacast evaluate runs/stacked-gru-20260101-120000 --json
    Example: jenacast evaluate pretrained --by season --by lead --out pictures
    Example: jenacast evaluate best/seed-0 best/seed-1 --against pretrained
    """
    from jenacast.evaluation.evaluate import evaluate as run
    from jenacast.evaluation.files import as_json, group_errors, write_evaluation, write_predictions
    from jenacast.files import refuse_existing
    from jenacast.training.run_folder import is_run_dir

    if predictions:
        refuse_existing(predictions, force=force)
    evaluation = run(
        *checkpoints, data_dir=data_dir, split=split.value, csv_paths=csv or [], against=against, fit=fit_blend
    )
    scores, groups = evaluation.scores, group_errors(evaluation, [each.value for each in by or []])
    if predictions:
        write_predictions(evaluation, predictions)
        say(f"wrote {predictions}")
    home = Path(scores.checkpoint).parent
    is_own = is_run_dir(home) and len(checkpoints) == 1 and not (fit_blend or against)  # what `compare` may read
    folder = out or (home if is_own else None)
    if folder:
        for file in write_evaluation(evaluation, folder, groups, form=form.value):
            say(f"wrote {file}")
    if json_output:
        typer.echo(json.dumps(as_json(evaluation, groups)))
        return
    typer.echo("\n\n".join([describe(scores), *(_describe_groups(by, found) for by, found in groups.items())]))


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
    if scores.intervals:
        lines += ["", _describe_intervals(scores.intervals)]
    return "\n".join(lines)


def _describe_intervals(scores: "IntervalScores") -> str:
    rows = [
        [f"{name} %", f"{covered:.1%}", f"{scores.width_c[name]:.2f}", f"{scores.pinball_c[name]:.3f}"]
        for name, covered in scores.coverage.items()
    ]
    table = format_table(["interval", "holds the truth in", "mean width °C", "pinball loss °C"], rows)
    return f"{table}\nCRPS {scores.crps_c:.3f} °C"


def _describe_groups(by: str, groups: "Sequence[Group]") -> str:
    header = [by, "windows", "MAE °C", "95 % interval", "baseline °C", "skill", "bias °C"]
    covered = list(groups[0].coverage or {})
    rows = [
        [
            *(group.label, f"{group.windows:,}", f"{group.mae_c:.3f}", _interval(group.mae_ci95_c)),
            *(f"{group.baseline_mae_c:.3f}", "-" if group.skill is None else f"{group.skill:+.1%}"),
            f"{group.bias_c:+.3f}",
            *(f"{(group.coverage or {})[name]:.1%}" for name in covered),
        ]
        for group in groups
    ]
    return format_table([*header, *(f"in {name} %" for name in covered)], rows)


def _difference(difference_c: float, interval: "Interval | None") -> list[str]:
    """The row below another forecast's: the checkpoint's MAE less that one's."""
    return ["difference to it", f"{difference_c:+.3f}", _interval(interval, "+"), "", "", ""]


def _interval(interval: "Interval | None", sign: str = "") -> str:
    """Its ends, or a dash where there are too few days for one."""
    return " .. ".join(f"{end:{sign}.3f}" for end in interval) if interval else "-"
