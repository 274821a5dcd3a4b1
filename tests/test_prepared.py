"""Prepared data on disk: what a reader notices, and what a new preparation replaces."""

import json
import os
import shutil

import numpy as np
import pytest
from spoil import snapshot

from jenacast.data import prepare as preparing
from jenacast.data import prepared as module
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.series import Series
from jenacast.errors import DataError, ExistsError
from jenacast.files import file_sha256

ROWS = 1400


@pytest.mark.parametrize("file", ["values.npy", "manifest.json"])
def test_damaged_data_name_the_remedy_which_works(data_dir, file):
    os.truncate(data_dir / "prepared" / file, 200)
    with pytest.raises(DataError, match=r"prepared.*; run: jenacast prepare --force"):
        load_prepared(data_dir)
    prepare(data_dir, force=True)
    assert load_prepared(data_dir).manifest.rows == ROWS


def with_flipped_bit(path, byte):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["values.npy", "times.npy"])
def test_a_flipped_bit_of_an_array_is_noticed_wherever_it_is(data_dir, name):
    path = data_dir / "prepared" / name
    whole = path.read_bytes()
    for byte in [*range(128), *np.linspace(128, len(whole) - 1, 20, dtype=int)]:  # the header, and places behind it
        path.write_bytes(whole)
        with_flipped_bit(path, int(byte))
        with pytest.raises(DataError, match=f"{name} is damaged .*; run: jenacast prepare --force --data-dir"):
            load_prepared(data_dir)


def test_borders_that_were_moved_are_noticed(data_dir):
    path = data_dir / "prepared" / "manifest.json"
    content = json.loads(path.read_text())
    content["splits"]["train"]["stop"] = content["splits"]["val"]["start"] = 900
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="splits: other borders than those that were prepared"):
        load_prepared(data_dir)


def test_data_of_earlier_versions_without_hashes_are_loaded(data_dir):
    path = data_dir / "prepared" / "manifest.json"
    content = json.loads(path.read_text())
    assert sorted(content.pop("sha256")) == ["borders", "times.npy", "values.npy"]
    path.write_text(json.dumps(content))
    assert load_prepared(data_dir).manifest.rows == ROWS
    with_flipped_bit(data_dir / "prepared" / "values.npy", 30)  # in the header
    with pytest.raises(DataError, match="is damaged"):
        load_prepared(data_dir)


def test_a_reader_gets_manifest_and_arrays_of_one_preparation(data_dir, monkeypatch):
    old, new = data_dir / "prepared", data_dir / "new"
    before = load_prepared(data_dir)
    values = before.series.values + 1
    module.write_prepared(new, before.manifest, Series(before.series.times, values))
    load_manifest = module.load_manifest

    def replaced_after_reading(folder):
        found = load_manifest(folder)
        if new.exists():
            old.rename(data_dir / "old")
            new.rename(old)
        return found

    monkeypatch.setattr(module, "load_manifest", replaced_after_reading)
    prepared = load_prepared(data_dir)
    assert prepared.manifest.sha256["values.npy"] == file_sha256(old / "values.npy")
    np.testing.assert_array_equal(prepared.series.values, values)


def test_the_file_that_is_hashed_is_the_one_that_is_read(data_dir, monkeypatch):
    csv, other = data_dir / CSV_NAME, data_dir / "other.csv"
    other.write_bytes(csv.read_bytes().replace(b",", b",1", 1000))
    sha256, before = file_sha256(csv), np.array(load_prepared(data_dir).series.values)

    def replace_it(folder, ours):
        other.replace(csv)

    monkeypatch.setattr(preparing, "refuse_foreign", replace_it)  # called between hashing and reading
    assert prepare(data_dir, force=True).source_sha256 == sha256
    np.testing.assert_array_equal(load_prepared(data_dir).series.values, before)


def test_a_run_in_the_prepared_folder_is_never_deleted(data_dir, trained_run, jenacast):
    shutil.rmtree(data_dir / "prepared")
    shutil.copytree(trained_run, data_dir / "prepared")
    before = snapshot(data_dir)
    for force in ([], ["--force"]):
        done = jenacast("prepare", "--data-dir", data_dir, *force)
        assert done.exit_code == 1
        assert snapshot(data_dir) == before
    assert "also holds 'best.keras', which would be lost" in done.stderr
    (data_dir / "prepared").rename(data_dir / "run")
    (data_dir / "prepared").symlink_to("run")
    with pytest.raises(ExistsError, match="is a link or no folder; move it away"):
        prepare(data_dir, force=True)
