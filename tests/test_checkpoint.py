import json
import shutil
import tomllib
import zipfile

import h5py
import numpy as np
import pytest

from jenacast.columns import NAMES
from jenacast.data.prepared import load_prepared
from jenacast.evaluation.evaluate import evaluate
from jenacast.models.checkpoint import FORMAT, load_checkpoint, read_metadata, save_checkpoint
from jenacast.runtime import load_tensorflow, set_seed

ABSENT = object()


@pytest.fixture(scope="module")
def keras():
    load_tensorflow()
    import keras

    return keras


@pytest.fixture
def best(trained_run):
    return trained_run / "best.keras"


@pytest.fixture(scope="module")
def foreign(keras):
    """A network after the book's recipe that was made without jenacast."""
    set_seed(0)
    layers = [keras.Input((120, 14)), keras.layers.LSTM(4), keras.layers.Dense(1)]
    return keras.Sequential(layers)


@pytest.fixture
def refused(jenacast, data_dir):
    """A function that evaluates a file, sees it refused in one message without a traceback, and returns that."""

    def refuse(path):
        done = jenacast("evaluate", path, "--data-dir", data_dir)
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)
        assert done.stdout == ""
        assert done.stderr.count("error: ") == 1
        assert "Traceback" not in done.stderr
        return done.stderr.split("error: ")[1]

    return refuse


def rewritten(source, target, **members):
    """A copy of a zip with some members' content replaced or, where it is None, left out."""
    members = {name.replace("__", "."): content for name, content in members.items()}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in members:
                new.writestr(name, old.read(name))
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content)
    return target


def changed(source, target, **values):
    """A copy of a checkpoint whose metadata say something else."""
    metadata = json.loads(read_metadata(source).model_dump_json()) | values
    return rewritten(source, target, jenacast__json=json.dumps(metadata))


