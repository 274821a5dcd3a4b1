"""How long a user waits, as whole processes: `jenacast --help` against `import keras`, and `evaluate` end to end.

The smallest of several runs of each, taken in turn, since a busy machine only ever adds time. `evaluate` reads a
prepared hourly series as long as the real one, loads a checkpoint of two GRU layers, forecasts the test split, and
writes scores and plot; the series is made up, since its values do not matter.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.training.run import train

JENACAST = ["-m", "jenacast"]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "jenacast --help": [*JENACAST, "--help"],
    "jenacast download --help": [*JENACAST, "download", "--help"],
    "import keras": ["-c", "import keras"],
}
EVALUATE = "jenacast evaluate"


def place_run(folder: Path, rows: int) -> list[str]:
    """Prepared data and a checkpoint in `folder`; the arguments that evaluate it."""
    data, run = folder / "data", folder / "run"
    data.mkdir()
    write_csv(data / CSV_NAME, *synthetic_series(rows=rows, step_minutes=60, warts=False))
    prepare(data, synthetic=True)
    train(load_recipe("stacked-gru", ["train.epochs=1", "train.batch_size=4096"]), data_dir=data, run_dir=run)
    return [*JENACAST, "evaluate", str(run), "--data-dir", str(data), "--force"]


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
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        commands = COMMANDS | {EVALUATE: place_run(Path(folder), arguments.rows)}
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                taken[name].append(seconds(command))
    best = {name: min(times) for name, times in taken.items()}
    ratio = best["import keras"] / best["jenacast --help"]
    beyond = best[EVALUATE] / best["import keras"]
    if arguments.json:
        print(json.dumps({"seconds": best, "ratio": ratio, "evaluate_over_import": beyond}))
        return
    for name, value in best.items():
        print(f"{name:28}{value:>8.3f} s")
    print(f"{'import keras / help':28}{ratio:>8.1f}")
    print(f"{'evaluate / import keras':28}{beyond:>8.1f}")


if __name__ == "__main__":
    main()
