import io
import logging
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import jenacast
from jenacast import runtime
from jenacast.experiments import workers
from jenacast.experiments.workers import run_side_by_side
from jenacast.training import progress


@pytest.mark.parametrize(
    ("jobs", "at_once", "cores", "gpus", "visible", "expected"),
    [
        (2, None, {0, 1, 2, 3}, 0, None, [({0, 2}, None), ({1, 3}, None)]),
        (8, None, {4, 6}, 0, None, [({4}, None), ({6}, None)]),
        (1, None, {0, 1}, 0, None, [({0, 1}, None)]),
        (4, None, {0, 1, 2}, 2, None, [({0, 2}, "0"), ({1}, "1")]),
        (4, None, {0, 1}, 2, "3,5", [({0}, "3"), ({1}, "5")]),
        (1, None, {0, 1}, 2, None, [({0, 1}, "0")]),
        (0, None, {0, 1}, 0, None, []),
        # As many as wanted, even where they overlap
        (2, 2, {0, 1, 2, 3}, 0, None, [({0, 2}, None), ({1, 3}, None)]),
        (3, 3, {4, 6}, 0, None, [({4}, None), ({6}, None), ({4}, None)]),
        (3, 3, {0, 1, 2}, 2, None, [({0}, "0"), ({1}, "1"), ({2}, "0")]),
    ],
)
def test_the_machine_is_divided_into_shares(jobs, at_once, cores, gpus, visible, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    monkeypatch.setattr(workers, "count_gpus", lambda: gpus)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [(set(share.cores), share.gpu) for share in workers.device_shares(jobs, at_once)] == expected


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A function that makes every job a shell script, whose $4 and following are the job's arguments."""
    monkeypatch.setattr(runtime, "DRIVER_LIBRARY", "libmissing.so.1")

    def make(lines):
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return make


def test_jobs_are_bound_to_shares_their_output_is_logged_and_those_that_fail_are_named(script, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "jenacast")
    bound = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: bound.append(cores), raising=False)
    script('echo "$4, GPU ${CUDA_VISIBLE_DEVICES-none}" >&2; [ "$4" != killed ] || kill -9 $$; exit "$5"')
    jobs = {"first": ["well", "0"], "second": ["badly", "3"], "third": ["killed", "0"], "fourth": ["well", "0"]}
    assert run_side_by_side(jobs) == ["second", "third"]
    said = ["first: well", "fourth: well", "second: badly", "third: killed"]
    reason = "third was ended by SIGKILL; the memory may not have sufficed"
    progress = [message for message in caplog.messages if " is done: " in message]
    assert [line.split(";")[0].partition(" is done: ")[2] for line in progress][-1] in ("3 of 4", "4 of 4")
    assert sorted(caplog.messages) == sorted([*(f"{each}, GPU none" for each in said), reason, *progress])
    assert bound
    assert set(bound) <= {share.cores for share in workers.device_shares(len(jobs))}
    assert run_side_by_side({}) == []


def interrupt_when(condition):
    """Send SIGINT to this thread as soon as the condition holds."""

    def wait():
        while not condition():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


# A job that Ctrl-C reaches ends by it; one that is suspended does not see SIGTERM; one may not heed it.
@pytest.mark.parametrize("ways", ["exec sleep 60", "kill -STOP $$; exec sleep 60", "trap '' TERM; exec sleep 60"])
def test_what_stops_the_parent_stops_the_jobs_and_no_other_begins(ways, script, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "GRACE_S", 1)
    script(f'touch "$4"; {ways}')
    places, began = [tmp_path / f"began-{number}" for number in range(3)], time.monotonic()
    thread = interrupt_when(lambda: all(place.exists() for place in places[:2]))
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side({place.name: [str(place)] for place in places}, at_once=2)
    assert time.monotonic() - began < 30
    assert [place.exists() for place in places] == [True, True, False]
    thread.join()


def test_ctrl_c_of_the_terminal_is_left_to_the_parent(script, caplog):
    caplog.set_level(logging.INFO, "jenacast")
    script("kill -INT $$; echo survived >&2")
    assert run_side_by_side({"job": []}) == []
    assert caplog.messages == ["job: survived"]


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self):
        return True


