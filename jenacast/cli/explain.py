"""`jenacast explain`."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, TrustSavedModel, complete_checkpoint, echo, is_given, say
from jenacast.cli.times import parse_time
from jenacast.models import checkpoint_path

Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="CKPT",
        parser=checkpoint_path,
        autocompletion=complete_checkpoint,
        help="A .keras file, a run folder or `pretrained`.",
    ),
]
SplitName = Annotated[Literal["val", "test"], typer.Option(help="Which windows of the prepared data.")]
Repeats = Annotated[int, typer.Option(min=1, max=100, help="How often each part is shuffled.")]
At = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_time,
        metavar="TIME",
        help="Say what moved one forecast: from the last observation at or before this time in the files of --csv.",
    ),
]
StationFiles = Annotated[list[Path] | None, typer.Option("--csv", help="A station file for --at; repeatable.")]
Plot = Annotated[Path | None, typer.Option(help="Picture of the result: .png, .svg or .pdf.")]


def explain(
    context: typer.Context,
    checkpoint: Checkpoint,
    split: SplitName = "val",
    repeats: Repeats = 3,
    at: At = None,
    csv: StationFiles = None,
    plot: Plot = None,
    trust_saved_model: TrustSavedModel = False,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Show what a network looks at: how much the MAE rises where a part is shuffled.

    Shuffled are groups of columns, single columns, and hours of the history. A window gets the values of another time:
    of the same calendar month and hour of the day, as a whole history. Columns that are worked out of them follow. The
    calendar is turned. The present temperature that a forecast may be relative to stays.

    A column without effect may still tell of the weather: of columns that say nearly the same, a network needs one. The
    result is added to the checkpoint's run folder.

    With --at and --csv: which columns moved one forecast away from "the same as now". In turn they are as in the same
    season of other years, which the prepared train split holds.

    Example: jenacast explain pretrained --plot columns.png
    Example: jenacast explain pretrained --at 2026-07-20T18:00 --csv mpi_roof_2026b.csv
    """
    from jenacast.evaluation import plots
    from jenacast.evaluation.explain import HEADS, describe, explanation_file
    from jenacast.evaluation.explain import explain as run
    from jenacast.experiments.seeds import only_run
    from jenacast.files import atomic_path, refuse_existing, write_json
    from jenacast.plotting import check_suffix
    from jenacast.training.run_folder import data_of_run, is_run_dir

    if (at is None) != (not csv) or (at and plot):
        raise typer.BadParameter("--at and --csv go together, without --plot: what moved one forecast of a file")
    path = only_run(checkpoint)
    data_dir = data_dir if is_given(context, "data_dir") else data_of_run(path) or data_dir
    if at and csv:
        _explain_one(path, at, csv, data_dir, trust_saved_model=trust_saved_model, json_output=json_output)
        return
    if plot:
        check_suffix(plot)
        refuse_existing(plot, force=force)
    explanation = run(
        path,
        data_dir=data_dir,
        split=split,
        repeats=repeats,
        trust_saved_model=trust_saved_model,
    )
    file = Path(explanation.checkpoint)
    if is_run_dir(file.parent):
        kept = explanation_file(file, split)
        write_json(kept, asdict(explanation))
        say(f"wrote {kept}")
    if plot:
        found = {head: effects for kind, head in HEADS.items() if (effects := explanation.of_kind(kind))}
        with atomic_path(plot, force=force) as path:
            plots.effects(path, found, title=f"{explanation.label} on {split}", synthetic=explanation.synthetic)
        say(f"wrote {plot}")
    echo(json.dumps(asdict(explanation)) if json_output else describe(explanation))


def _explain_one(
    path: Path, at: datetime, csv: list[Path], data_dir: Path, *, trust_saved_model: bool, json_output: bool
) -> None:
    import numpy as np

    from jenacast.forecasting.moved import describe_moved, explain_forecast
    from jenacast.forecasting.newest import read_files

    files, source = read_files(csv, data_dir)
    moved = explain_forecast(
        path,
        files,
        at=np.datetime64(at, "s"),
        source=source,
        data_dir=data_dir,
        trust_saved_model=trust_saved_model,
    )
    echo(json.dumps(asdict(moved)) if json_output else describe_moved(moved))
