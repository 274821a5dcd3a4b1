import json
import stat
import subprocess
import sys

import pytest

from jenacast import files
from jenacast.files import atomic_folder, atomic_path, write_json


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
def test_a_folder_appears_whole_when_it_is_done(tmp_path, exists):
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
def test_an_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch, error):
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
