import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ALONE = {
    "startup.py": ["--runs", "1", "--rows", "1400"],
    "training_loop.py": ["--rows", "20000", "--steps", "20", "--rounds", "1", "--recipes", "1"],
}
# Those that `gpu.sh` runs, cut short, are tried by it.
BY_GPU_SCRIPT = {
    "epoch.py": ("EPOCH", "--rows 9000 --recipes dense"),
    "recurrent_step.py": ("STEP", "--steps 2 --units 4 --peers no-python"),
    "input_pipeline.py": ("PIPELINE", "--rows 20000 --short-rows 9000 --long-rows 30000 --keras-batches 5"),
}
# The shared task, and PyTorch's side, which runs where PyTorch is.
NO_BENCHMARKS = {"task.py", "torch_step.py"}


def run_alone(script):
    command = [sys.executable, BENCHMARKS / script, *ALONE[script], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    return json.loads(done.stdout)


def test_startup_prints_one_object():
    answer = run_alone("startup.py")
    assert answer["ratio"] > 1
    assert answer["evaluate_over_import"] > 1


def test_training_loop_prints_one_object():
    (ways,) = run_alone("training_loop.py")["ms"].values()
    assert len(ways) == 4
    assert all(milliseconds > 0 for milliseconds in ways.values())


def test_all_figures_of_a_gpu_box_go_into_one_file(tmp_path):
    """The script itself; without a GPU it says so and takes the CPU's."""
    out = tmp_path / "gpu.json"
    environment = os.environ | dict(BY_GPU_SCRIPT.values()) | {"PYTHON": sys.executable}
    command = ["bash", BENCHMARKS / "gpu.sh", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment, check=False)
    assert done.returncode == 0, done.stderr
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
