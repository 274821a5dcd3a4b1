"""Windows as arrays and as `tf.data` datasets of whole batches.

The series is held once, in lane order and standardised; a batch is one gather from it.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import TARGET
from jenacast.data.prepared import Prepared, Split
from jenacast.data.series import Floats, Rows, Series, Times
from jenacast.data.windows import Windows, epoch_order, persistence, truth
from jenacast.errors import CheckpointError, DataError
from jenacast.features.derived import refuse_years_without
from jenacast.features.encoding import Encoding
from jenacast.runtime import has_gpu, load_tensorflow

EVALUATION_BATCH = 1024  # windows; the size changes the speed, not the forecasts
PREFETCH_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What a network sees of some windows, and what its answers are relative to.

    Attributes:
        inputs: (lane_rows, columns) float32, standardised, in lane order.
        starts: (windows,) where in `inputs` each history begins.
        history: steps in a history.
        rows: (windows,) row of the last observation in the series.
        now: (windows,) datetime64[s] of the last observation.
        last_observed_c: (windows,) the temperature of the last observation, degC.
        dropped: windows left out since the columns look back further than the history, or into a gap.
    """

    inputs: Floats
    starts: Rows
    history: int
    rows: Rows
    now: Times
    last_observed_c: Floats
    dropped: int

    def __len__(self) -> int:
        return len(self.starts)


@dataclass(frozen=True, kw_only=True)
class Samples(Histories):
    """Histories and what came after them, ready to train or to judge a network.

    Attributes:
        targets: (windows, outputs) float32, encoded: what the network should say.
        truth_c: (windows, outputs) the temperatures that came, degC. The last output's are complete; before it, an
            hour that was not measured is NaN, here and in the targets.
        valid_at: (windows,) datetime64[s] of the last output's target.
    """

    targets: Floats
    truth_c: Floats
    valid_at: Times

    def pick(self, which: slice | NDArray[np.bool_]) -> "Samples":
        """Some of the windows."""
        of_windows = ("starts", "rows", "now", "last_observed_c", "targets", "truth_c", "valid_at")
        return replace(self, **{name: getattr(self, name)[which] for name in of_windows})


