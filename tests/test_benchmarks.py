import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.parametrize(
    ("script", "arguments", "key"),
    [
        (
            "input_pipeline.py",
            ["--rows", "20000", "--short-rows", "9000", "--long-rows", "30000", "--keras-batches", "5"],
            "ratio",
        ),
        ("startup.py", ["--runs", "1"], "ratio"),
    ],
)
def test_each_benchmark_prints_one_object(script, arguments, key):
    command = [sys.executable, BENCHMARKS / script, *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)[key] > 1


def test_every_benchmark_is_tried_here():
    parametrised = test_each_benchmark_prints_one_object.pytestmark[0].args[1]
    assert {row[0] for row in parametrised} == {path.name for path in BENCHMARKS.glob("*.py")}
