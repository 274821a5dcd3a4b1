"""Where the study of a sweep lies: its own file, or a database that the user names."""

import json
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest
from conftest import refused

from jenacast.errors import ConfigError, JenacastError
from jenacast.sweep import storage as storages
from jenacast.sweep.results import read_result
from jenacast.sweep.run import open_study
from jenacast.training import run_folder


def result_of(folder):
    return read_result(open_study(str(folder), "")[0])


def test_a_trial_folder_whose_study_is_gone_is_left_alone(place, jenacast, tmp_path, made_up):
    assert jenacast(*place(trials=1)).exit_code == 0
    kept = (tmp_path / "sweep" / "trial-0000" / run_folder.METRICS).read_bytes()
    (tmp_path / "sweep" / storages.STUDY_FILE).unlink()
    shutil.copytree(tmp_path / "sweep" / "trial-0000", tmp_path / "sweep" / "trial-0001")
    shutil.copytree(tmp_path / "sweep" / "trial-0000", tmp_path / "sweep" / "trial-0002")
    refused(jenacast(*place(trials=1)), "trial-0000 exists, but its study is gone")
    assert (tmp_path / "sweep" / "trial-0000" / run_folder.METRICS).read_bytes() == kept


@pytest.mark.parametrize(
    "url",
    [
        *("postgresql://me:hush-hush@host/db", "postgresql://host/db?password=hush-hush", "hush-hush"),
        *("mysql://me:hush-hush@host/db", "postgresql://me:hush-hush@host:port/db"),
        *("postgresql://host/db?PASSWORD=hush-hush", "postgresql://host/db?oauth_client_secret=hush-hush"),
        *("postgresql://me%3Ahush-hush@host/db", "postgresql://host/password%3Dhush-hush"),
        *("postgresql:///?service=a%26password%3Dhush-hush", "postgresql:///?host=a&host=b%3Fpassword%3Dhush-hush"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match=r"--storage: .*PGPASSWORD") as caught:
        storages.check_url(url)
    assert "hush" not in str(caught.value)


def test_what_is_said_of_storage_is_checked_before_any_work(place, jenacast, monkeypatch):
    assert storages.check_url("postgresql://me@host:5433/db") == "postgresql://me@host:5433/db"
    assert storages.check_url("postgresql:///?service=jena") == "postgresql:///?service=jena"
    refused(jenacast(*place(), "--storage", "postgresql://me:hush@host/db"), "the address contains a password")
    monkeypatch.setenv(storages.HEARTBEAT_VARIABLE, "soon")
    refused(jenacast(*place()), storages.HEARTBEAT_VARIABLE, "'soon'")
    monkeypatch.delenv(storages.HEARTBEAT_VARIABLE)
    with pytest.raises(JenacastError, match=r"cannot be used: unable to open database file.*free its disk"):
        storages.open_storage(Path("/nowhere/study.db"))


def received(folder, **location):
    """A received sweep: its folder, with a study that lies elsewhere."""
    folder.mkdir()
    (folder / "sweep.json").write_text(json.dumps({"study": "small", **location}))
    return folder


def test_a_received_sweep_names_no_database(jenacast, tmp_path, monkeypatch):
    """A server that asks for the password in clear text gets none, and no other file is touched."""
    monkeypatch.setenv("PGPASSWORD", "hush-hush")
    foreign = tmp_path / "foreign.db"
    with socket.create_server(("127.0.0.1", 0)) as server, sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE mine (x)")
        server.setblocking(False)
        address = f"postgresql://jena@127.0.0.1:{server.getsockname()[1]}/db"
        for number, storage in enumerate((address, f"sqlite:///{foreign}", "mysql://me@host/db")):
            folder, before = received(tmp_path / str(number), storage=storage), foreign.read_bytes()
            refused(jenacast("sweep-report", folder), "lies in another database", storage, "--storage")
            refused(jenacast("sweep-report", folder, "--storage", "postgresql://jena@host/db"), "another database")
            with pytest.raises(BlockingIOError):
                server.accept()
            assert foreign.read_bytes() == before
    # A study's file that is another program's is read, not changed
    folder = received(tmp_path / "file", storage="")
    shutil.copy(foreign, folder / storages.STUDY_FILE)
    refused(jenacast("sweep-report", folder), "study.db cannot be used: no such table")
    assert (folder / storages.STUDY_FILE).read_bytes() == foreign.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["study.db", "sweep.json"]


@pytest.mark.parametrize("folder", ["q?x", "q?mode=ro&x", "q%41x", "q#x", "q{x}"])
def test_a_study_lies_in_its_folder_whatever_that_is_called(place, jenacast, tmp_path, made_up, folder):
    done = jenacast(*place(folder=folder, trials=1))
    assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / folder / "trial-0000")), done.stderr
    assert (tmp_path / folder / storages.STUDY_FILE).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder, "space.toml"]
    assert jenacast("sweep-report", tmp_path / folder).exit_code == 0


def test_a_mistyped_storage_does_not_block_the_folder(place, jenacast, tmp_path, made_up):
    refused(jenacast(*place(), "--storage", "postgresql://jena@127.0.0.1:1/db"), "cannot be used")
    assert not (tmp_path / "sweep").exists()
    assert jenacast(*place()).exit_code == 0
