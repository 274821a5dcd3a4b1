"""Several `jenacast` processes side by side, each bound to a share of the machine."""

import ctypes
import logging
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jenacast.runtime import count_gpus, usable_cores

logger = logging.getLogger(__name__)

VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
DRIVER_LIBRARY = "libcuda.so.1"  # of NVIDIA's driver; TensorFlow loads it by this name, and has no GPU without it


@dataclass(frozen=True)
class DeviceShare:
    """The numbers of the cores, and of the GPU where there are GPUs, that one process has."""

    cores: frozenset[int]
    gpu: str | None


def device_shares(jobs: int, at_once: int | None = None) -> list[DeviceShare]:
    """Divide the machine into equal shares, at most one for each job: one for each GPU, or else for each core.

    With `at_once`, there are so many; where that is more than there are GPUs or cores, shares overlap.
    """
    cores, seen = usable_cores(), _count_gpus()
    gpus = os.environ.get(VISIBLE_GPUS, ",".join(map(str, range(seen)))).split(",") if seen else []
    count = min(jobs, at_once or len(gpus) or len(cores))
    return [
        DeviceShare(
            frozenset(cores[number::count] or [cores[number % len(cores)]]),
            gpus[number % len(gpus)] if gpus else None,
        )
        for number in range(count)
    ]


def _count_gpus() -> int:
    """GPUs that TensorFlow sees; it is not started, which takes seconds, where NVIDIA's driver is missing."""
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return 0
    return count_gpus()


def run_side_by_side(jobs: Mapping[str, Sequence[str]], at_once: int | None = None) -> list[str]:
    """Run `jenacast ARGUMENTS` for each named job, as many at a time as there are shares of the machine.

    What a job writes to stderr is logged after its name. Whatever stops this process also stops the jobs: they
    receive SIGTERM and are waited for.

    Args:
        jobs: arguments by name.
        at_once: how many at a time, as in `device_shares`.

    Returns:
        The names of the jobs that failed.
    """
    if not jobs:
        return []
    shares = device_shares(len(jobs), at_once)
    processes = ProcessPool(shares)
    with ThreadPoolExecutor(len(shares)) as threads:
        try:
            exit_codes = {name: threads.submit(processes.run, name, arguments) for name, arguments in jobs.items()}
            return [name for name, exit_code in exit_codes.items() if exit_code.result() != 0]
        except BaseException:
            processes.stop()
            raise


class ProcessPool:
    """Processes that each have a share of the machine; `run` is called from one thread for each share."""

    def __init__(self, shares: Sequence[DeviceShare]) -> None:
        self._unused: queue.SimpleQueue[DeviceShare] = queue.SimpleQueue()
        for share in shares:
            self._unused.put(share)
        self._started: list[subprocess.Popen[str]] = []
        self._stopped = False
        self._guard = threading.Lock()

    def run(self, name: str, arguments: Sequence[str]) -> int | None:
        """Run one job on an unused share; return its exit code, or None if the pool was stopped before it began."""
        share = self._unused.get()
        try:
            process = self._start(share, arguments)
            if process is None:
                return None
            for line in process.stderr or ():
                logger.info("%s: %s", name, line.rstrip())
            return process.wait()
        finally:
            self._unused.put(share)

    def _start(self, share: DeviceShare, arguments: Sequence[str]) -> "subprocess.Popen[str] | None":
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, share.cores)  # of this thread, and of the process that it starts
        command = [sys.executable, "-m", "jenacast", *arguments]
        environment = os.environ | ({VISIBLE_GPUS: share.gpu} if share.gpu else {})
        with self._guard:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
            )
            self._started.append(process)
            return process

    def stop(self) -> None:
        """Start no further process, and end those that run."""
        with self._guard:
            self._stopped = True
            for process in self._started:
                process.terminate()  # nothing happens to one that has ended
