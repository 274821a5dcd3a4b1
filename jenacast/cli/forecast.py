"""`jenacast forecast`."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Force, Json, TrustSavedModel, checkpoint_path, say
from jenacast.cli.times import parse_time
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.models import PRETRAINED
from jenacast.tables import Table, Value, columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jenacast.forecasting.forecast import Forecasts

SECONDS = {"m": 60, "h": 3600, "d": 86400}

At = Annotated[
    list[datetime] | None,
    typer.Option(
        parser=parse_time,
        metavar="TIME",
        help="Forecast from the last observation at or before this time instead of the newest, such as "
        "2016-06-22T08:00 or '22.06.2016 08:00:00'; repeatable.",
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        metavar="STEP",
        help="Forecast from the whole file, once in every step, such as 1h, 30m or 1d, back from the newest.",
    ),
]
MaxGap = Annotated[
    float, typer.Option(min=0, metavar="HOURS", help="Interpolate gaps up to this length; refuse longer ones.")
]
StationFiles = Annotated[
    list[Path], typer.Option("--csv", metavar="FILE", help="A station file, as published then or today; repeatable.")
]
Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="[CKPT]",
        parser=checkpoint_path,
        help="A .keras file, a run folder, or `pretrained`.",
        show_default="pretrained",
    ),
]


def forecast(
    csv: StationFiles,
    checkpoint: Checkpoint = PRETRAINED,
    at: At = None,
    every: Every = None,
    max_gap: MaxGap = 3.0,
    predictions: Annotated[Path | None, typer.Option(help="CSV file for every hour of every forecast.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the forecast: .png, .svg or .pdf.")] = None,
    trust_saved_model: TrustSavedModel = False,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Forecast the temperature 24 hours after the newest observation in station files.

    The network inside the package is used unless another checkpoint is named. Files are taken as the station in Jena
    publishes them: 10-minute or hourly rows, several at once, overlapping or out of order. All times are by the
    station's clock. The 50, 80 and 90 % intervals should hold the truth in that share of all cases.

    --json prints one object, or a list with --every or several --at.

    Example: jenacast forecast --csv mpi_roof_2026b.csv --plot tomorrow.png
    Example: jenacast forecast runs/lagged --csv june.csv --csv july.csv --every 1h --predictions forecasts.csv
    """
    import numpy as np

    from jenacast.experiments.seeds import only_run
    from jenacast.files import atomic_path, refuse_existing
    from jenacast.forecasting.files import as_json, draw_forecasts, write_forecasts
    from jenacast.forecasting.forecast import forecast as run
    from jenacast.plotting import check_suffix

    _refuse_usage(checkpoint, at, every, predictions, plot)
    every_s = None if every is None else _parse_step(every)
    writers = [(path, write) for path, write in ((predictions, write_forecasts), (plot, draw_forecasts)) if path]
    for path, _ in writers:
        refuse_existing(path, force=force)
    if plot:
        check_suffix(plot)
    times = [np.datetime64(time, "s") for time in at or []]
    made = run(
        only_run(checkpoint),
        csv,
        data_dir=data_dir,
        max_gap_hours=max_gap,
        at=times,
        every_s=every_s,
        trust_saved_model=trust_saved_model,
    )
    for path, write in writers:
        with atomic_path(path, force=force) as temporary:
            write(made, temporary)
        say(f"wrote {path}")
    if not json_output:
        typer.echo(_describe(made))
    elif every_s or len(times) > 1:
        _print_list(json.dumps(as_json(made, number)) for number in range(len(made)))
    else:
        typer.echo(json.dumps(as_json(made, 0)))


def _refuse_usage(
    checkpoint: Path, at: "Sequence[datetime] | None", every: str | None, predictions: Path | None, plot: Path | None
) -> None:
    """Refuse options that exclude each other."""
    if every is not None and at:
        raise typer.BadParameter("--every and --at exclude each other; give one of them")
    if plot and plot == predictions:
        raise typer.BadParameter(f"--plot and --predictions both name {plot}; give two files")
    if checkpoint.suffix == ".csv":  # what a shell makes of --csv *.csv
        raise typer.BadParameter(f"{checkpoint} is no checkpoint; repeat --csv before each station file")


def _parse_step(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text)
    if not match:
        raise typer.BadParameter(f"--every {text!r}: expected a number and m, h or d, such as 30m, 1h or 1d")
    return int(match[1]) * SECONDS[match[2]]


def _print_list(answers: "Iterable[str]") -> None:
    """A JSON list, one after the other: those of nine years would fill gigabytes."""
    for number, answer in enumerate(answers):
        typer.echo(f"{',' if number else '['}\n{answer}", nl=False)
    typer.echo("\n]")


def _describe(made: "Forecasts") -> str:
    """A line a forecast; times to the minute."""
    from jenacast.forecasting.observations import minute
    from jenacast.models.intervals import ENDS

    rows: list[list[Value]] = [
        [
            *(minute(made.last_observation[number]), minute(made.valid_at[number, -1]), made.temperature_c[number, -1]),
            *(tuple(made.ends_c[name][number, -1].tolist()) if made.ends_c else None for name in ENDS),
            made.baseline_c[number],
        ]
        for number in range(len(made))
    ]
    temperatures = columns("°C", *(f"{name} %" for name in ENDS), SAME_AS_NOW, form=".1f")
    table = Table([*columns("from", "for"), *temperatures], rows).as_text()
    return table + (f"\n{SYNTHETIC_WARNING}" if made.synthetic else "")
