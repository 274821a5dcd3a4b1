import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jenacast.prepare import prepare
from jenacast.synthetic import synthetic_series

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ALONE = {
    "peers.py": ["--quick", "--peers", "no-python"],
    "startup.py": ["--runs", "1", "--rows", "1400"],
    "time_to_accuracy.py": ["--recipes", "best", "--book-epochs", "0", "--target", "99"],
    "training_loop.py": ["--rows", "20000", "--steps", "20", "--rounds", "1", "--recipes", "1"],
}
# Those that `gpu.sh` runs, cut short, are tried by it.
BY_GPU_SCRIPT = {
    "epoch.py": ("EPOCH", "--rows 9000 --recipes dense"),
    "recurrent_step.py": ("STEP", "--steps 1 --units 4 --peers no-python"),
    "input_pipeline.py": ("PIPELINE", "--rows 20000 --short-rows 9000 --long-rows 30000 --keras-batches 5"),
}
# The shared task, and the peers' side, which runs where the peers are.
NO_BENCHMARKS = {"task.py", "torch_step.py", "peers_fit.py"}


def run_alone(script, *where):
    command = [sys.executable, BENCHMARKS / script, *where, *ALONE[script], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    return json.loads(done.stdout)


def test_startup_prints_one_object():
    answer = run_alone("startup.py")
    assert answer["ratio"] > 1
    assert answer["evaluate_over_import"] > 1


def test_peers_prints_one_object():
    rows = run_alone("peers.py")["rows"]
    maes = {row["forecast"]: row["test_mae_c"] for row in rows}
    assert maes["jenacast, ridge"] < maes["the same as now"] < maes["jenacast, climatology"]


def test_training_loop_prints_one_object():
    (ways,) = run_alone("training_loop.py")["ms"].values()
    assert len(ways) == 4
    assert all(milliseconds > 0 for milliseconds in ways.values())


def test_time_to_accuracy_prints_one_object(place_csv):
    folder = place_csv(*synthetic_series(rows=17_600, step_minutes=60, warts=False))  # a year of them trains
    prepare(folder, protocol="book", synthetic=True)
    answer = run_alone("time_to_accuracy.py", folder)
    best = answer["ways"]["best"]
    assert (best["reached"], best["at"]) == (True, "epoch 1")
    assert best["val_mae_c"] < 99
    assert answer["fastest_s"] == best["seconds"] > 0


def test_all_figures_of_a_gpu_box_go_into_one_file(tmp_path):
    """The script itself; without a GPU it says so and takes the CPU's."""
    out = tmp_path / "gpu.json"
    environment = os.environ | dict(BY_GPU_SCRIPT.values()) | {"PYTHON": sys.executable}
    command = ["bash", BENCHMARKS / "gpu.sh", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("measuring speed, a few seconds\n")  # all that `jenacast doctor` says there
    answer = json.loads(out.read_text())
    assert set(answer) == {"doctor", *(name.removesuffix(".py") for name in BY_GPU_SCRIPT)}
    assert answer["input_pipeline"]["ratio"] > 1
    assert answer["epoch"]["recipes"]["dense"]["ratio"] > 1
    assert answer["recurrent_step"]["cells"]["gru"]["ms"]["keras"] > 0
    if not answer["doctor"]["gpus"]:
        assert "no GPU" in done.stderr


@pytest.mark.parametrize("script", sorted({path.name for path in BENCHMARKS.glob("*.py")} - NO_BENCHMARKS))
def test_every_benchmark_is_tried_here(script):
    assert script in ALONE or script in BY_GPU_SCRIPT
