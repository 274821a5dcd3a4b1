import gc
import os
import platform
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pytest

from jenacast import runtime
from jenacast.runtime import device_name, load_tensorflow, set_seed, versions


def python(code, **environment):
    command = [sys.executable, "-c", code]
    env = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)


@pytest.fixture
def broken_keras(tmp_path):
    """A folder whose `keras` says why it fails on file descriptor 2, as C++ does, and fails."""
    code = "import os; os.write(2, b'the library is of another build'); raise ImportError('broken')"
    (tmp_path / "keras.py").write_text(code)
    return tmp_path


def test_what_a_failing_start_said_is_let_through(broken_keras):
    done = python("import jenacast.runtime as r; r.load_tensorflow()", PYTHONPATH=str(broken_keras))
    assert done.returncode == 1
    assert "the library is of another build" in done.stderr
    assert "ImportError: broken" in done.stderr


def test_collections_go_on_after_the_import():
    load_tensorflow()
    assert gc.isenabled()


def test_ctrl_c_waits_for_the_end_of_the_import(tmp_path):
    (tmp_path / "keras.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nprint('whole')\n")
    (tmp_path / "tensorflow.py").write_text("")
    done = python("import jenacast.runtime as r; r.load_tensorflow()", PYTHONPATH=str(tmp_path))
    assert done.stdout == "whole\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.system
def test_a_keras_json_in_the_home_folder_changes_no_result(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}')
    code = "import os, jenacast.runtime as r; r.load_tensorflow(); import keras.config as k; "
    code += "print(k.floatx(), k.epsilon(), k.image_data_format(), os.environ['KERAS_HOME'])"
    done = python(code, KERAS_HOME=str(tmp_path))
    assert done.stdout == f"float32 1e-07 channels_last {tmp_path}\n", done.stderr


def test_tensorflow_is_not_started_to_count_gpus_where_the_driver_is_missing(monkeypatch):
    monkeypatch.setattr(runtime, "DRIVER_LIBRARY", "libmissing.so.1")
    monkeypatch.setattr(runtime, "load_tensorflow", lambda: pytest.fail("TensorFlow is asked"))
    assert runtime.count_gpus() == 0


def test_one_seed_decides_weights_and_dropout():
    tf = load_tensorflow()
    import keras

    def draw(seed):
        set_seed(seed)
        layer = keras.layers.Dense(3)
        layer.build((None, 2))
        kept = keras.layers.Dropout(0.5)(np.ones((1, 64), np.float32), training=True).numpy()
        return layer.get_weights()[0].tolist(), kept.tolist(), float(tf.random.uniform(()))

    first, again, other = draw(1), draw(1), draw(2)
    assert again == first
    assert [a == b for a, b in zip(first, other, strict=True)] == [False] * 3


def test_after_set_seed_layers_are_named_from_the_start():
    load_tensorflow()
    import keras

    names = []
    for _ in range(2):
        set_seed(0)
        names.append(keras.Sequential([keras.layers.Dense(1), keras.layers.Dense(1)]).layers[-1].name)
    assert names == ["dense_1", "dense_1"]


def test_versions_are_those_installed():
    installed = {name: version(name) for name in ("jenacast", "tensorflow", "keras", "numpy")}
    assert versions() == installed | {"python": platform.python_version()}


def test_the_device_is_named_for_people():
    gpus = load_tensorflow().config.list_physical_devices("GPU")
    assert device_name().startswith("CPU, ") == (not gpus)
    assert len(device_name()) > 2
