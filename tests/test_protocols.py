"""Both protocols side by side: `prepare` keeps the result under the other one, and brings it back."""

import json
import shutil

import numpy as np
import pytest
from conftest import refused
from spoil import snapshot

from jenacast.data import prepare as module
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_manifest, load_prepared
from jenacast.errors import DataError, ExistsError


@pytest.fixture(params=["in one step", "where the disk has no such step"])
def exchanging(request, monkeypatch):
    if request.param != "in one step":
        monkeypatch.setattr(module, "exchange", lambda *paths: False)


def protocols(folder):
    return [load_manifest(folder / name).protocol for name in ("prepared", "prepared-other")]


def test_the_former_result_is_kept_and_is_back_at_once(data_dir, jenacast, exchanging):
    before = snapshot(data_dir)
    done = jenacast("prepare", "--protocol", "book", "--data-dir", data_dir)
    assert done.exit_code == 0, done.output
    assert "the result under the other protocol is kept" in done.stderr
    assert protocols(data_dir) == ["book", "strict"]
    book = load_prepared(data_dir)

    back = jenacast("prepare", "--data-dir", data_dir, "--json")
    assert json.loads(back.stdout)["protocol"] == "strict"
    assert "reading" not in back.stderr
    assert protocols(data_dir) == ["strict", "book"]
    after = snapshot(data_dir)
    assert {path: after[path] for path in before} == before
    assert {path.name for path in data_dir.iterdir()} == {CSV_NAME, "prepared", "prepared-other"}

    prepare(data_dir, protocol="book")
    assert load_prepared(data_dir).manifest == book.manifest
    assert prepare(data_dir).synthetic  # it stays marked, whichever of the two knows it


def test_another_series_under_the_other_protocol_takes_no_result_s_place_unasked(data_dir, assert_refused):
    prepare(data_dir, protocol="book")
    shutil.copy(data_dir / CSV_NAME, data_dir / "old.csv")
    (data_dir / CSV_NAME).write_bytes(b"\n".join((data_dir / CSV_NAME).read_bytes().split(b"\n")[:1300]))
    with pytest.raises(ExistsError, match=r"prepared-other holds another series .*strict.*; --force replaces it"):
        prepare(data_dir)
    assert prepare(data_dir, force=True).rows == 1299
    assert protocols(data_dir) == ["strict", "book"]


def test_a_stop_before_the_exchange_leaves_the_old_result(data_dir, monkeypatch):
    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_switch", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(data_dir, protocol="book")
    assert load_prepared(data_dir).manifest.protocol == "strict"
    with monkeypatch.context() as patch:
        patch.setattr(module, "join_sources", None)  # it is there already
        assert prepare(data_dir, protocol="book").protocol == "book"
    assert protocols(data_dir) == ["book", "strict"]


def test_a_fold_is_never_made_of_the_arrays_of_the_other_protocol(data_dir, tmp_path):
    prepared = load_prepared(data_dir)
    np.save(data_dir / "prepared" / "values.npy", prepared.series.values + 1)
    borders = {name: (split.start, split.stop) for name, split in prepared.manifest.splits.items()}
    with pytest.raises(DataError, match="was replaced in the meantime; start again"):
        module.prepare_fold(prepared, borders, tmp_path / "fold", fold="2010")
    assert not (tmp_path / "fold" / "prepared").exists()


def test_a_run_under_the_other_protocol_is_resumed_after_the_command_that_it_names(trained_run, jenacast):
    data_dir = json.loads((trained_run / "run.json").read_text())["data_dir"]
    first = jenacast("prepare", "--protocol", "book", "--data-dir", data_dir)
    try:
        assert first.exit_code == 0, first.output
        resume = ("train", "--resume", trained_run, "--epochs", 3)
        remedy = f"jenacast prepare --protocol strict --data-dir {data_dir}"
        refused(jenacast(*resume), "holds another protocol than the run began with: strict, now book", f"run: {remedy}")
        assert jenacast(*remedy.split()[1:]).exit_code == 0
        assert jenacast(*resume).exit_code == 0
    finally:
        jenacast("prepare", "--data-dir", data_dir)
        shutil.rmtree(f"{data_dir}/prepared-other", ignore_errors=True)