def edit_layer(path, kind, **settings):
    """Write settings into the config of an HDF5 file's layers of one kind, as an older Keras did."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        layers = [layer for layer in config["config"]["layers"] if layer["class_name"] == kind]
        assert layers
        for layer in layers:
            layer["config"] |= settings
            layer["config"] = {key: value for key, value in layer["config"].items() if value is not ABSENT}
        file.attrs["model_config"] = json.dumps(config)


def test_a_checkpoint_says_how_to_use_it(best, trained_run, data_dir):
    with zipfile.ZipFile(best) as archive:
        content = json.loads(archive.read("jenacast.json"))
    outcome = json.loads((trained_run / "metrics.json").read_text())
    manifest = json.loads((data_dir / "prepared" / "manifest.json").read_text())
    assert content["config"] == tomllib.loads((trained_run / "config.toml").read_text())
    assert (content["epoch"], content["val_mae_c"]) == (outcome["best_epoch"], outcome["val_mae_c"])
    assert (content["model"], content["seed"], content["synthetic"]) == ("dense", 0, True)
    assert (content["protocol"], content["source_sha256"]) == ("strict", manifest["source_sha256"])
    scaling = {column["name"]: column["mean"] for column in content["encoding"]["columns"]}
    assert scaling == {name: column["mean"] for name, column in manifest["columns"].items()}
    assert set(content["versions"]) == {"jenacast", "tensorflow", "keras", "numpy", "python"}


def test_keras_alone_loads_a_checkpoint(best, keras):
    inputs = np.random.default_rng(0).normal(size=(3, 12, 14)).astype(np.float32)
    alone = keras.models.load_model(best, compile=False)
    np.testing.assert_array_equal(alone(inputs), load_checkpoint(best).model(inputs))


def test_a_run_folder_stands_for_its_best(best, trained_run):
    assert load_checkpoint(trained_run).path == best


def test_saved_again_it_holds_the_same(best, tmp_path):
    checkpoint = load_checkpoint(best)
    save_checkpoint(checkpoint.model, checkpoint.metadata, tmp_path / "copy.keras")
    copy = load_checkpoint(tmp_path / "copy.keras")
    assert copy.metadata == checkpoint.metadata
    for mine, theirs in zip(copy.model.get_weights(), checkpoint.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_save_that_fails_leaves_the_old_file_and_no_other(best, trained_run, monkeypatch):
    checkpoint, before = load_checkpoint(best), best.read_bytes()
    names = sorted(path.name for path in trained_run.iterdir())

    class Full:
        def save(self, path):
            path.write_bytes(b"half a mod")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(Full(), checkpoint.metadata, best)
    assert best.read_bytes() == before
    assert sorted(path.name for path in trained_run.iterdir()) == names


def test_moved_to_another_folder_it_scores_the_same(best, data_dir, tmp_path):
    here = evaluate(best, data_dir=data_dir).scores
    moved = tmp_path / "elsewhere" / "model of mine.zip"
    moved.parent.mkdir()
    shutil.move(best, moved)
    there = evaluate(moved, data_dir=data_dir).scores
    assert (there.mae_c, there.bias_c, there.model) == (here.mae_c, here.bias_c, "dense")


def test_a_newer_format_is_refused_by_name(best, refused, tmp_path):
    newer = changed(best, tmp_path / "newer.keras", format=FORMAT + 1)
    told = refused(newer)
    assert f"has format {FORMAT + 1}, this version reads {FORMAT}" in told
    assert "use the jenacast that wrote it" in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("not JSON", "is damaged"),
        ("[]", "has format None"),
        ('{"format": 1}', "model: Field required"),
        ("[" * 100_000, "is damaged"),
        (" " * 10_000_001, "larger than 10,000,000 bytes"),
    ],
)
def test_metadata_that_break_the_rules_are_refused(best, refused, tmp_path, content, told):
    assert told in refused(rewritten(best, tmp_path / "odd.keras", jenacast__json=content))


def test_metadata_of_a_column_nobody_knows_are_refused(best, refused, tmp_path):
    encoding = json.loads(read_metadata(best).encoding.model_dump_json())
    encoding["columns"][3]["name"] = "sunshine_h"
    told = refused(changed(best, tmp_path / "odd.keras", encoding=encoding))
    assert "encoding.columns.3.name" in told
    assert "'sunshine_h'" in told


def test_without_metadata_the_books_scaling_is_assumed_and_said(foreign, jenacast, data_dir, tmp_path):
    foreign.save(tmp_path / "mine.keras")
    done = jenacast("evaluate", tmp_path / "mine.keras", "--data-dir", data_dir, "--json")
    assert done.exit_code == 0, done.output
    scores = json.loads(done.stdout)
    assert (scores["model"], scores["trained_protocol"], scores["scaling"]) == ("mine", None, "the book's, assumed")
    assert f"warning: {tmp_path / 'mine.keras'} does not say how its inputs were scaled" in done.stderr
    assert "all 14 columns standardised over the train rows, output in °C" in done.stderr


def test_a_foreign_network_is_fed_as_the_book_feeds_it(foreign, data_dir, tmp_path):
    foreign.save(tmp_path / "mine.keras")
    evaluation = evaluate(tmp_path / "mine.keras", data_dir=data_dir)
    prepared = load_prepared(data_dir)
    values = np.load(data_dir / "prepared" / "values.npy").astype(np.float64)
    train, test = (prepared.manifest.splits[name] for name in ("train", "test"))
    scaled = (values - values[: train.stop].mean(axis=0)) / values[: train.stop].std(axis=0)
    # Hourly rows without a gap: the windows of the test split begin at each of its rows in turn.
    starts = range(test.start, test.stop - 120 - 24 + 1)
    windows = np.stack([scaled[start : start + 120] for start in starts]).astype(np.float32)
    np.testing.assert_allclose(evaluation.judged.forecast_c, foreign(windows).numpy()[:, 0], atol=1e-4)
    last_c = values[[start + 119 for start in starts], NAMES.index("temperature_c")]
    np.testing.assert_allclose(evaluation.judged.baseline_c, last_c, atol=1e-6)


def test_without_metadata_the_data_must_be_prepared(foreign, jenacast, data_dir, tmp_path):
    foreign.save(tmp_path / "mine.keras")
    csv = next(data_dir.glob("*.csv"))
    done = jenacast("evaluate", tmp_path / "mine.keras", "--csv", csv, "--data-dir", tmp_path / "empty")
    assert done.exit_code == 1
    assert "run: jenacast prepare" in done.stderr


def test_the_content_and_not_the_name_decides_the_format(foreign, data_dir, tmp_path):
    foreign.save(tmp_path / "zip.keras")
    foreign.save(tmp_path / "hdf5.h5")
    shutil.copy(tmp_path / "hdf5.h5", tmp_path / "hdf5.keras")
    shutil.copy(tmp_path / "zip.keras", tmp_path / "zip.h5")
    shutil.copy(tmp_path / "zip.keras", tmp_path / "zip")
    expected = evaluate(tmp_path / "zip.keras", data_dir=data_dir).judged.forecast_c
    for name in ("hdf5.h5", "hdf5.keras", "zip.h5", "zip"):
        np.testing.assert_array_equal(evaluate(tmp_path / name, data_dir=data_dir).judged.forecast_c, expected, name)


def test_a_file_that_keras_2_wrote_forecasts_as_it_did(foreign, keras, data_dir, tmp_path):
    old = tmp_path / "old.h5"
    foreign.save(old)
    expected = evaluate(old, data_dir=data_dir).judged.forecast_c
    edit_layer(old, "LSTM", time_major=False, implementation=2, dtype="float32")
    edit_layer(old, "InputLayer", batch_input_shape=[None, 120, 14], batch_shape=ABSENT)
    with h5py.File(old, "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
    with pytest.raises(Exception, match="time_major"):  # what Keras 3 says of it
        keras.models.load_model(old, compile=False)
    before = old.read_bytes()
    np.testing.assert_array_equal(evaluate(old, data_dir=data_dir).judged.forecast_c, expected)
    assert old.read_bytes() == before


def test_time_major_is_refused(foreign, refused, tmp_path):
    foreign.save(tmp_path / "old.h5")
    edit_layer(tmp_path / "old.h5", "LSTM", time_major=True)
    told = refused(tmp_path / "old.h5")
    assert "time_major=True" in told
    assert "(windows, steps, columns)" in told


def test_weights_without_a_model_are_refused(foreign, refused, tmp_path):
    foreign.save_weights(tmp_path / "mine.weights.h5")
    assert "save the whole model" in refused(tmp_path / "mine.weights.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_not_run(keras, refused, tmp_path, suffix):
    trace = tmp_path / "trace"
    source = f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"
    inputs = keras.Input((120, 14))
    x = keras.layers.Lambda(eval(source), output_shape=(120, 14))(inputs)  # noqa: S307
    evil = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    evil(np.zeros((1, 120, 14), np.float32))
    trace.unlink()  # it was there: the code does run where nobody stops it
    evil.save(tmp_path / f"evil{suffix}")
    told = refused(tmp_path / f"evil{suffix}")
    assert "safe mode" in told
    assert "Lambda" in told
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_a_member_that_leads_out_of_the_file_is_refused(best, refused, tmp_path, name):
    hostile = tmp_path / "hostile.keras"
    shutil.copy(best, hostile)
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr(name, "evil")
    told = refused(hostile)
    assert repr(name) in told
    assert "refused" in told
    assert not list(tmp_path.rglob("*evil*"))


def test_a_zip_that_was_cut_short_is_refused(best, refused, tmp_path):
    content = best.read_bytes()
    for name, size in (("half.keras", len(content) // 2), ("almost.keras", len(content) - 10)):
        (tmp_path / name).write_bytes(content[:size])
        assert f"{tmp_path / name} is damaged" in refused(tmp_path / name)


@pytest.mark.parametrize("member", ["jenacast.json", "config.json", "model.weights.h5"])
def test_a_damaged_member_is_refused(best, refused, tmp_path, member):
    packed = rewritten(best, tmp_path / "packed.keras")
    with zipfile.ZipFile(packed) as archive:
        info = archive.getinfo(member)
    content = bytearray(packed.read_bytes())
    begin = info.header_offset + 30 + len(member)
    content[begin : begin + info.compress_size // 2] = bytes(info.compress_size // 2)
    packed.write_bytes(content)
    assert str(packed) in refused(packed)


def test_a_damaged_hdf5_file_is_refused(foreign, refused, tmp_path):
    foreign.save(tmp_path / "mine.h5")
    content = (tmp_path / "mine.h5").read_bytes()
    (tmp_path / "half.h5").write_bytes(content[: len(content) // 2])
    assert "is damaged" in refused(tmp_path / "half.h5")


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "b''"), (b"epoch,loss\n1,0.5\n", "b'epoch,lo'"), (b"PK\x05\x06" + bytes(18), r"b'PK\x05\x06")],
)
def test_what_is_no_model_is_refused(refused, tmp_path, content, told):
    (tmp_path / "model.keras").write_bytes(content)
    message = refused(tmp_path / "model.keras")
    assert told in message
    assert "give a Keras model file" in message


def test_a_zip_without_a_model_is_refused(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("photo.txt", "cheese")
    assert f"{tmp_path / 'photos.zip'} was not loaded" in refused(tmp_path / "photos.zip")


@pytest.mark.parametrize("where", ["absent.keras", "."])
def test_where_nothing_lies_the_remedy_is_named(refused, tmp_path, where):
    told = refused(tmp_path / where)
    assert str(tmp_path) in told
    assert "jenacast train makes one" in told


def test_a_network_of_another_task_is_refused_by_its_shapes(keras, refused, tmp_path):
    wide, narrow = keras.Input((120, 14)), keras.Input((12, 5))
    networks = {
        "narrow": (keras.Model(narrow, keras.layers.Dense(1)(keras.layers.Flatten()(narrow))), "(None, 12, 5)"),
        "two": (keras.Model(wide, [keras.layers.Dense(1)(keras.layers.Flatten()(wide))] * 2), "[(None, 1), (None, 1)]"),
        "steps": (keras.Model(wide, keras.layers.Dense(1)(wide)), "(None, 120, 1)"),
        "both": (keras.Model([wide, narrow], keras.layers.Flatten()(narrow)), "[(None, 120, 14), (None, 12, 5)]"),
    }
    for name, (network, shape) in networks.items():
        network.save(tmp_path / f"{name}.keras")
        told = refused(tmp_path / f"{name}.keras")
        assert shape in told, name
        assert "expected (None, 1" in told


def test_nothing_is_left_in_the_folder_for_temporary_files(foreign, data_dir, tmp_path, monkeypatch, refused):
    foreign.save(tmp_path / "mine.h5")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    evaluate(tmp_path / "mine.h5", data_dir=data_dir)
    edit_layer(tmp_path / "mine.h5", "LSTM", time_major=True)
    refused(tmp_path / "mine.h5")
    assert list(scratch.iterdir()) == []
