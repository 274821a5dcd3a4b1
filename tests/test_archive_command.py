"""`jenacast download --source station`: what it prints, and how it ends; some as real processes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archive_site import FILES, PAGE, RUNNING, index, kept, page, roof_zip, versioned
from download_server import HTML, OTHER_CSV, given, status

from jenacast.data.archive import station_dir, station_files
from jenacast.data.download import CSV_NAME

pytest_plugins = ["download_server", "archive_site"]
pytestmark = pytest.mark.usefixtures("quick")
NAMES = list(FILES)


@pytest.fixture
def run(jenacast, data):
    """A function that runs the command for the station and returns its exit code, stdout and stderr."""

    def run(*args):
        done = jenacast("download", "--source", "station", "--data-dir", data, *args)
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_prints_the_folder_or_all_of_it(run, data, site):
    code, out, err = run("--from", site.page)
    assert (code, out) == (0, f"{station_dir(data)}\n")
    assert "mpi_roof.zip has 500 rows from 2026-01-01 00:10 to 2026-01-04 11:20" in err
    assert err.endswith("4 new, 0 as before\n")
    code, out, err = run("--from", site.page, "--json")
    assert code == 0
    answer = json.loads(out)
    assert sorted(answer.pop("kept")) == sorted(NAMES)
    nothing = {"fetched": [], "shrunk": {}, "missing": {}}
    assert answer == nothing | {"path": str(station_dir(data)), "page": site.page}
    assert err.endswith("nothing new, 4 as before\n")
    code, out, err = run("--from", site.page, "--from-year", 2024, "--to-year", 2024, "--force", "--json")
    assert json.loads(out)["fetched"] == []
    assert site.hits[-2:] == [PAGE, "/wetter/mpi_roof_2024.zip"]


def test_what_is_missing_is_an_error_after_the_others_were_fetched(run, data, site):
    site.routes["/wetter/mpi_roof_2024.zip"] = status(404)
    code, out, err = run("--from", site.page, "--json")
    assert code == 1
    assert list(json.loads(out)["missing"]) == ["mpi_roof_2024.zip"]
    assert f"warning: {site.url}/wetter/mpi_roof_2024.zip: HTTP 404" in err
    assert "error: missing, for the reasons above: mpi_roof_2024.zip. The others are in" in err
    assert err.count("error: ") == 1
    assert sorted(kept(data)) == sorted(set(NAMES) - {"mpi_roof_2024.zip"})
    site.routes["/wetter/mpi_roof.zip"] = status(404)
    assert f"{site.url}/wetter/mpi_roof.zip: HTTP 404; the old one stays" in run("--from", site.page)[2]


@pytest.mark.parametrize("behaviour", [HTML, status(404)], ids=["form", "gone"])
def test_a_page_without_files_is_an_error_with_the_way_out(run, site, behaviour):
    site.routes[PAGE] = behaviour
    code, _, err = run("--from", site.page)
    assert code == 1
    assert "error: " in err
    assert "--source station --from FILE" in err


def test_files_and_folders_are_taken_several_at_once(run, data, tmp_path):
    first, second = given(tmp_path, RUNNING, "mpi_roof.zip"), given(tmp_path, FILES["mpi_roof_2024.zip"], "2024.zip")
    code, out, _ = run("--from", first, "--from", second, "--json")
    assert code == 0
    assert json.loads(out)["fetched"] == ["mpi_roof.zip", "2024.zip"]
    assert run("--from", tmp_path / "empty.zip")[0] == 1
    (tmp_path / "empty").mkdir()
    code, _, err = run("--from", tmp_path / "empty")
    assert code == 1
    assert "empty has no zip or CSV of the station" in err
    less = given(tmp_path, roof_zip("2026-01-01T00:10", 5), "mpi_roof.zip")
    code, out, err = run("--from", less, "--json")
    assert (code, list(json.loads(out)["shrunk"])) == (0, ["mpi_roof.zip"])
    assert "--force takes the new one" in err
    assert kept(data)["mpi_roof.zip"] == RUNNING


def test_user_password_and_query_are_never_shown_or_kept(run, data, site):
    host = site.url.removeprefix("http://")
    site.routes[f"{PAGE}?token=SECRET"] = page("mpi_roof.zip?key=SECRET", "mpi_roof_2019.zip?key=SECRET")
    site.routes["/wetter/mpi_roof.zip?key=SECRET"] = RUNNING
    code, out, err = run("--from", f"http://user:SECRET@{host}{PAGE}?token=SECRET", "--json")
    assert code == 1  # one of the two is missing
    assert json.loads(out)["fetched"] == ["mpi_roof.zip"]
    assert "SECRET" not in out + err + json.dumps(index(data))
    assert index(data)["files"]["mpi_roof.zip"]["url"] == f"{site.url}/wetter/mpi_roof.zip"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "station", "--from-year", 2020, "--to-year", 2019], "--from-year 2020 is later than"),
        (["--from-year", 2020], "need --source station"),
        (["--source", "book", "--to-year", 2020], "need --source station"),
        (["--from", "a.zip", "--from", "b.zip"], "need --source station"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(jenacast, data, arguments, told):
    done = jenacast("download", "--data-dir", data, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in " ".join(done.stderr.replace("│", " ").split())
    assert not data.exists()


def test_the_series_of_2009_to_2016_is_taken_as_before(jenacast, data, tmp_path):
    done = jenacast("download", "--data-dir", data, "--from", given(tmp_path, OTHER_CSV))
    assert (done.exit_code, done.stdout) == (0, f"{data / CSV_NAME}\n")


def start(data, *arguments):
    command = [sys.executable, "-m", "jenacast", "download", "--source", "station", "--data-dir", str(data), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.system
def test_two_processes_at_once_lose_nothing(data, site):
    turn = versioned(FILES["mpi_roof_2024.zip"])
    site.routes["/wetter/mpi_roof_2024.zip"] = lambda handler: (time.sleep(1), turn(handler))
    processes = [start(data, "--from", site.page) for _ in range(2)]
    told = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum("waiting for another process" in text for text in told) == 1
    assert kept(data) == FILES
    assert sorted(index(data)["files"]) == sorted(NAMES)
    assert site.hits.count("/wetter/mpi_roof_2024.zip") == 1


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_stopped_leaves_what_it_had(data, site, number):
    site.routes["/wetter/mpi_roof_2024.zip"] = lambda handler: (handler.begin(10_000), handler.server.closing.wait(20))
    process = start(data, "--from", site.page)
    while "/wetter/mpi_roof_2024.zip" not in site.hits:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[number]
    assert {path.name: path.read_bytes() for path in station_files(data)} == {name: FILES[name] for name in NAMES[:2]}
    site.routes["/wetter/mpi_roof_2024.zip"] = versioned(FILES["mpi_roof_2024.zip"])
    after = start(data, "--from", site.page)
    assert after.wait(60) == 0
    assert kept(data) == FILES


SLOW_NAMES = """
import fcntl, socket, struct, subprocess, sys, time
loopback = socket.socket()
fcntl.ioctl(loopback, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))  # takes every question and never answers
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
from jenacast.data import fetch
fetch.TOTAL_TIME_S, fetch.RETRIES = 1.0, 0
from jenacast.cli import main
sys.argv = ["jenacast", "download", "--data-dir", sys.argv[2], "--from", "http://files.example/a.zip"]
begun = time.monotonic()
try:
    main()
finally:
    sys.stderr.write(f"{time.monotonic() - begun:.1f} s")
"""
OWN_SYSTEM = ("unshare", "--map-root-user", "--mount", "--net")


@pytest.mark.system
def test_the_deadline_holds_where_a_name_server_does_not_answer(data, tmp_path):
    if not shutil.which("unshare") or subprocess.run([*OWN_SYSTEM, "true"], check=False).returncode:
        pytest.skip("this system gives no process a network of its own")
    Path(tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:10 attempts:3\n")
    command = [*OWN_SYSTEM, sys.executable, "-c", SLOW_NAMES, tmp_path / "resolv.conf", data]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "http://files.example/a.zip: not complete after 1 s" in done.stderr
    assert float(done.stderr.split()[-2]) < 8  # the system's own look-up would take half a minute
