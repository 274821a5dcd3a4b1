"""`jenacast download` as a command."""

import json
import signal
import subprocess
import sys
import time
from typing import get_args

import pytest
from download_server import (
    BOOK_CSV,
    HTML,
    OTHER_CSV,
    cut,
    given,
    held,
    redirect,
    sha256,
    stall,
    status,
    zipped,
)

from jenacast.cli.download import Source
from jenacast.data.copies import COPIES
from jenacast.data.download import CSV_NAME

pytest_plugins = ["download_server"]
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def run(jenacast, data):
    """A function that runs the command and returns its exit code, stdout and stderr."""

    def run(*args):
        done = jenacast("download", "--data-dir", data, *args)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_offers_the_public_copies_and_the_station():
    assert list(get_args(Source)) == [*(copy.name for copy in COPIES if copy.url), "station"]


def test_user_password_and_query_of_an_address_are_never_shown(run, data, server, monkeypatch):
    host = server.url.removeprefix("http://")
    server.routes["/mine?token=SECRET"] = BOOK_CSV
    for behaviour in (BOOK_CSV, status(404), lambda handler: redirect(handler, "http://u:SECRET@[/?SECRET"), cut, HTML):
        server.routes["/mine?token=SECRET"] = behaviour
        code, out, err = run("--from", f"http://user:SECRET@{host}/mine?token=SECRET#SECRET", "--json", "--force")
        assert code == (behaviour is not BOOK_CSV)
        assert "SECRET" not in out + err
        assert f"http://{host}/mine" in err
    assert "SECRET" not in run("--from", "ftp://user:SECRET@host/file?SECRET")[2]


@pytest.mark.system
def test_the_command_imports_nothing_heavy(data, server):
    server.routes["/my.zip"] = zipped(("a.csv", OTHER_CSV))
    command = [sys.executable, "-X", "importtime", "-m", "jenacast", "download", "--from", f"{server.url}/my.zip"]
    done = subprocess.run([*command, "--data-dir", data], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stderr.splitlines()
    imported = {line.split("|")[2].strip().split(".")[0] for line in lines if line.count("|") == 2}
    assert "requests" in imported
    assert not imported & {"tensorflow", "keras", "pandas"}


def test_the_command_prints_the_path_alone(run, data, server):
    server.routes["/my.zip"] = zipped(("a.csv", OTHER_CSV))
    url = f"{server.url}/my.zip"
    code, out, err = run("--from", url)
    assert (code, out) == (0, f"{data / CSV_NAME}\n")
    assert f"warning: {url} is none of the known copies" in err
    code, out, _ = run("--from", url, "--json")
    assert code == 0
    expected = {"path": str(data / CSV_NAME), "source": "unknown", "rows": 7, "url": url, "changed": False}
    assert json.loads(out) == expected | {"sha256": sha256(OTHER_CSV)}
    assert held(data) == OTHER_CSV


def test_the_command_fails_in_words(run, data, tmp_path):
    code, out, err = run("--from", given(tmp_path, HTML))
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    for wrong in (["--source", "elsewhere"], ["--source", "book", "--from", "a"], ["--nonsense"]):
        assert run(*wrong)[:2] == (2, "")
    assert held(data) is None


@pytest.mark.system
def test_a_terminated_download_leaves_nothing(data, server):
    server.routes["/my.zip"] = stall
    command = [sys.executable, "-m", "jenacast", "download", "--from", f"{server.url}/my.zip", "--data-dir", data]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not server.hits:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert "terminated" in process.communicate(timeout=20)[1]
    assert process.returncode == 143
    assert held(data) is None
