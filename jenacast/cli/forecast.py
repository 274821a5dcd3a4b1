"""`jenacast forecast`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import (
    DATA_DIR,
    DataDir,
    Force,
    Json,
    TrustSavedModel,
    complete_checkpoint,
    echo,
    say,
)
from jenacast.cli.times import parse_step, parse_time
from jenacast.errors import CheckpointError
from jenacast.forecasting import MAX_GAP_HOURS, RECORD
from jenacast.models import FOR_TOMORROW, checkpoint_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np

    from jenacast.forecasting.forecast import Forecasts

    Writer = tuple[Path, Callable[[Forecasts, Path], None]]

STATION_FILES = (".csv", ".gz", ".txt", ".zip")  # suffixes; whatever ends otherwise is a checkpoint
WHAT_ELSE = f"a station file ends in {', '.join(STATION_FILES)}, or stands after --csv"

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
Named = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CKPT|FILE",
        autocompletion=complete_checkpoint,
        help="A checkpoint: a .keras file, a run folder or `pretrained`. Station files: .csv, .csv.gz, .txt or .zip.",
        show_default=f"{FOR_TOMORROW}, and the newest hours",
    ),
]
MoreFiles = Annotated[list[Path] | None, typer.Option("--csv", metavar="FILE", help="A station file of any name.")]
Keep = Annotated[
    bool, typer.Option("--keep", help="Keep it in DATA_DIR/record.sqlite; `jenacast record` judges it by what came.")
]
Page = Annotated[
    Path | None,
    typer.Option(help="HTML page of the forecast, the last days and the record; a page of before is renewed."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Without files: take what was fetched before.")]


def forecast(
    named: Named = None,
    csv: MoreFiles = None,
    offline: Offline = False,
    at: At = None,
    every: Every = None,
    max_gap: MaxGap = MAX_GAP_HOURS,
    keep: Keep = False,
    predictions: Annotated[Path | None, typer.Option(help="CSV file for every hour of every forecast.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the forecast: .png, .svg or .pdf.")] = None,
    page: Page = None,
    trust_saved_model: TrustSavedModel = False,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Forecast the temperature of the next 24 hours from the newest observation of the station in Jena.

    Without files the station's newest hours are fetched, at most once in ten minutes. Files are taken as the station
    publishes them: 10-minute or hourly rows, several at once, overlapping or out of order. Unless another
    checkpoint is named, the network is `pretrained-all`, which has learnt from every year there was; `pretrained` has
    seen four years alone, 2009 to 2012, and is the one to judge on others.

    All times are by the station's clock. The 50, 80 and 90 % intervals should hold the truth in that share of all
    cases. Where the files hold what came after --at or --every, it stands beside the forecast.

    --json prints one object, or a list with --every or several --at.

    Example: jenacast forecast --plot tomorrow.png
    Example: jenacast forecast --keep --page tomorrow.html
    Example: jenacast forecast mpi_roof_2026b.zip --at 2026-07-20T18:00
    Example: jenacast forecast runs/lagged june.csv july.csv --every 1h --predictions forecasts.csv
    """
    import numpy as np

    from jenacast.experiments.seeds import only_run
    from jenacast.forecasting.forecast import forecast as run
    from jenacast.forecasting.newest import read_files

    checkpoint, paths = _tell_apart(named or [], csv or [])
    _refuse_usage(paths, offline, at, every, predictions, plot, page)
    every_s = None if every is None else parse_step(every)
    writers = _writers(predictions, plot, page, force)
    checkpoint = only_run(checkpoint)
    if not checkpoint.exists():
        raise CheckpointError(f"{checkpoint} not found; expected a checkpoint; {WHAT_ELSE}")
    files, source = read_files(paths, data_dir, offline=offline)
    made = run(
        checkpoint,
        files,
        source=source,
        data_dir=data_dir,
        max_gap_hours=max_gap,
        at=[np.datetime64(time, "s") for time in at or []],
        every_s=every_s,
        trust_saved_model=trust_saved_model,
    )
    now, record = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s"), data_dir / RECORD
    if keep:
        _keep(made, record, now)
    _write(made, writers, force)
    is_list = every_s is not None or len(at or []) > 1
    _answer(made, None if paths else now, is_list=is_list, json_output=json_output, page=page, record=record)


