"""The picture of a prepared series, as it was measured."""

from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import TARGET
from jenacast.data.audit import Audit
from jenacast.data.prepared import Prepared
from jenacast.data.series import Times
from jenacast.plotting import BLACK, BLUE, GREEN, ORANGE, TRUTH, figure, time_axis, with_gaps

FIRST_DAYS = np.timedelta64(10, "D")
SPLITS = {"train": "train", "val": "validation", "test": "test"}
MARKS: dict[str, dict[str, Any]] = {  # by legend, on a grey print told apart by their shape
    "gap": {"color": ORANGE, "marker": "v"},
    "jump back in time": {"color": GREEN, "marker": "<"},
    "first replaced value of a column": {"color": BLUE, "marker": "X"},
}
HEIGHT = 0.03  # of the marks, as a share of the axis


def series(path: Path, prepared: Prepared, *, title: str, synthetic: bool) -> None:
    """The temperature of all years, with the splits, and of the first ten days; what the audit found is marked.

    A mark stands where a gap or a jump back in time begins, and at the first value of a column in a split that
    cleaning replaced. A temperature that was not measured is left out.
    """
    times, temperature_c = prepared.series.times, np.array(prepared.series.column(TARGET), float)
    temperature_c[prepared.manifest.replaced_target_rows] = np.nan
    with figure(path, title, synthetic, rows=2) as (years, days):
        for axis, rows, width in ((years, times >= times[0], 0.4), (days, times < times[0] + FIRST_DAYS, 1.0)):
            axis.plot(*with_gaps(times[rows], temperature_c[rows]), **TRUTH | {"linewidth": width})
            for label, found in _found(prepared.manifest.audit).items():
                shown = found[(found >= times[rows].min()) & (found <= times[rows].max())]
                if len(shown):
                    look = MARKS[label] | {"label": label if axis is years else None}
                    height = np.full(len(shown), HEIGHT)
                    axis.plot(shown, height, linestyle="", transform=axis.get_xaxis_transform(), **look)
            axis.set_ylabel("temperature (°C)")
            time_axis(axis)
        for name, split in prepared.manifest.splits.items():
            begin = np.datetime64(split.first_time)
            years.axvline(begin, color=BLACK, linestyle=":", linewidth=1)
            years.annotate(f" {SPLITS[name]}", (begin, 1), xycoords=("data", "axes fraction"), va="bottom")


def _found(audit: Audit) -> dict[str, Times]:
    """The times of each kind of mark, (found,) datetime64[s]."""
    gaps, jumps = ([step.after for step in steps] for steps in (audit.gaps, audit.backward_jumps))
    times = (gaps, jumps, [values.first_time for values in audit.values])
    return {label: np.array(each, "datetime64[s]") for label, each in zip(MARKS, times, strict=True)}