def test_a_terminal_sees_one_bar_for_all_jobs_from_their_reports(script, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "jenacast")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    script("printf '\\001steps 3 10\\nhalf way\\n' >&2; test -n \"$JENACAST_REPORTS\"")
    assert run_side_by_side({"one": [], "two": []}, at_once=1) == []
    shown = terminal.getvalue()
    assert "3/20 " in shown
    assert "13/20 " in shown  # the first has ended
    assert "\x01" not in shown
    assert [text for text in caplog.messages if "done" not in text] == ["one: half way", "two: half way"]
    assert shown.rstrip("\r").endswith(" ")  # the bar is wiped away


def test_without_a_terminal_jobs_are_not_asked_for_reports(script, caplog):
    caplog.set_level(logging.INFO, "jenacast")
    script('test -z "$JENACAST_REPORTS"')
    assert run_side_by_side({"one": []}) == []


def test_quiet_reaches_the_jobs_and_leaves_their_warnings(script, caplog):
    caplog.set_level(logging.WARNING, "jenacast")
    script('for last; do :; done; echo "told $last" >&2')
    assert run_side_by_side({"one": ["train"]}) == []
    assert caplog.messages == ["one: told --quiet"]


def test_a_training_whose_parent_shows_the_bar_reports_its_steps(jenacast, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0)
    monkeypatch.setenv(progress.REPORTS, "1")
    options = ("--set", "data.history_hours=12", "--epochs", "2", "--data-dir", data_dir)
    done = jenacast("train", "--model", "dense", *options, "--run-dir", tmp_path / "run")
    reports = [report for line in done.stderr.splitlines() if (report := progress.read_report(line))]
    steps = reports[-1][1]
    assert reports == [(number, steps) for number in range(1, steps + 1)]
    assert steps == 2 * int(re.search(r"(\d+) steps an epoch", done.stderr)[1])


def test_jobs_import_nothing_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "jenacast").mkdir()
    for name in ("typer.py", "random.py", "jenacast/__init__.py", "jenacast/__main__.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setattr(runtime, "DRIVER_LIBRARY", "libmissing.so.1")
    monkeypatch.chdir(tmp_path)
    assert run_side_by_side({"job": ["download", "--help"]}) == []
    assert not (tmp_path / "ran").exists()


def test_jobs_are_of_the_package_that_starts_them_also_where_it_is_not_installed(tmp_path):
    clone = tmp_path / "clone"
    shutil.copytree(Path(jenacast.__file__).parent, clone / "jenacast", ignore=shutil.ignore_patterns("__pycache__"))
    with (clone / "jenacast" / "cli" / "__init__.py").open("a") as file:
        file.write("\nprint('of the clone', file=sys.stderr)\n")
    (clone / "typer.py").write_text("raise SystemExit('what lies beside the package was run')\n")
    parent = (
        "import logging, sys; logging.basicConfig(level='INFO'); sys.path.insert(0, sys.argv[1])\n"
        "from jenacast import runtime; from jenacast.experiments import workers\n"
        "runtime.DRIVER_LIBRARY = 'libmissing.so.1'\n"
        "sys.exit(bool(workers.run_side_by_side({'job': ['download', '--help']})))"
    )
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", "-c", parent, clone]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=bare, cwd=clone)
    assert done.returncode == 0, done.stderr
    assert "job: of the clone" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells a process that its parent died")
def test_jobs_end_when_their_parent_is_killed():
    child = "import time; from jenacast.experiments.workers import end_with_parent\nend_with_parent()\n"
    child += "print(1)\ntime.sleep(60)"
    start = f"environment = {{**os.environ, 'PYTHONUNBUFFERED': '1', {workers.PARENT!r}: str(os.getpid())}}"
    parent = f"import os, subprocess, sys\n{start}\nsubprocess.run([sys.executable, '-c', {child!r}], env=environment)"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "1\n"
        process.kill()
        assert process.stdout.read() == ""  # until the last who could write has ended
        assert process.wait() == -signal.SIGKILL
