"""Locks: what they take for a lock file, and how one waits for a folder."""

import os
import subprocess
import sys

import pytest

from jenacast.errors import InUseError, JenacastError
from jenacast.locks import folder_lock, process_lock


@pytest.mark.parametrize("kind", ["link", "dangling link", "second name", "notes", "pipe"])
def test_what_is_no_lock_file_is_refused_and_left_as_it_is(tmp_path, kind):
    lock, mine = tmp_path / "train.lock", tmp_path / "mine"
    if kind != "dangling link":
        mine.write_text("12" if kind == "second name" else "mine")
    if "link" in kind:
        lock.symlink_to(mine)
    else:
        make = {"second name": lambda: os.link(mine, lock), "notes": lambda: mine.rename(lock)}
        make.get(kind, lambda: os.mkfifo(lock))()
    before = {path: path.lstat() for path in tmp_path.iterdir()}
    with pytest.raises(JenacastError, match="is no file that jenacast wrote to lock"), process_lock(lock):
        pass
    assert {path: path.lstat() for path in tmp_path.iterdir()} == before


def test_a_held_lock_names_its_holder_and_one_left_behind_is_taken_over(tmp_path):
    lock = tmp_path / "train.lock"
    lock.write_text("123456789")
    with process_lock(lock):
        assert lock.read_text() == f"{os.getpid()}\n"
        with pytest.raises(InUseError, match=f"by process {os.getpid()}; .*kill {os.getpid()}"), process_lock(lock):
            pass
    assert not lock.exists()


WAIT = """
import logging, signal, sys
from pathlib import Path
from jenacast.locks import folder_lock

def stop(*about):
    raise SystemExit(7)

signal.signal(signal.SIGTERM, stop)
logging.basicConfig(level=logging.INFO, format="%(message)s")
with folder_lock(Path(sys.argv[1])):
    print("held")
"""


def test_waiting_for_a_folder_is_said_and_ends_with_a_signal(tmp_path):
    with folder_lock(tmp_path):
        command = [sys.executable, "-c", WAIT, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr.readline() == f"waiting for another process, which is writing in {tmp_path}\n"
        process.terminate()
        assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 7
