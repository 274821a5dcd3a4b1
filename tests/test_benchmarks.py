import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# The shared task, and PyTorch's side, which runs where PyTorch is.
NO_BENCHMARKS = {"task.py", "torch_step.py"}


@pytest.mark.parametrize(
    ("script", "arguments", "path"),
    [
        (
            "input_pipeline.py",
            ["--rows", "20000", "--short-rows", "9000", "--long-rows", "30000", "--keras-batches", "5"],
            ["ratio"],
        ),
        ("startup.py", ["--runs", "1", "--rows", "1400"], ["ratio"]),
        (
            "training_loop.py",
            ["--rows", "20000", "--steps", "20", "--rounds", "1", "--recipes", "1"],
            ["ms", "dense, keras", "as jenacast trains"],
        ),
        ("epoch.py", ["--rows", "9000", "--recipes", "dense"], ["recipes", "dense", "ratio"]),
        (
            "recurrent_step.py",
            ["--units", "4", "--steps", "3", "--peers", "no-python"],
            ["cells", "gru", "keras_over_jenacast"],
        ),
    ],
)
def test_each_benchmark_prints_one_object(script, arguments, path):
    command = [sys.executable, BENCHMARKS / script, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    value = json.loads(done.stdout)
    for key in path:
        value = value[key]
    assert value > (0 if script == "training_loop.py" else 1)  # milliseconds; else a ratio


def test_every_benchmark_is_tried_here():
    parametrised = test_each_benchmark_prints_one_object.pytestmark[0].args[1]
    assert {row[0] for row in parametrised} == {path.name for path in BENCHMARKS.glob("*.py")} - NO_BENCHMARKS


def test_on_a_gpu_all_figures_go_into_one_file(tmp_path):
    """The script itself, with benchmarks cut short and without a GPU, which it says."""
    out = tmp_path / "gpu.json"
    short = {
        "EPOCH": "--rows 9000 --recipes dense",
        "STEP": "--steps 1 --units 4",
        "PIPELINE": "--rows 20000 --short-rows 9000 --long-rows 30000",
    }
    environment = os.environ | short | {"PYTHON": sys.executable}
    command = ["bash", BENCHMARKS / "gpu.sh", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(out.read_text())
    assert set(answer) == {"doctor", "recurrent_step", "epoch", "input_pipeline"}
    if not answer["doctor"]["gpus"]:
        assert "no GPU" in done.stderr
