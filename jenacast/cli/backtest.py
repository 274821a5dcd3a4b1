"""`jenacast backtest`."""

import json
import re
from dataclasses import asdict
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import (
    DATA_DIR,
    Assignments,
    ConfigFile,
    DataDir,
    Force,
    Json,
    ModelName,
    echo,
    run_dir_option,
    say,
)
from jenacast.cli.times import parse_time
from jenacast.cli.train import load_settings
from jenacast.data import SYNTHETIC_WARNING
from jenacast.errors import command
from jenacast.tables import SKILL, Column, Table, Value, columns

if TYPE_CHECKING:
    import numpy as np

    from jenacast.experiments.backtest import Backtest
    from jenacast.experiments.folds import FoldScores


MIDNIGHT = time()


def backtest(
    model: ModelName = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="DATE", help="Where the first test period begins: 2012, 2012-07, 2012-07-15, 15.07.2012."
        ),
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="STEP", help="How long a period is: 1y, 6m.", show_default="1y")
    ] = None,
    run_dir: Annotated[Path | None, run_dir_option("runs/backtest-<model>-<date>-<time>")] = None,
    resume: Annotated[Path | None, typer.Option(metavar="DIR", help="Continue this backtest.")] = None,
    data_dir: DataDir = DATA_DIR,
    force: Force = False,
    json_output: Json = False,
) -> None:
    """Test a recipe on one period after the other, each time trained on all that came before.

    Every fold is trained anew: tested on one step from --from on, validated on the step before it, trained on
    everything before that, a year at least. The last fold ends with the series; a period cut short by it counts
    from 56 days with windows on. Histories may begin before their period, so that its first days are forecast too.

    Each fold is a folder named by its first test day, with data and run, for the other commands: jenacast compare
    A/2012-01-01/run B/2012-01-01/run. Beside them are backtest.json and backtest.png. `all` is over the windows
    of all folds, and so are its intervals. The difference is the MAE less the baseline's.

    A backtest that was stopped or killed continues with --resume DIR.

    Example: jenacast backtest --model lagged --from 2012 --step 1y
    """
    from jenacast.experiments.backtest import backtest as run
    from jenacast.experiments.backtest import resume_backtest
    from jenacast.training.run_folder import chosen_run_dir

    if resume is not None:
        if any((model, config, assignments, first, step, run_dir, force)):
            raise typer.BadParameter("--resume takes everything from the backtest")
        done = resume_backtest(resume)
    else:
        begin, months = parse_day(first), parse_step("1y" if step is None else step)
        settings = load_settings(model, config, assignments or [])
        with chosen_run_dir(run_dir, f"backtest-{settings.name}") as folder:
            done = run(settings, data_dir=data_dir, first=begin, step_months=months, folder=folder, force=force)
    echo(json.dumps(asdict(done)) if json_output else describe(done))
    last = Path(done.folds[-1].run)
    hint = command("jenacast", "evaluate", last, "--data-dir", last.parent)
    say(f"kept in {done.folder}; to look into a fold: {hint}")


def describe(done: "Backtest") -> str:
    """The errors of each fold and of the windows of all folds, and how each was trained."""
    heads = [Column("test"), Column("windows", ",")]
    heads += columns("MAE", "95 % interval", "baseline", form=".3f")
    heads += [SKILL, *columns("bias", "interval of bias", "difference", "its interval", form="+.3f")]
    names = [f"{fold.test_first_time[:10]} to {fold.test_last_time[:10]}" for fold in done.folds]
    each_errors = [*map(_errors, done.folds), _errors(done)]
    rows = [[name, *errors] for name, errors in zip([*names, "all"], each_errors, strict=True)]
    table = Table(heads, rows)
    trained = [Column("test"), Column("train windows", ","), Column("epochs"), Column("validation MAE", ".3f", "°C")]
    each_training = [[fold.train_windows, fold.epochs, fold.val_mae_c] for fold in done.folds]
    training = Table(trained, [[name, *figures] for name, figures in zip(names, each_training, strict=True)])
    warning = f"; {SYNTHETIC_WARNING}" if done.synthetic else ""
    return "\n".join(
        [
            f"{done.model}, protocol {done.protocol}; errors in °C{warning}",
            table.pick("test", "windows", "MAE", "95 % interval", "baseline", "skill").as_text(),
            "\nbias, and MAE less the baseline's, with 95 % intervals",
            table.pick("test", "bias", "interval of bias", "difference", "its interval").as_text(),
            f"\n{training.as_text()}",
        ]
    )


def _errors(of: "Backtest | FoldScores") -> list[Value]:
    errors: list[Value] = [of.test_windows, of.test_mae_c, of.test_mae_ci95_c, of.baseline_mae_c, of.skill]
    return [*errors, of.test_bias_c, of.test_bias_ci95_c, of.difference_c, of.difference_ci95_c]


def parse_day(text: str | None) -> "np.datetime64":
    """The first day of a year, of a month, or a day itself."""
    import numpy as np

    try:
        if re.fullmatch(r"\d{4}(-\d\d)?", text or "", flags=re.ASCII):
            return np.datetime64(text, "D")
        time = parse_time(text or "")
        if time.time() == MIDNIGHT:
            return np.datetime64(time.date(), "D")
    except (ValueError, typer.BadParameter):  # no such month or day, or no time at all
        pass
    received = "none" if text is None else repr(text)
    raise typer.BadParameter(
        f"--from: expected a year or a day such as 2012, 2012-07, 2012-07-15 or 15.07.2012, received {received}"
    )


def parse_step(text: str) -> int:
    """Months in a step."""
    match = re.fullmatch(r"([1-9]\d?)([ym])", text, flags=re.ASCII)
    if not match:
        raise typer.BadParameter(f"--step: expected years or months such as 1y, 6m or 3m, received {text!r}")
    return int(match[1]) * (12 if match[2] == "y" else 1)
