"""One small series in every form in which a station file is read."""

import gzip
import zipfile

from download_server import zipped
from station_files import ALSO_TODAY

from jenacast.columns import COLUMNS, TIME_FORMAT, TIME_HEADER
from jenacast.data.synthetic import synthetic_series

TIMES, VALUES = synthetic_series(rows=30, step_minutes=60, warts=False)
HEADERS = [TIME_HEADER, *(column.header for column in COLUMNS)]
ROWS = [
    [time.strftime(TIME_FORMAT), *(f"{value:.2f}" for value in row)]
    for time, row in zip(TIMES.tolist(), VALUES.tolist(), strict=True)
]
TODAY = [*ALSO_TODAY]
TODAY_CELLS = ["0.00", "-9999", " 12.50", "23.10", "40.00", " 21.3", "-9999.00"]


def table(header, rows, end="\n"):
    return "".join(",".join(cells) + end for cells in [header, *rows])


def quoted(cells):
    return [f'"{cell}"' for cell in cells]


def padded(cells):
    return [f"{cell:>9} " for cell in cells]


def with_cell(row, column, text):
    return [*ROWS[:row], [*ROWS[row][:column], text, *ROWS[row][column + 1 :]], *ROWS[row + 1 :]]


PUBLISHED = table(quoted(HEADERS), ROWS)
PUBLISHED_TODAY = table(quoted(HEADERS + TODAY), [row[:1] + padded(row[1:] + TODAY_CELLS) for row in ROWS])
REORDERED = table(["note", *HEADERS[::-1], "T (degC) log"], [["a word", *row[::-1], "x"] for row in ROWS])
ISO = [[f"{time:%Y-%m-%d %H:%M:%S}", *row[1:]] for time, row in zip(TIMES.tolist(), ROWS, strict=True)]
FORMATS = {
    "as published": PUBLISHED.encode(),
    "as published today": PUBLISHED_TODAY.encode("latin-1"),
    "as published today, UTF-8 with BOM": PUBLISHED_TODAY.encode("utf-8-sig"),
    "UTF-8 with BOM": PUBLISHED.encode("utf-8-sig"),
    "CRLF": table(quoted(HEADERS), ROWS, end="\r\n").encode(),
    "gzip": gzip.compress(PUBLISHED.encode()),
    "gzip with CRLF and BOM": gzip.compress(table(HEADERS, ROWS, end="\r\n").encode("utf-8-sig")),
    "every cell in quotes": table(quoted(HEADERS), map(quoted, map(padded, ROWS))).encode(),
    "times as in ISO 8601": table(HEADERS, ISO).encode(),
    "line ends of an old Mac": table(HEADERS, ROWS, end="\r").encode(),
    "a zip": zipped(("mpi_roof_2017b.csv", PUBLISHED_TODAY.encode("latin-1"))),
    "a stored zip": zipped(("a.csv", PUBLISHED.encode()), method=zipfile.ZIP_STORED),
    "a zip with more in it": zipped(("__MACOSX/._a.csv", b"\0junk"), ("readme.txt", b"hi"), ("a", PUBLISHED.encode())),
    "columns in another order, and others": REORDERED.encode(),
    "blank lines at the end": (PUBLISHED + "\n  \n\n").encode(),
    "no line end at the end": PUBLISHED.removesuffix("\n").encode(),
    "times in quotes": table(HEADERS, [quoted(row[:1]) + row[1:] for row in ROWS]).encode(),
    "blanks around every cell": table([f" {name} " for name in HEADERS], map(padded, ROWS)).encode(),
}
