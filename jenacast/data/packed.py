"""The station's CSV inside a file, whether it is plain, gzipped, or the one such CSV of a zip."""

import errno
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from jenacast.data.copies import MAX_LINE, ZIP_MAGIC, problem_of
from jenacast.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
MAX_MEMBERS = 100  # of a zip
# The ways to say: damaged, encrypted, or compressed by an unknown method
PACKED_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError, OSError)


class PackedError(DataError):
    """A zip or gzip file that does not give one CSV of the station; says what it is, without its name."""


@contextmanager
def open_csv(file: BinaryIO) -> Iterator[IO[bytes]]:
    """The bytes of the CSV in an open file, to be read inside the `with`. A zip's CRC is checked at the CSV's end.

    Raises:
        PackedError: the zip or gzip file is damaged, or the zip does not hold one CSV of the station.
    """
    magic = file.read(len(ZIP_MAGIC))
    file.seek(0)
    kind = "zip" if magic == ZIP_MAGIC else "gzip file"
    try:
        if magic == ZIP_MAGIC:
            with zipfile.ZipFile(file) as archive, archive.open(_csv_member(archive)) as member:
                yield member
        elif magic.startswith(GZIP_MAGIC):
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked  # type: ignore[misc]  # it reads as any binary file
        else:
            yield file
    except PACKED_ERRORS as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's
            raise
        raise PackedError(f"is a {kind} that cannot be unpacked: {error}") from error


def _csv_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = []
    if len(archive.infolist()) > MAX_MEMBERS:
        raise PackedError(f"is a zip with more than {MAX_MEMBERS} members")
    for info in archive.infolist():
        with archive.open(info) as member:
            if problem_of(member.readline(MAX_LINE)) is None:
                found.append(info)
    if len(found) != 1:
        raise PackedError(f"is a zip with {len(found)} CSVs of the station, not one")
    return found[0]
