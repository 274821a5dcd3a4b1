"""The `jenacast` command: one thin file a subcommand, over plain functions that never print or exit.

stdout carries the answer alone, stderr everything else. Exit codes: 0 done, 1 known failure, 2 wrong
usage, 130 Ctrl-C, 143 SIGTERM. TensorFlow and pandas are imported inside command bodies, never here.
"""

import os
import sys
from importlib import import_module

from jenacast.cli.app import app, with_shared_options
from jenacast.cli.help import Command
from jenacast.evaluation import OVER_DAYS

__all__ = ["app", "main"]

# In the order of the help; each is a function in the file of its name
FIRST_STEPS = ("download", "prepare", "baseline", "models", "train", "evaluate", "ensemble", "export")
FORECASTS = ("info", "forecast", "record")
COMPARISONS = ("runs", "explain", "compare", "report", "backtest", "sweep", "sweep_report", "reproduce")
# What builds networks or loads them, and takes --code
NETWORKS = ("train", "evaluate", "ensemble", "export", "forecast", "explain", "compare", "report", "backtest", "sweep")
WITH_INTERVALS = ("evaluate", "compare", "backtest")  # their help ends in what such an interval means
for name in (*FIRST_STEPS, *FORECASTS, *COMPARISONS, "demo", "doctor"):
    epilog = OVER_DAYS if name in WITH_INTERVALS else None
    function = getattr(import_module(f"jenacast.cli.{name}"), name)
    app.command(cls=Command, epilog=epilog)(with_shared_options(function, takes_code=name in NETWORKS))


def _open_standard_streams() -> None:
    """Give a stream that the shell has closed, as `2>&-` does, to nobody: the next file opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(descriptor, "r" if number == 0 else "w"))


def main() -> None:
    """Run the command line; the console script's entry point."""
    _open_standard_streams()
    app(prog_name="jenacast")
