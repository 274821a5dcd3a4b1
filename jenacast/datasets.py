"""Windows as arrays and as `tf.data` datasets of whole batches.

The series is held once, in lane order and standardised; a batch is one gather from it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jenacast import baselines
from jenacast.encoding import Encoding
from jenacast.errors import CheckpointError
from jenacast.prepared import Prepared, Split
from jenacast.runtime import has_gpu, load_tensorflow
from jenacast.series import Floats, Rows, Series, Times
from jenacast.windows import Windows, epoch_order

EVALUATION_BATCH = 1024  # windows; the size changes the speed, not the forecasts
PREFETCH_BATCHES = 4


@dataclass(frozen=True)
class Samples:
    """The windows of one split, ready for a network.

    Attributes:
        inputs: (lane_rows, columns) float32, standardised, in lane order.
        starts: (windows,) where in `inputs` each history begins.
        history: steps in a history.
        targets: (windows,) float32, encoded.
        truth_c: (windows,) the temperature that came, degC.
        baseline_c: (windows,) the last observed temperature, degC.
        valid_at: (windows,) datetime64[s] of the target.
    """

    inputs: Floats
    starts: Rows
    history: int
    targets: Floats
    truth_c: Floats
    baseline_c: Floats
    valid_at: Times

    def __len__(self) -> int:
        return len(self.starts)


def split_samples(prepared: Prepared, split: Split, encoding: Encoding, *, windows_per_hour: int = 0) -> Samples:
    """The samples of one split of prepared data; reads its rows (and those of its targets) alone.

    Raises:
        DataError: the split holds no window.
        CheckpointError: the encoding gives a value that is not finite.
    """
    windows = prepared.windows(split, history_hours=encoding.history_hours, lead_hours=encoding.lead_hours)
    if windows_per_hour:
        windows = windows.every(max(1, prepared.manifest.rows_per_hour // windows_per_hour))
    return make_samples(prepared.series, windows, encoding)


def make_samples(series: Series, windows: Windows, encoding: Encoding) -> Samples:
    """The samples of any windows of a series.

    Raises:
        CheckpointError: the encoding gives a value that is not finite.
    """
    lane_series = Series(series.times[windows.lanes], series.values[windows.lanes])
    inputs = encoding.inputs(lane_series)
    truth_c = baselines.truth(series, windows)
    samples = Samples(
        inputs=inputs,
        starts=windows.starts,
        history=windows.history,
        targets=encoding.encode_target(truth_c),
        truth_c=truth_c,
        baseline_c=baselines.persistence(series, windows),
        valid_at=series.times[windows.targets],
    )
    # Rows outside every window may be unusable; what a window touches may not.
    if not np.isfinite(samples.targets).all():
        raise CheckpointError("a target is not finite after scaling; the scaling does not fit this series")
    return samples


class Batches:
    """`tf.data` datasets over the samples of one split; the series lies in memory once for all of them."""

    def __init__(self, samples: Samples) -> None:
        tf = load_tensorflow()
        self._samples = samples
        with tf.device("CPU:0"):
            self._series = tf.constant(samples.inputs)
            self._steps = tf.range(samples.history)

    def shuffled(self, *, batch_size: int, seed: int, epoch: int, first_batch: int = 0) -> Any:
        """(inputs, targets) batches: every window once, in the order that (seed, epoch) alone decide.

        Args:
            batch_size: windows in a batch; the last one may hold fewer.
            seed: of the run.
            epoch: counted from 0.
            first_batch: enter the epoch at this batch.
        """
        order = epoch_order(len(self._samples), seed=seed, epoch=epoch)
        return self._batches(order, batch_size, first_batch)

    def in_order(self, *, batch_size: int = EVALUATION_BATCH) -> Any:
        """(inputs, targets) batches in order of time, the last one however small."""
        return self._batches(np.arange(len(self._samples)), batch_size, 0)

    def _batches(self, order: Rows, batch_size: int, first_batch: int) -> Any:
        tf = load_tensorflow()
        with tf.device("CPU:0"):
            starts = tf.constant(self._samples.starts[order].astype(np.int32))
            targets = tf.constant(self._samples.targets[order])

        def gather(batch: Any) -> tuple[Any, Any]:
            begin = batch * batch_size
            rows = starts[begin : begin + batch_size, None] + self._steps
            return tf.gather(self._series, rows), targets[begin : begin + batch_size]

        numbers = tf.data.Dataset.range(first_batch, batch_count(len(order), batch_size))
        options = tf.data.Options()
        # There is nothing to tune, and at its end a dataset waits for the tuner's next turn, up to half its own time.
        options.autotune.enabled = False
        batches = numbers.map(gather).with_options(options)
        if has_gpu():  # this must stand last
            return batches.apply(tf.data.experimental.prefetch_to_device("GPU:0", PREFETCH_BATCHES))
        return batches.prefetch(PREFETCH_BATCHES)


def batch_count(windows: int, batch_size: int) -> int:
    """Batches in a pass over the windows, the last one included."""
    return -(-windows // batch_size)
