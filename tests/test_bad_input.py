"""Input that cannot be used, through the command line: one message, exit code 1 or 2, nothing changed on disk."""

import gzip
import json
import os
import pickle
import shutil
import stat
import sys
import zipfile

import h5py
import numpy as np
import pytest

from jenacast.download import CSV_NAME

FETCH = "`jenacast download` fetches a file that fits"
MEND = "mend or remove the line"
PREPARE_AGAIN = "run: jenacast prepare --force"
RESTORE = "train again or restore a copy"
T, P, WV = 2, 1, 12  # cells of a row


def snapshot(folder):
    """What lies in a folder: kind and, of files, content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        found[str(path)] = (stat.S_IFMT(mode), path.read_bytes() if stat.S_ISREG(mode) else b"")
    return found


def unboxed(text):
    """Typer's frame around a usage error taken off, its lines joined."""
    return " ".join("".join(" " if letter in "│╭╮╰╯─" else letter for letter in text).split())


@pytest.fixture
def refused(jenacast, tmp_path, monkeypatch):
    """A function that runs a command, sees it refused in one message, and nothing changed on disk."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.chdir(tmp_path)

    def refuse(arguments, told, code=1):
        before = snapshot(tmp_path)
        done = jenacast(*arguments)
        assert done.exit_code == code, done.output
        assert isinstance(done.exception, SystemExit)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        message = unboxed(done.stderr) if code == 2 else done.stderr
        assert message.count("Error " if code == 2 else "error: ") == 1
        missing = [text for text in told if text not in message]
        assert not missing, message
        assert snapshot(tmp_path) == before

    return refuse


def text(change):
    """Spoil a CSV by a function of its lines."""

    def spoil(path):
        lines = path.read_text().splitlines()
        path.write_text("".join(f"{line}\n" for line in change(lines)))

    return spoil


def content(change):
    """Spoil a file by a function of its bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def cell(row, column, value):
    """Spoil one cell; row 0 is the header."""

    def change(lines):
        cells = lines[row].split(",")
        cells[column] = value
        return [*lines[:row], ",".join(cells), *lines[row + 1 :]]

    return text(change)


def column(number, value):
    """Spoil a whole column."""

    def change(lines):
        rows = [line.split(",") for line in lines[1:]]
        return [lines[0], *(",".join([*row[:number], value, *row[number + 1 :]]) for row in rows)]

    return text(change)


def every(step_minutes):
    """Spoil the times: so many minutes apart, less the last digit of the clock where it does not fit."""

    def change(lines):
        start = np.datetime64("2009-01-01T00:00:00")
        times = (start + np.arange(len(lines) - 1) * np.timedelta64(step_minutes, "m")).tolist()
        rows = zip(times, lines[1:], strict=True)
        return [lines[0], *(f"{time:%d.%m.%Y %H:%M:%S},{line.split(',', 1)[1]}" for time, line in rows)]

    return text(change)


def replaced_by(make):
    """Put something else where the file lay."""

    def spoil(path):
        path.unlink()
        make(path)

    return spoil


def only(column_numbers):
    return lambda lines: [",".join(np.array(line.split(","))[column_numbers]) for line in lines]


