"""A PostgreSQL of a test's own: on loopback, by an unprivileged user, gone afterwards."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "pass-word-nobody-may-see"  # noqa: S105
USERS = ("postgres", "nobody")  # the server refuses to run as root


def find_server():
    """A server, or a skip that says what is missing."""
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if not shutil.which(name)]
    if missing:
        pytest.skip(f"no PostgreSQL on the PATH ({', '.join(missing)}); Debian's lies in /usr/lib/postgresql/*/bin")
    return Server()


class Server:
    """Started when it is made. `url` has no password; `environment` has it."""

    def __init__(self):
        self.user = next((name for name in USERS if _exists(name)), None) if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="jenacast-pg-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(secret, self.user)
        self.data = self.folder / "data"
        self._run("initdb", "--pgdata", self.data, "--username", "jena", "--auth", "scram-sha-256", "--pwfile", secret,
                  "--no-sync", "--encoding", "UTF8", "--locale", "C")  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses='127.0.0.1'\nport={self.port}\nfsync=off\n")
            settings.write(f"unix_socket_directories='{self.folder}'\n")
        self.start()

    @property
    def url(self):
        return f"postgresql://jena@127.0.0.1:{self.port}/postgres"

    @property
    def environment(self):
        return {"PGPASSWORD": PASSWORD}

    def start(self):
        self._run("pg_ctl", "start", "--wait", "--pgdata", self.data, "--log", self.folder / "log")

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "stop", "--wait", "--pgdata", self.data, "--mode", mode)

    @contextmanager
    def frozen(self):
        """While it lasts, every connection is accepted and nothing is answered."""
        postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        pids = [postmaster, *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def remove(self):
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *command):
        done = subprocess.run(
            [str(part) for part in command], user=self.user, cwd=self.folder, timeout=60, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def _exists(user):
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
