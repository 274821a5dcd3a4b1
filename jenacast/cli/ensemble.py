"""`jenacast ensemble`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, FitBlend, Force, Json, complete_checkpoint, echo, say
from jenacast.models import checkpoint_path


def ensemble(
    members: Annotated[
        list[Path],
        typer.Argument(
            metavar="CKPT...",
            parser=checkpoint_path,
            autocompletion=complete_checkpoint,
            help=".keras files, run folders, folders of seeds.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.")] = Path("ensemble.keras"),
    name: Annotated[str, typer.Option(help="What tables call it.")] = "ensemble",
    fit_blend: FitBlend = False,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Write one checkpoint that forecasts the mean of several networks, and print its path.

    The members have to be fed alike: the same series, columns, history and target. The ensemble is measured on
    validation; `jenacast evaluate` and `export` take it like any checkpoint.

    Members that `train --refit` trained on held-out years too have seen everything. The years then calibrate the mean
    as they do each member: by the mean of those networks that have not seen the year.

    Example: jenacast ensemble runs/lagged/seed-* -o best.keras
    """
    from jenacast.evaluation.coverage import held_out_table
    from jenacast.experiments.ensemble import make_ensemble
    from jenacast.experiments.seeds import run_folders

    runs = [run for path in members for run in run_folders(path)]
    made = make_ensemble(runs, out, data_dir=data_dir, name=name, fit=fit_blend, force=force)
    answer = {
        "path": str(out),
        "model": made.model,
        "val_mae_c": made.val_mae_c,
        "held_out": [year.model_dump() for year in made.held_out],
        "members": [member.model_dump(exclude={"config"}) for member in made.members],
    }
    echo(json.dumps(answer) if json_output else str(out))
    if made.held_out:
        say(held_out_table(made.held_out).as_text())