ALL = list(range(15))
CSV = {
    "empty": (content(lambda old: b""), "is empty", FETCH),
    "header only": (text(lambda lines: lines[:1]), "has a header but no rows", FETCH),
    "a web page": (content(lambda old: b"<!DOCTYPE html>\n<p>log in</p>\n"), "begins with '<!DOCTYPE html>'", FETCH),
    "two columns missing": (text(only([0, 1, *ALL[4:]])), "lacks the column(s) 'T (degC)', 'Tpot (K)'", FETCH),
    "no times": (text(only(ALL[1:])), "lacks the column(s) 'Date Time'", FETCH),
    "a renamed column": (cell(0, T, '"Temperature"'), "lacks the column(s) 'T (degC)'", FETCH),
    "a column twice": (text(only([*ALL, T])), "has the column(s) 'T (degC)' more than once", "keep one"),
    "semicolons": (content(lambda old: old.replace(b",", b";")), "begins with '\"Date Time\";\"p (mbar)\"", FETCH),
    "text in numbers": (cell(700, T, "warm"), "line 701: expected a number in 'T (degC)', received 'warm'", MEND),
    "a decimal comma": (cell(700, T, "3,71"), "line 701: expected 15 cells, received 16", MEND),
    "a quoted decimal comma": (cell(700, T, '"3,71"'), "line 701: expected a number", "received '3,71'", MEND),
    "decimal commas everywhere": (
        content(lambda old: old.replace(b",", b";").replace(b".", b",")),
        "begins with '\"Date Time\";\"p (mbar)\"",
        FETCH,
    ),
    "American dates": (cell(1, 0, "01/13/2009 00:10:00"), "line 2: expected a time such as 31.12.2016", MEND),
    "ISO dates": (cell(1, 0, "2009-01-13T00:10:00"), "received '2009-01-13T00:10:00'", "line 2", MEND),
    "a day that is none": (cell(9, 0, "30.02.2009 00:10:00"), "received '30.02.2009 00:10:00'", "line 10", MEND),
    "UTF-16": (content(lambda old: old.decode().encode("utf-16")), "UTF-16", "save it as UTF-8"),
    "Latin-1 in data": (
        content(lambda old: old.replace(b"\n", b"\xb5\n", 5).replace(b"\xb5", b"", 4)),
        "line 5: expected a number in 'wd (deg)'",
        "µ'",
        MEND,
    ),
    "NUL in a number": (cell(30, T, "3.\0" + "71"), "line 31: expected a number", r"received '3.\x0071'", MEND),
    "NULs at the end": (content(lambda old: old + bytes(4096)), "line 1402: expected 15 cells, received 1", MEND),
    "cut in its last line": (
        content(lambda old: old[: old.rindex(b",")]),
        "line 1401: expected 15 cells, received 14",
        MEND,
    ),
    "a short line in the middle": (
        text(lambda lines: [*lines[:50], lines[50][:60], *lines[51:]]),
        "line 51: expected 15 cells, received",
        MEND,
    ),
    "a long line in the middle": (
        text(lambda lines: [*lines[:50], lines[50] + ",1", *lines[51:]]),
        "line 51: expected 15 cells, received 16",
        MEND,
    ),
    "a quote without end": (cell(40, T, '"3.71'), "line 41: quotes that do not pair up", MEND),
    "a short line that quotes make long": (
        text(lambda lines: [*lines[:50], '"3,71",'.join(lines[50].split(",", 1))[:-6], *lines[51:]]),
        "line 51: expected",
        MEND,
    ),
    "a line of a megabyte": (cell(60, T, "9" * 1_000_000), "line 61: longer than 100,000 characters", MEND),
    "a header of a megabyte": (content(lambda old: b"x" * 1_000_000 + old), f"begins with '{'x' * 40}...'", FETCH),
    "a column of NaN": (column(WV, "nan"), "'wv (m/s)' has no valid value", "a working instrument is needed"),
    "nothing but NaN": (
        text(lambda lines: [lines[0], *(line.split(",")[0] + ",nan" * 14 for line in lines[1:])]),
        "has no valid value",
        "a working instrument is needed",
    ),
    "no temperature at all": (column(T, "-9999"), "'T (degC)' has no valid value", "a working instrument is needed"),
    "a constant column": (column(WV, "2.5"), "'wv (m/s)' is 2.5 throughout the train rows", "cannot be scaled"),
    "a column of infinities": (column(P, "inf"), "'p (mbar)' has no valid value", "a working instrument is needed"),
    "too short for a window": (text(lambda lines: lines[:400]), "holds no window of 120 h", "longer or more complete"),
    "one row": (text(lambda lines: lines[:2]), "1 row(s) and no step forward", "it needs many"),
    "all rows at one time": (column(0, "01.01.2009 00:10:00"), "no step forward in time", "in order of time"),
    "rows every 7 minutes": (every(7), "7 minutes apart, which does not divide an hour", "thin the series"),
    "rows every 25 minutes": (every(25), "25 minutes apart, which does not divide an hour", "thin the series"),
    "rows every 5 hours": (every(300), "300 minutes apart, which does not divide an hour", "thin the series"),
    "half a gzip file": (
        content(lambda old: gzip.compress(old)[:3000]),
        "damaged or cut-off gzip file",
        FETCH,
    ),
    "gzip with false bytes": (
        content(lambda old: gzip.compress(old)[:500] + bytes(500) + gzip.compress(old)[1000:]),
        "damaged or cut-off gzip file",
        FETCH,
    ),
    "a folder": (replaced_by(lambda path: path.mkdir()), "is not a regular file", "run: jenacast download"),
    "a pipe": (replaced_by(os.mkfifo), "is not a regular file", "run: jenacast download"),
    "a link to nothing": (
        replaced_by(lambda path: path.symlink_to("gone.csv")),
        f"{CSV_NAME} not found",
        "run: jenacast download",
    ),
}


@pytest.mark.timeout(60)  # a pipe must not be waited for
@pytest.mark.parametrize("name", CSV)
def test_prepare_refuses_a_csv(name, data_dir, refused):
    spoil, *told = CSV[name]
    spoil(data_dir / CSV_NAME)
    refused(["prepare", "--force", "--data-dir", data_dir], [str(data_dir), *told])
