"""How far a training is within its epochs: a bar on a terminal, or lines for the process that shows one for several."""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)

REPORTS = "JENACAST_REPORTS"  # set where the process that started this one shows the bar
MARK = "\x01steps"  # begins a report; a message has no control characters
EVERY_S = 0.5  # between two reports


@contextmanager
def step_bar(done: int, total: int) -> Iterator[Any]:
    """What counts steps by `update()` and makes room for a message by `clear()`: tqdm's bar, or reports."""
    if os.environ.get(REPORTS):
        yield _Reports(done, total)
        return
    hidden = None if logger.isEnabledFor(logging.INFO) else True  # None: where stderr is no terminal
    with tqdm(total=total, initial=done, unit="step", disable=hidden, leave=False) as bar:
        yield bar


def read_report(line: str) -> tuple[int, int] | None:
    """The steps done and those in all, if a line of another process is a report of them."""
    mark, _, counts = line.partition(" ")
    if mark != MARK:
        return None
    done, total = map(int, counts.split())
    return done, total


class _Reports:
    def __init__(self, done: int, total: int) -> None:
        self._done, self._total, self._said = done, total, 0.0

    def update(self) -> None:
        self._done += 1
        if time.monotonic() - self._said >= EVERY_S:
            sys.stderr.write(f"{MARK} {self._done} {self._total}\n")
            sys.stderr.flush()
            self._said = time.monotonic()

    def clear(self) -> None:
        """Nothing is in the way."""


class SharedBar:
    """One bar for several processes that train, from their reports; it goes when the last of them has ended.

    Args:
        jobs: how many trainings there will be; each is taken to be as long as the longest seen.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._steps: dict[str, tuple[int, int]] = {}
        self._running: set[str] = set()
        self._guard = threading.Lock()
        self._bar: Any = None
        self.is_shown = logger.isEnabledFor(logging.INFO) and sys.stderr.isatty()

    def begin(self, name: str) -> None:
        """A process begins."""
        with self._guard:
            self._running.add(name)

    def show(self, name: str, done: int, total: int) -> None:
        """Show how far a process is."""
        with self._guard:
            self._steps[name] = (done, total)
            self._bar = self._bar or tqdm(unit="step", leave=False)
            self._bar.total = self._jobs * max(each for _, each in self._steps.values())
            self._bar.n = sum(each for each, _ in self._steps.values())
            self._bar.refresh()

    def end(self, name: str) -> None:
        """A process has ended."""
        with self._guard:
            self._running.discard(name)
            if name in self._steps:
                self._steps[name] = (self._steps[name][1], self._steps[name][1])
            if self._bar is not None and not self._running:
                self._bar.close()
                self._bar = None

    def log(self, level: int, text: str, *values: object) -> None:
        """Log a message in place of the bar, which moves below it."""
        with self._guard, tqdm.external_write_mode(file=sys.stderr) if self._bar else nullcontext():
            logger.log(level, text, *values)
