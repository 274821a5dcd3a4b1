"""How long a user waits, as whole processes, beside `import keras`: the smallest of several runs of each, in turn.

A busy machine only ever adds time, hence the smallest. `forecast` and `evaluate` are of the network in the package:
from a station file of a month, and on the test split of a prepared hourly series as long as the real one, with scores
and pictures. A training is ended after its first step, compiled and done. `report` is of three runs and `compare` of
ten, evaluated before. The series are made up, since their values do not matter.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jenacast.config import load_recipe, with_train
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.evaluation.evaluate import evaluate
from jenacast.evaluation.files import write_evaluation
from jenacast.training.run import train
from jenacast.training.run_folder import write_config

JENACAST = ["-m", "jenacast"]
KERAS, HELP, EVALUATE = "import keras", "jenacast --help", "jenacast evaluate pretrained"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    HELP: [*JENACAST, "--help"],
    "jenacast download --help": [*JENACAST, "download", "--help"],
    KERAS: ["-c", KERAS],
}
MONTH_ROWS = 720
# `jenacast ...` that ends when the first step of a training is done; what follows a step waits for it on a GPU too
TO_FIRST_STEP = [
    "-c",
    """
import os
from jenacast.cli import main
from jenacast.training.learner import Learner
step = Learner.train_batch
def only_step(self, inputs, targets):
    step(self, inputs, targets)
    self.epoch_means()
    os._exit(0)
Learner.train_batch = only_step
main()
""",
]


def place(folder: Path, rows: int, ten_minute_rows: int) -> dict[str, list[str]]:
    """Data and runs in `folder`; the commands on them."""
    data, runs, long, month = folder / "data", folder / "runs", folder / "long", folder / "month.csv"
    data.mkdir()
    long.mkdir()
    write_csv(month, *synthetic_series(rows=MONTH_ROWS, step_minutes=60, warts=False))
    write_csv(long / CSV_NAME, *synthetic_series(rows=ten_minute_rows, warts=False))
    write_csv(data / CSV_NAME, *synthetic_series(rows=rows, step_minutes=60, warts=False))
    prepare(data, synthetic=True)
    place_runs(data, runs)
    ten = [str(runs / f"seed-{seed}") for seed in range(10)]
    where, out = ["--data-dir", str(data)], folder / "out"
    to_step = [*TO_FIRST_STEP, "train", *where, "--run-dir", str(folder / "new"), "--force", "--model"]
    return {
        "jenacast forecast pretrained": [*JENACAST, "forecast", "pretrained", str(month)],
        EVALUATE: [*JENACAST, "evaluate", "pretrained", *where, "--out", str(out), "--force"],
        "jenacast train, dense, to its first step": [*to_step, "dense"],
        "jenacast train, stacked-gru, to its first step": [*to_step, "stacked-gru"],
        "jenacast report of three runs": [*JENACAST, "report", *ten[:3], "--out", str(folder / "r.html"), "--force"],
        "jenacast compare of ten runs": [*JENACAST, "compare", *ten],
        f"jenacast prepare of {ten_minute_rows:,} rows": [*JENACAST, "prepare", "--data-dir", str(long), "--force"],
    }


def place_runs(data: Path, runs: Path) -> None:
    """Ten seeds of one network, as far as a comparison can tell: copies of one run."""
    config, first = load_recipe("dense", ["train.epochs=2"]), runs / "seed-0"
    train(config, data_dir=data, run_dir=first)
    write_evaluation(evaluate(first, data_dir=data), first)
    for seed in range(1, 10):
        copy = Path(shutil.copytree(first, runs / f"seed-{seed}"))
        write_config(copy, with_train(config, seed=seed))


def seconds(arguments: list[str]) -> float:
    """Run Python with these arguments, from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--rows", type=int, default=70_092, help="hourly rows of the series that is evaluated")
    parser.add_argument("--ten-minute-rows", type=int, default=420_551, help="rows of the series that is prepared")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        commands = COMMANDS | place(Path(folder), arguments.rows, arguments.ten_minute_rows)
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                taken[name].append(seconds(command))
    best = {name: min(times) for name, times in taken.items()}
    over = {name: value / best[KERAS] for name, value in best.items()}
    ratio = best[KERAS] / best[HELP]
    if arguments.json:
        answer = {"seconds": best, "over_import": over, "ratio": ratio, "evaluate_over_import": over[EVALUATE]}
        print(json.dumps(answer))
        return
    for name, value in best.items():
        print(f"{name:50}{value:>8.3f} s{over[name]:>8.2f} times import keras")
    print(f"{'import keras / help':50}{ratio:>8.1f}")


if __name__ == "__main__":
    main()
