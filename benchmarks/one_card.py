"""Whole trainings of `stacked-gru` on one card, as processes: jenacast's way, Keras' own layers, two at once.

Each is `jenacast train` from its start to its end, on a made-up 10-minute series, with the engine that `auto` takes
and with Keras' layers, whose recurrent dropout rules cuDNN out. Two at once share the card: twice the work in less
than twice the time is a gain. The card's memory is what `nvidia-smi` shows at its highest, with the memory growth
that jenacast asks for and without it; None without a card. On a machine without one all of it runs on the CPU.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series, write_csv

RECIPE = "stacked-gru"
POLL_SECONDS = 0.2
WITHOUT_GROWTH = {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}
MEMORY = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]


def used_mb() -> int | None:
    """The memory of the fullest card that is in use now, MiB; None without `nvidia-smi`."""
    if not shutil.which(MEMORY[0]):
        return None
    said = subprocess.run(MEMORY, capture_output=True, text=True, check=False).stdout.split()
    return max((int(word) for word in said if word.isdigit()), default=None)


def trainings(folder: Path, count: int, options: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run `count` trainings at once, into run folders of their own, and watch the card's memory."""
    before, began = used_mb(), time.perf_counter()
    highest = before
    command = [sys.executable, "-m", "jenacast", "train", "--quiet", "--data-dir", str(folder), *options]
    runs = [Path(tempfile.mkdtemp(dir=folder)) for _ in range(count)]
    started = [
        subprocess.Popen([*command, "--run-dir", str(run)], env=os.environ | environment, stdout=subprocess.DEVNULL)
        for run in runs
    ]
    while any(process.poll() is None for process in started):
        time.sleep(POLL_SECONDS)
        highest = max(filter(None, (highest, used_mb())), default=None)
    seconds = time.perf_counter() - began
    if failed := [process.returncode for process in started if process.returncode]:
        raise SystemExit(f"{' '.join(command)} failed with exit code {failed[0]}; its reason is above")
    record, outcome = (json.loads((runs[0] / name).read_text()) for name in ("run.json", "metrics.json"))
    return {
        "seconds": seconds,
        "seconds_of_epochs": outcome["seconds"],
        "kernel": record["kernel"],
        "device": record["device"],
        "memory_mb": None if highest is None or before is None else highest - before,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=420_551, help="rows of the series, ten minutes apart")
    parser.add_argument("--epochs", type=int, default=2, help="of each training")
    parser.add_argument("--set", action="append", default=[], help="a setting of the trainings, such as model.units=64")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    options = ["--model", RECIPE, "--epochs", str(arguments.epochs)]
    options += [word for setting in arguments.set for word in ("--set", setting)]
    keras = [*options, "--set", "model.engine=keras"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / CSV_NAME, *synthetic_series(rows=arguments.rows, warts=False))
        prepare(folder, synthetic=True)
        ways = {
            "jenacast": trainings(folder, 1, options, {}),
            "jenacast, without memory growth": trainings(folder, 1, options, WITHOUT_GROWTH),
            "jenacast, two at once": trainings(folder, 2, options, {}),
            "Keras' layers": trainings(folder, 1, keras, {}),
        }
    ours_s = ways["jenacast"]["seconds"]
    ratios = {
        "keras_over_jenacast": ways["Keras' layers"]["seconds"] / ours_s,
        "work_of_two_at_once": 2 * ours_s / ways["jenacast, two at once"]["seconds"],
    }
    if arguments.json:
        print(json.dumps({"epochs": arguments.epochs, "ways": ways, **ratios}))
        return
    for way, of in ways.items():
        memory = "" if of["memory_mb"] is None else f"{of['memory_mb']:>8,} MiB"
        print(f"{way:34}{of['seconds']:>9.1f} s  {of['kernel']} on {of['device']}{memory}")
    for name, ratio in ratios.items():
        print(f"{name.replace('_', ' '):34}{ratio:>9.2f}")


if __name__ == "__main__":
    main()
