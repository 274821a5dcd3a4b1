"""Files made to do harm: no code in them is run, nothing is written outside, and no memory is filled."""

import json
import pickle
import shutil
import stat
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from spoil import zipped

from jenacast.models import guards
from jenacast.models.checkpoint import load_checkpoint


@pytest.fixture
def best(trained_run, tmp_path):
    """A checkpoint alone in a folder."""
    folder = tmp_path / "alone"
    folder.mkdir()
    return Path(shutil.copy(trained_run / "best.keras", folder))


@pytest.fixture
def trace(tmp_path):
    """The file that hostile code would write."""
    return tmp_path / "trace"


def with_layer(path, **layer):
    """Put other words into the description of a checkpoint's first dense layer."""

    def change(old):
        config = json.loads(old)
        dense = next(entry for entry in config["config"]["layers"] if entry["class_name"] == "Dense")
        dense.update({key: value for key, value in layer.items() if key != "config"})
        dense["config"].update(layer.get("config", {}))
        return json.dumps(config)

    zipped(config__json=change)(path)


def of_function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


NO_API = "is not a modeling function"
LAYERS = {
    "a command of the system": ({"module": "os", "class_name": "system"}, "class 'system'"),
    "a built-in function": ({"module": "builtins", "class_name": "eval"}, "class 'eval'"),
    "a process": ({"module": "subprocess", "class_name": "Popen"}, "class 'Popen'"),
    "a class registered elsewhere": (
        {"module": "evil", "class_name": "Layer", "registered_name": "evil>Layer"},
        "class 'Layer'",
    ),
    "a class of jenacast": (
        {"module": "jenacast.training.learner", "class_name": "Learner", "registered_name": "Learner"},
        "class 'Learner'",
    ),
    "a download": (
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "file:///etc/passwd"}},
        f"`keras.utils.get_file` because it {NO_API}",
    ),
    "safe mode off": (
        {"module": "keras.config", "class_name": "enable_unsafe_deserialization"},
        f"`keras.config.enable_unsafe_deserialization` because it {NO_API}",
    ),
    "a module of Keras that is none": ({"module": "keras.src.evil", "class_name": "Layer"}, "keras.src.evil"),
    "a function of Keras' own code": (
        {"module": "keras.src.utils.file_utils", "class_name": "File"},
        "'keras.src.utils.file_utils.File'",
    ),
    "a command as activation": ({"config": {"activation": of_function("os", "system")}}, "function 'system'"),
    "eval as activation": ({"config": {"activation": of_function("builtins", "eval")}}, "function 'eval'"),
    "a lambda as activation": (
        {"config": {"activation": {"class_name": "__lambda__", "config": {"value": ["4wEA", None, None]}}}},
        "lambda",
    ),
    "a command as initializer": (
        {"config": {"kernel_initializer": {"module": "os", "class_name": "system"}}},
        "'system'",
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_class_or_function_from_elsewhere_is_refused(name, best, refused_checkpoint):
    layer, told = LAYERS[name]
    with_layer(best, **layer)
    message = refused_checkpoint(best)
    assert f"{best} was not loaded, with Keras' safe mode on" in message
    assert told in message
    assert "give a network that jenacast train made" in message
    assert len(message) < 600
    from keras.src.saving.serialization_lib import in_safe_mode

    assert in_safe_mode() is not False


def test_a_saved_model_inside_a_checkpoint_is_refused(best, refused_checkpoint, trace, tmp_path):
    import tensorflow as tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 12, 14), tf.float32)])
        def serve(self, inputs):
            with tf.control_dependencies([tf.io.write_file(str(trace), "harm")]):
                return tf.identity(inputs[:, 0, :1])

    tf.saved_model.save(Writer(), tmp_path / "program")
    with_layer(
        best,
        class_name="TFSMLayer",
        config={"filepath": str(tmp_path / "program"), "call_endpoint": "serve", "call_training_endpoint": None},
    )
    assert "TFSMLayer" in refused_checkpoint(best)


def test_code_in_an_exported_architecture_is_not_run(trained_run, jenacast, refused_checkpoint, trace, tmp_path):
    import keras

    out = tmp_path / "export"
    assert jenacast("export", trained_run, "--format", "json+weights", "--out", out).exit_code == 0
    inputs = keras.Input((12, 14))
    x = keras.layers.Lambda(eval(f"lambda x: (open({str(trace)!r}, 'w').close(), x)[1]"))(inputs)  # noqa: S307
    evil = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    trace.unlink()  # it was there: the code does run where nobody stops it
    (out / "model.json").write_text(evil.to_json())
    assert "safe mode" in refused_checkpoint(out)