def _writers(predictions: Path | None, plot: Path | None, page: Path | None, force: bool) -> "list[Writer]":
    """The files that are wanted and what writes them, after none of them is refused."""
    from jenacast.files import refuse_existing
    from jenacast.forecasting.files import draw_forecasts, write_forecasts
    from jenacast.plotting import check_suffix

    both: list[tuple[Path | None, Callable[[Forecasts, Path], None]]] = [
        (predictions, write_forecasts),
        (plot, draw_forecasts),
    ]
    writers = [(path, write) for path, write in both if path]
    for path, _ in writers:
        refuse_existing(path, force=force)
    if page:
        from jenacast.report.tomorrow import refuse_foreign_page

        refuse_foreign_page(page, force=force)
    if plot:
        check_suffix(plot)
    return writers


def _write(made: "Forecasts", writers: "Sequence[Writer]", force: bool) -> None:
    from jenacast.files import atomic_path

    for path, write in writers:
        with atomic_path(path, force=force) as temporary:
            write(made, temporary)
        say(f"wrote {path}")


def _keep(made: "Forecasts", record: Path, now: "np.datetime64") -> None:
    from jenacast.forecasting.record import keep

    say(f"{keep(record, made, utc=now):,} hours added to {record}")


def _answer(
    made: "Forecasts",
    utc: "np.datetime64 | None",
    *,
    is_list: bool,
    json_output: bool,
    page: Path | None,
    record: Path,
) -> None:
    """Print the forecasts and write the page; `utc` is the present time where the newest hours were asked for."""
    from jenacast.forecasting.files import as_json
    from jenacast.forecasting.newest import tell_age
    from jenacast.forecasting.screen import describe, describe_many
    from jenacast.forecasting.summary import summarise

    if utc is not None:
        tell_age(made.observations.series.times[-1], utc)
    if is_list and json_output:
        _print_list(json.dumps(as_json(summarise(made, number, utc=utc))) for number in range(len(made)))
    elif is_list:
        echo(describe_many(made))
    else:
        said = summarise(made, utc=utc)
        if page:
            from jenacast.report.tomorrow import write_forecast_page

            write_forecast_page(made, said, record, page)
            say(f"wrote {page}")
        echo(json.dumps(as_json(said)) if json_output else describe(said))


def _tell_apart(named: "Sequence[str]", csv: "Sequence[Path]") -> tuple[Path, list[Path]]:
    """The checkpoint and the station files among the arguments."""
    files = [text for text in named if text.lower().endswith(STATION_FILES) and not Path(text).is_dir()]
    others = [text for text in named if text not in files]
    if len(others) > 1:
        raise typer.BadParameter(f"{' and '.join(others[:2])} would both be checkpoints, and one is taken; {WHAT_ELSE}")
    return checkpoint_path(others[0] if others else FOR_TOMORROW), [*map(Path, files), *csv]


def _refuse_usage(
    paths: "Sequence[Path]",
    offline: bool,
    at: "Sequence[datetime] | None",
    every: str | None,
    predictions: Path | None,
    plot: Path | None,
    page: Path | None,
) -> None:
    """Refuse options that exclude each other."""
    from jenacast.forecasting.plots import MOST_PANELS

    if offline and paths:
        raise typer.BadParameter(f"--offline and {paths[0]} exclude each other: files are never fetched")
    if every is not None and at:
        raise typer.BadParameter("--every and --at exclude each other; give one of them")
    if plot and plot == predictions:
        raise typer.BadParameter(f"--plot and --predictions both name {plot}; give two files")
    if page and (every is not None or len(at or []) > 1):
        raise typer.BadParameter("--page shows one forecast; leave --every and further times of --at out")
    if plot and len(at or []) > MOST_PANELS:
        raise typer.BadParameter(f"--plot shows up to {MOST_PANELS} times of --at; give fewer, or --every")


def _print_list(answers: "Iterable[str]") -> None:
    """A JSON list, one after the other: those of nine years would fill gigabytes."""
    for number, answer in enumerate(answers):
        echo(f"{',' if number else '['}\n{answer}", nl=False)
    echo("\n]")
