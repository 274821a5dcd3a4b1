"""The `jenacast` command: one thin file a subcommand, over plain functions that never print or exit.

stdout carries the answer alone, stderr everything else. Exit codes: 0 done, 1 known failure, 2 wrong
usage, 130 Ctrl-C, 143 SIGTERM. TensorFlow and pandas are imported inside command bodies, never here.
"""

from jenacast.cli import (
    backtest,
    baseline,
    compare,
    demo,
    doctor,
    download,
    ensemble,
    evaluate,
    export,
    forecast,
    models,
    prepare,
    report,
    reproduce,
    sweep,
    sweep_report,
    train,
)
from jenacast.cli.app import app

__all__ = ["app", "main"]

app.command()(download.download)
app.command()(prepare.prepare)
app.command()(baseline.baseline)
app.command()(models.models)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(ensemble.ensemble)
app.command()(forecast.forecast)
app.command()(export.export)
app.command()(compare.compare)
app.command()(report.report)
app.command()(backtest.backtest)
app.command()(sweep.sweep)
app.command()(sweep_report.sweep_report)
app.command()(reproduce.reproduce)
app.command()(demo.demo)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line; the console script's entry point."""
    app(prog_name="jenacast")
