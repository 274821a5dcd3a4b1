import functools
import gc
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer.testing
from spoil import snapshot
from typer.testing import CliRunner

from jenacast.cli import app

pytest.register_assert_rewrite(
    "archive_site",
    "data_folders",
    "download_server",
    "forecasts",
    "held_out_runs",
    "made_sweeps",
    "networks",
    "runs",
    "settings_texts",
)
pytest_plugins = ["data_folders", "made_sweeps", "networks", "settings_texts"]
for pool in ("INTRAOP", "INTEROP"):  # of TensorFlow: each core has a process of the tests already
    os.environ.setdefault(f"TF_NUM_{pool}_THREADS", "1")
typer.testing._get_command = functools.cache(typer.testing._get_command)  # else it is built for each command anew
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's `&` lets it be ignored, and so would every child
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup():
    """Let no collection look at what TensorFlow's import left: Keras asks for one before every network."""
    if "keras" in sys.modules and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


BLANK = {"png": b"\x89PNG\r\n\x1a\n", "svg": b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "pdf": b"%PDF-1.4"}


@pytest.fixture(autouse=True)
def _drawing(request, monkeypatch):
    """Pictures are drawn in tests with the mark `pictures` alone; elsewhere a blank file takes their place."""

    def blank(figure, path, **options):
        Path(path).write_bytes(BLANK[options["format"]])

    if not request.node.get_closest_marker("pictures"):
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", blank)


def refused(done, *texts):
    """The command failed as a known failure, and its message, the last thing it said, tells all of this."""
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1
    message = done.stderr.split("error: ")[-1]
    assert all(text in message for text in texts), message


def files(*folders):
    """All files below these folders, by their path: their content."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def real_series():
    """The real hourly CSV, or a skip."""
    name = os.environ.get("JENACAST_TEST_SERIES")
    if not name:
        pytest.skip("JENACAST_TEST_SERIES does not name the real hourly series")
    return Path(name)


@pytest.fixture(scope="session")
def later_files():
    """Real station files of later years, or a skip."""
    name = os.environ.get("JENACAST_TEST_LATER")
    if not name:
        pytest.skip("JENACAST_TEST_LATER does not name the folder of real later files")
    return sorted(Path(name).glob("mpi_roof_*"))


def forget_handlers():
    """Take those of a command that has ended off the log: they write to a stream that is closed now."""
    logging.getLogger("jenacast").handlers.clear()


@pytest.fixture(autouse=True)
def _no_handlers_of_earlier_tests():
    forget_handlers()


@pytest.fixture
def jenacast():
    """A function that runs a command in this process: `.exit_code`, `.stdout`, `.stderr`."""

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        forget_handlers()
        return result

    return run


@pytest.fixture
def ask(jenacast, _synthetic_data_dir):
    """A function that runs a command on the series of `data_dir` and returns its JSON answer."""

    def run(*arguments):
        done = jenacast(*arguments, "--data-dir", _synthetic_data_dir, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run


@pytest.fixture
def jenacast_process():
    """A function that runs a command as a real process: `.returncode`, `.stdout`, `.stderr`."""

    def run(*arguments, **options):
        command = [sys.executable, "-m", "jenacast", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)

    return run


@pytest.fixture
def assert_refused(jenacast, tmp_path, monkeypatch):
    """A function that runs a command, sees it refused in one message and nothing changed on disk, and returns that."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path)

    def refuse(arguments, told=(), code=1):
        before = snapshot(tmp_path)
        done = jenacast(*arguments)
        assert done.exit_code == code, done.output
        assert isinstance(done.exception, SystemExit)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        message = " ".join(done.stderr.split()) if code == 2 else done.stderr
        assert message.count("Error" if code == 2 else "error: ") == 1
        missing = [text for text in told if text not in message]
        assert not missing, message
        assert snapshot(tmp_path) == before
        return message

    return refuse


@pytest.fixture
def refused_checkpoint(assert_refused, data_dir):
    """A function that evaluates a file, sees it refused as `assert_refused` does, and returns the message."""
    return lambda path: assert_refused(["evaluate", path, "--data-dir", data_dir])


@pytest.fixture
def scores(jenacast):
    """A function that evaluates a checkpoint and returns the JSON answer."""

    def evaluate(*arguments):
        done = jenacast("evaluate", *arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return evaluate


@pytest.fixture
def said(caplog):
    """A function that gives what was logged, as (level, text)."""
    caplog.set_level(logging.INFO, logger="jenacast")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.fixture
def fake_nvidia_smi(tmp_path, monkeypatch):
    """A function that puts a shell script before others on PATH as `nvidia-smi`."""

    def fake(script):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return fake
