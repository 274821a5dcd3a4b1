"""Settings and series that cannot be used, through the command line: one message, nothing changed on disk.

The rules of a station file are tried in test_station, those of a series in test_prepare, those of settings in
test_config; here only what the commands make of them.
"""

import json
import os

import pytest
from spoil import WV, P, T, cell, column, content, half_hdf5, replaced_by, snapshot, text, zipped
from warm import Command

from jenacast.data.download import CSV_NAME

FETCH = "expected a CSV of the station, plain, as .zip or as .csv.gz; `jenacast download` fetches one"
CSV = {
    "a web page": (content(lambda old: b"<!DOCTYPE html>\n<p>log in</p>\n"), "begins with '<!DOCTYPE html>'", FETCH),
    "text in numbers": (cell(700, T, "warm"), "line 701: expected a number in 'T (degC)', received 'warm'", "mend or"),
    "a constant column": (column(WV, "2.5"), "'wv (m/s)' is 2.5 throughout the train rows", "cannot be scaled"),
    "a folder": (replaced_by(lambda path: path.mkdir()), "is not a regular file", "run: jenacast download"),
    "a pipe": (replaced_by(os.mkfifo), "is not a regular file", "run: jenacast download"),
    "a link to nothing": (replaced_by(lambda path: path.symlink_to("gone.csv")), "not found", "run: jenacast download"),
}


@pytest.mark.timeout(60)  # a pipe must not be waited for
@pytest.mark.parametrize("name", CSV)
def test_prepare_refuses_a_csv(name, data_dir, assert_refused):
    spoil, *told = CSV[name]
    spoil(data_dir / CSV_NAME)
    assert_refused(["prepare", "--force", "--data-dir", data_dir], [str(data_dir), *told])


CSV_TO_EVALUATE = {
    "a pipe": (replaced_by(os.mkfifo), "is not a regular file", "expected a CSV of the station"),
    "no temperature at all": (column(T, "-9999"), "holds no window of 12 h of history", "give a longer file"),
    "too short for a window": (text(lambda lines: lines[:30]), "(29 rows) holds no window", "give a longer file"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CSV_TO_EVALUATE)
def test_evaluate_refuses_a_csv(name, data_dir, trained_run, assert_refused):
    spoil, *told = CSV_TO_EVALUATE[name]
    spoil(data_dir / CSV_NAME)
    assert_refused(["evaluate", trained_run, "--csv", data_dir / CSV_NAME], [str(data_dir), *told])


PRINTS_ONE = "`jenacast models NAME` prints a config to start from"
CONFIGS = {
    "a setting that goes unused": (
        '[model]\narchitecture = "dense"\nrecurrent_dropout = 0.5\n',
        "model.recurrent_dropout: received 0.5; dense does not use it",
    ),
    "a history too short for the filters": (
        '[data]\nhistory_hours = 24\n[model]\narchitecture = "conv1d"\n',
        "data.history_hours: conv1d needs at least 69",
    ),
    "a history longer than a split": ("[data]\nhistory_hours = 1000\n", "holds no window of 1000 h of", "or a shorter"),
    "a lead longer than a split": (
        "[data]\nhistory_hours = 200\nlead_hours = 200\n",
        "holds no window of 200 h of history and 200 h of lead",
    ),
    "broken TOML": ("[train\nepochs = 1\n", "is not valid TOML", "line 1", PRINTS_ONE),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_train_refuses_a_config(name, data_dir, assert_refused, tmp_path):
    written, *told = CONFIGS[name]
    config = tmp_path / "mine.toml"
    config.write_text(written)
    assert_refused(["train", "--config", config, "--data-dir", data_dir, "--run-dir", tmp_path / "run"], told)


OPTIONS = {
    "model and config": (["--model", "dense", "--config", "x.toml"], 2, "exactly one of --model, --config and --refit"),
    "neither": ([], 2, "exactly one of --model, --config and --refit", "`jenacast models` lists the models"),
    "a run folder that is a file": (
        ["--model", "dense", "--run-dir", f"data/{CSV_NAME}"],
        1,
        "exists and is not a folder",
        "choose another --run-dir",
    ),
    "a run folder that is none": (
        ["--model", "dense", "--run-dir", "data", "--force"],
        1,
        "exists and is not a run folder",
        "choose another --run-dir",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_train_refuses_options(name, data_dir, assert_refused):
    arguments, code, *told = OPTIONS[name]
    where = [] if "--data-dir" in arguments else ["--data-dir", data_dir]
    assert_refused(["train", *arguments, *where], told, code)


IN_UTF16 = content(lambda old: old.decode().encode("utf-16"))
PROCESSES = {
    "a CSV in UTF-16": (["prepare", "--force"], CSV_NAME, IN_UTF16, "save it as UTF-8"),
    "a pipe for a CSV": (["prepare", "--force"], CSV_NAME, replaced_by(os.mkfifo), "is not a regular file"),
    "values out of every range": (["prepare", "--force"], CSV_NAME, column(T, "1e300"), "has no valid value"),
    "half an HDF5 file": (["evaluate", "run"], "../run/best.keras", half_hdf5, "is damaged"),
    "weights of another network": (
        ["evaluate", "run"],
        "../run/best.keras",
        zipped(config__json=lambda old: old.replace(b'"units": 4', b'"units": 5')),
        "give a network that jenacast train made",
    ),
}


@pytest.mark.system
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_says_one_thing_on_stderr(name, data_dir, trained_run, tmp_path):
    arguments, file, spoil, told = PROCESSES[name]
    spoil(data_dir / file)
    before = snapshot(tmp_path)
    done = Command(*arguments, "--data-dir", data_dir, cwd=tmp_path)
    assert done.wait() == 1
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if not line.startswith("reading ")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("error: ")
    assert told in said[0]
    assert snapshot(tmp_path) == before


GOOD = {
    "one infinity": cell(700, P, "inf"),
    "one value that float32 cannot hold": cell(700, P, "1e300"),
    "a quoted comma in a column nobody reads": content(
        lambda old: old.replace(b"\n", b',"a, b"\n').replace(b'"a, b"', b"note", 1)
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_can_be_understood_is_prepared(name, data_dir, jenacast):
    GOOD[name](data_dir / CSV_NAME)
    done = jenacast("prepare", "--force", "--data-dir", data_dir, "--json")
    assert done.exit_code == 0, done.stderr
    audit = json.loads(done.stdout)["audit"]
    assert audit["rows_in_file"] == 1400
    assert [value["missing_or_out_of_range"] for value in audit["values"]] == [1] * name.startswith("one ")
