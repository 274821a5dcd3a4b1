"""Several `jenacast` processes side by side, each bound to its share of the machine."""

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
class Share:
    """What one process gets: the numbers of its cores, and of its GPU where there are GPUs."""

    cores: frozenset[int]
    gpu: str | None


def shares(jobs: int, at_once: int | None = None) -> list[Share]:
    """The machine cut into equal shares, no more than there are jobs: one for each GPU, or else for each core.

    With `at_once` there are so many; where that is more than there are GPUs or cores, they are shared in turn.
    """
    cores, seen = usable_cores(), _count_gpus()
    gpus = os.environ.get(VISIBLE_GPUS, ",".join(map(str, range(seen)))).split(",") if seen else []
    count = min(jobs, at_once or len(gpus) or len(cores))
    return [
        Share(
            frozenset(cores[number::count] or [cores[number % len(cores)]]),
            gpus[number % len(gpus)] if gpus else None,
        )
        for number in range(count)
    ]


def _count_gpus() -> int:
    """GPUs that TensorFlow sees, asked without TensorFlow's start, some seconds, where the driver is absent."""
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return 0
    return count_gpus()


def run_side_by_side(jobs: Mapping[str, Sequence[str]], at_once: int | None = None) -> list[str]:
    """Run `jenacast ARGUMENTS` for each named job, as many at a time as there are shares.

    What they say on stderr is passed on behind the job's name. Whatever stops this process stops them: they are
    sent SIGTERM and waited for.

    Args:
        jobs: arguments by name.
        at_once: how many at a time, as in `shares`.

    Returns:
        The names of those that failed.
    """
    if not jobs:
        return []
    crew, cut = _Crew(jobs), shares(len(jobs), at_once)
    with ThreadPoolExecutor(len(cut)) as pool:
        done = [pool.submit(crew.work, share) for share in cut]
        try:
            for future in done:
                future.result()
        except BaseException:
            crew.stop()
            raise
    return [name for name in jobs if name in crew.failed]


class _Crew:
    """Threads that each start one process after another."""

    def __init__(self, jobs: Mapping[str, Sequence[str]]) -> None:
        self.failed: set[str] = set()
        self._waiting: queue.SimpleQueue[tuple[str, Sequence[str]]] = queue.SimpleQueue()
        for job in jobs.items():
            self._waiting.put(job)
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._guard = threading.Lock()

    def work(self, share: Share) -> None:
        """Take jobs until none waits."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, share.cores)  # of this thread, and of the processes that it starts
        environment = os.environ | ({VISIBLE_GPUS: share.gpu} if share.gpu else {})
        while True:
            try:
                name, arguments = self._waiting.get_nowait()
            except queue.Empty:
                return
            command = [sys.executable, "-m", "jenacast", *arguments]
            with self._guard:
                if self._stopped:
                    return
                process = subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
                )
                self._running.add(process)
            for line in process.stderr or ():
                logger.info("%s: %s", name, line.rstrip())
            if process.wait() != 0:
                self.failed.add(name)
            with self._guard:
                self._running.remove(process)

    def stop(self) -> None:
        """Start no more, and end those that run."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                process.terminate()
