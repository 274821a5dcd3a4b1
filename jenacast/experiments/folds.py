"""Where the folds of a rolling-origin backtest lie: a test period, validation just before it, train before that.

The periods are by the calendar, and each is the validation of the fold after the one it tests (Tashman 2000, "Out-of-
sample tests of forecasting accuracy", on rolling origins): origins move on, train grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, pairwise, takewhile
from pathlib import Path

import numpy as np

from jenacast.data.prepared import Prepared, load_prepared, remedy
from jenacast.data.series import Times
from jenacast.data.windows import Borders, find_windows
from jenacast.errors import DataError
from jenacast.evaluation.bootstrap import LEAST_DAYS, Interval
from jenacast.settings import DataSettings

LEAST_TRAIN_MONTHS = 12  # so that train has seen every season, and a climatology can be fitted on it
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Fold:
    """Train ends before the day `val_from`, validation before `test_from`, test before `test_to`."""

    val_from: np.datetime64
    test_from: np.datetime64
    test_to: np.datetime64

    @property
    def name(self) -> str:
        """What its folder is called: the first day of test."""
        return str(self.test_from)

    @property
    def period(self) -> str:
        """The test period as ISO 8601 writes one; its last day is not part of it."""
        return f"{self.test_from}/{self.test_to}"

    def borders(self, times: Times) -> Borders:
        """Rows [start, stop) of each split in a series, whose clock may jump back: see `first_row_from`."""
        edges = [0, *(first_row_from(times, day) for day in (self.val_from, self.test_from, self.test_to))]
        return dict(zip(("train", "val", "test"), pairwise(edges), strict=True))


@dataclass(frozen=True)
class FoldScores:
    """The results of a fold on its own validation and test periods; times are those of the rows of a split."""

    run: str
    train_first_time: str
    train_last_time: str
    test_first_time: str
    test_last_time: str
    train_windows: int
    val_windows: int
    test_windows: int
    epochs: int
    best_epoch: int
    seconds: float
    val_mae_c: float | None
    test_mae_c: float
    test_mae_ci95_c: Interval | None
    baseline_mae_c: float
    baseline_mae_ci95_c: Interval | None
    difference_c: float
    difference_ci95_c: Interval | None
    skill: float
    test_bias_c: float | None = None  # unknown to the first versions
    test_bias_ci95_c: Interval | None = None


def make_folds(edges: Sequence[np.datetime64]) -> list[Fold]:
    """The folds between days: each three that follow each other make one."""
    return [Fold(*three) for three in zip(edges, edges[1:], edges[2:], strict=False)]


def find_edges(prepared: Prepared, first: np.datetime64, step_months: int, data: DataSettings) -> list[np.datetime64]:
    """The days at which the periods begin, from the first validation on, and the day after the last.

    The first test period begins on the day `first`. The last period is left out if the series' end cuts it short and it
    holds windows on fewer than `LEAST_DAYS` days.

    Raises:
        DataError: less than a year to train on before the first fold, no fold, or a period without a window.
    """
    times = prepared.series.times
    _refuse_early(times, first, step_months)
    begins = takewhile(lambda day: day <= times.max(), (shift(first, k * step_months) for k in count(-1)))
    edges = list(begins)
    edges.append(shift(first, (len(edges) - 1) * step_months))
    row = np.timedelta64(3600 // prepared.manifest.rows_per_hour, "s")
    is_cut = times.max() + row < edges[-1]
    if len(edges) > 2 and is_cut and _days(prepared, edges[-2], edges[-1], data) < LEAST_DAYS:
        edges.pop()
    if len(edges) < 3:
        raise DataError(
            f"no test period can begin on {first}: the series ends on {times.max()}, and a period that its end cuts "
            f"short has to hold windows on {LEAST_DAYS} days; begin earlier"
        )
    for begin, end in pairwise(edges):
        if not _days(prepared, begin, end, data):
            raise DataError(
                f"the period {begin}/{end} holds no window of {data.history_hours} h of history and "
                f"{data.lead_hours} h of lead; take longer steps, or begin later"
            )
    return edges


def shift(day: np.datetime64, months: int) -> np.datetime64:
    """The same day of another month, or that month's last where it has none: 31 January and a month is 28 February."""
    month = day.astype("datetime64[M]")
    later = month + months
    last: np.datetime64 = (later + 1).astype("datetime64[D]") - DAY
    return min(later.astype("datetime64[D]") + (day - month.astype("datetime64[D]")), last)


def first_row_from(times: Times, day: np.datetime64) -> int:
    """The first row at or after midnight of a day; the number of rows if there is none.

    Later days never give earlier rows, also where the clock jumps back.
    """
    later = times >= day
    return int(later.argmax()) if later.any() else len(times)


def load_series(data_dir: Path, source_sha256: str, protocol: str) -> Prepared:
    """Open the series that the folds of a plan are cut from.

    Raises:
        DataError: no prepared data, or those of another series or protocol.
    """
    prepared = load_prepared(data_dir)
    now = prepared.manifest.source_sha256, prepared.manifest.protocol
    if now != (source_sha256, protocol):
        raise DataError(
            f"{data_dir} holds another series or protocol than this began with: source {source_sha256[:12]}, now "
            f"{now[0][:12]}; {protocol}, now {now[1]}; prepare the old one again: "
            f"{remedy('prepare', data_dir, '--protocol', protocol)}; or start anew with another --run-dir"
        )
    return prepared


def _refuse_early(times: Times, first: np.datetime64, step_months: int) -> None:
    begin = (times.min() + np.timedelta64(12, "h")).astype("datetime64[D]")  # the midnight that is nearest
    least = shift(begin, LEAST_TRAIN_MONTHS)
    if shift(first, -step_months) < least:
        possible = shift(least, step_months)
        while shift(possible, -step_months) < least:  # a month's last day
            possible += DAY
        raise DataError(
            f"a backtest from {first} validates from {shift(first, -step_months)} and trains before that, on less "
            f"than a year: the series begins on {times.min()}. The first possible day is {possible}"
        )


def _days(prepared: Prepared, begin: np.datetime64, end: np.datetime64, data: DataSettings) -> int:
    """On how many days of a period the target of a window lies."""
    times = prepared.series.times
    start, stop = first_row_from(times, begin), first_row_from(times, end)
    hours = {"history_hours": data.history_hours, "lead_hours": data.lead_hours}
    windows = find_windows(prepared.series, prepared.manifest.protocol, start, stop, **hours, reach_back=True)
    return len(np.unique(times[windows.targets].astype("datetime64[D]")))
