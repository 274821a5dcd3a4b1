"""`jenacast` commands as processes that find TensorFlow imported, which takes seconds of every other.

Each is forked from one process that has imported it and has run nothing with it; it can be killed and sent signals
as any other. How a process starts and what it says while it imports is tried with `jenacast_process`.
"""

import atexit
import gc
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["keras", "pandas", "matplotlib.pyplot", "pytest"])


class Command:
    """A command that was started: `.stdout` and `.stderr` are what it has said so far.

    Args:
        arguments: of `jenacast`.
        cwd: its working directory, else that of the tests.
        environment: what is added to its environment variables.
    """

    def __init__(self, *arguments, cwd=".", **environment):
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name) / name for name in ("stdout", "stderr")]
        for file in self._files:
            file.touch()
        arguments, environment = [str(part) for part in arguments], {k: str(v) for k, v in environment.items()}
        self._process = CONTEXT.Process(target=_run, args=(arguments, cwd, environment, *self._files), daemon=True)
        self._process.start()

    @property
    def stdout(self):
        return self._files[0].read_text()

    @property
    def stderr(self):
        return self._files[1].read_text()

    @property
    def runs(self):
        return self._process.exitcode is None

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def wait(self, timeout=120):
        """The exit code; minus the signal's number where a signal ended it."""
        self._process.join(timeout)
        assert not self.runs, f"still runs after {timeout} s: {self.stderr}"
        return self._process.exitcode

    def wait_until(self, condition, timeout=60):
        """Wait for what the command is to bring about while it runs."""
        until = time.monotonic() + timeout
        while not condition():
            assert self.runs, self.stderr
            assert time.monotonic() < until, self.stderr
            time.sleep(0.005)


def _run(arguments, cwd, environment, stdout, stderr):
    gc.freeze()  # Keras has everything looked through before every network
    os.chdir(cwd)
    os.environ |= environment
    tempfile.tempdir = None  # it may be another now
    for file, number in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND), number)
    from jenacast.cli import main

    sys.argv = ["jenacast", *arguments]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # such a process leaves them out, and TensorFlow's clear its temporary files
