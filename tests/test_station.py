import gzip
import os

import numpy as np
import pytest
from download_server import zipped
from station_formats import (
    FORMATS,
    HEADERS,
    PUBLISHED,
    ROWS,
    TIMES,
    TODAY,
    TODAY_CELLS,
    VALUES,
    quoted,
    table,
    with_cell,
)

from jenacast.data import station
from jenacast.data.station import read_station_csv
from jenacast.errors import DataError


@pytest.fixture
def read(tmp_path):
    """A function that reads bytes or text as a station file."""

    def read(content):
        path = tmp_path / "station.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_station_csv(path)

    return read


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("block_characters", [700, 1_000_000])
def test_every_format_gives_the_same_series(read, monkeypatch, name, block_characters):
    monkeypatch.setattr(station, "BLOCK_CHARACTERS", block_characters)
    series = read(FORMATS[name])
    assert series.times.dtype == "datetime64[s]"
    assert series.values.dtype == np.float32
    np.testing.assert_array_equal(series.times, TIMES)
    np.testing.assert_array_equal(series.values, VALUES.astype(np.float32))


def test_rows_keep_the_files_order_and_repeats(read):
    order = [5, 3, 3, 0, 29]
    series = read(table(HEADERS, [ROWS[row] for row in order]))
    np.testing.assert_array_equal(series.times, TIMES[order])
    np.testing.assert_array_equal(series.values, VALUES[order].astype(np.float32))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(mark, -9999) for mark in ("-9999", " -9999.00 ", "-9999.99", "*", "********", ' "****"')],
        *[("", np.nan), ("   ", np.nan), ("NA", np.nan), ("1e3", 1000), ("0", 0), ('"  7.25 "', 7.25), ("-1e4", -1e4)],
    ],
)
def test_a_cell_is_read_as_written(read, text, value):
    series = read(table(HEADERS, with_cell(4, 2, text)))
    expected = VALUES.astype(np.float32)
    expected[4, 1] = value
    np.testing.assert_array_equal(series.values, expected)


def test_a_column_is_found_by_name(read):
    series = read(FORMATS["columns in another order, and others"])
    np.testing.assert_array_equal(series.column("temperature_c"), VALUES[:, 1].astype(np.float32))


ALSO = {
    "rain_mm": "rain (mm)",
    "raining_s": "raining (s)",
    "shortwave_radiation_w_per_m2": "SWDR (W/m²)",
    "par_umol_per_m2_s": "PAR (µmol/m²/s)",
    "co2_ppm": "CO2 (ppm)",
}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("square", ["²", "**2", "\ufffd"])
def test_further_columns_are_read_where_a_file_has_them(read, encoding, square):
    names = [name.replace("²", square) for name in TODAY]
    if square == "\ufffd":
        encoding = "utf-8"  # others cannot write what a careless conversion left
    content = table(quoted(HEADERS + names), [row + TODAY_CELLS for row in ROWS]).encode(encoding)
    series = read(content)
    np.testing.assert_array_equal(series.values, VALUES.astype(np.float32))
    assert series.optional.dtype == np.float32
    assert [series.column(name)[7] for name in ALSO] == [0, -9999, 12.5, np.float32(23.1), -9999]
    assert np.isnan(read(PUBLISHED).column("co2_ppm")).all()
    only = read(table([*HEADERS, "CO2 (ppm)"], [[*row, "412.5"] for row in ROWS]))
    assert (only.column("co2_ppm") == np.float32(412.5)).all()
    assert np.isnan(only.column("rain_mm")).all()


