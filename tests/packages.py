"""pip, for tests that need an environment of their own."""

import subprocess
import sys

import pytest

UNREACHABLE = (
    "No matching distribution found",
    "Could not find a version",
    "NewConnectionError",
    "No module named pip",
)


def pip(*arguments):
    """Run pip; skip the test where it reaches no registry."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    if done.returncode and any(text in done.stderr for text in UNREACHABLE):
        pytest.skip(f"pip cannot have what is needed: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
