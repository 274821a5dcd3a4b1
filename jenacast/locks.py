"""Locks, so that one process at a time writes in a folder. The system lets go of them however a process ends."""

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jenacast.errors import InUseError, JenacastError

logger = logging.getLogger(__name__)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Wait until no other process holds this folder, and hold it; nothing is written."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another process, which is writing in %s", folder)
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
        JenacastError: it is a link, or not a file that a lock wrote.
    """
    descriptor = _lock(path)
    try:
        if left_by := _holder(descriptor):
            logger.info("process %s died while it held %s: taking over", left_by, path.parent)
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            with suppress(OSError):  # what failed before reports a disk that is gone or read-only by now
                path.unlink()
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file `path`; nothing is written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(path: Path) -> int:
    """A locked descriptor of the file at `path`."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        except OSError:
            if path.is_symlink():
                raise _no_lock(path) from None
            raise
        try:
            about = os.fstat(descriptor)
            content = _holder(descriptor) if stat.S_ISREG(about.st_mode) else "?"
            if about.st_nlink > 1 or not (content.isdecimal() or not content):
                raise _no_lock(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking, the holder before may have removed the file: then this is not it.
            if path.exists() and os.path.samestat(about, path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            told = f"process {content}; wait for it, or stop it with: kill {content}" if content else "another process"
            raise InUseError(f"{path.parent} is in use by {told}") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _no_lock(path: Path) -> JenacastError:
    return JenacastError(f"{path} is no file that jenacast wrote to lock {path.parent}; look at it and move it away")


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
