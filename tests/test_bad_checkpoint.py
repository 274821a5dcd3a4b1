"""Checkpoints that cannot be used, through the command line: one message, nothing changed on disk."""

import json
import os
import shutil
import zipfile

import h5py
import pytest
from spoil import a_pickle, content, half_hdf5, network, replaced_by, sequence_of, zipped

RESTORE = "train again or restore a copy"


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


def two_inputs(keras):
    series, numbers = keras.Input((12, 14)), keras.Input((3,))
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(series), numbers])
    return keras.Model([series, numbers], keras.layers.Dense(1)(flat))


def two_outputs(keras):
    series = keras.Input((120, 14))
    flat = keras.layers.Flatten()(series)
    return keras.Model(series, [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)])


def only_weights(path):
    import keras

    weights = path.with_name("mine.weights.h5")
    keras.Sequential([keras.Input((12, 14)), keras.layers.Flatten(), keras.layers.Dense(1)]).save_weights(weights)
    weights.replace(path)


def false_bytes_in(member):
    """Compress the members, and blank out half of one."""

    def spoil(path):
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for name, written in members.items():
                new.writestr(name, written)
            info = new.getinfo(member)
        begin, length = info.header_offset + 30 + len(member), info.compress_size // 2
        content(lambda old: old[:begin] + bytes(length) + old[begin + length :])(path)

    return spoil


def hdf5_with(config):
    """Put an HDF5 file there whose model is this text."""

    def spoil(path):
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = config

    return spoil


GIVE_ONE = "give a .keras file or a run folder"
GIVE_A_FILE = "give a Keras model file"
MADE_BY_TRAIN = "give a network that jenacast train made"
FOR_THIS_TASK = "evaluate a network made for this task"
CHECKPOINTS = {
    "absent": (lambda path: path.unlink(), "best.keras not found", GIVE_ONE),
    "a folder": (replaced_by(lambda path: path.mkdir()), "best.keras", GIVE_ONE),
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
    "false bytes in compressed metadata": (false_bytes_in("jenacast.json"), "is damaged"),
    "false bytes in a compressed config": (false_bytes_in("config.json"), "was not loaded"),
    "false bytes in compressed weights": (false_bytes_in("model.weights.h5"), "was not loaded"),
    "a zip without its last bytes": (content(lambda old: old[:-10]), "is damaged", RESTORE),
    "an empty zip": (content(lambda old: b"PK\x05\x06" + bytes(18)), r"begins with b'PK\x05\x06", GIVE_A_FILE),
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
    "metadata that are a list": (zipped(jenacast__json=b"[]"), "has format None"),
    "endless metadata": (zipped(jenacast__json=b" " * 10_000_001), "larger than 10,000,000 bytes"),
    "a later format": (metadata(format=2), "has format 2, this version reads 1", "use the jenacast that wrote it"),
    "metadata without a seed": (metadata(seed=None), "jenacast.json is damaged (seed:", RESTORE),
    "a column nobody knows": (
        encoding(lambda told: told["columns"][3].update(name="sunshine_h")),
        *("encoding.columns.3.name", "'sunshine_h'"),
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
        "NaN is not JSON",
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
