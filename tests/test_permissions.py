"""Files and folders that may not be read or written."""

import os
import shutil
import subprocess
import sys

import pytest
from test_disk import assert_one_message, snapshot

from jenacast.data.download import CSV_NAME

pytestmark = pytest.mark.system


@pytest.fixture
def ordinary():
    """The beginning of a command whose process has no right to pass over permissions, as root has."""
    if os.geteuid():
        return []
    dropped = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*dropped, "true"], check=False, timeout=30).returncode:
        pytest.skip("root's right to pass over permissions cannot be dropped here")
    return dropped


@pytest.fixture
def protect():
    """A function that takes rights away, to be given back at the end."""
    changed = []

    def protect(path, mode):
        changed.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield protect
    for path, mode in reversed(changed):
        path.chmod(mode)


PROTECTED = {
    "a CSV nobody may read": (["prepare", "--force"], f"data/{CSV_NAME}", 0o000, CSV_NAME),
    "a data folder nobody may write": (["prepare", "--force"], "data", 0o555, "data"),
    "prepared data nobody may read": (["baseline"], "data/prepared/manifest.json", 0o000, "manifest.json"),
    "values nobody may read": (["baseline"], "data/prepared/values.npy", 0o000, "values.npy"),
    "a run nobody may change": (["train", "--resume", "run", "--epochs", "3"], "run", 0o555, "run"),
    "a folder nobody may make a run in": (["train", "--model", "dense", "--run-dir", "run/new"], "run", 0o555, "run"),
    "a checkpoint nobody may read": (["evaluate", "run"], "run/best.keras", 0o000, "best.keras"),
    "scores that cannot be placed": (["evaluate", "run"], "run", 0o555, "run"),
}


@pytest.mark.parametrize("name", PROTECTED)
def test_a_missing_permission_is_told_and_changes_nothing(name, data_dir, trained_run, ordinary, protect, tmp_path):
    arguments, path, mode, told = PROTECTED[name]
    assert (data_dir, trained_run) == (tmp_path / "data", tmp_path / "run")
    before = snapshot(tmp_path)
    protect(tmp_path / path, mode)
    command = [*ordinary, sys.executable, "-m", "jenacast", *arguments]
    command += [] if "--resume" in arguments else ["--data-dir", "data"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    message = assert_one_message(done.returncode, done.stdout, done.stderr)
    assert "Permission denied" in message
    assert "Check the path, its permissions" in message
    assert told in message
    protect(tmp_path / path, 0o755)
    assert snapshot(tmp_path) == before


def test_prepared_data_in_a_read_only_folder_can_be_used(data_dir, ordinary, protect, tmp_path):
    protect(data_dir / "prepared", 0o555)
    protect(data_dir, 0o555)
    for command, told in (("prepare", "nothing to do"), ("baseline", "SYNTHETIC")):
        line = [*ordinary, sys.executable, "-m", "jenacast", command, "--data-dir", data_dir]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout + done.stderr
