"""Files: written so that a reader, or a crash, never meets half of one; and one process at a time."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jenacast.errors import ExistsError, InUseError

logger = logging.getLogger(__name__)


@contextmanager
def atomic_path(target: Path, *, make_folder: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success its content becomes `target`, else it is removed.

    Without `make_folder` the folder must be there: one that somebody removed is not made anew.

    The temporary name keeps the suffix of `target`, since Keras and matplotlib read the format from it.
    The file is flushed to disk before the rename, so that a crash leaves the old content or the new.
    """
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        with with_target_in_errors(target):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it takes the place of `target`, else it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        new = scratch / "new"
        with with_target_in_errors(target):
            new.mkdir()
            yield new
            for path in (path for path in new.rglob("*") if path.is_file()):
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
        old = scratch / "old"
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def clear_leftovers(target: Path) -> None:
    """Remove what a killed `atomic_folder` of `target` left; only while no other process writes `target`."""
    for leftover in target.parent.glob(f".{target.name}-????????"):
        shutil.rmtree(leftover, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name where the disk allows it, or copy it; only for files that are never written into."""
    try:
        if not os.access(source, os.W_OK):  # a link to it could not be flushed to disk either
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to overwrite a file that nobody asked to overwrite; call it before any long work.

    Raises:
        ExistsError: `path` exists and `force` is not given.
    """
    if path.exists() and not force:
        raise ExistsError(f"{path} exists; --force overwrites it")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    with atomic_path(target) as path:
        path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_columns(target: Path, columns: Mapping[str, Any]) -> None:
    """Write arrays of one length as CSV, atomically: numbers with four decimals, times by ISO 8601, NaN as nothing."""
    import pandas as pd

    forms: dict[str, Any] = {"float_format": "%.4f", "date_format": "%Y-%m-%dT%H:%M:%S", "lineterminator": "\n"}
    with atomic_path(target) as path:
        pd.DataFrame(columns).to_csv(path, index=False, compression=None, **forms)


@contextmanager
def with_target_in_errors(target: Path) -> Iterator[None]:
    """Put `target` into errors of the disk, most of which do not say what could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # numpy's, of a full disk: "1400 requested and 992 written"
            raise OSError(f"{target} was not written whole ({error}); the disk may be full") from error
        if error.filename is None:
            error.filename = str(target)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


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
            with suppress(OSError):  # what failed before reports a disk that is gone or read-only by now
                path.unlink()
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """A locked descriptor of the file at `path`."""
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
