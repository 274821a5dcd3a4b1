"""Many workers and one PostgreSQL: lost workers, a database that restarts, one that is gone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postgres import PASSWORD, find_server

from jenacast.rundir import read_outcome
from jenacast.sweep import storage as storages
from jenacast.sweep.results import read_result
from jenacast.sweep.study import find_study

SPACE = """
name = "shared"
recipe = "dense"
data.history_hours = 12
train.epochs = 40
train.batch_size = 32
train.save_every_seconds = 0.2
train.learning_rate = { low = 1e-4, high = 1e-2, log = true }
model.units = { low = 2, high = 8 }
"""


@pytest.fixture(scope="module")
def server():
    server = find_server()
    yield server
    server.remove()


@pytest.fixture
def storage(server, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("JENACAST_HEARTBEAT_SECONDS", "1")
    return storages.check_url(server.url)


def start(server, data_dir, folder, space, *options):
    command = [sys.executable, "-m", "jenacast", "sweep", space, "--storage", server.url, "--run-dir", folder]
    environment = os.environ | server.environment | {"JENACAST_HEARTBEAT_SECONDS": "1"}
    return subprocess.Popen(
        [str(part) for part in [*command, "--data-dir", data_dir, *options]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


def wait_for(find, seconds=90):
    until = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def test_a_worker_is_killed_and_the_database_restarts_and_no_trial_is_lost(server, storage, data_dir, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    wanted = 6
    workers = {
        name: start(server, data_dir, tmp_path / name, tmp_path / "space.toml", "--trials", wanted, "--pruner", "none")
        for name in ("one", "two", "three")
    }
    opened = wait_for(lambda: storages.open_storage(storage))

    def trials(*states):
        try:
            found = find_study(opened, "shared").get_trials(deepcopy=False)
        except Exception:  # not there yet, or the database is starting
            return []
        return [trial for trial in found if trial.state.name in states]

    def folders(trial):
        return str(tmp_path / "two") in trial.user_attrs.get("run", "") and trial.intermediate_values

    # A worker dies in the middle of a trial.
    lost = wait_for(lambda: next(filter(folders, trials("RUNNING")), None))
    workers["two"].send_signal(signal.SIGKILL)
    # The database dies too, and comes back.
    server.stop()
    time.sleep(2)
    server.start()
    logs = {name: workers[name].communicate(timeout=120)[1] for name in workers}
    print(json.dumps(logs, indent=1))
    assert [workers[name].returncode for name in ("one", "three")] == [0, 0]

    result = read_result(find_study(opened, "shared"))
    done = [trial for trial in result.trials if trial.state == "complete"]
    assert len(done) == wanted
    assert not [trial for trial in result.trials if trial.state in ("running", "waiting")]
    given_up = result.trials[lost.number]
    assert given_up.state == "failed"
    assert "its worker was lost or stopped; tried again as trial" in given_up.reason
    again = result.trials[int(given_up.reason.split()[-1])]
    assert again.state == "complete"
    assert again.params == given_up.params

    # What is counted is what the folders hold, each once.
    assert len({trial.run for trial in done}) == wanted
    for trial in done:
        assert trial.val_mae_c == read_outcome(Path(trial.run)).val_mae_c
    for path in tmp_path.rglob("*"):
        assert not (path.is_file() and PASSWORD.encode() in path.read_bytes()), path
    assert not any(PASSWORD in log or "Traceback" in log for log in logs.values())
