"""What pruning saves, in one run: the same trials of a small space without it, and with each of the pruners.

All sweeps have the same trials, drawn by chance, so that they differ in nothing but what is ended early. The cost is
counted in epochs, and in seconds of CPU with everything else that a trial takes. Whether the best validation MAE is the
same is judged by what other seeds of the best trial give.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

from jenacast.sweep import Pruner
from jenacast.sweep.results import SweepResult
from jenacast.sweep.run import sweep
from jenacast.sweep.space import Space
from jenacast.sweep.space_file import load_space
from jenacast.sweep.study import SweepRequest
from jenacast.training.run import train

SPACE = """
name = "pruning"
recipe = "lagged"
data.history_hours = 25  # all that the network looks at

[train]
epochs = {epochs}
batch_size = 1024
seed = 2
learning_rate = {{ low = 0.0001, high = 0.02, log = true }}
loss = {{ choices = ["mae", "huber", "mse"] }}

[model]
units = {{ choices = [64, 128, 256] }}
dropout = {{ low = 0.0, high = 0.75 }}
noise = {{ low = 0.0, high = 1.0 }}
"""


def run_sweep(space: Space, pruner: Pruner, trials: int, data_dir: Path, folder: Path) -> tuple[SweepResult, float]:
    """A whole sweep, and the seconds of CPU that it took."""
    request = SweepRequest(space, trials, 1, "random", pruner, data_dir, folder / pruner)
    began = time.process_time()
    return sweep(request), time.process_time() - began


def describe(pruner: Pruner, result: SweepResult, cpu_s: float) -> dict[str, Any]:
    """What a sweep cost and found."""
    best = result.complete[0]
    return {
        "pruner": pruner,
        "epochs": sum(trial.epochs for trial in result.trials),
        "cpu_s": cpu_s,
        "complete": len(result.complete),
        "best_trial": best.number,
        "best_val_mae_c": best.val_mae_c,
    }


def spread_c(
    space: Space, best: dict[str, Any], result: SweepResult, seeds: int, data_dir: Path, folder: Path
) -> float:
    """The deviation of the best trial's validation MAE over its own and more seeds."""
    params = result.trials[best["best_trial"]].params
    maes_c: list[float] = [best["best_val_mae_c"]]
    for seed in range(space.first_seed + 1, space.first_seed + seeds):
        config = space.config(params, f"{space.name}-seed-{seed}")
        config = config.model_copy(update={"train": config.train.model_copy(update={"seed": seed})})
        outcome = train(config, data_dir=data_dir, run_dir=folder / f"seed-{seed}")
        maes_c += [outcome.val_mae_c] if outcome.val_mae_c is not None else []
    return statistics.stdev(maes_c)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="prepared")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=27)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pruners", nargs="+", choices=get_args(Pruner), default=["halving", "median", "hyperband"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "space.toml").write_text(SPACE.format(epochs=options.epochs), encoding="utf-8")
        space = load_space(folder / "space.toml")
        whole, cpu_s = run_sweep(space, "none", options.trials, options.data_dir, folder)
        sweeps = [describe("none", whole, cpu_s)]
        for pruner in options.pruners:
            sweeps.append(describe(pruner, *run_sweep(space, pruner, options.trials, options.data_dir, folder)))
        deviation_c = spread_c(space, sweeps[0], whole, options.seeds, options.data_dir, folder)
    if options.json:
        print(json.dumps({"sweeps": sweeps, "deviation_c": deviation_c}))
        return
    first = sweeps[0]
    print("| pruner | whole trials | epochs | of none | CPU s | of none | best validation MAE °C | more than none |")
    print("|---|---|---|---|---|---|---|---|")
    for each in sweeps:
        print(
            f"| {each['pruner']} | {each['complete']} | {each['epochs']} | {each['epochs'] / first['epochs']:.2f} "
            f"| {each['cpu_s']:.0f} | {each['cpu_s'] / first['cpu_s']:.2f} | {each['best_val_mae_c']:.4f} "
            f"| {each['best_val_mae_c'] - first['best_val_mae_c']:.4f} |"
        )
    print(f"\n{options.trials} trials; deviation of the best one over {options.seeds} seeds: {deviation_c:.4f} °C")


if __name__ == "__main__":
    main()
