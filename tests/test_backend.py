import json
import sys

import pytest
from conftest import refused

from jenacast.config import dump_config, load_config, load_recipe
from jenacast.errors import JenacastError
from jenacast.experiments.changed import changed_settings
from jenacast.experiments.seeds import SeedsPlan, seeds_in
from jenacast.models import build, compiled
from jenacast.models.build import build_model, with_engine
from jenacast.models.checkpoint import read_metadata
from jenacast.training import backend
from jenacast.training.backend import RecurrentBackend, find_backend, refuse_other_than_cudnn
from jenacast.training.run_folder import read_config


def kernel_of(recipe, *assignments):
    config = load_recipe(recipe, ["data.history_hours=8", "model.units=4", *assignments])
    return find_backend(build_model(config), config)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Keras and jenacast believe in a GPU: graphs are made as there, though they could not run here."""
    monkeypatch.setattr(build, "count_gpus", lambda: 1)
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)


@pytest.mark.parametrize(
    ("recipe", "assignments", "expected"),
    [
        ("dense", [], RecurrentBackend.TENSORFLOW),
        ("stacked-gru", ["model.engine=keras"], RecurrentBackend.TENSORFLOW),
        ("stacked-gru", [], RecurrentBackend.XLA),
        ("bidirectional-lstm", ["model.engine=weight-drop"], RecurrentBackend.XLA),
        ("lstm-dropout", ["model.engine=tied", "train.deterministic=true"], RecurrentBackend.XLA),
    ],
)
def test_on_a_cpu_our_layers_are_compiled(recipe, assignments, expected):
    if backend.has_gpu():
        pytest.skip("there is a GPU")
    assert kernel_of(recipe, *assignments) is expected
    if expected is RecurrentBackend.XLA and compiled.has_compiler():
        assert kernel_of(recipe, *assignments, "model.units=16") is RecurrentBackend.COMPILED


@pytest.mark.parametrize(
    ("recipe", "assignments", "expected"),
    [
        ("lstm", [], RecurrentBackend.CUDNN),
        ("stacked-gru", [], RecurrentBackend.CUDNN),
        ("bidirectional-lstm", ["model.engine=keras"], RecurrentBackend.CUDNN),
        ("stacked-gru", ["model.engine=keras"], RecurrentBackend.TENSORFLOW),  # recurrent dropout, a mask a gate
        ("stacked-gru", ["model.engine=keras", "model.recurrent_dropout=0"], RecurrentBackend.CUDNN),
        ("stacked-gru", ["model.engine=tied"], RecurrentBackend.XLA),  # a mask a window
        ("stacked-gru", ["model.engine=weight-drop"], RecurrentBackend.CUDNN),
        ("lstm-dropout", ["model.engine=weight-drop"], RecurrentBackend.CUDNN),
        ("lstm-dropout", ["model.engine=weight-drop", "train.deterministic=true"], RecurrentBackend.CUDNN),
        ("lstm-dropout", ["model.engine=tied", "train.deterministic=true"], RecurrentBackend.TENSORFLOW),
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


@pytest.mark.system
def test_engine_and_kernel_are_printed_and_recorded(data_dir, tmp_path, jenacast, monkeypatch):
    monkeypatch.setattr(build, "count_gpus", lambda: 0)
    run = tmp_path / "run"
    small = ("--set", "data.history_hours=8", "--set", "model.units=4", "--epochs", 1, "--set", "train.batch_size=669")
    result = jenacast("train", "--model", "lstm-dropout", *small, "--data-dir", data_dir, "--run-dir", run)
    assert "engine tied, on " in result.stderr
    assert "with XLA" in result.stderr
    assert json.loads((run / "run.json").read_text())["kernel"] == "XLA"
    assert read_config(run).model.engine == "tied"
    assert read_metadata(run / "best.keras").config["model"]["engine"] == "tied"


@pytest.mark.parametrize(
    ("recipe", "on_cpu", "on_gpu"),
    [
        ("stacked-gru", "tied", "weight-drop"),
        ("lstm", "tied", "weight-drop"),
        ("gru-changes", "weight-drop", "weight-drop"),  # its recipe names one
        ("simple-rnn", "keras", "keras"),
        ("lstm-unrolled", "keras", "keras"),
        ("dense", "keras", "keras"),
    ],
)
def test_auto_is_the_engine_of_this_machine(recipe, on_cpu, on_gpu, monkeypatch):
    for gpus, expected in ((0, on_cpu), (1, on_gpu)):
        monkeypatch.setattr(build, "count_gpus", lambda gpus=gpus: gpus)
        assert with_engine(load_recipe(recipe)).model.engine == expected


def test_a_set_of_runs_goes_on_with_the_engine_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "count_gpus", lambda: 0)
    seeds_in(tmp_path).write(load_recipe("lstm"), SeedsPlan("data", [0, 1], require_cudnn=False, tensorboard=False))
    monkeypatch.setattr(build, "count_gpus", lambda: 1)  # on another machine
    with seeds_in(tmp_path).resumed() as (config, _):
        assert config.model.engine == "tied"


def test_settings_that_a_run_wrote_before_there_were_engines_are_of_kerass_layers(tmp_path):
    old = dump_config(load_recipe("stacked-gru")).replace('engine = "auto"\n', "")
    (tmp_path / "config.toml").write_text(old)
    assert read_config(tmp_path).model.engine == "keras"
    assert load_config(tmp_path / "config.toml").model.engine == "auto"  # what a user writes is of today


@pytest.mark.parametrize(
    ("recipe", "engine", "told"),
    [
        ("dense", "keras", []),
        ("simple-rnn", "keras", []),
        ("lstm", "auto", []),
        ("lstm", "tied", []),
        ("lstm", "keras", ['model.engine="keras"']),
        ("lstm", "weight-drop", ['model.engine="weight-drop"']),
        ("gru-changes", "tied", ['model.engine="tied"']),
    ],
)
def test_an_engine_is_a_changed_setting_where_auto_takes_another_on_a_cpu(recipe, engine, told):
    assert changed_settings(load_recipe(recipe, [f"model.engine={engine}"]).model_dump()) == told


@pytest.mark.parametrize(
    ("recipe", "assignments"),
    [("simple-rnn", ["model.engine=tied"]), ("lstm-unrolled", ["model.engine=weight-drop"])],
)
def test_an_engine_without_such_a_layer_is_refused(recipe, assignments):
    with pytest.raises(JenacastError, match=r"model\.engine: .*set model\.engine=keras"):
        kernel_of(recipe, *assignments)