FETCH = "expected a CSV of the station, plain, as .zip or as .csv.gz; `jenacast download` fetches one"
MEND, ALL = "mend or remove the line", "so is its first row already: write the file anew"
REFUSED = {
    "an empty file": ("", f"is empty; {FETCH}"),
    "a header alone": (table(HEADERS, []), f"has a header but no rows; {FETCH}"),
    "a header and blank lines": (table(HEADERS, []) + "\n \n", f"has a header but no rows; {FETCH}"),
    "HTML": ("<!DOCTYPE html>\n<p>Log in</p>\n", f"begins with '<!DOCTYPE html>'; {FETCH}"),
    "one endless line": ("x" * 200_000, f"begins with '{'x' * 40}...'; {FETCH}"),
    "binary": (bytes(range(256)) * 99, FETCH),
    "half a gzip file": (gzip.compress(PUBLISHED.encode())[:-200], f"gzip file that cannot be unpacked: .*{FETCH}"),
    "gzip with a wrong checksum": (gzip.compress(PUBLISHED.encode())[:-8] + bytes(8), f"gzip file that can.*{FETCH}"),
    "a missing column": (
        table(HEADERS[:2] + HEADERS[3:-1], [row[:2] + row[3:-1] for row in ROWS]),
        rf"lacks the column\(s\) 'T \(degC\)', 'wd \(deg\)'; {FETCH}",
    ),
    "a column twice": (
        table([*HEADERS, "T (degC)"], [[*row, row[2]] for row in ROWS]),
        r"has the column\(s\) 'T \(degC\)' more than once; keep one",
    ),
    "text for a number": (
        table(HEADERS, with_cell(20, 2, "warm")),
        rf"line 22: expected a number in 'T \(degC\)', received 'warm'; {MEND}",
    ),
    "a decimal comma": (
        table(HEADERS, with_cell(3, 14, '"1,5"')),
        f"line 5: .*{MEND}",
    ),
    "a date that is none": (
        table(HEADERS, with_cell(20, 0, "31.02.2009 00:10:00")),
        f"line 22: expected a time such as .* in 'Date Time', received '31.02.2009 00:10:00'; {MEND}",
    ),
    "a date of another style": (
        table(HEADERS, with_cell(0, 0, "2009-01-01 00:10:00")),
        "line 3: expected a time such as 2016-12-31 23:50:00 .*, as in the first row, received '01.01.2009 01:10:00'; ",
    ),
    "no date": (table(HEADERS, with_cell(9, 0, "")), f"line 11: expected a time .*, received ''; {MEND}"),
    "a short row": (
        table(HEADERS, [*ROWS[:10], ROWS[10][:3], *ROWS[11:]]),
        f"line 12: expected 15 cells, received 3; {MEND}",
    ),
    "a long row": (
        table(HEADERS, [*ROWS[:10], [*ROWS[10], "1"], *ROWS[11:]]),
        f"line 12: expected 15 cells, received 16; {MEND}",
    ),
    "a file cut off in its last row": (
        PUBLISHED[: PUBLISHED.rindex(",")],
        f"line 31: expected 15 cells, received 14; {MEND}",
    ),
    "semicolons": (PUBLISHED.replace(",", ";"), f"begins with .*; {FETCH}"),
    "UTF-16": (PUBLISHED.encode("utf-16"), "is written in UTF-16 or the like.*save it as UTF-8"),
    "a zip": (b"PK\x03\x04" + bytes(100), f"is a zip that cannot be unpacked: .*; {FETCH}"),
    "a zip without a CSV": (zipped(("a.txt", b"hi")), f"is a zip with 0 CSVs of the station, not one; {FETCH}"),
    "a zip with two": (zipped(*[(f"{n}.csv", PUBLISHED.encode()) for n in "ab"]), "zip with 2 CSVs of the station"),
    "half a zip": (zipped(("a.csv", PUBLISHED.encode()))[:-300], f"is a zip that cannot be unpacked: .*; {FETCH}"),
    "a further column twice": (
        table([*HEADERS, "CO2 (ppm)", "CO2 (ppm)"], [[*row, "1", "2"] for row in ROWS]),
        r"has the column\(s\) 'CO2 \(ppm\)' more than once; keep one",
    ),
    "an ISO time among the station's": (
        table(HEADERS, with_cell(9, 0, "2009-01-01 09:10:00")),
        f"line 11: expected a time such as 31.12.2016 23:50:00 in .*; {MEND}",
    ),
    "no times": (table(HEADERS[1:], [row[1:] for row in ROWS]), rf"lacks the column\(s\) 'Date Time'; {FETCH}"),
    "gzip with false bytes": (
        gzip.compress(PUBLISHED.encode())[:200] + bytes(100) + gzip.compress(PUBLISHED.encode())[300:],
        f"is a gzip file that cannot be unpacked: .*{FETCH}",
    ),
    "an American date": (table(HEADERS, with_cell(0, 0, "01/13/2009 00:10:00")), f"line 2: expected a time.*{ALL}"),
    "Latin-1 after a number": (
        table(HEADERS, with_cell(3, 14, "1.0\xb5")).encode("latin-1"),
        rf"line 5: expected a number in 'wd \(deg\)', received '1.0µ'; {MEND}",
    ),
    "NUL in a number": (table(HEADERS, with_cell(3, 2, "3.\0" + "71")), r"line 5: expected a number.*'3\.\\x0071'"),
    "NULs at the end": (PUBLISHED + "\0" * 4096, f"expected 15 cells, received 1; {MEND}"),
    "a short row whose quoted comma makes up for it": (
        table(HEADERS, [*ROWS[:10], [*ROWS[10][:13], '"3,71"'], *ROWS[11:]]),
        f"line 12: expected 15 cells, received 14; {MEND}",
    ),
    "a line of a megabyte": (table(HEADERS, with_cell(3, 2, "9" * 1_000_000)), "line 5: longer than 100,000 char"),
    "a quote without end": (
        table(HEADERS, with_cell(3, 0, '"01.01.2009 03:10:00')),
        f"line 5: quotes that do not pair up .*{MEND}",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("block_characters", [700, 1_000_000])
def test_what_is_no_station_file_is_refused_with_a_remedy(read, monkeypatch, name, block_characters):
    monkeypatch.setattr(station, "BLOCK_CHARACTERS", block_characters)
    content, message = REFUSED[name]
    with pytest.raises(DataError, match=rf"(?s)station\.csv.*{message}"):
        read(content)


def test_blank_lines_do_not_shift_the_line_number(read):
    lines = table(HEADERS, with_cell(20, 5, "damp")).splitlines(keepends=True)
    with pytest.raises(DataError, match=r"line 24: .* received 'damp'"):
        read("".join([*lines[:3], "\n", "  \n", *lines[3:]]))


def test_a_long_cell_is_shown_in_part(read):
    with pytest.raises(DataError, match=f"received '{'z' * 40}...'"):
        read(table(HEADERS, with_cell(0, 1, "z" * 5000)))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv not found; expected a CSV of the station"):
        read_station_csv(tmp_path / "nowhere.csv")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not a regular file; expected a CSV of the station"):
        read_station_csv(tmp_path)


def test_a_zip_of_which_a_byte_changed_is_refused(read):
    content = bytearray(FORMATS["a stored zip"])
    content[content.index(b"01.01.2009 09:10:00") + 30] ^= 1
    with pytest.raises(DataError, match=f"is a zip that cannot be unpacked: .*CRC.*; {FETCH}"):
        read(bytes(content))


@pytest.mark.parametrize(("limit", "most"), [("MAX_ROWS", 29), ("MAX_CHARACTERS", 5_000)])
def test_more_rows_or_text_than_a_station_writes_are_refused(read, monkeypatch, limit, most):
    content = gzip.compress((PUBLISHED + "\n" * 10_000).encode())
    monkeypatch.setattr(station, limit, most)
    with pytest.raises(DataError, match=f"holds more than .*{most:,} .*split it into shorter series"):
        read(content)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="is not a regular file; expected a CSV of the station"):
        read_station_csv(tmp_path / "pipe.csv")
