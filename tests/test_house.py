"""Rules of the source: each stage imports only from those below it, and nothing runs a file from elsewhere."""

import ast
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


def dangers(source):
    """What a piece of source does that no file from elsewhere may be given to."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in {"pickle", "marshal", "shelve", "dill", "joblib"}]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in {"eval", "exec", "compile", "__import__"} or "unsafe" in name or name == "os.system":
            found.append(name)
        if keywords.get("shell", "False") != "False" or keywords.get("allow_pickle", "False") != "False":
            found.append(name)
        if name == "np.load" and "allow_pickle" not in keywords:
            found.append(name)
        if keywords.get("safe_mode", "True") != "True" or (name.endswith("load_model") and "safe_mode" not in keywords):
            found.append(name)
    return found


DANGEROUS = {
    "import pickle": "pickle",
    "from joblib import load": "joblib",
    "def f(x):\n    return eval(x)": "eval",
    "exec('1')": "exec",
    "np.load(path, allow_pickle=True)": "np.load",
    "np.load(path)": "np.load",
    "keras.models.load_model(path, safe_mode=False)": "keras.models.load_model",
    "keras.models.load_model(path)": "keras.models.load_model",
    "layer.from_config(c, safe_mode=safe)": "layer.from_config",
    "keras.config.enable_unsafe_deserialization()": "keras.config.enable_unsafe_deserialization",
    "subprocess.run(line, shell=True)": "subprocess.run",
}


def test_a_danger_in_source_is_seen():
    assert {source: dangers(source) for source in DANGEROUS} == {source: [name] for source, name in DANGEROUS.items()}


def test_the_package_hands_no_file_to_what_would_run_it():
    sources = sorted((ROOT / "jenacast").rglob("*.py"))
    assert sources
    found = {path.name: found for path in sources if (found := dangers(path.read_text(encoding="utf-8")))}
    assert found == {"own.py": ["exec", "compile"]}  # what the user has named on the command line
