"""How fast this machine delivers windows and trains: a second or so of each, on a made-up series."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jenacast.config import Config
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.features.datasets import Batches, split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.models.build import build_model
from jenacast.training.backend import RecurrentBackend
from jenacast.training.learner import Learner

ROWS = 20_000  # hourly, of which half train
SECONDS = 1.0  # of each measurement


def make_batches(config: Config) -> Batches:
    """The train windows of `config` over a made-up series, in full batches alone: no step traces anew."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / CSV_NAME, *synthetic_series(rows=ROWS, step_minutes=60, warts=False))
        prepare(folder, synthetic=True)
        prepared = load_prepared(folder)
        samples = split_samples(prepared, "train", fit_encoding(prepared, config.data))
    return Batches(samples.pick(slice(len(samples) - len(samples) % config.train.batch_size)))


def windows_per_second(batches: Batches, config: Config) -> float:
    """What the input pipeline delivers, shuffled, without the first batch."""
    rate = _rate(lambda inputs, targets: None, _epochs(batches, config), finish=lambda: None)
    return rate * config.train.batch_size


def steps_per_second(batches: Batches, config: Config, kernel: RecurrentBackend) -> float:
    """Training steps of the network of `config`, without the first one, which traces and compiles."""
    model = build_model(config)
    learner = Learner(model, config.train, xla=kernel is RecurrentBackend.XLA)
    # The means wait for the steps that a GPU has not done yet.
    return _rate(learner.train_batch, _epochs(batches, config), finish=learner.epoch_means)


def _epochs(batches: Batches, config: Config) -> Iterator[Any]:
    for epoch in count():
        yield from batches.shuffled(batch_size=config.train.batch_size, seed=0, epoch=epoch)


def _rate(step: Callable[[Any, Any], None], batches: Iterator[Any], finish: Callable[[], object]) -> float:
    step(*next(batches))
    finish()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        step(*next(batches))
        done += 1
    finish()
    return done / (time.perf_counter() - began)
