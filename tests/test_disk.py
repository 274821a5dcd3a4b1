"""Disks that are full, gone or read-only, folders taken away, and two processes at once: real ones of each."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_prepared
from jenacast.locks import folder_lock
from jenacast.models.checkpoint import load_checkpoint
from jenacast.training.state import load_state

pytestmark = pytest.mark.system
SETTINGS = ("data.history_hours=12", "model.units=4", "train.batch_size=128", "train.save_every_seconds=0.05")
TRAIN = ("train", "--model", "dense", *(part for setting in SETTINGS for part in ("--set", setting)))
NAMESPACE = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
TOOLS = f"""
import json, shutil, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).parent)!r})
from warm import Command

disk, data, out = map(Path, sys.argv[1:4])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
filler, told = disk / "filler", []

def command(*arguments):
    return [sys.executable, "-m", "jenacast", *map(str, arguments)]

def run(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120, check=False)
    told.append([done.returncode, done.stdout, done.stderr])

def end(process):
    told.append([process.wait(), process.stdout, process.stderr])

def fill(spare=0):
    try:
        with filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        with filler.open("rb+") as file:
            file.truncate(max(0, filler.stat().st_size - spare))
"""


def snapshot(folder):
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def assert_one_message(code, stdout, stderr):
    assert code == 1, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr
    assert stderr.count("error: ") == 1
    message = stderr.splitlines()[-1]
    assert message.startswith("error: ")
    return message


@pytest.fixture(scope="module")
def on_small_disk(_synthetic_data_dir):
    """A function that runs Python beside a disk of 1 MB in a folder, in a mount namespace of its own.

    It gets `disk`, `data` and `out`, which is the folder, and returns what its processes told: code, stdout, stderr.
    """
    try:
        mount = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(_synthetic_data_dir)]
        subprocess.run(mount, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no mount namespace of one's own is allowed here")

    def run(folder, script):
        disk = folder / "disk"
        disk.mkdir()
        code = f"{TOOLS}\n{script}\nprint(json.dumps(told))"
        line = [*NAMESPACE, sys.executable, "-c", code, str(disk), str(_synthetic_data_dir), str(folder)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def trained_there(on_small_disk, tmp_path_factory):
    """The folder, and what was told by runs on a disk that fills up and is taken away; one start serves them all."""
    folder = tmp_path_factory.mktemp("small")
    return folder, *on_small_disk(folder, f"""
training = Command(*{TRAIN!r}, "--data-dir", data, "--epochs", 20, "--run-dir", disk / "run")
training.wait_until((disk / "run" / "best.keras").exists)
while training.runs:
    fill()
end(training)
shutil.copytree(disk / "run", out / "full")
filler.unlink()
end(Command("train", "--resume", disk / "run"))
shutil.copytree(disk / "run", out / "resumed")
fill()
end(Command("evaluate", disk / "run", "--data-dir", data))
shutil.copytree(disk / "run", out / "evaluated")
filler.unlink()

training = Command(*{TRAIN!r}, "--data-dir", data, "--epochs", 100000, "--run-dir", disk / "other")
training.wait_until((disk / "other" / "history.csv").exists)
subprocess.run(["umount", "--lazy", disk], check=True)
end(training)
""")  # fmt: skip


def test_a_disk_that_fills_up_stops_a_run_which_goes_on_when_there_is_room(trained_there, jenacast, data_dir, tmp_path):
    folder, full, resumed, evaluated, _ = trained_there
    run = folder / "disk" / "run"
    message = assert_one_message(*full)
    assert "No space left on device" in message
    assert f"'{run}/" in message
    assert f"The last good state is kept; mend the disk, then continue: jenacast train --resume {run}" in message
    epoch = load_checkpoint(folder / "full").metadata.epoch
    progress, _, variables = load_state(folder / "full" / "state.npz")
    assert 1 <= epoch <= progress.epoch + 1 < 20
    assert all(np.isfinite(variable).all() for variable in variables)
    assert not [path.name for path in (folder / "full").iterdir() if path.name.startswith(".")]

    assert resumed[0] == 0, resumed[2]
    reference = tmp_path / "reference"
    assert jenacast(*TRAIN, "--data-dir", data_dir, "--epochs", 20, "--run-dir", reference).exit_code == 0
    for name in ("best.keras", "last.keras"):
        mine, theirs = (load_checkpoint(run / name).model for run in (folder / "resumed", reference))
        for weight, expected in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)

    message = assert_one_message(*evaluated)
    assert "No space left on device" in message
    assert "evaluation-test" in message
    before, after = (list(snapshot(folder / name).values()) for name in ("resumed", "evaluated"))
    assert before == after


def test_a_full_disk_leaves_the_prepared_data_whole(on_small_disk, data_dir, tmp_path):
    *refused, done = on_small_disk(
        tmp_path,
        """