class Harm:
    """What unpickling it does."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_does_harm_where_nobody_stops_it(trace):
    pickle.loads(pickle.dumps(Harm(trace)))  # noqa: S301
    assert trace.exists()


def test_a_pickle_for_a_checkpoint_is_not_opened(best, refused_checkpoint, trace):
    best.write_bytes(pickle.dumps(Harm(trace)))
    assert "give a Keras model file" in refused_checkpoint(best)


@pytest.mark.parametrize("file", ["values.npy", "times.npy"])
def test_a_pickle_among_prepared_data_is_not_opened(file, best, data_dir, refused_checkpoint, trace):
    np.save(data_dir / "prepared" / file, np.array([Harm(trace)], dtype=object), allow_pickle=True)
    assert "run: jenacast prepare --force" in refused_checkpoint(best)


@pytest.mark.parametrize("name", ["about", "variable_0000"])
def test_a_pickle_in_a_state_is_not_opened(name, trained_run, jenacast, trace):
    with np.load(trained_run / "state.npz") as file:
        arrays = dict(file)
    np.savez(trained_run / "state.npz", **arrays | {name: np.array([Harm(trace)], dtype=object)})
    done = jenacast("train", "--resume", trained_run, "--epochs", 3)
    assert done.exit_code == 1
    assert "state.npz is damaged" in done.stderr
    assert not trace.exists()


def forbid(*args, **kwargs):
    raise AssertionError("something was unpacked")


@pytest.mark.parametrize("suffix", [".keras", ".zip"])
def test_a_zip_bomb_is_refused_before_anything_is_unpacked(suffix, best, refused_checkpoint, monkeypatch):
    bomb = best.with_suffix(suffix)
    best.replace(bomb)
    monkeypatch.setattr(guards, "MAX_UNPACKED_BYTES", 5_000_000)
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        for number in range(6):
            archive.writestr(f"assets/{number}", bytes(1_000_000))
    size = bomb.stat().st_size
    monkeypatch.setattr(zipfile.ZipFile, "open", forbid)
    message = refused_checkpoint(bomb)
    assert f"has {size:,} bytes and would unpack to 6,0" in message
    assert "more than 20 times as many; refused: fetch it anew from where it was trained" in message


def test_a_size_that_is_only_declared_counts(best, refused_checkpoint):
    content = best.read_bytes()
    entry = content.rindex(b"PK\x01\x02", 0, content.index(b"model.weights.h5", content.index(b"PK\x01\x02")))
    best.write_bytes(content[: entry + 24] + b"\xf0\xff\xff\xff" + content[entry + 28 :])
    assert "would unpack to 4,29" in refused_checkpoint(best)


def test_a_large_network_is_no_bomb(best, monkeypatch):
    monkeypatch.setattr(guards, "MAX_UNPACKED_BYTES", 1000)  # the file is larger, but not a twentieth of its content
    assert load_checkpoint(best).metadata.model == "dense"


def test_a_real_bomb_costs_no_time_and_no_memory(best, refused_checkpoint):
    with (
        zipfile.ZipFile(best, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("assets/bomb", "w", force_zip64=True) as member,
    ):
        for _ in range(1100):
            member.write(bytes(1_000_000))
    assert "would unpack to 1,100," in refused_checkpoint(best)


def test_a_link_inside_is_refused(best, refused_checkpoint):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(best, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    message = refused_checkpoint(best)
    assert "has a member 'assets/link' that is a link; refused" in message


@pytest.mark.parametrize("name", ["config.json", "jenacast.json"])
def test_two_members_of_one_name_are_refused(name, best, refused_checkpoint):
    with zipfile.ZipFile(best) as archive:
        content = archive.read(name)
    with zipfile.ZipFile(best, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, content)
    assert f"has 2 members named '{name}', expected one; refused" in refused_checkpoint(best)


def external_storage(group, secret):
    group.create_dataset("0", (168, 4), "f4", external=[(str(secret), 0, 168 * 16)])


def external_link(group, secret):
    group["0"] = h5py.ExternalLink(str(secret), "/weights")


def soft_link(group, secret):
    group["0"] = h5py.SoftLink("/elsewhere")


def shape_bomb(group, secret):
    group.create_dataset("0", (1 << 20, 1 << 14), "f4", chunks=(1 << 10, 1 << 10), compression="gzip")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (external_storage, "H5 file with external Dataset"),
        (external_link, "H5 file with ExternalLink"),
        (soft_link, "H5 file with SoftLink"),
        (shape_bomb, "declares 64.00 GB"),
    ],
)
def test_weights_that_lie_elsewhere_or_nowhere_are_refused(spoil, told, best, refused_checkpoint, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(168 * 16))

    def change(old):
        weights = tmp_path / "weights.h5"
        weights.write_bytes(old)
        with h5py.File(weights, "r+") as file:
            variables = next(layer["vars"] for layer in file["layers"].values() if "0" in layer["vars"])
            del variables["0"]
            spoil(variables, secret)
        return weights.read_bytes()

    zipped(model__weights__h5=change)(best)
    assert told in refused_checkpoint(best)


@pytest.mark.parametrize("name", ["../../x", "a/b", "\x1b[2Jmine", "", "x" * 100, "two\nlines"])
def test_a_name_inside_a_checkpoint_leads_nowhere(name, best, refused_checkpoint):
    zipped(jenacast__json=lambda old: json.dumps(json.loads(old) | {"model": name}))(best)
    message = refused_checkpoint(best)
    assert "jenacast.json is damaged (model: String should" in message
    assert "\x1b" not in message


@pytest.mark.parametrize("name", ["..keras", "...", "a\\..\\b.keras", "%2e%2e%2fx.keras"])
def test_scores_stay_in_the_folder_whatever_the_checkpoint_is_called(name, best, jenacast, data_dir, tmp_path):
    odd = best.with_name(name)
    best.rename(odd)
    out = tmp_path / "deep" / "out"
    before = {path for path in tmp_path.rglob("*") if path != out.parent and out.parent not in path.parents}
    done = jenacast("evaluate", odd, "--data-dir", data_dir, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert len(list(out.iterdir())) == 3
    assert {path for path in tmp_path.rglob("*") if out.parent not in (path, *path.parents)} == before
