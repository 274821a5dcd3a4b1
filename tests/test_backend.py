import json
import sys

import pytest
from conftest import refused

from jenacast.config import load_recipe
from jenacast.errors import JenacastError
from jenacast.models.build import build_model
from jenacast.training import backend
from jenacast.training.backend import RecurrentBackend, find_backend, refuse_other_than_cudnn


def kernel_of(recipe, *assignments):
    config = load_recipe(recipe, ["data.history_hours=8", "model.units=4", *assignments])
    return find_backend(build_model(config), config)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Keras and jenacast believe in a GPU: graphs are made as there, though they could not run here."""
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)


@pytest.mark.parametrize(
    ("recipe", "assignments", "expected"),
    [
        ("dense", [], RecurrentBackend.TENSORFLOW),
        ("stacked-gru", [], RecurrentBackend.TENSORFLOW),
        ("stacked-gru", ["model.engine=tied"], RecurrentBackend.XLA),
        ("bidirectional-lstm", ["model.engine=weight-drop"], RecurrentBackend.XLA),
        ("lstm-dropout", ["model.engine=tied", "train.deterministic=true"], RecurrentBackend.TENSORFLOW),
    ],
)
def test_on_a_cpu_the_layers_made_for_xla_are_compiled_by_it(recipe, assignments, expected):
    if backend.has_gpu():
        pytest.skip("there is a GPU")
    assert kernel_of(recipe, *assignments) is expected


@pytest.mark.parametrize(
    ("recipe", "assignments", "expected"),
    [
        ("lstm", [], RecurrentBackend.CUDNN),
        ("bidirectional-lstm", [], RecurrentBackend.CUDNN),
        ("stacked-gru", [], RecurrentBackend.TENSORFLOW),  # recurrent dropout, a mask a gate
        ("stacked-gru", ["model.recurrent_dropout=0"], RecurrentBackend.CUDNN),
        ("stacked-gru", ["model.engine=tied"], RecurrentBackend.XLA),  # a mask a window
        ("stacked-gru", ["model.engine=weight-drop"], RecurrentBackend.CUDNN),
        ("lstm-dropout", ["model.engine=weight-drop"], RecurrentBackend.CUDNN),
        ("lstm-dropout", ["model.engine=weight-drop", "train.deterministic=true"], RecurrentBackend.CUDNN),
        ("lstm-unrolled", [], RecurrentBackend.TENSORFLOW),
        ("simple-rnn", [], RecurrentBackend.TENSORFLOW),
        ("dense", [], RecurrentBackend.TENSORFLOW),
    ],
)
def test_on_a_gpu_the_graph_says_whether_cudnn_is_called(recipe, assignments, expected, as_on_a_gpu):
    assert kernel_of(recipe, *assignments) is expected


@pytest.mark.parametrize(
    ("recipe", "remedy"),
    [("stacked-gru", "model.engine=weight-drop"), ("dense", "use a GRU or an LSTM"), ("lstm", "jenacast doctor")],
)
def test_requiring_cudnn_says_why_it_cannot_be(recipe, remedy, monkeypatch):
    monkeypatch.setattr(backend, "has_gpu", lambda: recipe != "lstm")
    with pytest.raises(JenacastError, match=remedy) as caught:
        refuse_other_than_cudnn(RecurrentBackend.TENSORFLOW, load_recipe(recipe))
    assert "would train with TensorFlow" in str(caught.value)
    refuse_other_than_cudnn(RecurrentBackend.CUDNN, load_recipe(recipe))


def test_a_training_that_requires_cudnn_fails_before_anything_is_written(data_dir, tmp_path, jenacast):
    if backend.has_gpu():
        pytest.skip("there is a GPU")
    run = tmp_path / "run"
    result = jenacast("train", "--model", "lstm", "--require-cudnn", "--data-dir", data_dir, "--run-dir", run)
    refused(result, "TensorFlow sees no GPU")
    assert not run.exists()


def test_the_kernel_is_printed_and_stands_in_the_record(data_dir, tmp_path, jenacast):
    run = tmp_path / "run"
    small = ("--set", "data.history_hours=8", "--set", "model.units=4", "--epochs", 1, "--set", "train.batch_size=669")
    options = ("--set", "model.engine=tied", *small, "--data-dir", data_dir, "--run-dir", run)
    result = jenacast("train", "--model", "lstm-dropout", *options)
    assert "with XLA" in result.stderr
    assert json.loads((run / "run.json").read_text())["kernel"] == "XLA"


@pytest.mark.parametrize(
    ("recipe", "assignments"),
    [("simple-rnn", ["model.engine=tied"]), ("lstm-unrolled", ["model.engine=weight-drop"])],
)
def test_an_engine_without_such_a_layer_is_refused(recipe, assignments):
    with pytest.raises(JenacastError, match=r"model\.engine: .*set model\.engine=keras"):
        kernel_of(recipe, *assignments)
