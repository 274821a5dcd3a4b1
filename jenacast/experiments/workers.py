"""Several `jenacast` processes side by side, each bound to a share of the machine."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import jenacast
from jenacast.runtime import count_gpus, usable_cores
from jenacast.training.progress import REPORTS, SharedBar, read_report

logger = logging.getLogger(__name__)

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
PARENT = "JENACAST_PARENT"  # tells a process the id of the one that started it
PR_SET_PDEATHSIG = 1  # of Linux's prctl
GRACE_S = 60  # for a process to save its state after SIGTERM
# What a process of a job runs. -P keeps modules of the working directory from being imported; a package that is not
# installed is then not found either, so it is imported from where this one lies, and nothing else from there.
START = f"""
import runpy, sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("jenacast", {jenacast.__file__!r})
sys.modules["jenacast"] = package = module_from_spec(spec)
spec.loader.exec_module(package)
runpy.run_module("jenacast", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class DeviceShare:
    """The numbers of the cores, and of the GPU where there are GPUs, that one process has."""

    cores: frozenset[int]
    gpu: str | None


def device_shares(jobs: int, at_once: int | None = None) -> list[DeviceShare]:
    """Divide the machine into equal shares, at most one for each job: one for each GPU, or else for each core.

    With `at_once`, there are so many; where that is more than there are GPUs or cores, shares overlap.
    """
    cores, seen = usable_cores(), count_gpus()
    gpus = os.environ.get(VISIBLE_GPUS, ",".join(map(str, range(seen)))).split(",") if seen else []
    count = min(jobs, at_once or len(gpus) or len(cores))
    return [
        DeviceShare(
            frozenset(cores[number::count] or [cores[number % len(cores)]]),
            gpus[number % len(gpus)] if gpus else None,
        )
        for number in range(count)
    ]


def run_side_by_side(jobs: Mapping[str, Sequence[str]], at_once: int | None = None) -> list[str]:
    """Run `jenacast ARGUMENTS` for each named job, as many at a time as there are shares of the machine.

    What a job writes to stderr is logged after its name. Whatever stops this process also stops the jobs: they
    receive SIGTERM and are waited for; they receive it too when this process is killed. Returns the names of the jobs
    that failed.
    """
    if not jobs:
        return []
    processes, began = ProcessPool(device_shares(len(jobs), at_once), len(jobs)), time.monotonic()
    with ThreadPoolExecutor(len(processes.shares), initializer=processes.take_share) as threads:
        try:
            futures = {threads.submit(processes.run, name, arguments): name for name, arguments in jobs.items()}
            for number, future in enumerate(as_completed(futures), start=1):
                left_s = (time.monotonic() - began) / number * (len(jobs) - number)
                if future.result() == 0 and len(jobs) > len(processes.shares):
                    left = f"; about {left_s:.0f} s left" if left_s else ""
                    processes.log(logging.INFO, "%s is done: %d of %d%s", futures[future], number, len(jobs), left)
            return [name for future, name in futures.items() if future.result() != 0]
        except BaseException:
            processes.stop()
            raise


def end_with_parent() -> None:
    """Let this process, if `run_side_by_side` started it, receive SIGTERM when its parent dies, killed or not.

    Linux alone can do that; elsewhere the jobs of a killed parent go on to their end.
    """
    parent = os.environ.pop(PARENT, None)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before
        sys.exit(128 + signal.SIGTERM)


class ProcessPool:
    """Processes that each have a share of the machine.

    Each share has a thread of its own, which first calls `take_share` and then `run` for one job after the other.
    """

    def __init__(self, shares: Sequence[DeviceShare], jobs: int) -> None:
        self.shares = shares
        self._bar = SharedBar(jobs)
        self.log = self._bar.log
        self._untaken = list(shares)
        self._own = threading.local()
        self._started: list[subprocess.Popen[str]] = []
        self._stopped = False
        self._guard = threading.Lock()
        # With --quiet, jobs too say nothing but warnings and errors.
        self.level = logging.INFO if logger.isEnabledFor(logging.INFO) else logging.WARNING

    def take_share(self) -> None:
        """Bind this thread, and every process that it starts, to a share; SIGINT is left to the main thread.

        Ctrl-C reaches all processes of a terminal; here the parent alone acts on it and ends the others by SIGTERM.
        """
        share = self._untaken.pop()
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, share.cores)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._own.environment = {PARENT: str(os.getpid())} | ({VISIBLE_GPUS: share.gpu} if share.gpu else {})
        self._own.environment |= {REPORTS: "1"} if self._bar.is_shown else {}

    def run(self, name: str, arguments: Sequence[str]) -> int | None:
        """Run one job on this thread's share; return its exit code, or None if the pool was stopped before it began.

        The exit code of a job that a signal ended is minus its number; the log says which.
        """
        process = self._start(arguments)
        if process is None:
            return None
        self._bar.begin(name)
        with process:  # closes its end of stderr
            for line in process.stderr or ():
                if report := read_report(line):
                    self._bar.show(name, *report)
                else:
                    self.log(self.level, "%s: %s", name, line.rstrip())
            exit_code = process.wait()
        self._bar.end(name)
        if exit_code < 0 and not self._stopped:
            reason = "; the memory may not have sufficed" if exit_code == -signal.SIGKILL else ""
            logger.error("%s was ended by %s%s", name, signal.Signals(-exit_code).name, reason)
        return exit_code

    def _start(self, arguments: Sequence[str]) -> "subprocess.Popen[str] | None":
        command = [sys.executable, "-P", "-c", START, *arguments]
        command += [] if logger.isEnabledFor(logging.INFO) else ["--quiet"]
        nothing, environment = subprocess.DEVNULL, os.environ | self._own.environment
        with self._guard:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True, env=environment
            )
            self._started.append(process)
            return process

    def stop(self) -> None:
        """Start no further process, and end those that run: by SIGTERM, and after a time of grace by SIGKILL."""
        with self._guard:
            self._stopped = True
        for process in self._started:
            process.terminate()  # nothing happens to one that has ended
            process.send_signal(signal.SIGCONT)  # one that was stopped would not end otherwise
        until = time.monotonic() + GRACE_S
        for process in self._started:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
