"""Station files as one series: which are taken, how their rows are put together, and what is kept of them."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from math import lcm
from pathlib import Path

import numpy as np

from jenacast.data.cleaning import same_values
from jenacast.data.download import CSV_NAME
from jenacast.data.series import HOUR_S, Rows, Series, Times, optional_values, rows_per_hour
from jenacast.errors import DataError, command
from jenacast.files import open_regular
from jenacast.records import Record

logger = logging.getLogger(__name__)


class SourceRecord(Record):
    """A file that a series was prepared from: its rows, and the times (ISO 8601) of the earliest and the latest."""

    path: str
    sha256: str
    rows: int
    rows_per_hour: int
    first_time: str
    last_time: str


@dataclass(frozen=True)
class Joined:
    """How files became one series; its values are given beside it, so that they can be forgotten earlier.

    Attributes:
        times: (rows,) datetime64[s], of one file as they stand there, of several in order and each once.
        sources: of each file, in order of time.
        rows: in the files, before any of them were left out.
        duplicates: rows left out because another one says the same.
        conflicts: rows left out because the file that begins earlier has other values for their time.
    """

    times: Times
    sources: list[SourceRecord]
    rows: int
    duplicates: int = 0
    conflicts: int = 0


@dataclass(frozen=True)
class OpenSource:
    """A file that is open, so that what is read is what was hashed, whatever becomes of the name."""

    path: Path
    file: BufferedReader
    sha256: str

    def read(self) -> Series:
        """Its rows."""
        from jenacast.data.station import parse_station_csv

        logger.info("reading %s", self.path)
        self.file.seek(0)
        return parse_station_csv(self.path, self.file)


def downloaded_files(data_dir: Path, no_file: str) -> list[Path]:
    """What `download` placed: the standard CSV if it is there, else the files of the station's archive.

    Args:
        data_dir: where they lie.
        no_file: the remedy where there is none.

    Raises:
        DataError: there is none, or what has the CSV's name is no file.
    """
    from jenacast.data.archive import station_dir, station_files

    csv, files = data_dir / CSV_NAME, station_files(data_dir)
    if not csv.exists():
        if not files:
            raise DataError(f"{csv} not found; {no_file}")
        return files
    if not csv.is_file():
        raise DataError(f"{csv} is not a regular file; move it away, then {no_file}")
    if files:
        both = f"{command('jenacast', 'prepare', csv)} {command(station_dir(data_dir))}/*.zip"
        logger.info("note: taking %s alone; to take the station's %d files too: %s", csv, len(files), both)
    return [csv]


@contextmanager
def open_sources(paths: Sequence[Path]) -> Iterator[list[OpenSource]]:
    """The files, open and hashed.

    Raises:
        DataError: one is missing, or is no regular file.
    """
    from jenacast.data.station import check_station_file

    with ExitStack() as opened:
        sources = []
        for path in paths:
            check_station_file(path)
            file = opened.enter_context(open_regular(path))
            sources.append(OpenSource(path, file, hashlib.file_digest(file, "sha256").hexdigest()))
        yield sources


def series_sha256(sources: Sequence[OpenSource], until: Mapping[str, str]) -> str:
    """What names the series: the file's SHA-256; of several files, or with own borders, the SHA-256 of all of that.

    So nothing else need be compared to know that two things are of the same rows and splits. The files' order is all
    one.
    """
    parts = [*sorted(source.sha256 for source in sources), *(until[split] for split in sorted(until))]
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()


def join_sources(sources: Sequence[OpenSource]) -> tuple[Series, Joined]:
    """Read all files and put them together: the rows of one as they stand there, of several by time, each time once.

    Rows of files with shorter steps than others are thinned to the longest. Where several rows have one time, that of
    the file that begins first counts, inside a file the first.

    Raises:
        DataError: a file cannot be read, or has no step that divides an hour.
    """
    parts = [(source, source.read()) for source in sources]
    records = [_record(source, part) for source, part in parts]
    order = sorted(range(len(parts)), key=lambda number: (records[number].first_time, records[number].sha256))
    records, series = [records[number] for number in order], [parts[number][1] for number in order]
    rows = sum(record.rows for record in records)
    if len(series) == 1:
        return series[0], Joined(series[0].times, records, rows)
    parts.clear()
    merged, duplicates, conflicts = merge(_thinned(series, records))
    return merged, Joined(merged.times, records, rows, duplicates, conflicts)


def merge(parts: list[Series]) -> tuple[Series, int, int]:
    """All rows by time, the first of each time alone; empties `parts`, since together they may fill the memory.

    What the first lacks of the optional columns is taken from the others: its file may not have them.

    Returns:
        The series, and how many rows were left out: repeated with the same values, and with other values.
    """
    times, firsts = np.unique(np.concatenate([part.times for part in parts]), return_index=True)
    has_optional = any(part.optional is not None for part in parts)
    values = np.empty((len(times), parts[0].values.shape[1]), np.float32)
    optional = np.empty((len(times), optional_values(parts[0]).shape[1]), np.float32) if has_optional else None
    before = duplicates = conflicts = 0
    while parts:
        part = parts.pop(0)
        places = np.searchsorted(times, part.times)
        is_first = firsts[places] == before + np.arange(len(places))
        new, again = places[is_first], places[~is_first]
        values[new] = part.values[is_first]
        same = same_values(values[again], part.values[~is_first])
        if optional is not None:
            also = optional_values(part)
            optional[new] = also[is_first]
            kept, other = optional[again], also[~is_first]
            same &= (np.isnan(kept) | np.isnan(other) | (kept == other)).all(axis=1)
            optional[again] = np.where(np.isnan(kept), other, kept)
        duplicates, conflicts = duplicates + int(same.sum()), conflicts + int((~same).sum())
        before += len(places)
    return Series(times, values, optional=optional), duplicates, conflicts


def _record(source: OpenSource, series: Series) -> SourceRecord:
    return SourceRecord(
        path=str(source.path.resolve()),
        sha256=source.sha256,
        rows=len(series.times),
        rows_per_hour=rows_per_hour(series.times, source.path),
        first_time=str(series.times.min()),
        last_time=str(series.times.max()),
    )


def _thinned(parts: list[Series], records: Sequence[SourceRecord]) -> list[Series]:
    """The parts with the shortest step that is a multiple of everyone's; whoever has shorter steps loses rows."""
    steps_s = [HOUR_S // record.rows_per_hour for record in records]
    step_s = lcm(*steps_s)
    finer = {record.path: own_s for record, own_s in zip(records, steps_s, strict=True) if own_s < step_s}
    if not finer:
        return parts
    logger.info(
        "taking rows every %g minutes from all files; thinned, since they have one every %s: %s",
        step_s / 60,
        " or ".join(f"{own_s / 60:g}" for own_s in sorted(set(finer.values()))),
        ", ".join(finer),
    )
    coarse = [part for part, own_s in zip(parts, steps_s, strict=True) if own_s == step_s]
    phase = _seconds((coarse or parts)[-1])[-1] % step_s  # so that the others go on where these end
    return [
        part if own_s == step_s else part.pick(_seconds(part) % step_s == phase)
        for part, own_s in zip(parts, steps_s, strict=True)
    ]


def _seconds(series: Series) -> Rows:
    return series.times.astype(np.int64)
