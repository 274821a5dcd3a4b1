"""How long a user waits before anything happens: `jenacast --help` against `import keras`, as whole processes.

The smallest of several runs of each, taken in turn, since a busy machine only ever adds time.
"""

import argparse
import json
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "jenacast --help": ["-m", "jenacast", "--help"],
    "jenacast download --help": ["-m", "jenacast", "download", "--help"],
    "import keras": ["-c", "import keras"],
}


def seconds(arguments: list[str]) -> float:
    """Run Python with these arguments, from start to end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()

    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(arguments.runs):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    best = {name: min(times) for name, times in taken.items()}
    ratio = best["import keras"] / best["jenacast --help"]
    if arguments.json:
        print(json.dumps({"seconds": best, "ratio": ratio}))
        return
    for name, value in best.items():
        print(f"{name:28}{value:>8.3f} s")
    print(f"{'import keras / help':28}{ratio:>8.1f}")


if __name__ == "__main__":
    main()
