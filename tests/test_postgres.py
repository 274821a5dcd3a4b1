"""Many workers and one PostgreSQL: a worker that is lost, a database that comes back, one that does not."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from conftest import refused
from postgres import PASSWORD, find_server
from warm import Command

from jenacast.sweep import storage as storages
from jenacast.sweep import worker
from jenacast.sweep.results import read_result
from jenacast.sweep.study import SweepPlan, find_study, join_study, read_plan
from jenacast.training.run_folder import read_outcome

pytestmark = pytest.mark.system

SPACE = """
name = "shared"
recipe = "dense"
data.history_hours = 12
train.epochs = 15
train.batch_size = 64
train.learning_rate = { low = 1e-4, high = 1e-2, log = true }
model.units = { low = 2, high = 8 }
"""
WANTED = 3
PLAN = SweepPlan({"settings": {}, "search": {}}, [0], "random", "none", "", "strict", True)
FOR_PASSWORDS = {"PGPASSWORD": PASSWORD, storages.HEARTBEAT_VARIABLE: "1"}


@pytest.fixture(scope="module")
def server():
    server = find_server()
    yield server
    server.remove()


@pytest.fixture
def opened(server, monkeypatch):
    for name, value in FOR_PASSWORDS.items():
        monkeypatch.setenv(name, value)
    return storages.open_storage(storages.check_url(server.url))


def start(server, place, data_dir, text=SPACE):
    space = place.parent / "space.toml"
    space.write_text(text)
    options = {"trials": WANTED, "pruner": "none", "storage": server.url, "run-dir": place, "data-dir": data_dir}
    return Command("sweep", space, *(f"--{name}={value}" for name, value in options.items()), **FOR_PASSWORDS)


def test_a_worker_is_killed_and_the_database_dies_and_no_trial_is_lost(server, opened, data_dir, tmp_path, jenacast):
    workers = {name: start(server, tmp_path / name, data_dir) for name in ("one", "two")}

    def trial_of_two():
        try:
            trials = find_study(opened, "shared").get_trials(deepcopy=False)
        except Exception:  # it is still being made
            return None
        is_in = [t for t in trials if str(tmp_path / "two") in t.user_attrs.get("run", "") and t.intermediate_values]
        return next((trial for trial in is_in if trial.state.name == "RUNNING"), None)

    workers["one"].wait_until(trial_of_two, timeout=90)
    lost = trial_of_two()
    workers["two"].send_signal(signal.SIGKILL)
    server.stop("immediate")  # as if its machine had lost power
    time.sleep(1)
    server.start()
    assert workers["one"].wait() == 0
    logs = [worker.stderr for worker in workers.values()]
    print("\n".join(f"--- {name}\n{worker.stderr}" for name, worker in workers.items()))

    result = read_result(find_study(opened, "shared"))
    done = [trial for trial in result.trials if trial.state == "complete"]
    assert WANTED <= len(done) <= WANTED + 1
    assert not [trial for trial in result.trials if trial.state in ("running", "waiting")]
    given_up = result.trials[lost.number]
    assert given_up.state == "stopped"
    assert given_up.reason.startswith("its worker was lost or stopped; tried again as trial ")
    again = result.trials[int(given_up.reason.split()[-1])]
    assert (again.state, again.params) == ("complete", given_up.params)
    assert any("the sweep's database is away" in log for log in logs)
    assert any(f"trial {again.number} takes over from trial {lost.number}" in log for log in logs)

    # What is counted is what the folders hold, each once.
    assert len({trial.run for trial in done}) == len(done)
    for trial in done:
        assert trial.val_mae_c == read_outcome(Path(trial.run)).val_mae_c
    # The report needs the database alone.
    report = tmp_path / "report"
    done = jenacast("sweep-report", "shared", "--storage", server.url, "--output", report)
    assert Path(done.stdout.strip()) == report / "winner.toml"
    refused(jenacast("sweep-report", "other", "--storage", server.url), "no sweep 'other'", "there are: shared")
    secret = PASSWORD.encode()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert not any(PASSWORD in log or "Traceback" in log for log in logs)


def test_workers_that_come_at_the_same_moment_make_the_tables_together(server, monkeypatch):
    for name, value in FOR_PASSWORDS.items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = storages.check_url(server.url.replace("/postgres", "/fresh"))
    with ThreadPoolExecutor(6) as pool:
        studied = list(pool.map(lambda _: join_study(storages.open_storage(url), "met", PLAN), range(6)))
    assert {study.study_name for study in studied} == {"met"}
    assert read_plan(studied[-1]) == PLAN


def test_a_wrong_password_and_a_database_that_is_gone_are_told(
    server, opened, monkeypatch, jenacast, tmp_path, data_dir
):
    (tmp_path / "space.toml").write_text(SPACE)
    order = ("sweep", tmp_path / "space.toml", "--trials", 3, "--data-dir", data_dir, "--run-dir", tmp_path / "sweep")
    monkeypatch.setenv("PGPASSWORD", "wrong-pass")
    done = jenacast(*order, "--storage", server.url)
    refused(done, "127.0.0.1", "password authentication failed", "PGPASSWORD")
    assert "wrong-pass" not in done.stderr
    monkeypatch.setenv("PGPASSWORD", PASSWORD)

    # Gone in the middle, for longer than a worker waits; what was told before is there when it is back.
    monkeypatch.setattr(storages, "AWAY_SECONDS", 1.0)
    study = join_study(opened, "gone", PLAN)
    study.tell(study.ask(), 1.5)
    url = storages.check_url(server.url)

    class Leaving:
        request = SimpleNamespace(trials=3, sampler="random", timeout_s=None)

        def __call__(self, trial):
            server.stop()
            trial.report(2.5, 1)
            return 2.5

    try:
        with (
            pytest.raises(storages.StorageError, match="cannot be used: connection") as caught,
            storages.storage_errors(url),
        ):
            worker.work(study, Leaving())
        assert "start it" in str(caught.value)
        assert "give the same command again" in str(caught.value)
        assert PASSWORD not in str(caught.value)
        done = jenacast(*order, "--storage", server.url)
        refused(done, f"postgresql://jena@127.0.0.1:{server.port}/postgres cannot be used", "onnection refused")
    finally:
        server.start()
    assert [trial.value for trial in find_study(opened, "gone").get_trials()][:1] == [1.5]


@pytest.mark.parametrize(
    ("number", "code", "told"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_worker_says_that_a_frozen_database_does_not_answer_and_obeys_signals(
    server, opened, tmp_path, data_dir, number, code, told
):
    name = f"frozen-{code}"
    space = SPACE.replace("epochs = 15", "epochs = 2000").replace("shared", name)
    sweep = start(server, tmp_path / "frozen", data_dir, space)

    def reports():
        with suppress(Exception):  # it is still being made
            return find_study(opened, name).get_trials()[0].intermediate_values

    sweep.wait_until(reports, timeout=90)
    with server.frozen():
        sweep.wait_until(lambda: "the sweep's database does not answer; waiting up to 60 s" in sweep.stderr)
        began = time.monotonic()
        sweep.send_signal(number)
        assert sweep.wait() == code
        assert time.monotonic() - began < 15
    assert f"error: {told}" in sweep.stderr
    assert "Traceback" not in sweep.stderr


def test_a_database_that_does_not_answer_is_given_up(server, opened, monkeypatch):
    for name in ("AWAY_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(storages, name, 2)
    study = join_study(opened, "silent", PLAN)
    with (
        server.frozen(),
        pytest.raises(storages.StorageError, match=r"cannot be used: .*(no answer|timeout)"),
        storages.storage_errors(server.url),
    ):
        study.get_trials()
