"""`jenacast export`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jenacast.cli.app import Force, Json, complete_checkpoint, echo, say
from jenacast.errors import install_extra
from jenacast.models import ExportFormat, checkpoint_path, packaged_name


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            parser=checkpoint_path,
            autocompletion=complete_checkpoint,
            help="A run folder or a checkpoint.",
        ),
    ],
    form: Annotated[ExportFormat, typer.Option("--format", help=f"onnx needs: {install_extra('onnx')}")],
    complete: Annotated[
        bool,
        typer.Option("--complete", help="The whole forecast, from measured values to °C; savedmodel and onnx alone."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="The folder to make.", show_default="export-<format>[-complete], beside the checkpoint"
        ),
    ] = None,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Write a checkpoint in another format, with jenacast.json beside it, and print the folder.

    The export is read back and must forecast the same as the checkpoint, within 0.00001 °C. `jenacast evaluate`
    takes the folder like any checkpoint; a SavedModel, which can hold any code, with --trust-saved-model.
    --force replaces an export alone, never another folder.

    With --complete the file takes what the station measured, and the time, and gives °C with the quantiles of the
    intervals, within 0.001 °C of `jenacast forecast`. Other programs run it without jenacast (docs/serving.md).

    Example: jenacast export runs/stacked-gru-20260101-120000 --format onnx
    """
    if complete and form not in ("savedmodel", "onnx"):
        raise typer.BadParameter(f"--complete writes savedmodel or onnx, received --format {form}")
    from jenacast.experiments.seeds import only_run
    from jenacast.models.export import export as write

    run = only_run(run)
    beside = Path() if packaged_name(run) else run if run.is_dir() else run.parent
    folder = out or beside / f"export-{form}{'-complete' * complete}"
    difference_c = write(run, form, folder, complete=complete, force=force)
    say(f"read back: its forecasts differ by {difference_c:.1g} °C at most")
    answer = {"path": str(folder), "format": form, "complete": complete, "max_difference_c": difference_c}
    echo(json.dumps(answer) if json_output else str(folder))
