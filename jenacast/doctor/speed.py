"""How fast this machine delivers windows and trains: a second or so of each, on a made-up series."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from jenacast.columns import NAMES, TARGET
from jenacast.config import Config
from jenacast.data.series import Floats
from jenacast.data.synthetic import synthetic_series
from jenacast.data.windows import Windows, book_windows
from jenacast.features.datasets import Batches, Samples
from jenacast.models.build import build_model
from jenacast.training.backend import RecurrentBackend
from jenacast.training.learner import Learner

HOURS = 35_000  # rows; as many as the hourly series has to train on
SECONDS = 1.0  # of each measurement


def make_batches(config: Config) -> Batches:
    """The windows of `config` over a synthetic hourly series, in full batches alone: no step traces anew."""
    history, lead = config.data.history_hours, config.data.lead_hours
    _, values = synthetic_series(rows=HOURS, step_minutes=60, warts=False)
    windows = book_windows(HOURS, 0, HOURS, rows_per_hour=1, history_hours=history, lead_hours=lead)
    full = len(windows) - len(windows) % config.train.batch_size
    windows = replace(windows, starts=windows.starts[:full], targets=windows.targets[:full])
    return Batches(make_samples(*make_station(values), windows))


def make_station(values: Floats) -> tuple[Floats, Floats]:
    """Inputs standardised over all rows, (rows, columns), and temperatures in degC, (rows,); both float32.

    Args:
        values: (rows, len(NAMES)) in the units of `columns.COLUMNS`.
    """
    inputs: Floats = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    return inputs, values[:, NAMES.index(TARGET)].astype(np.float32)


def make_samples(inputs: Floats, temperatures: Floats, windows: Windows) -> Samples:
    """Windows of a station's rows as `make_station` gives them; their times are left out."""
    truth, nowhen = temperatures[windows.targets, None], np.zeros(len(windows), dtype="datetime64[s]")
    return Samples(
        inputs=inputs[windows.lanes],
        starts=windows.starts,
        history=windows.history,
        targets=truth,
        truth_c=truth,
        last_observed_c=temperatures[windows.last_rows],
        rows=windows.last_rows,
        now=nowhen,
        valid_at=nowhen,
        dropped=0,
    )


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
