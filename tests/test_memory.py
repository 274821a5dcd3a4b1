"""Trainings that are too large for their machine."""

import pytest
from conftest import refused

from jenacast.config import load_recipe
from jenacast.runtime import load_tensorflow, memory_bytes
from jenacast.training import memory
from jenacast.training.learner import Learner

TINY = ("train", "--model", "dense", "--set", "data.history_hours=12", "--set", "model.units=4")


@pytest.mark.parametrize(
    ("recipe", "settings", "numbers"),
    [
        # 2 layers of 32: 3 gates see 32 + 32 in the second and 32 in the first; 256 windows of 120 h keep 4 numbers
        ("stacked-gru", [], 3 * (3 * 32 * 3 * 32) + 256 * 2 * 120 * 4 * 32),
        ("dense", ["model.layers=3", "train.optimizer=adam", "train.ema=0.9"], 5 * 2 * 16 * 16 + 256 * 3 * 16),
    ],
)
def test_the_least_memory_is_that_of_weights_between_layers_and_of_what_the_gradient_needs(recipe, settings, numbers):
    assert memory.least_bytes(load_recipe(recipe, settings)) == 4 * numbers


def test_sixteen_layers_of_4096_units_are_warned_of_and_a_recipe_is_not(caplog):
    memory.warn_of_memory(load_recipe("stacked-gru"))
    assert not caplog.records
    memory.warn_of_memory(load_recipe("stacked-gru", ["model.layers=16", "model.units=4096"]))
    (warning,) = caplog.messages
    assert "16 layers of 4,096 units take" in warning
    assert "try a smaller train.batch_size" in warning
    assert memory_bytes() > 1e9


@pytest.mark.parametrize("kind", ["TensorFlow's", "Python's"])
def test_memory_that_runs_out_is_a_known_failure(kind, data_dir, tmp_path, jenacast, monkeypatch):
    exhausted = load_tensorflow().errors.ResourceExhaustedError

    def failing(*arguments):
        raise exhausted(None, None, "OOM when allocating tensor") if kind == "TensorFlow's" else MemoryError

    monkeypatch.setattr(Learner, "train_batch", failing)
    done = jenacast(*TINY, "--data-dir", data_dir, "--run-dir", tmp_path / "run")
    refused(done, "memory is full", "a smaller train.batch_size, model.units")
