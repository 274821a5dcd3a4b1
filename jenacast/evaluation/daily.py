"""Errors summed over each day, the blocks of the bootstrap: enough to pair two evaluations long after both."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from jenacast.evaluation.bootstrap import DaySums, Interval, interval_of, sum_by_day
from jenacast.evaluation.groups import Lead
from jenacast.evaluation.metrics import absolute_errors, signed_errors
from jenacast.records import Record

FORMAT = 1
NO_DAYS = "no errors by day"  # of an evaluation by an earlier version
OTHER_WINDOWS = "other windows"
TOO_FEW_DAYS = "too few days"


class DailyErrors(Record):
    """An evaluation's errors summed over the windows of each day, in degC: the content of `evaluation-*-days.json`.

    Attributes:
        format: of the file.
        checkpoint_sha256: of the network that made the errors.
        windows_sha256: equal for evaluations on the same windows alone; see `hash_windows`.
        days: by ISO 8601, in order; those with a window.
        windows: how many targets a day has.
        absolute_error_sums_c: of each day.
        error_sums_c: of each day; forecast minus truth.
        baseline_absolute_error_sums_c: of each day.
    """

    format: int = FORMAT
    checkpoint_sha256: str | None
    windows_sha256: str
    days: tuple[str, ...] = Field(min_length=1)
    windows: tuple[int, ...]
    absolute_error_sums_c: tuple[float, ...]
    error_sums_c: tuple[float, ...]
    baseline_absolute_error_sums_c: tuple[float, ...]

    @model_validator(mode="after")
    def _one_of_each_a_day(self) -> Self:
        sums = (self.absolute_error_sums_c, self.error_sums_c, self.baseline_absolute_error_sums_c)
        if {len(self.windows), *map(len, sums)} != {len(self.days)} or min(self.windows) < 1:
            raise ValueError("expected one value for each day, and a window on each")
        return self

    @property
    def absolute(self) -> DaySums:
        """The absolute errors."""
        return self._of_days(self.absolute_error_sums_c)

    @property
    def signed(self) -> DaySums:
        """The errors; their mean is the bias."""
        return self._of_days(self.error_sums_c)

    @property
    def baseline(self) -> DaySums:
        """The baseline's absolute errors."""
        return self._of_days(self.baseline_absolute_error_sums_c)

    def _of_days(self, sums_c: Sequence[float]) -> DaySums:
        return DaySums(np.array(self.days, "datetime64[D]"), np.array(sums_c), np.array(self.windows, np.float64))


@dataclass(frozen=True)
class Paired:
    """How far one forecast's MAE is from another's on the same windows, in degC; negative is better.

    Attributes:
        difference_c: None where they cannot be paired.
        ci95_c: its 95 % interval over days; None where it cannot be given.
        reading: whether that is more than chance of the days, or why there is no difference or interval.
    """

    difference_c: float | None
    ci95_c: Interval | None
    reading: str


def hash_windows(judged: Lead) -> str:
    """The SHA-256 of the hours ahead, the times and the truths of all windows: what makes errors comparable."""
    digest = hashlib.sha256(f"{judged.hours} h".encode())
    digest.update(judged.valid_at.astype("datetime64[s]").astype("<i8").tobytes())
    digest.update(judged.truth_c.astype("<f4").tobytes())
    return digest.hexdigest()


def daily_errors(judged: Lead, *, checkpoint_sha256: str | None) -> DailyErrors:
    """The errors of an evaluation by the days of their targets."""
    absolute, signed, baseline = (
        sum_by_day(errors, judged.valid_at)
        for errors in (
            absolute_errors(judged.forecast_c, judged.truth_c),
            signed_errors(judged.forecast_c, judged.truth_c),
            absolute_errors(judged.baseline_c, judged.truth_c),
        )
    )
    return DailyErrors(
        checkpoint_sha256=checkpoint_sha256,
        windows_sha256=hash_windows(judged),
        days=tuple(map(str, absolute.days)),
        windows=tuple(map(int, absolute.windows)),
        absolute_error_sums_c=tuple(absolute.sums.tolist()),
        error_sums_c=tuple(signed.sums.tolist()),
        baseline_absolute_error_sums_c=tuple(baseline.sums.tolist()),
    )


def pool(periods: Sequence[DailyErrors]) -> DailyErrors:
    """The errors of several periods without a common day, in order of time, as one."""
    digest = hashlib.sha256("".join(period.windows_sha256 for period in periods).encode())
    names = ("days", "windows", "absolute_error_sums_c", "error_sums_c", "baseline_absolute_error_sums_c")
    joined: dict[str, Any] = {name: tuple(chain(*(getattr(period, name) for period in periods))) for name in names}
    return DailyErrors(checkpoint_sha256=None, windows_sha256=digest.hexdigest(), **joined)


def pair(mine: Sequence[DailyErrors | None], other: Sequence[DailyErrors | None]) -> Paired:
    """The MAE of some runs less that of others, each the mean over its runs, and the interval of the difference.

    They are paired by day: the errors of a day are first averaged over the seeds of a recipe. So the interval is over
    days alone, and the spread over seeds is none of its business.
    """
    mine_known, other_known = ([each for each in runs if each] for runs in (mine, other))
    if len(mine_known) < len(mine) or len(other_known) < len(other):
        return Paired(None, None, NO_DAYS)
    if len({each.windows_sha256 for each in (*mine_known, *other_known)}) > 1:
        return Paired(None, None, OTHER_WINDOWS)
    by_day = _mean(mine_known) - _mean(other_known)
    interval = interval_of(by_day)
    return Paired(by_day.mean, interval, verdict(by_day.mean, interval))


def verdict(difference_c: float, ends: Interval | None) -> str:
    """Whether a forecast is better than another, as far as the days can tell."""
    if ends is None:
        return TOO_FEW_DAYS
    if ends[0] <= 0 <= ends[1]:
        return "may be chance"
    return "better" if difference_c < 0 else "worse"


def _mean(runs: Sequence[DailyErrors]) -> DaySums:
    """The absolute errors of each day, the mean over runs on the same windows."""
    return replace(runs[0].absolute, sums=np.mean([run.absolute.sums for run in runs], axis=0))