shutil.copytree(data, disk / "data")
for number, spare in enumerate([0, 8192, 40960, 90112]):
    fill(spare)
    run("prepare", "--force", "--protocol", "book", "--data-dir", disk / "data")
    shutil.copytree(disk / "data", out / f"after-{number}")
filler.unlink()
run("prepare", "--force", "--protocol", "book", "--data-dir", disk / "data")
""",
    )
    expected = [content for path, content in snapshot(data_dir).items()]
    for number, told in enumerate(refused):
        message = assert_one_message(*told)
        assert f"{tmp_path / 'disk' / 'data'}" in message
        assert "No space left on device" in message or "the disk may be full" in message
        assert "nothing was overwritten" in message
        assert [content for path, content in snapshot(tmp_path / f"after-{number}").items()] == expected
    assert done[0] == 0
    assert "protocol book" in done[1]


def test_a_disk_that_is_taken_away_stops_a_run(trained_there):
    folder, *_, told = trained_there
    message = assert_one_message(*told)
    run = folder / "disk" / "other"
    assert f"{run} was removed, or its disk was, while it was trained in: run.json not found" in message
    assert f"jenacast train --resume {run}" in message
    assert not run.exists()


def test_a_run_folder_that_is_taken_away_is_not_made_anew(data_dir, tmp_path, jenacast):
    run = tmp_path / "run"
    ended = threading.Event()

    def take_away():
        while not (run / "history.csv").exists() and not ended.wait(0.01):
            pass
        run.rename(tmp_path / "elsewhere")

    taking = threading.Thread(target=take_away)
    taking.start()
    done = jenacast(*TRAIN, "--data-dir", data_dir, "--epochs", "100000", "--run-dir", run)
    ended.set()
    taking.join()
    message = assert_one_message(done.exit_code, done.stdout, done.stderr)
    assert all(text in message for text in (f"{run} was removed, or its disk was, while", "or start a new run"))
    assert not run.exists()


@pytest.mark.parametrize("arguments", [[], ["--force"]], ids=["", "--force"])
def test_two_processes_that_prepare_at_once_leave_one_whole_result(arguments, data_dir):
    if not arguments:
        shutil.rmtree(data_dir / "prepared")
    command = [sys.executable, "-m", "jenacast", "prepare", "--data-dir", data_dir, *arguments]
    with folder_lock(data_dir):
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        time.sleep(2)
        assert [process.poll() for process in both] == [None, None]  # both wait for the lock
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(stderr for _, stderr in told).count("nothing to do") == (0 if arguments else 1)
    assert told[0][0] == told[1][0]
    assert load_prepared(data_dir).manifest.rows == 1400
    assert sorted(path.name for path in data_dir.iterdir()) == [CSV_NAME, "prepared"]


STOPPED = """
import sys, time
from pathlib import Path
import numpy as np
from jenacast.data.prepare import prepare

def save(path, array, save=np.save):
    save(path, array)
    print(path, flush=True)
    time.sleep(60)

np.save = save
prepare(Path(sys.argv[1]), protocol="book", force=True)
"""


def test_a_preparation_killed_in_the_middle_leaves_the_old_result_and_its_rest_is_cleared(data_dir, jenacast):
    before, mine = snapshot(data_dir), data_dir / ".prepared-original"
    command = [sys.executable, "-c", STOPPED, data_dir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        half = Path(process.stdout.readline().strip())
        process.kill()
    assert half.name == "values.npy"
    assert half.exists()
    assert {path: content for path, content in snapshot(data_dir).items() if path in before} == before

    mine.mkdir()
    done = jenacast("prepare", "--data-dir", data_dir)
    assert done.exit_code == 0
    assert "nothing to do" in done.stderr
    mine.rmdir()  # another's: it is still there
    assert snapshot(data_dir) == before
