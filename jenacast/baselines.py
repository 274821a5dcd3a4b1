"""Forecasts that need no training, in degC. They are measured on the same windows as any network."""

from collections.abc import Sequence

from jenacast.columns import TARGET
from jenacast.metrics import Errors, measure
from jenacast.prepared import Prepared, Split
from jenacast.series import Floats, Series
from jenacast.windows import Windows


def persistence(series: Series, windows: Windows) -> Floats:
    """The last observed temperature, (windows,) degC: the common-sense guess (the book, 10.2.2)."""
    return series.column(TARGET)[windows.last_rows]


def truth(series: Series, windows: Windows) -> Floats:
    """The temperature that came, (windows,) degC."""
    return series.column(TARGET)[windows.targets]


def measure_baseline(
    prepared: Prepared, splits: Sequence[Split], *, history_hours: int, lead_hours: int
) -> dict[Split, Errors]:
    """Errors of `persistence` over each split.

    Raises:
        DataError: a split holds no window.
    """
    errors = {}
    for split in splits:
        windows = prepared.windows(split, history_hours=history_hours, lead_hours=lead_hours)
        errors[split] = measure(persistence(prepared.series, windows), truth(prepared.series, windows))
    return errors
