import errno
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jenacast import files
from jenacast.errors import ExistsError
from jenacast.files import atomic_folder, atomic_path, clear_leftovers, open_regular, read_regular, write_json


class Crash(BaseException):
    """Passes every `except Exception`, as Ctrl-C does."""


def write_and_fail(path, error):
    path.write_text("half")
    raise error


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_appears_whole_when_it_is_done(tmp_path, before):
    target = tmp_path / "folder" / "model.keras"
    if before:
        target.parent.mkdir()
        target.write_text(before)
    with atomic_path(target) as path:
        assert path.suffix == ".keras"
        assert path.parent == target.parent
        path.write_text("new")
        assert (target.read_text() if target.exists() else None) == before
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, Crash])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as path:
        write_and_fail(path, error)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_may_replace_the_temporary_file(tmp_path):
    target = tmp_path / "model.keras"
    with atomic_path(target) as path:
        (tmp_path / "elsewhere").write_text("new")
        (tmp_path / "elsewhere").replace(path)
    assert target.read_text() == "new"


def test_new_files_have_the_usual_permissions(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from jenacast.files import *; os.umask(0o027)\n"
        "with atomic_path(Path(sys.argv[1]) / 'a.txt') as p: p.write_text('x')\n"
        "with atomic_folder(Path(sys.argv[1]) / 'f') as p: (p / 'b').write_text('x')\n"
        "assert os.umask(0) == 0o027"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o750


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("can_swap", [False, True])
def test_a_folder_appears_whole_when_it_is_done(tmp_path, monkeypatch, exists, can_swap):
    if not can_swap:
        monkeypatch.setattr(files, "exchange", lambda *paths: False)
    target = tmp_path / "prepared"
    if exists:
        target.mkdir()
        (target / "old").write_text("old")
    with atomic_folder(target) as new:
        (new / "a").write_text("a")
        assert not (target / "a").exists()
        assert target.exists() == exists
    assert [path.name for path in target.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, Crash])
def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path, error):
    target = tmp_path / "prepared"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(error), atomic_folder(target) as new:
        write_and_fail(new / "a", error)
    assert (target / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, Crash])
def test_where_folders_cannot_be_swapped_the_old_one_comes_back_when_the_new_one_fails(tmp_path, monkeypatch, error):
    monkeypatch.setattr(files, "exchange", lambda *paths: False)
    target = tmp_path / "prepared"
    target.mkdir()
    (target / "old").write_text("old")
    rename = files.Path.rename

    def fail_for_the_new(path, to):
        if path.name == "new":
            raise error
        return rename(path, to)

    monkeypatch.setattr(files.Path, "rename", fail_for_the_new)
    with pytest.raises(error), atomic_folder(target) as new:
        (new / "a").write_text("new")
    assert (target / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_came_meanwhile_is_not_overwritten_without_force(tmp_path, monkeypatch, has_links):
    def refuse(*paths):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(files.os, "link", refuse)
    target = tmp_path / "forecast.csv"
    with atomic_path(target, force=False) as path:
        path.write_text("ours")
    assert target.read_text() == "ours"
    late = tmp_path / "late"
    late.write_text("theirs")
    with pytest.raises(ExistsError, match="exists; --force overwrites it"), atomic_path(target, force=False):
        pass
    with pytest.raises(ExistsError, match="exists; --force overwrites it"):
        files._place_new(late, target)  # as if it came after the last look
    assert target.read_text() == "ours"
    assert sorted(tmp_path.iterdir()) == [target, late]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_never_replaced(tmp_path, kind):
    target, elsewhere = tmp_path / "out.csv", tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    {"link": lambda: target.symlink_to(elsewhere), "pipe": lambda: os.mkfifo(target), "folder": target.mkdir}[kind]()
    before = target.lstat()
    for force in (False, True):
        with pytest.raises(ExistsError, match="is not a regular file"), atomic_path(target, force=force):
            pass
    assert target.lstat() == before
    assert elsewhere.read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("name", ["n" * 251 + ".csv", "n." + "s" * 253])
def test_a_name_of_255_bytes_is_written_and_a_longer_one_refused_before_the_work(tmp_path, name):
    with atomic_path(tmp_path / name) as path:
        path.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"
    with pytest.raises(OSError, match="too long"):
        files.refuse_existing(tmp_path / "missing" / f"{name}x", force=True)


def test_leftovers_are_cleared_and_nothing_else(tmp_path):
    mine = [tmp_path / name for name in (".prepared-original", ".best-original.keras", ".jenacast-notes.txt")]
    for path in mine:
        path.write_text("mine")
    (tmp_path / f"{files.TEMPORARY}abcd1234.keras").write_text("half")
    (tmp_path / f"{files.TEMPORARY}abcd1234" / "new").mkdir(parents=True)
    clear_leftovers(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(mine)


KILLED = """
import sys, time; from pathlib import Path; from jenacast.files import atomic_path
with atomic_path(Path(sys.argv[1]) / "table.csv") as path: print(path, flush=True); path.write_text(""); time.sleep(60)
"""
LATER = "import sys; from pathlib import Path; from jenacast.files import write_json; write_json(Path(sys.argv[1]), 1)"


def test_what_a_killed_process_left_is_cleared_by_a_later_one_after_a_day(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        left = Path(process.stdout.readline().strip())
        process.kill()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / f"{files.TEMPORARY}link").symlink_to(tmp_path / "mine")
    (tmp_path / f"{files.TEMPORARY}folder").mkdir()
    (tmp_path / f"{files.TEMPORARY}young").write_text("being written")
    theirs = sorted(path for path in tmp_path.iterdir() if path != left)
    for hours, expected in ((23, [left, *theirs]), (25, theirs)):
        old = time.time() - hours * 3600
        for path in (left, tmp_path / "mine", tmp_path / f"{files.TEMPORARY}folder"):
            os.utime(path, (old, old))
        subprocess.run([sys.executable, "-c", LATER, tmp_path / "done.json"], check=True, timeout=60)
        (tmp_path / "done.json").unlink()
        assert sorted(tmp_path.iterdir()) == sorted(expected)


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="Not a regular file"):
            open_regular(path)
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="Larger than the 4 bytes"):
        read_regular(tmp_path / "file", 4)


def test_json_keeps_full_precision_and_ends_its_line(tmp_path):
    target = tmp_path / "metrics.json"
    value = {"mae_c": 1 / 3, "names": ["°C"], "none": None}
    write_json(target, value)
    text = target.read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert "\n  " in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path, value):
    target = tmp_path / "metrics.json"
    write_json(target, {"old": 1})
    with pytest.raises((ValueError, TypeError), match="not JSON"):
        write_json(target, {"new": value})
    assert json.loads(target.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]
