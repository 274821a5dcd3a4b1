"""Small networks: trained, or made so that it is known what they forecast; loaded as a pytest plugin."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jenacast.columns import NAMES, TARGET
from jenacast.config import load_recipe
from jenacast.data.prepared import load_prepared
from jenacast.features.encoding import fit_encoding
from jenacast.models.checkpoint import Metadata, save_checkpoint
from jenacast.runtime import load_tensorflow
from jenacast.training.run import train


@pytest.fixture(scope="session")
def _trained_run(_synthetic_data_dir, tmp_path_factory):
    config = load_recipe("dense", ["data.history_hours=12", "model.units=4", "train.epochs=2"])
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(config, data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture
def trained_run(_trained_run, tmp_path):
    """A run folder of its own: the `dense` recipe, 12 h of history, two epochs on the series of `data_dir`."""
    return Path(shutil.copytree(_trained_run, tmp_path / "run"))


@pytest.fixture
def train_small(jenacast, data_dir, tmp_path):
    """A function that trains a small dense network for two epochs into `tmp_path`/NAME, and returns that."""

    small = ("--set", "data.history_hours=12", "--set", "model.units=4")

    def run(name, *arguments, model="dense", epochs=2):
        which = ("--model", model) if model else ()
        where = ("--data-dir", data_dir, "--run-dir", tmp_path / name)
        done = jenacast("train", *which, *small, "--epochs", epochs, *where, *arguments)
        assert done.exit_code == 0, done.output
        return tmp_path / name

    return run


@pytest.fixture
def lone_checkpoint(trained_run, tmp_path):
    """A checkpoint alone in a folder."""
    folder = tmp_path / "alone"
    folder.mkdir()
    return Path(shutil.copy(trained_run / "best.keras", folder))


def write_linear(path, data_dir, config, weights, bias, name="linear", calibration=None):
    """Write a checkpoint whose outputs are `bias` plus its inputs times `weights`, (history, columns, outputs)."""
    load_tensorflow()
    import keras

    prepared = load_prepared(data_dir)
    inputs, output = keras.Input(weights.shape[:2]), keras.layers.Dense(weights.shape[2])
    model = keras.Model(inputs, output(keras.layers.Flatten()(inputs)))
    output.set_weights([weights.reshape(-1, weights.shape[2]), bias])
    metadata = Metadata(
        format=1,
        model=name,
        config=config.model_dump(),
        encoding=fit_encoding(prepared, config.data),
        protocol=prepared.manifest.protocol,
        source_sha256=prepared.manifest.source_sha256,
        synthetic=prepared.manifest.synthetic,
        seed=0,
        epoch=1,
        val_mae_c=1.0,
        versions={},
        calibration=calibration,
    )
    save_checkpoint(model, metadata, path)
    return path


@pytest.fixture
def linear(tmp_path):
    """A function that writes a checkpoint which forecasts `weight` times the last temperature plus `shift_c`."""

    def write(data_dir, weight, shift_c, name="linear.keras", history=12, lead=24, outputs=1, calibration=None):
        scale = load_prepared(data_dir).manifest.columns[TARGET]
        every_hour = f"data.every_hour={str(outputs > 1).lower()}"
        config = load_recipe("dense", [f"data.history_hours={history}", f"data.lead_hours={lead}", every_hour])
        weights = np.zeros((history, len(NAMES), outputs))
        weights[-1, NAMES.index(TARGET)] = weight * scale.deviation
        bias = np.full(outputs, weight * scale.mean + shift_c)
        return write_linear(tmp_path / name, data_dir, config, weights, bias, calibration=calibration)

    return write


@pytest.fixture(scope="module")
def _forecasts():
    return {}


@pytest.fixture
def forecasts(ask, _forecasts, tmp_path):
    """A function: what `evaluate --predictions` says of checkpoints, by the time forecast for; asked once a module."""

    def run(*arguments):
        if arguments not in _forecasts:
            table = tmp_path / "forecasts.csv"
            ask("evaluate", *arguments, "--predictions", table, "--force", "--out", tmp_path / "scores")
            _forecasts[arguments] = pd.read_csv(table, index_col="valid_at")
        return _forecasts[arguments]

    return run
