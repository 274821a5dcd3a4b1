"""One process at a time: locks that the kernel drops when their holder dies."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jenacast.errors import JenacastError

logger = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait until no other process holds this folder, and hold it; nothing is written."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def process_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which names the holder's process id; gone afterwards.

    A file left behind by a process that died is taken over.

    Raises:
        JenacastError: a living process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        left_by = os.read(descriptor, 32).decode(errors="replace").strip()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise JenacastError(
                f"{path.parent} is in use by process {left_by or 'unknown'}; wait for it, or stop it with: "
                f"kill {left_by or 'PID'}"
            ) from None
        if left_by:
            logger.info("process %s died while it held %s: taking over", left_by, path.parent)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
