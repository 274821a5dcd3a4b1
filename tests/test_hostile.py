"""Files made to do harm: no code in them is run, nothing is written outside, and no memory is filled."""

import json
import pickle

import numpy as np
import pytest
from spoil import zipped


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
    "a name that is no text": ({"config": {"name": "\ud800"}}, "surrogates not allowed"),
    "a command as initializer": (
        {"config": {"kernel_initializer": {"module": "os", "class_name": "system"}}},
        "'system'",
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_class_or_function_from_elsewhere_is_refused(name, lone_checkpoint, refused_checkpoint):
    layer, told = LAYERS[name]
    with_layer(lone_checkpoint, **layer)
    message = refused_checkpoint(lone_checkpoint)
    assert f"{lone_checkpoint} was not loaded, with Keras' safe mode on" in message
    assert told in message
    assert "give a network that jenacast train made" in message
    assert len(message) < 600
    from keras.src.saving.serialization_lib import in_safe_mode

    assert in_safe_mode() is not False


def test_a_saved_model_inside_a_checkpoint_is_refused(lone_checkpoint, refused_checkpoint, trace, tmp_path):
    import tensorflow as tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 12, 14), tf.float32)])
        def serve(self, inputs):
            with tf.control_dependencies([tf.io.write_file(str(trace), "harm")]):
                return tf.identity(inputs[:, 0, :1])

    tf.saved_model.save(Writer(), tmp_path / "program")
    with_layer(
        lone_checkpoint,
        class_name="TFSMLayer",
        config={"filepath": str(tmp_path / "program"), "call_endpoint": "serve", "call_training_endpoint": None},
    )
    assert "TFSMLayer" in refused_checkpoint(lone_checkpoint)


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


def test_a_pickle_for_a_checkpoint_is_not_opened(lone_checkpoint, refused_checkpoint, trace):
    lone_checkpoint.write_bytes(pickle.dumps(Harm(trace)))
    assert "give a Keras model file" in refused_checkpoint(lone_checkpoint)


@pytest.mark.parametrize("file", ["values.npy", "times.npy"])
def test_a_pickle_among_prepared_data_is_not_opened(file, lone_checkpoint, data_dir, refused_checkpoint, trace):
    np.save(data_dir / "prepared" / file, np.array([Harm(trace)], dtype=object), allow_pickle=True)
    assert "run: jenacast prepare --force" in refused_checkpoint(lone_checkpoint)


@pytest.mark.parametrize("name", ["about", "variable_0000"])
def test_a_pickle_in_a_state_is_not_opened(name, trained_run, jenacast, trace):
    with np.load(trained_run / "state.npz") as file:
        arrays = dict(file)
    np.savez(trained_run / "state.npz", **arrays | {name: np.array([Harm(trace)], dtype=object)})
    done = jenacast("train", "--resume", trained_run, "--epochs", 3)
    assert done.exit_code == 1
    assert "state.npz is damaged" in done.stderr
    assert not trace.exists()
