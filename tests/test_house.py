"""The order of the stages: each imports only from those below it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def lint_imports(tmp_path):
    """A function that checks the contracts on a copy of the package, in which a file has one more line at its end."""

    def run(file, line):
        shutil.copytree(
            ROOT / "jenacast", tmp_path / "jenacast", ignore=shutil.ignore_patterns("__pycache__", "*.keras")
        )
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        with (tmp_path / "jenacast" / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
        command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    return run


def test_the_package_keeps_its_contracts(lint_imports):
    done = lint_imports("errors.py", "# nothing")
    assert done.returncode == 0, done.stdout
    assert "2 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("data/series.py", "from jenacast.features import encoding", "data moves one way"),
        ("evaluation/metrics.py", "from jenacast.training import run", "data moves one way"),
        (
            "models/build.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from jenacast.training.run import train",
            "data moves one way",
        ),
        ("data/windows.py", "from jenacast.data import prepared", "no circles"),
    ],
    ids=["upwards", "evaluating imports a trainer", "for types alone", "a circle within a stage"],
)
def test_a_planted_wrong_import_is_found(lint_imports, file, line, contract):
    done = lint_imports(file, line)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout
