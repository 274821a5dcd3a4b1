"""Any bytes at all are read, or refused with a message; no other exception, whatever hypothesis makes of them."""

import gzip
import io
import os
import re
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jenacast.columns import COLUMNS, NAMES
from jenacast.config import load_recipe
from jenacast.data.cleaning import clean
from jenacast.data.series import rows_per_hour
from jenacast.data.station import read_station_csv
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import JenacastError
from jenacast.features.climatology import TERMS, Climatology
from jenacast.features.encoding import ColumnEncoding, Encoding, TargetEncoding
from jenacast.models.checkpoint import FORMAT, MEMBER, Metadata, read_metadata

EXAMPLES = int(os.environ.get("JENACAST_FUZZ", "75"))  # for each property; 5,000 take minutes
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
# What breaks readers oftener than chance does
MARKS = [
    b"\0",
    b"\n",
    b"\r",
    b"\r\n",
    b'"',
    b'""',
    b",",
    b",,",
    b";",
    b" ",
    b"\t",
    b"\x0b",
    b"\x85",
    b"\\",
    b"\xff\xfe",
]
CELLS = [b"nan", b"NA", b"None", b"-", b"+", b"1e999", b"-inf", b"-9999", b"0x1p3", b"1_000", b"\x1a", b"\xef\xbb\xbf"]
TIMES = [b"31.12.2016 23:50:00", b"00.00.0000 00:00:00", b"29.02.2009 24:60:60", b"01.01.9999 00:00:00"]
ZIPS = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\xff\xff\xff\xff", b"\x1f\x8b\x08", b"{", b"[" * 5000, b"/.."]
PIECES = st.sampled_from([*MARKS, *CELLS, *TIMES, *ZIPS])


@st.composite
def mutations(draw, originals):
    """Bytes that were deleted, replaced, inserted, moved and cut off at random places of valid ones."""
    content = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.one_of(st.integers(0, 8), st.integers(0, len(content))))
        piece = draw(st.one_of(PIECES, st.binary(max_size=8)))
        kind = draw(st.sampled_from(["delete", "insert", "replace", "splice", "cut"]))
        if kind == "delete":
            content = content[:at] + content[at + length :]
        elif kind == "insert":
            content = content[:at] + piece + content[at:]
        elif kind == "replace":
            content = content[:at] + piece + content[at + len(piece) :]
        elif kind == "splice":
            begin = draw(st.integers(0, len(content)))
            content = content[:at] + content[begin : begin + length] + content[at:]
        else:
            content = content[:at]
    return content


def small_csv(folder):
    path = folder / "small.csv"
    write_csv(path, *synthetic_series(rows=12, step_minutes=60, warts=False))
    return path.read_bytes()


@pytest.fixture(scope="module")
def csvs(tmp_path_factory):
    plain = small_csv(tmp_path_factory.mktemp("csv"))
    return [plain, plain, plain.replace(b"\n", b"\r\n"), gzip.compress(plain, mtime=0)]


@pytest.fixture(scope="module")
def metadata():
    columns = [ColumnEncoding(name=c.name, unit=c.unit, mean=c.low, deviation=1.0) for c in COLUMNS]
    columns.append(ColumnEncoding(name="temperature_c:departure:change_6h", unit="degC", mean=0.0, deviation=2.0))
    target = TargetEncoding(kind="departure-change", offset_c=0.0, scale_c=1.0)
    climatology = Climatology(coefficients_c=(9.5, *[0.5] * (TERMS - 1)))
    config = load_recipe("dense")
    return Metadata(
        format=FORMAT,
        model="dense",
        config=config.model_dump(),
        encoding=Encoding(
            columns=tuple(columns), target=target, history_hours=12, lead_hours=24, climatology=climatology
        ),
        protocol="strict",
        source_sha256="0" * 64,
        synthetic=False,
        seed=0,
        epoch=1,
        val_mae_c=2.5,
        versions={"jenacast": "0.1.0"},
    )


def zip_of(member, compression):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(MEMBER, member)
    return file.getvalue()


def attempt(read, path, content):
    """What `read` makes of a file with this content, or how it refuses it."""
    path.write_bytes(content)
    try:
        return read(path)
    except JenacastError as error:
        return error


def read_csv(path):
    raw = read_station_csv(path)
    return raw, rows_per_hour(raw.times, path)


def check_read_or_refused(path, content):
    result = attempt(read_csv, path, content)
    if isinstance(result, JenacastError):
        assert str(path) in str(result)
        assert len(str(result)) < 2000
        return None
    raw, per_hour = result
    if not content.startswith(b"\x1f\x8b"):
        lines = re.split("\r\n|\r|\n", content.decode("latin-1"))
        assert len(raw.times) == sum(bool(line.strip()) for line in lines) - 1  # none is left out, filled up or joined
    assert 3600 % per_hour == 0
    for protocol in ("strict", "book"):
        series = clean(raw, protocol).series
        assert series.values.shape == (len(series.times), len(NAMES))
        assert not np.isinf(series.values).any()
    return raw


@given(content=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join)))
@fuzzed
def test_any_bytes_are_a_csv_or_refused(content, tmp_path):
    assert check_read_or_refused(tmp_path / "any.csv", content) is None  # no short file has the header


