"""`jenacast explain`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, TrustSavedModel, checkpoint_path, echo, is_given, say

Checkpoint = Annotated[
    Path, typer.Argument(metavar="CKPT", parser=checkpoint_path, help="A .keras file, a run folder or `pretrained`.")
]
SplitName = Annotated[Literal["val", "test"], typer.Option(help="Which windows of the prepared data.")]
Repeats = Annotated[int, typer.Option(min=1, max=100, help="How often each part is shuffled.")]
Plot = Annotated[Path | None, typer.Option(help="Picture of the result: .png, .svg or .pdf.")]


def explain(
    context: typer.Context,
    checkpoint: Checkpoint,
    split: SplitName = "val",
    repeats: Repeats = 3,
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

    Example: jenacast explain pretrained --plot columns.png
    """
    from jenacast.evaluation import plots
    from jenacast.evaluation.explain import HEADS, describe, explanation_file
    from jenacast.evaluation.explain import explain as run
    from jenacast.experiments.seeds import only_run
    from jenacast.files import atomic_path, refuse_existing, write_json
    from jenacast.plotting import check_suffix
    from jenacast.training.run_folder import data_of_run, is_run_dir

    path = only_run(checkpoint)
    if plot:
        check_suffix(plot)
        refuse_existing(plot, force=force)
    explanation = run(
        path,
        data_dir=data_dir if is_given(context, "data_dir") else data_of_run(path) or data_dir,
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
