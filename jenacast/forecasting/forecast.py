"""Tomorrow's temperature from station files: what a network says of the hours after one moment, or many."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import TARGET, measured_columns
from jenacast.data.series import Floats, Rows, Times
from jenacast.data.windows import Windows
from jenacast.errors import CheckpointError
from jenacast.features.datasets import Histories, histories_and_windows
from jenacast.features.encoding import Encoding
from jenacast.forecasting.observations import Observations, describe_hours, read_observations
from jenacast.forecasting.origins import all_moments, find_moments, history_windows
from jenacast.models.forecaster import Forecaster, open_checked
from jenacast.models.inference import forecast_leads_c
from jenacast.models.intervals import ENDS, spread_inputs

LEAST_AGE_HOURS = 1.0  # between hourly rows the last one is always still `now`

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outlook:
    """What is forecast from one moment.

    Attributes:
        last_observation: datetime64[s], by the station's clock, as all times.
        valid_at: (hours,) the times forecast for; the last is the lead's.
        temperature_c: (hours,).
        ends_c: by their nominal coverage in percent the intervals' ends, (hours, 2); None where the network gives none.
        baseline_c: the temperature at the last observation.
        interpolated_hours: of the hours that were needed, those of which some value is interpolated.
    """

    last_observation: np.datetime64
    valid_at: Times
    temperature_c: Floats
    ends_c: dict[str, Floats] | None
    baseline_c: float
    interpolated_hours: int


@dataclass(frozen=True)
class Forecasts:
    """Forecasts from one or more moments, in order of time, and the observations they are made from."""

    checkpoint: str
    model: str
    synthetic: bool
    observations: Observations
    outlooks: list[Outlook]


def forecast(
    path: Path,
    csv_paths: Sequence[Path],
    *,
    data_dir: Path,
    max_gap_hours: float,
    at: Sequence[np.datetime64] = (),
    every_s: int | None = None,
) -> Forecasts:
    """Forecast from station files.

    Args:
        path: a checkpoint, a run folder, an export, or `pretrained`.
        csv_paths: station files; they may overlap.
        data_dir: where `prepared/` lies; needed for a network alone that does not say how it was fed.
        max_gap_hours: the longest gap that is interpolated, and the age, if above an hour, of a last observation that
            is still `now`.
        at: forecast from the last observation at or before each of these times; by default from the newest one.
        every_s: forecast from the last complete history of every step of so many seconds instead, back from the newest.

    Raises:
        CheckpointError: the checkpoint cannot be used, or forecasts what is not finite.
        DataError: the files cannot be used, or lack hours that a forecast needs.
    """
    checkpoint, encoding = open_checked(path, data_dir)
    columns = [TARGET, *measured_columns(encoding.names)]
    observations = read_observations(csv_paths, columns=columns, max_gap_hours=max_gap_hours)
    hours = encoding.needed_hours
    moments = (
        find_moments(observations, at, hours=hours, max_age_hours=max(max_gap_hours, LEAST_AGE_HOURS))
        if every_s is None
        else all_moments(observations, every_s=every_s, hours=hours)
    )
    histories, interpolated = _histories(observations, moments, encoding)
    metadata = checkpoint.metadata
    return Forecasts(
        checkpoint=str(checkpoint.path),
        model=metadata.model if metadata else checkpoint.path.stem,
        synthetic=bool(metadata and metadata.synthetic),
        observations=observations,
        outlooks=_look_out(checkpoint, encoding, histories, interpolated),
    )


def _histories(observations: Observations, moments: Times, encoding: Encoding) -> tuple[Histories, Rows]:
    """The histories that end at `moments`, which are complete, and how many of the hours of each are interpolated."""
    series, hours = observations.series, encoding.needed_hours
    first = moments[0] - np.timedelta64(hours, "h")
    near = (series.times > first) & (series.times <= moments[-1])  # a long file is not encoded whole for one forecast
    cut = series.pick(near)
    windows = history_windows(cut, hours)
    windows = windows.pick(np.isin(cut.times[windows.last_rows], moments))
    filled = observations.filled[near][windows.lanes]
    _tell_filled(cut.times[windows.lanes][filled & _covered(windows)])
    before = np.concatenate([[0], np.cumsum(filled)])
    return histories_and_windows(cut, windows, encoding)[0], before[windows.starts + hours] - before[windows.starts]


def _covered(windows: Windows) -> NDArray[np.bool_]:
    """(lane_rows,) which of them lie in some window's history."""
    begins, ends = (
        np.bincount(places, minlength=len(windows.lanes) + 1)
        for places in (windows.starts, windows.starts + windows.history)
    )
    return np.cumsum(begins - ends)[:-1] > 0


def _tell_filled(times: Times) -> None:
    if len(times):
        gaps = describe_hours(np.sort(times), "row")
        logger.info("interpolated %s of the rows that are needed: %s", f"{len(times):,}", gaps)


def _look_out(checkpoint: Forecaster, encoding: Encoding, histories: Histories, interpolated: Rows) -> list[Outlook]:
    leads_c = forecast_leads_c(checkpoint.forward, histories, encoding)
    bad = int((~np.isfinite(leads_c)).sum())
    if bad:
        raise CheckpointError(
            f"{checkpoint.path}: {bad:,} of {leads_c.size:,} forecasts are not finite; train again or restore a copy"
        )
    valid_at = histories.now[:, None] + np.array(encoding.leads) * np.timedelta64(1, "h")
    calibration = checkpoint.metadata.calibration if checkpoint.metadata else None
    ends_c: dict[str, Floats] = {}
    if calibration is None:
        logger.warning("%s gives no intervals: %s", checkpoint.path, _why_no_intervals(checkpoint))
    else:
        quantiles_c = np.stack(
            [
                calibration.quantiles_c(number, leads_c[:, number], spread_inputs(histories, lead))
                for number, lead in enumerate(encoding.leads)
            ],
            axis=1,
        )
        ends_c = {name: quantiles_c[:, :, ends] for name, ends in ENDS.items()}
    return [
        Outlook(
            last_observation=histories.now[window],
            valid_at=valid_at[window],
            temperature_c=leads_c[window],
            ends_c={name: each[window] for name, each in ends_c.items()} or None,
            baseline_c=float(histories.last_observed_c[window]),
            interpolated_hours=int(interpolated[window]),
        )
        for window in range(len(histories))
    ]


def _why_no_intervals(checkpoint: Forecaster) -> str:
    if checkpoint.metadata is None:
        return "it was made elsewhere; a run of `jenacast train` that came to its end gives them"
    if checkpoint.metadata.trained_on != "train":
        return f"it was trained on {checkpoint.metadata.trained_on}, so nothing was held out to calibrate it on"
    return (
        "it was not calibrated on held-out data. A run of `jenacast train` that came to its end gives them; an older "
        "checkpoint does after `jenacast ensemble CKPT --out NEW.keras`"
    )
