"""One process at a time: locks that the kernel drops when their holder dies."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jenacast.errors import InUseError

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
        InUseError: a living process holds it.
    """
    descriptor = _lock(path)
    try:
        left_by = _holder(descriptor)
        if left_by:
            logger.info("process %s died while it held %s: taking over", left_by, path.parent)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            with suppress(OSError):  # a disk that is gone or read-only by now is told of by what failed before
                path.unlink()
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """A locked descriptor of the file that stands at `path`."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(descriptor) or "unknown"
            os.close(descriptor)
            raise InUseError(
                f"{path.parent} is in use by process {holder}; wait for it, or stop it with: kill {holder}"
            ) from None
        # Between opening and locking, the holder before may have removed the file: then this is not it.
        if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode(errors="replace").strip()
