"""Input that cannot be used, through the command line: one message, exit code 1 or 2, nothing changed on disk."""

import gzip
import json
import os
import pickle
import shutil
import stat
import zipfile

import h5py
import numpy as np
import pytest
from warm import Command

from jenacast.data.download import CSV_NAME

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
def assert_refused(jenacast, tmp_path, monkeypatch):
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
    "semicolons": (content(lambda old: old.replace(b",", b";")), 'begins with \'"Date Time";"p (mbar)"', FETCH),
    "text in numbers": (cell(700, T, "warm"), "line 701: expected a number in 'T (degC)', received 'warm'", MEND),
    "a decimal comma": (cell(700, T, "3,71"), "line 701: expected 15 cells, received 16", MEND),
    "a quoted decimal comma": (cell(700, T, '"3,71"'), "line 701: expected a number", "received '3,71'", MEND),
    "decimal commas everywhere": (
        content(lambda old: old.replace(b",", b";").replace(b".", b",")),
        'begins with \'"Date Time";"p (mbar)"',
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
    "a short line whose quoted comma makes up for it": (
        text(lambda lines: [*lines[:50], ",".join([*lines[50].split(",")[:13], '"3,71"']), *lines[51:]]),
        "line 51: expected 15 cells, received 14",
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
def test_prepare_refuses_a_csv(name, data_dir, assert_refused):
    spoil, *told = CSV[name]
    spoil(data_dir / CSV_NAME)
    assert_refused(["prepare", "--force", "--data-dir", data_dir], [str(data_dir), *told])


CSV_TO_EVALUATE = {
    "a folder": (replaced_by(lambda path: path.mkdir()), "is not a regular file", "expected a station CSV"),
    "a pipe": (replaced_by(os.mkfifo), "is not a regular file", "expected a station CSV"),
    "absent": (replaced_by(lambda path: None), f"{CSV_NAME} not found", "`jenacast download` places it there"),
    "empty": CSV["empty"],
    "UTF-16": CSV["UTF-16"],
    "cut in its last line": CSV["cut in its last line"],
    "no temperature at all": (column(T, "-9999"), "holds no window of 12 h of history", "give a longer file"),
    "too short for a window": (text(lambda lines: lines[:30]), "(29 rows) holds no window", "give a longer file"),
    "rows every 7 minutes": CSV["rows every 7 minutes"],
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", CSV_TO_EVALUATE)
def test_evaluate_refuses_a_csv(name, data_dir, trained_run, assert_refused):
    spoil, *told = CSV_TO_EVALUATE[name]
    spoil(data_dir / CSV_NAME)
    assert_refused(["evaluate", trained_run, "--csv", data_dir / CSV_NAME], [str(data_dir), *told])


PRINTS_THEM = "`jenacast models NAME` prints those there are"
PRINTS_ONE = "`jenacast models NAME` prints a config to start from"
CONFIGS = {
    "an unknown key": ("[train]\nepoch = 3\n", "train.epoch: no such setting", PRINTS_THEM),
    "an unknown section": ("[training]\nepochs = 3\n", "training: no such setting", PRINTS_THEM),
    "text for a number": ('[train]\nepochs = "3"\n', "train.epochs: expected integer, received '3'"),
    "a fraction of an epoch": ("[train]\nepochs = 2.5\n", "train.epochs: expected integer, received 2.5"),
    "true for a number": ("[data]\nhistory_hours = true\n", "data.history_hours: expected integer, received True"),
    "a number for a table": ("model = 5\n", "model: expected a table, received 5"),
    "a negative size": ("[model]\nunits = -4\n", "model.units: expected greater than or equal to 1, received -4"),
    "no epoch": ("[train]\nepochs = 0\n", "train.epochs: expected greater than or equal to 1, received 0"),
    "everything dropped": ("[model]\ndropout = 1.0\n", "model.dropout: expected less than 1, received 1.0"),
    "dropout of NaN": ("[model]\ndropout = nan\n", "model.dropout: expected a finite number, received nan"),
    "an endless rate": (
        "[train]\nlearning_rate = inf\n",
        "train.learning_rate: expected a finite number, received inf",
    ),
    "an unknown optimizer": (
        '[train]\noptimizer = "sgd"\n',
        "train.optimizer: expected 'rmsprop', 'adam' or 'adamw'",
        "'sgd'",
    ),
    "an unknown cell": ('[model]\ncell = "rnn"\n', "model.cell: expected 'gru', 'lstm' or 'simple'", "'rnn'"),
    "an unknown architecture": (
        '[model]\narchitecture = "transformer"\n',
        "model.architecture: expected one of conv1d, dense,",
        "'transformer'",
    ),
    "a setting that goes unused": (
        '[model]\narchitecture = "dense"\nrecurrent_dropout = 0.5\n',
        "model.recurrent_dropout: received 0.5; dense does not use it",
    ),
    "any history, unrolled": (
        "[model]\nunroll = true\nany_history = true\n",
        "model.unroll: an unrolled layer needs a fixed history",
        "set model.any_history=false",
    ),
    "any history, flattened": (
        '[model]\narchitecture = "dense"\nany_history = true\n',
        "model.any_history: a dense network flattens the window",
        "set model.any_history=false",
    ),
    "a history too short for the filters": (
        '[data]\nhistory_hours = 24\n[model]\narchitecture = "conv1d"\n',
        "data.history_hours: conv1d needs at least 69",
        "received 24",
    ),
    "a history longer than a split": (
        "[data]\nhistory_hours = 1000\n",
        "holds no window of 1000 h of history",
        "or a shorter history",
    ),
    "a lead longer than a split": (
        "[data]\nhistory_hours = 200\nlead_hours = 200\n",
        "holds no window of 200 h of history and 200 h of lead",
        "or a shorter history",
    ),
    "an empty name": ('name = ""\n', "name: expected lower-case letters, digits, - and _, received ''"),
    "a name with slashes": ('name = "a/b"\n', "name: expected lower-case letters", "received 'a/b'"),
    "a name that leads up": ('name = "../../x"\n', "name: expected lower-case letters", "received '../../x'"),
    "a name without end": (f'name = "{"x" * 300}"\n', "name: expected at most 60 characters, received 'xxx"),
    "broken TOML": ("[train\nepochs = 1\n", "is not valid TOML", "line 1", PRINTS_ONE),
    "a key twice": ("[train]\nepochs = 1\nepochs = 2\n", "is not valid TOML", "line 3", PRINTS_ONE),
    "Latin-1": (b'summary = "\xb0C"\n', "is not valid TOML", "utf-8", PRINTS_ONE),
    "UTF-16": ('summary = "x"\n'.encode("utf-16"), "is not valid TOML", "utf-8", PRINTS_ONE),
    "NULs": (bytes(100), "is not valid TOML", PRINTS_ONE),
    "endless brackets": ("x = " + "[" * 100_000, "is not valid TOML", PRINTS_ONE),
    "a number of ten thousand digits": ("[train]\nseed = " + "9" * 10_000, "is not valid TOML", PRINTS_ONE),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_train_refuses_a_config(name, data_dir, assert_refused, tmp_path):
    written, *told = CONFIGS[name]
    config = tmp_path / "mine.toml"
    config.write_bytes(written if isinstance(written, bytes) else written.encode())
    assert_refused(["train", "--config", config, "--data-dir", data_dir, "--run-dir", tmp_path / "run"], told)


OPTIONS = {
    "no such file": (["--config", "absent.toml"], 1, "absent.toml not found", PRINTS_ONE),
    "a folder as config": (["--config", "data"], 1, "data cannot be read: Is a directory", PRINTS_ONE),
    "an unknown model": (["--model", "lstn"], 1, "model 'lstn' is not known; choose one of:", "jenacast models"),
    "a model that leads out": (["--model", "../configs/dense"], 1, "is not known; choose one of:", "jenacast models"),
    "model and config": (["--model", "dense", "--config", "x.toml"], 2, "exactly one of --model, --config and --refit"),
    "neither": ([], 2, "exactly one of --model, --config and --refit", "`jenacast models` lists the models"),
    "a setting without =": (
        ["--model", "dense", "--set", "train.epochs"],
        1,
        "--set train.epochs: expected SECTION.KEY",
    ),
    "a setting without section": (["--model", "dense", "--set", "epochs=5"], 1, "--set epochs=5: expected SECTION.KEY"),
    "a setting of the name": (["--model", "dense", "--set", "name=../x"], 1, "--set name=../x: expected SECTION.KEY"),
    "no epoch": (["--model", "dense", "--epochs", "0"], 1, "train.epochs: expected greater than or equal to 1"),
    "a negative seed": (["--model", "dense", "--seed", "-1"], 1, "train.seed: expected greater than or equal to 0"),
    "a seed too large": (["--model", "dense", "--seed", str(2**32)], 1, "train.seed: expected less than 4294967296"),
    "a word for a number": (["--model", "dense", "--epochs", "many"], 2, "'--epochs'", "valid integer"),
    "no prepared data": (["--model", "dense", "--data-dir", "none"], 1, "manifest.json not found", "jenacast prepare"),
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


def zipped(**changes):
    """Spoil a zip: members changed by a function of their bytes, replaced, or left out where it is None."""

    def spoil(path):
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        for name, change in changes.items():
            old_name = name.replace("__", ".")
            members[old_name] = change(members.get(old_name)) if callable(change) else change
        with zipfile.ZipFile(path, "w") as new:
            for name, written in members.items():
                if written is not None:
                    new.writestr(name, written)

    return spoil


def metadata(**values):
    """Spoil what a checkpoint says of itself."""
    return zipped(jenacast__json=lambda old: json.dumps(json.loads(old) | values))


def encoding(change, **values):
    """Spoil a checkpoint's encoding by a function that changes it in place, and what else it says of itself."""

    def spoil(old):
        told = json.loads(old)
        change(told["encoding"])
        return json.dumps(told | values)

    return zipped(jenacast__json=spoil)


def network(build, name="network.keras"):
    """Put another network there, under a name from which Keras reads the format, that `build` makes."""

    def spoil(path):
        import keras

        saved = path.with_name(name)
        build(keras).save(saved)
        saved.replace(path)

    return spoil


def two_inputs(keras):
    series, numbers = keras.Input((12, 14)), keras.Input((3,))
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(series), numbers])
    return keras.Model([series, numbers], keras.layers.Dense(1)(flat))


def two_outputs(keras):
    series = keras.Input((120, 14))
    flat = keras.layers.Flatten()(series)
    return keras.Model(series, [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)])


def sequence_of(*layers):
    return lambda keras: keras.Sequential([make(keras) for make in layers])


def only_weights(path):
    import keras

    weights = path.with_name("mine.weights.h5")
    keras.Sequential([keras.Input((12, 14)), keras.layers.Flatten(), keras.layers.Dense(1)]).save_weights(weights)
    weights.replace(path)


def half_hdf5(path):
    network(sequence_of(lambda k: k.Input((120, 14)), lambda k: k.layers.LSTM(4)), "network.h5")(path)
    os.truncate(path, path.stat().st_size // 2)


def hdf5_with(config):
    """Put an HDF5 file there whose model is this text."""

    def spoil(path):
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = config

    return spoil


def a_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))


GIVE_ONE = "give a .keras file or a run folder"
GIVE_A_FILE = "give a Keras model file"
MADE_BY_TRAIN = "give a network that jenacast train made"
FOR_THIS_TASK = "evaluate a network made for this task"
CHECKPOINTS = {
    "absent": (lambda path: path.unlink(), "best.keras not found", GIVE_ONE),
    "a link to nothing": (
        replaced_by(lambda path: path.symlink_to("gone.keras")),
        "best.keras not found",
        GIVE_ONE,
    ),
    "a pipe": (replaced_by(os.mkfifo), "best.keras not found", GIVE_ONE),
    "empty": (content(lambda old: b""), "begins with b''", GIVE_A_FILE),
    "text": (content(lambda old: b"epoch,loss\n1,0.5\n"), "begins with b'epoch,lo'", GIVE_A_FILE),
    "a pickle": (a_pickle, r"begins with b'\x80\x04", GIVE_A_FILE),
    "half a zip": (content(lambda old: old[: len(old) // 2]), "is damaged (File is not a zip file)", RESTORE),
    "a zip with false bytes": (
        content(lambda old: old[:2000] + bytes(1000) + old[3000:]),
        "Bad CRC-32",
        MADE_BY_TRAIN,
    ),
    "a zip of something else": (
        zipped(config__json=None, metadata__json=None, model__weights__h5=None, jenacast__json=None, photo__txt=b"!"),
        "was not loaded",
        MADE_BY_TRAIN,
    ),
    "no weights": (zipped(model__weights__h5=None), "was not loaded", MADE_BY_TRAIN),
    "weights of another network": (
        zipped(config__json=lambda old: old.replace(b'"units": 4', b'"units": 5')),
        "was not loaded",
        MADE_BY_TRAIN,
    ),
    "a config that is not JSON": (zipped(config__json=b"{"), "was not loaded", MADE_BY_TRAIN),
    "an encrypted member": (
        content(lambda old: old.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")),
        "is damaged",
        "encrypted",
    ),
    "metadata that are not JSON": (zipped(jenacast__json=b"{'format': 1}"), "jenacast.json is damaged", RESTORE),
    "metadata nested without end": (zipped(jenacast__json=b"[" * 100_000), "jenacast.json is damaged", RESTORE),
    "metadata of a later format": (
        metadata(format=2),
        "has format 2, this version reads 1",
        "use the jenacast that wrote it",
    ),
    "metadata without a seed": (metadata(seed=None), "jenacast.json is damaged (seed:", RESTORE),
    "metadata with a rule too many": (metadata(colour="red"), "jenacast.json is damaged (colour:", RESTORE),
    "a column nobody knows": (
        encoding(lambda told: told["columns"][3].update(name="sunshine_h")),
        "encoding.columns.3.name",
        "'sunshine_h' is no column of this version",
    ),
    "a column twice": (
        encoding(lambda told: told["columns"][3].update(name="pressure_mbar")),
        "'pressure_mbar'",
        "more than once",
        RESTORE,
    ),
    "a column less": (
        encoding(lambda told: told["columns"].pop(), calibration=None),
        "(None, 12, 14)",
        "(None, 12, 13)",
        FOR_THIS_TASK,
    ),
    "no deviation": (
        encoding(lambda told: told["columns"][3].update(deviation=0.0)),
        "encoding.columns.3.deviation: Input should be greater than 0",
        RESTORE,
    ),
    "a mean of NaN": (
        encoding(lambda told: told["columns"][3].update(mean=float("nan"))),
        "encoding.columns.3.mean: Input should be a finite number",
        RESTORE,
    ),
    "a history longer than the data": (
        encoding(lambda told: told.update(history_hours=10**12)),
        "(None, 12, 14)",
        "1000000000000",
        FOR_THIS_TASK,
    ),
    "a network of other columns": (
        network(sequence_of(lambda k: k.Input((120, 5)), lambda k: k.layers.LSTM(4), lambda k: k.layers.Dense(1))),
        "(None, 120, 5), expected (None, 120, 14)",
        FOR_THIS_TASK,
    ),
    "a network of images": (
        network(sequence_of(lambda k: k.Input((8, 8, 3)), lambda k: k.layers.Flatten(), lambda k: k.layers.Dense(1))),
        "(None, 8, 8, 3)",
        FOR_THIS_TASK,
    ),
    "a network with two inputs": (network(two_inputs), "[(None, 12, 14), (None, 3)]", FOR_THIS_TASK),
    "a network with two outputs": (network(two_outputs), "[(None, 1), (None, 1)]", FOR_THIS_TASK),
    "a network that gives a sequence": (
        network(sequence_of(lambda k: k.Input((120, 14)), lambda k: k.layers.Dense(1))),
        "(None, 120, 1), expected (None, 1)",
        FOR_THIS_TASK,
    ),
    "a network never built": (
        network(sequence_of(lambda k: k.layers.LSTM(4), lambda k: k.layers.Dense(1))),
        "best.keras",
        FOR_THIS_TASK,
    ),
    "half of an HDF5 file": (half_hdf5, "is damaged", "restore a copy"),
    "HDF5 weights alone": (only_weights, "holds weights without a model", "save the whole model"),
    "HDF5 of a list": (hdf5_with("[1, 2]"), "was not loaded", MADE_BY_TRAIN),
    "HDF5 of a number": (hdf5_with(5), "is damaged", "restore a copy"),
    "HDF5 nested without end": (hdf5_with("[" * 60_000), "is damaged", "restore a copy"),
    "HDF5 of a layer nobody knows": (
        hdf5_with(json.dumps({"class_name": "Sequential", "config": {"layers": [{"class_name": "Oracle"}]}})),
        "was not loaded",
        MADE_BY_TRAIN,
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_evaluate_refuses_a_checkpoint(name, data_dir, trained_run, assert_refused):
    spoil, *told = CHECKPOINTS[name]
    best = trained_run / "best.keras"
    spoil(best)
    assert_refused(["evaluate", trained_run, "--data-dir", data_dir, "--force"], [str(best), *told])


def test_columns_are_fed_in_the_order_that_the_checkpoint_names(data_dir, trained_run, jenacast, tmp_path):
    def score(path):
        done = jenacast("evaluate", path, "--data-dir", data_dir, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)["mae_c"]

    def in_other_order(weights):
        path = tmp_path / "weights.h5"
        path.write_bytes(weights)
        with h5py.File(path, "r+") as file:
            variables = [item for layer in file["layers"].values() for item in layer["vars"].values()]
            kernel = next(variable for variable in variables if variable.shape[0] == 12 * 14)
            kernel[:] = kernel[:].reshape(12, 14, -1)[:, ::-1].reshape(168, -1)
        return path.read_bytes()

    best, other = trained_run / "best.keras", tmp_path / "other.keras"
    shutil.copy(best, other)
    encoding(lambda told: told["columns"].reverse())(other)
    assert abs(score(other) - score(best)) > 0.1  # other names for the same weights mean something else
    zipped(model__weights__h5=in_other_order)(other)
    assert score(other) == pytest.approx(score(best), abs=1e-5)


def array_of_objects(path):
    np.save(path, np.array([[{}] * 14], dtype=object), allow_pickle=True)


def manifest(**values):
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | values))


def split_record(split, **values):
    def spoil(path):
        told = json.loads(path.read_text())
        told["splits"][split] |= values
        path.write_text(json.dumps(told))

    return spoil


def column_record(name, **values):
    def spoil(path):
        told = json.loads(path.read_text())
        told["columns"][name] |= values
        path.write_text(json.dumps(told))

    return spoil


def gone(path):
    path.unlink()


MANIFEST, VALUES, TIMES = "manifest.json", "values.npy", "times.npy"
PREPARED = {
    "no manifest": (MANIFEST, gone, "manifest.json not found", "run: jenacast prepare"),
    "half a manifest": (MANIFEST, content(lambda old: old[: len(old) // 2]), "manifest.json is damaged", PREPARE_AGAIN),
    "a manifest of NULs": (MANIFEST, content(lambda old: bytes(len(old))), "manifest.json is damaged", PREPARE_AGAIN),
    "a manifest nested without end": (
        MANIFEST,
        content(lambda old: b"[" * 100_000),
        "manifest.json is damaged",
        PREPARE_AGAIN,
    ),
    "a later manifest": (MANIFEST, manifest(format=2), "has format 2, this version reads 1", PREPARE_AGAIN),
    "another protocol": (MANIFEST, manifest(protocol="loose"), "protocol: Input should be 'book' or", PREPARE_AGAIN),
    "no row an hour": (MANIFEST, manifest(rows_per_hour=0), "rows_per_hour: Input should be greater", PREPARE_AGAIN),
    "no splits": (MANIFEST, manifest(splits={}), "splits: expected train, val, test", PREPARE_AGAIN),
    "a split beyond the series": (
        MANIFEST,
        split_record("test", stop=10**6),
        "splits: expected train, val, test",
        PREPARE_AGAIN,
    ),
    "a split that ends before it starts": (
        MANIFEST,
        split_record("val", stop=0),
        "splits: expected train, val, test",
        PREPARE_AGAIN,
    ),
    "a deviation of nothing": (
        MANIFEST,
        column_record("wind_speed_m_per_s", deviation=0),
        "columns.wind_speed_m_per_s.deviation: Input should be greater than 0",
        PREPARE_AGAIN,
    ),
    "a mean of NaN": (
        MANIFEST,
        column_record("wind_speed_m_per_s", mean=float("nan")),
        "NaN is not JSON",
        PREPARE_AGAIN,
    ),
    "no values": (VALUES, gone, "values.npy", PREPARE_AGAIN),
    "half the values": (VALUES, content(lambda old: old[: len(old) // 2]), "is damaged", PREPARE_AGAIN),
    "values that are pickled": (VALUES, array_of_objects, "is damaged", PREPARE_AGAIN),
    "values of another length": (VALUES, lambda path: np.save(path, np.zeros((5, 14), "f4")), "(5, 14)", PREPARE_AGAIN),
    "no times": (TIMES, gone, "times.npy", PREPARE_AGAIN),
    "half the times": (TIMES, content(lambda old: old[: len(old) // 2]), "is damaged", PREPARE_AGAIN),
    "times that are pickled": (TIMES, array_of_objects, "is damaged", "allow_pickle=False", PREPARE_AGAIN),
    "times that are numbers": (TIMES, lambda path: np.save(path, np.arange(1400.0)), "float64", PREPARE_AGAIN),
    "times without end": (
        TIMES,
        content(lambda old: old.replace(b"(1400,), }       ", b"(1400000000000,),}")),
        "is damaged",
        PREPARE_AGAIN,
    ),
}


@pytest.mark.parametrize("command", ["baseline", "evaluate"])
@pytest.mark.parametrize("name", PREPARED)
def test_prepared_data_that_were_spoilt_are_refused(name, command, data_dir, trained_run, assert_refused):
    file, spoil, *told = PREPARED[name]
    spoil(data_dir / "prepared" / file)
    run = [trained_run] if command == "evaluate" else []
    assert_refused([command, *run, "--data-dir", data_dir], [str(data_dir), *told])


def state(change):
    """Spoil a state by a function that changes its arrays, given by name, in place."""

    def spoil(path):
        with np.load(path) as file:
            arrays = dict(file)
        change(arrays)
        np.savez(path, **arrays)

    return spoil


def about(**values):
    """Spoil what a state says of itself."""

    def change(arrays):
        arrays["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | values))

    return state(change)


def wider(arrays):
    arrays["variable_0000"] = np.zeros((7, 7), np.float32)


def of_words(arrays):
    arrays["variable_0000"] = np.full(arrays["variable_0000"].shape, "weight")


def pickled(path):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"variable_0000": np.array([{}], dtype=object)})


def copy_of_config(path):
    path.write_text(path.read_text().replace("batch_size = 256", "batch_size = 32"))


USABLE = "use the run's best.keras"
ANEW = "start a new run"
STATE, RECORD, CONFIG = "state.npz", "run.json", "config.toml"
RESUMED = {
    "no settings": (CONFIG, gone, "is not a run folder that can be resumed", "jenacast train --model NAME"),
    "no record": (RECORD, gone, "is not a run folder that can be resumed", "jenacast train --model NAME"),
    "half a record": (RECORD, content(lambda old: old[:100]), "run.json is damaged", ANEW),
    "an empty record": (RECORD, content(lambda old: b"{}"), "run.json is damaged (data_dir: Field required", ANEW),
    "a record of a list": (RECORD, content(lambda old: b"[]"), "is damaged (Input should be a valid dict", ANEW),
    "a record nested without end": (RECORD, content(lambda old: b"[" * 100_000), "run.json is damaged", ANEW),
    "a record of data that are gone": (
        RECORD,
        manifest(data_dir="gone"),
        "gone/prepared/manifest.json not found",
        "run: jenacast prepare",
    ),
    "other settings": (CONFIG, copy_of_config, "is not what the run began with", "train.batch_size: 256, now 32", ANEW),
    "broken settings": (CONFIG, content(lambda old: b"[train"), "config.toml is not valid TOML", PRINTS_ONE),
    "an empty state": (STATE, content(lambda old: b""), "state.npz is damaged", USABLE),
    "half a state": (STATE, content(lambda old: old[: len(old) // 2]), "state.npz is damaged", USABLE),
    "false bytes in a state": (
        STATE,
        content(lambda old: old[:3000] + bytes(500) + old[3500:]),
        "state.npz is damaged",
        USABLE,
    ),
    "a pickled state": (STATE, a_pickle, "state.npz is damaged", USABLE),
    "a state with pickled objects": (STATE, pickled, "state.npz is damaged", "allow_pickle=False", USABLE),
    "a state without progress": (STATE, about(progress=None), "state.npz is damaged", USABLE),
    "a state of words": (STATE, about(progress={"epoch": "two"}), "state.npz is damaged", "epoch", USABLE),
    "a later state": (STATE, about(format=2), "has format 2, this version reads 1", "the jenacast that wrote it"),
    "a state of a wider network": (STATE, state(wider), "variable 0 is (7, 7) float32, expected (168, 4)", ANEW),
    "weights that are words": (STATE, state(of_words), "variable 0 is (168, 4) <U6, expected (168, 4)", ANEW),
    "a state of a smaller network": (
        STATE,
        state(lambda arrays: arrays.pop("variable_0001")),
        "variables, expected",
        ANEW,
    ),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_that_was_spoilt_is_not_resumed(name, trained_run, assert_refused):
    file, spoil, *told = RESUMED[name]
    spoil(trained_run / file)
    assert_refused(["train", "--resume", trained_run, "--epochs", "3"], told)


PROCESSES = {
    "a CSV in UTF-16": (["prepare", "--force"], CSV_NAME, CSV["UTF-16"][0], "save it as UTF-8"),
    "a pipe for a CSV": (["prepare", "--force"], CSV_NAME, replaced_by(os.mkfifo), "is not a regular file"),
    "values out of every range": (["prepare", "--force"], CSV_NAME, column(T, "1e300"), "has no valid value"),
    "half an HDF5 file": (["evaluate", "run"], "../run/best.keras", half_hdf5, "is damaged"),
    "a zip of something else": (
        ["evaluate", "run"],
        "../run/best.keras",
        CHECKPOINTS["weights of another network"][0],
        MADE_BY_TRAIN,
    ),
}


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