@given(data=st.data())
@fuzzed
def test_a_mutated_csv_is_read_or_refused(data, csvs, tmp_path):
    check_read_or_refused(tmp_path / "mutated.csv", data.draw(mutations(csvs)))


@given(rows=st.lists(st.lists(st.one_of(PIECES, st.binary(max_size=6)), min_size=14, max_size=16), max_size=5))
@fuzzed
def test_rows_of_any_cells_are_read_or_refused(rows, csvs, tmp_path):
    header, first, *_ = csvs[0].splitlines(keepends=True)
    check_read_or_refused(tmp_path / "cells.csv", header + first + b"".join(b",".join(row) + b"\n" for row in rows))


@given(data=st.data())
@fuzzed
def test_a_cell_that_is_read_is_the_number_that_stands_there(data, csvs, tmp_path):
    lines = csvs[0].splitlines(keepends=True)
    row, column = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 14))
    number = data.draw(st.floats(allow_nan=False, width=32))
    cells = lines[row].rstrip(b"\n").split(b",")
    cells[column] = repr(float(number)).encode()
    lines[row] = b",".join(cells) + b"\n"
    raw = check_read_or_refused(tmp_path / "cell.csv", b"".join(lines))
    assert raw.values[row - 1, column - 1] == np.float32(number)


def read_metadata_or_refuse(path, content):
    result = attempt(read_metadata, path, content)
    if isinstance(result, JenacastError):
        assert str(path) in str(result)
        return None
    return result


@given(content=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=30).map(b"".join)))
@fuzzed
def test_any_bytes_hold_no_metadata(content, tmp_path):
    assert read_metadata_or_refuse(tmp_path / "any.keras", content) is None


@given(data=st.data())
@fuzzed
def test_a_mutated_zip_gives_metadata_that_keep_the_rules_or_none(data, metadata, tmp_path):
    member = metadata.model_dump_json().encode()
    kinds = [zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    content = data.draw(mutations([zip_of(member, kind) for kind in kinds]))
    read = read_metadata_or_refuse(tmp_path / "mutated.keras", content)
    assert read is None or Metadata.model_validate(read.model_dump()) == read


@given(data=st.data())
@fuzzed
def test_mutated_metadata_in_a_whole_zip_keep_the_rules_or_are_refused(data, metadata, tmp_path):
    member = data.draw(mutations([metadata.model_dump_json().encode()]))
    read = read_metadata_or_refuse(tmp_path / "mutated.keras", zip_of(member, zipfile.ZIP_STORED))
    assert read is None or (read.format == FORMAT and len(read.encoding.columns) > 0)
