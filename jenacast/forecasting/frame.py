"""Observations in a pandas frame, as one has them in a notebook or from a database, and a forecast from them."""

import numpy as np
import pandas as pd

from jenacast.columns import COLUMNS, NAMES, TARGET, TIME_FORMAT, TIME_HEADER, measured_columns
from jenacast.data.series import Series, Times
from jenacast.errors import DataError
from jenacast.features.encoding import Encoding
from jenacast.forecasting.forecast import forecast_from
from jenacast.models.forecaster import Forecaster

SOURCE = "the frame"


def forecast_frame(
    checkpoint: Forecaster, encoding: Encoding, frame: pd.DataFrame, *, max_gap_hours: float
) -> pd.DataFrame:
    """Forecast from the newest observation of a frame; see `jenacast.interface.Network.forecast`."""
    series = series_of_frame(frame, {TARGET, *measured_columns(encoding.names)})
    made = forecast_from(checkpoint, encoding, [series], source=SOURCE, max_gap_hours=max_gap_hours)
    ends = {
        f"{end}_{name}_c": ends_c[0, :, number]
        for name, ends_c in made.ends_c.items()
        for number, end in enumerate(("low", "high"))
    }
    valid_at = pd.DatetimeIndex(made.valid_at[0], name="valid_at")
    return pd.DataFrame({"temperature_c": made.temperature_c[0], **ends}, index=valid_at)


def series_of_frame(frame: pd.DataFrame, needed: set[str]) -> Series:
    """The observations in a frame; NaN in columns that it lacks and nobody needs.

    Args:
        frame: columns by the station's headers or by our names; times as the index or as the column 'Date Time'.
        needed: our names of the columns that must be there.

    Raises:
        DataError: a needed column is missing, or a cell holds no number or no time.
    """
    times = _times(frame)
    values = np.full((len(frame), len(NAMES)), np.nan, np.float32)
    for number, column in enumerate(COLUMNS):
        found = [name for name in (column.name, column.header) if name in frame.columns]
        if found:
            values[:, number] = _numbers(frame[found[0]])
        elif column.name in needed:
            raise DataError(
                f"{SOURCE} has no column {column.header!r} or {column.name!r}, which the network needs; "
                f"it has {', '.join(map(repr, frame.columns[:20]))}"
            )
    return Series(times, values)


def _times(frame: pd.DataFrame) -> Times:
    if TIME_HEADER in frame.columns:
        cells = frame[TIME_HEADER]
        times = cells if pd.api.types.is_datetime64_dtype(cells) else pd.to_datetime(cells, format=TIME_FORMAT)
        return times.to_numpy().astype("datetime64[s]")
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise DataError(
            f"{SOURCE} has no times: expected a DatetimeIndex, or the column {TIME_HEADER!r}; frame.set_index(...) "
            "makes one of a column of times"
        )
    if frame.index.tz is not None:
        raise DataError(
            f"{SOURCE} has times of the zone {frame.index.tz}; the station's clock has none: "
            "frame.tz_localize(None) drops it"
        )
    return frame.index.to_numpy().astype("datetime64[s]")


def _numbers(cells: pd.Series) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    try:
        return pd.to_numeric(cells).to_numpy(np.float32, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise DataError(f"{SOURCE}: the column {cells.name!r} holds what is not a number ({error})") from None
