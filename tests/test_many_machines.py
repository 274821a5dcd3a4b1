"""What docs/many-machines.md tells people to type is run, as far as it goes without GPUs and Slurm."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from postgres import PASSWORD, find_server
from typer.main import get_command

from jenacast.cli import app
from jenacast.sweep import storage as storages
from jenacast.sweep.results import read_result
from jenacast.sweep.run import open_study

pytestmark = pytest.mark.system

GUIDE = (Path(__file__).parent.parent / "docs" / "many-machines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL)
SCRIPTS = {re.search(r"^# (\S+): ", text, re.MULTILINE)[1]: text for kind, text in BLOCKS if kind == "bash"}
TYPED = "\n".join(text for kind, text in BLOCKS if kind == "sh")
COMMANDS = get_command(app).commands

SPACE = """
name = "tiny"
recipe = "dense"
data.history_hours = 12
train.epochs = 1
train.learning_rate = { low = 1e-3, high = 1e-2, log = true }
model.units = 4
"""


# A `jenacast` whose trainings take no time; those of 2000 epochs, no end
MADE_UP = f"""
import pathlib, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from made_sweeps import made_up_training
from jenacast.cli import main
from jenacast.sweep import trials

def train(config, **places):
    while config.train.epochs == 2000:
        pathlib.Path("begun").touch()
        time.sleep(0.05)
    time.sleep(0.2)
    return made_up_training(config, **places)

trials.train_or_resume = train
main()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with the guide's scripts; and a function that puts a program first on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("JENACAST_STORAGE", raising=False)
    for name, text in SCRIPTS.items():
        Path(name).write_text(text)

    def add(name, script):
        (programs / name).write_text(f"#!/bin/bash\n{script}\n")
        (programs / name).chmod(0o755)

    add("nvidia-smi", "[ \"$*\" = '--query-gpu=index --format=csv,noheader' ] && printf '0\\n1\\n'")
    return add


@pytest.fixture
def start():
    """A function that starts a process; where it still runs afterwards, it is ended with all that it started."""
    started = []

    def run(*command):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, start_new_session=True, **pipes))
        return started[-1]

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)


def wait_for(find, process, seconds=90):
    until = time.monotonic() + seconds
    while not (found := find()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    return found


def test_the_scripts_are_good_shell(place):
    assert set(SCRIPTS) == {"gpus.sh", "sweep.sbatch"}
    for text in (*SCRIPTS.values(), TYPED):
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_shellcheck_finds_nothing(place):
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck on the PATH")
    done = subprocess.run(["shellcheck", "--shell=bash", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_commands_and_options_of_the_guide_exist():
    scripts = "\n".join((*SCRIPTS.values(), TYPED))
    lines = re.findall(r"^(?:exec |.*=\$gpu )?jenacast (.*)", scripts, re.MULTILINE)
    calls = [shlex.split(call, comments=True) for call in [*lines, *re.findall(r"`jenacast ([^`]+)`", GUIDE)]]
    assert {call[0] for call in calls} == {"sweep", "sweep-report", "train", "download", "prepare"}
    for command, *rest in calls:
        known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
        assert {part for part in rest if part.startswith("--")} <= known, command


def test_the_loop_over_gpus_passes_signals_on_and_tells_a_failure(place, start):
    # Each stands for a worker that needs a moment to give its trial back, the first the longest.
    gives_back = 'trap "sleep 0.$((6 - 3 * CUDA_VISIBLE_DEVICES)); echo $CUDA_VISIBLE_DEVICES >>back; exit 143" TERM'
    place("jenacast", f"{gives_back}\necho >>begun\nwhile :; do sleep 0.05; done")
    loop = start("bash", "gpus.sh", "space.toml", "4")
    wait_for(lambda: Path("begun").exists() and Path("begun").read_text() == "\n\n", loop)
    loop.send_signal(signal.SIGINT)
    loop.communicate(timeout=10)
    assert loop.returncode == 143
    assert sorted(Path("back").read_text().split()) == ["0", "1"]

    place("jenacast", 'echo "$*"; exit "$CUDA_VISIBLE_DEVICES"')
    assert subprocess.run(["bash", "gpus.sh", "space.toml", "4"], check=False).returncode == 1
    assert Path("gpu-0.out").read_text() == "sweep space.toml --trials 4\n"


def test_the_loop_over_gpus_makes_one_sweep(place, data_dir, monkeypatch):
    Path("made_up.py").write_text(MADE_UP)
    place("jenacast", f'echo "$CUDA_VISIBLE_DEVICES" >>seen\nexec {sys.executable} made_up.py "$@"')
    Path("space.toml").write_text(SPACE)
    monkeypatch.setenv("JENACAST_DATA_DIR", str(data_dir))
    done = subprocess.run(["bash", "gpus.sh", "space.toml", "4"], check=False)
    logs = [Path(f"gpu-{gpu}.log").read_text() for gpu in (0, 1)]
    assert done.returncode == 0, logs
    assert sorted(Path("seen").read_text().split()) == ["0", "1"]
    trials = read_result(open_study("runs/sweep-tiny", "")[0]).trials
    assert {trial.state for trial in trials} == {"complete"}
    runs = {f"{trial.run}\n" for trial in trials}
    assert 4 <= len(runs) == len(trials) <= 5  # both may begin the last one at the same moment
    assert sum(log.count(": validation MAE") for log in logs) == len(trials)
    assert {Path(f"gpu-{gpu}.out").read_text() for gpu in (0, 1)} <= runs


def test_the_batch_script_gives_its_trial_back_on_sigterm(place, start, data_dir, monkeypatch):
    server = find_server()
    try:
        service = Path("service.conf")
        service.write_text(
            f"[jenacast]\nhost=127.0.0.1\nport={server.port}\ndbname=postgres\nuser=jena\npassword={PASSWORD}\n"
        )
        service.chmod(0o600)
        task = {
            "SLURM_JOB_ID": "71",
            "SLURM_ARRAY_JOB_ID": "70",
            "SLURM_ARRAY_TASK_ID": "1",
            "SLURM_RESTART_COUNT": "0",
        }
        told = {"PGSERVICEFILE": str(service.resolve()), "JENACAST_DATA_DIR": str(data_dir)}
        for name, value in (task | told).items():
            monkeypatch.setenv(name, value)
        Path("made_up.py").write_text(MADE_UP)
        place("jenacast", f'exec {sys.executable} made_up.py "$@"')
        place("srun", "exit 9")  # one that gets SIGTERM kills what it started
        Path("space.toml").write_text(SPACE.replace("epochs = 1", "epochs = 2000"))

        batch = start("bash", "sweep.sbatch", "space.toml", "200")
        wait_for(lambda: Path("begun").exists(), batch)
        batch.send_signal(signal.SIGTERM)
        began = time.monotonic()
        stdout, stderr = batch.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert (batch.returncode, stdout) == (143, "")
        assert stderr.endswith("error: terminated\n")

        study, _ = open_study("tiny", storages.check_url("postgresql:///?service=jenacast"))
        first, again = study.get_trials()
        assert (first.state.name, again.state.name) == ("FAIL", "WAITING")
        assert again.params == first.params
        assert PASSWORD not in stderr
    finally:
        server.remove()