def split_samples(prepared: Prepared, split: Split, encoding: Encoding, *, windows_per_hour: int = 0) -> Samples:
    """The samples of one split of prepared data; reads its rows (and those of its targets) alone.

    Raises:
        DataError: the split holds no window.
        CheckpointError: the encoding gives a value that is not finite.
    """
    nth = max(1, prepared.manifest.rows_per_hour // windows_per_hour) if windows_per_hour else 1
    windows, without = (
        prepared.windows(split, history_hours=hours, lead_hours=encoding.lead_hours).pick(slice(None, None, nth))
        for hours in (encoding.needed_hours, encoding.history_hours)
    )
    samples = make_samples(prepared.series, windows, encoding)
    return replace(samples, dropped=len(without) - len(samples))


def make_samples(series: Series, windows: Windows, encoding: Encoding) -> Samples:
    """The samples of any windows of `encoding.needed_hours`.

    Args:
        series: where they lie; a temperature that was not measured is not known as an hour on the way.
        windows: their histories and targets.
        encoding: what a network sees and says.

    Raises:
        DataError: the look-back of every window lacks an hour.
        CheckpointError: the encoding gives a value that is not finite.
    """
    histories, windows = histories_and_windows(series, windows, encoding)
    truth_c = np.column_stack([_on_the_way(series, histories, encoding), truth(series, windows)])
    targets = encoding.encode(truth_c, histories.now, histories.last_observed_c)
    # Rows outside every window may be unusable; what a window touches may not.
    if not np.isfinite(targets[:, -1]).all():
        raise CheckpointError("a target is not finite after scaling; the scaling does not fit this series")
    return Samples(
        **{field.name: getattr(histories, field.name) for field in fields(histories)},
        targets=targets,
        truth_c=truth_c,
        valid_at=series.times[windows.targets],
    )


def histories_and_windows(series: Series, windows: Windows, encoding: Encoding) -> tuple[Histories, Windows]:
    """The histories of any windows of `encoding.needed_hours`, and the windows that are left: whose look-back is whole.

    Raises:
        DataError: the look-back of every window lacks an hour, or whole years lack a column.
    """
    seen = series.pick(windows.lanes)
    refuse_years_without(seen, encoding.names, "the series")
    inputs = encoding.inputs(seen)
    found = len(windows)
    windows = windows.last(encoding.history_hours)
    windows = windows.pick(is_whole(inputs, windows))
    if not len(windows):
        raise DataError(
            f"none of {found} windows has every value in the {encoding.needed_hours} h that the columns need; "
            "give a longer series or columns that look back less far"
        )
    histories = Histories(
        inputs=inputs,
        starts=windows.starts,
        history=windows.history,
        rows=windows.last_rows,
        now=series.times[windows.last_rows],
        last_observed_c=persistence(series, windows),
        dropped=found - len(windows),
    )
    return histories, windows


def _on_the_way(series: Series, histories: Histories, encoding: Encoding) -> Floats:
    """(windows, leads less the last) degC that came in the hours before the lead; NaN where none was measured."""
    order = np.argsort(series.times, kind="stable")
    times, measured_c = series.times[order], series.column(TARGET)[order]
    if series.target_measured is not None:
        measured_c[~series.target_measured[order]] = np.nan
    wanted = histories.now[:, None] + np.array(encoding.leads[:-1], "timedelta64[h]")
    rows = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
    came_c: Floats = np.where(times[rows] == wanted, measured_c[rows], np.float32(np.nan))
    return came_c


def is_whole(inputs: Floats, windows: Windows) -> NDArray[np.bool_]:
    """(windows,) whether every value of a window's history is known, in (lane_rows, columns) inputs."""
    unknown = np.concatenate([[0], np.cumsum(np.isnan(inputs).any(axis=1))])
    whole: NDArray[np.bool_] = unknown[windows.starts + windows.history] == unknown[windows.starts]
    return whole


class Batches:
    """`tf.data` datasets over histories; the series lies in memory once for all of them."""

    def __init__(self, histories: Histories) -> None:
        tf = load_tensorflow()
        self._histories = histories
        # Where it is not known yet what came, the targets are (windows, 0).
        self._targets = histories.targets if isinstance(histories, Samples) else np.empty((len(histories), 0))
        with tf.device("CPU:0"):
            self._series = tf.constant(histories.inputs)
            self._steps = tf.range(histories.history)

    def shuffled(self, *, batch_size: int, seed: int, epoch: int, first_batch: int = 0) -> Any:
        """(inputs, targets) batches: every window once, in the order that (seed, epoch) alone decide.

        Args:
            batch_size: windows in a batch; the last one may hold fewer.
            seed: of the run.
            epoch: counted from 0.
            first_batch: enter the epoch at this batch.
        """
        order = epoch_order(len(self._histories), seed=seed, epoch=epoch)
        return self._batches(order, batch_size, first_batch)

    def reshuffled(self, *, batch_size: int, seed: int) -> Any:
        """(inputs, targets) batches: every window once, in another order each time that the dataset is run through."""
        tf = load_tensorflow()
        with tf.device("CPU:0"):
            starts, targets = tf.constant(self._histories.starts.astype(np.int32)), tf.constant(self._targets)

        def gather(windows: Any) -> tuple[Any, Any]:
            rows = tf.gather(starts, windows)[:, None] + self._steps
            return tf.gather(self._series, rows), tf.gather(targets, windows)

        count = len(self._histories)
        order = tf.data.Dataset.range(count).shuffle(count, seed=seed, reshuffle_each_iteration=True)
        return _prefetched(order.batch(batch_size).map(gather))

    def in_order(self, *, batch_size: int = EVALUATION_BATCH) -> Any:
        """(inputs, targets) batches in order of time, the last one however small."""
        return self._batches(np.arange(len(self._histories)), batch_size, 0)

    def _batches(self, order: Rows, batch_size: int, first_batch: int) -> Any:
        tf = load_tensorflow()
        with tf.device("CPU:0"):
            starts = tf.constant(self._histories.starts[order].astype(np.int32))
            targets = tf.constant(self._targets[order])

        def gather(batch: Any) -> tuple[Any, Any]:
            begin = batch * batch_size
            rows = starts[begin : begin + batch_size, None] + self._steps
            return tf.gather(self._series, rows), targets[begin : begin + batch_size]

        numbers = tf.data.Dataset.range(first_batch, batch_count(len(order), batch_size))
        return _prefetched(numbers.map(tf.autograph.experimental.do_not_convert(gather)))


def _prefetched(batches: Any) -> Any:
    tf = load_tensorflow()
    options = tf.data.Options()
    # There is nothing to tune, and at its end a dataset waits for the tuner's next turn, up to half its own time.
    options.autotune.enabled = False
    batches = batches.with_options(options)
    if has_gpu():  # this must come last
        return batches.apply(tf.data.experimental.prefetch_to_device("GPU:0", PREFETCH_BATCHES))
    return batches.prefetch(PREFETCH_BATCHES)


def batch_count(windows: int, batch_size: int) -> int:
    """Batches in a pass over the windows, the last one included."""
    return -(-windows // batch_size)
