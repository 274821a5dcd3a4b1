"""Files: written so that a reader, or a crash, never meets half of one; read only where they are regular files."""

import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

from jenacast.errors import ExistsError

TEMPORARY = ".jenacast-tmp-"  # begins the names of what is being written; nobody chooses such a name
DAY_S = 86_400
LONGEST_NAME = 255  # bytes, on all usual file systems
LONGEST_SUFFIX = 16  # Keras and matplotlib read the format from it
AT_CWD, EXCHANGE = -100, 2  # of Linux' renameat2


@contextmanager
def atomic_path(target: Path, *, force: bool = True, make_folder: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success its content becomes `target`, else it is removed.

    The temporary name keeps the suffix of `target`. The file is flushed to disk before it gets its name, so that a
    crash leaves the old content or the new. Without `make_folder` the folder must exist: one that somebody removed is
    not made anew.

    Raises:
        ExistsError: `target` is no regular file; or it exists, perhaps only since a moment ago, without `force`.
    """
    if make_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    _clear_old_leftovers(target.parent)
    suffix = target.suffix if len(target.suffix) <= LONGEST_SUFFIX else ""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=TEMPORARY, suffix=suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        with with_target_in_errors(target, temporary):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
            refuse_existing(target, force=force)
            if force:
                temporary.replace(target)
            else:
                _place_new(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _place_new(temporary: Path, target: Path) -> None:
    """Give a file the name `target` in one step that fails if the name exists by now."""
    try:
        try:
            os.link(temporary, target)
        except FileExistsError:
            raise
        except OSError:  # a disk without hard links
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            temporary.replace(target)
    except FileExistsError:
        refuse_existing(target, force=False)
        raise


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; on success it takes the place of `target`, else it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=TEMPORARY))
    try:
        new, old = scratch / "new", scratch / "old"
        with with_target_in_errors(target):
            new.mkdir()
            yield new
            for path in (path for path in new.rglob("*") if path.is_file()):
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
        if target.exists() and exchange(new, target):
            return
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


def exchange(first: Path, second: Path) -> bool:
    """Swap two files or folders of one disk in a single step; False where the system or the disk has no such step."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(AT_CWD, os.fsencode(first), AT_CWD, os.fsencode(second), EXCHANGE) == 0)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing in `folder`; only for the process that holds its lock."""
    for leftover in folder.glob(f"{TEMPORARY}*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@cache
def _clear_old_leftovers(folder: Path) -> None:
    """Remove what killed processes were writing in a folder that nobody locks, once a process: this user's files alone.

    Nobody writes a file for a day without a change to it.
    """
    for leftover in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):
            about = leftover.lstat()
            is_ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
            if is_ours and time.time() - about.st_mtime > DAY_S:
                leftover.unlink()


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name where the disk allows it, or copy it; only for files that are never written into."""
    try:
        if not os.access(source, os.W_OK):  # a link to it could not be flushed to disk either
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse a name that cannot be written to, or a file that nobody asked to overwrite; call it before long work.

    Raises:
        ExistsError: `path` exists and `force` is not given, or is no regular file, such as a device or a link.
        OSError: a name that is too long, or a path that leads through a file.
    """
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise ExistsError(f"{path} is not a regular file; choose another name, or remove it")
    if not force:
        raise ExistsError(f"{path} exists; --force overwrites it")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_foreign(folder: Path, ours: Collection[str]) -> None:
    """Refuse to replace a folder that holds anything but the files named in `ours`; a missing one is fine.

    Raises:
        ExistsError: it holds something else, or is no folder.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise ExistsError(f"{folder} is a link or no folder; move it away")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if foreign:
        raise ExistsError(f"{folder} also holds {foreign[0]!r}, which would be lost; move that away")


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read its bytes; it never waits, as the opening of a pipe would.

    Raises:
        OSError: missing, not readable, or no regular file: pipes and devices may never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as `open_regular`, or it has more than `most_bytes`.
    """
    with open_regular(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"Larger than the {most_bytes:,} bytes allowed", str(path))
    return content


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    with atomic_path(target) as path:
        path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_columns(target: Path, parts: Iterable[Mapping[str, Any]]) -> None:
    """Write columns, in each part arrays of one length, as CSV, atomically: one part after the other.

    Numbers have four decimals, times are written by ISO 8601, NaN as nothing.
    """
    import pandas as pd

    forms: dict[str, Any] = {"float_format": "%.4f", "date_format": "%Y-%m-%dT%H:%M:%S", "lineterminator": "\n"}
    with atomic_path(target) as path, path.open("w", encoding="utf-8", newline="") as file:
        for number, columns in enumerate(parts):
            pd.DataFrame(columns).to_csv(file, index=False, header=number == 0, **forms)


@contextmanager
def with_target_in_errors(target: Path, temporary: Path | None = None) -> Iterator[None]:
    """Put `target` into errors of the disk, most of which do not say what could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # numpy's, of a full disk: "1400 requested and 992 written"
            raise OSError(f"{target} was not written whole ({error}); the disk may be full") from error
        if error.filename is None or error.filename == str(temporary):
            error.filename = str(target)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
