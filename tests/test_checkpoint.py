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
from jenacast.models.checkpoint import load_checkpoint, save_checkpoint
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


def test_time_major_is_refused(foreign, refused_checkpoint, tmp_path):
    foreign.save(tmp_path / "old.h5")
    edit_layer(tmp_path / "old.h5", "LSTM", time_major=True)
    told = refused_checkpoint(tmp_path / "old.h5")
    assert "time_major=True" in told
    assert "(windows, steps, columns)" in told


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_not_run(keras, refused_checkpoint, tmp_path, suffix):
    trace = tmp_path / "trace"
    source = f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"
    inputs = keras.Input((120, 14))
    x = keras.layers.Lambda(eval(source), output_shape=(120, 14))(inputs)  # noqa: S307
    evil = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    evil(np.zeros((1, 120, 14), np.float32))
    trace.unlink()  # it was there: the code does run where nobody stops it
    evil.save(tmp_path / f"evil{suffix}")
    told = refused_checkpoint(tmp_path / f"evil{suffix}")
    assert "safe mode" in told
    assert "Lambda" in told
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_a_member_that_leads_out_of_the_file_is_refused(best, refused_checkpoint, tmp_path, name):
    hostile = tmp_path / "hostile.keras"
    shutil.copy(best, hostile)
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr(name, "evil")
    told = refused_checkpoint(hostile)
    assert repr(name) in told
    assert "refused" in told
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.usefixtures("assert_refused")  # it makes that folder one of this test's own
def test_nothing_is_left_in_the_folder_for_temporary_files(foreign, data_dir, tmp_path):
    foreign.save(tmp_path / "mine.h5")
    evaluate(tmp_path / "mine.h5", data_dir=data_dir)
    assert list((tmp_path / "scratch").iterdir()) == []
