"""Tomorrow's temperature from station files: what a network forecasts from one time, or from many."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import TARGET, measured_columns
from jenacast.data.series import Floats, Rows, Series, Times
from jenacast.data.windows import Windows
from jenacast.errors import CheckpointError
from jenacast.features.datasets import EVALUATION_BATCH, Histories, histories_and_windows
from jenacast.features.encoding import Encoding
from jenacast.forecasting.intervals import earlier_origins, intervals
from jenacast.forecasting.observations import Observations, describe_hours, join_observations
from jenacast.forecasting.origins import all_origins, find_origins, history_windows
from jenacast.models import packaged_name
from jenacast.models.forecaster import Forecaster, warn_of_seen
from jenacast.models.inference import forecast_leads_c
from jenacast.models.opening import open_checked

TELL_EVERY_S = 5.0
LEAST_AGE_HOURS = 1.0  # between hourly rows the last one is always still `now`

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecasts:
    """Forecasts from one or more origins, in order of time, and the observations they are made from.

    Attributes:
        checkpoint: file or folder of the network.
        sha256: of that file; None for a folder.
        model: the network's name, or that of a network in the package.
        synthetic: whether it was trained on a made-up series.
        trained_years: those it was trained on where that was every year at hand; none where splits alone are known.
        observations: what the station files hold.
        last_observation: (origins,) datetime64[s], by the station's clock, as all times.
        valid_at: (origins, hours) the times forecast for; the last is the lead's.
        temperature_c: (origins, hours) degC.
        ends_c: the intervals' ends by their nominal coverage in percent, (origins, hours, 2) degC; none where the
            network gives no intervals.
        interval_widths: (origins, hours) how many times as wide as calibrated, by the errors of the last weeks.
        baseline_c: (origins,) the temperature at the last observation, degC.
        truth_c: (origins, hours) the temperature that the files hold for the times forecast for, degC; NaN where none.
        interpolated_hours: (origins,) of the hours that were needed, those of which some value is interpolated.
        in_steps: made from the whole files step by step, not from times that were asked for.
    """

    checkpoint: str
    sha256: str | None
    model: str
    synthetic: bool
    trained_years: tuple[int, ...]
    observations: Observations
    last_observation: Times
    valid_at: Times
    temperature_c: Floats
    ends_c: dict[str, Floats]
    interval_widths: Floats
    baseline_c: Floats
    truth_c: Floats
    interpolated_hours: Rows
    in_steps: bool

    def __len__(self) -> int:
        return len(self.last_observation)


def forecast(
    path: Path,
    files: Sequence[Series],
    *,
    source: str,
    data_dir: Path,
    max_gap_hours: float,
    at: Sequence[np.datetime64] = (),
    every_s: int | None = None,
    trust_saved_model: bool = False,
) -> Forecasts:
    """Forecast from station files with a checkpoint, a run folder or an export.

    `data_dir`, where `prepared/` lies, is needed only for a network without jenacast's metadata; `trust_saved_model`
    opens an exported SavedModel too, which may run any code. The rest is as for `forecast_from`.
    """
    network = open_checked(path, data_dir, trust_saved_model=trust_saved_model)
    return forecast_from(*network, files, source=source, max_gap_hours=max_gap_hours, at=at, every_s=every_s)


def forecast_from(
    checkpoint: Forecaster,
    encoding: Encoding,
    files: Sequence[Series],
    *,
    source: str,
    max_gap_hours: float,
    at: Sequence[np.datetime64] = (),
    every_s: int | None = None,
) -> Forecasts:
    """Forecast with a network that is open.

    Args:
        checkpoint: the network.
        encoding: everything between measured values and the network.
        files: what station files hold; they may overlap.
        source: their names, for errors.
        max_gap_hours: the longest gap that is interpolated, and the age, if above an hour, of a last observation that
            still counts as now.
        at: forecast from the last observation at or before each of these times; by default from the newest one.
        every_s: forecast from the last complete history of every step of so many seconds instead, back from the newest.

    Raises:
        CheckpointError: the checkpoint cannot be used, or forecasts what is not finite.
        DataError: the files cannot be used, or lack hours that a forecast needs.
    """
    columns = [TARGET, *measured_columns(encoding.names)]
    observations = join_observations(files, columns=columns, max_gap_hours=max_gap_hours, source=source)
    hours = encoding.needed_hours
    origins = (
        find_origins(observations, at, hours=hours, max_age_hours=max(max_gap_hours, LEAST_AGE_HOURS))
        if every_s is None
        else all_origins(observations, every_s=every_s, hours=hours)
    )
    earlier = earlier_origins(checkpoint, encoding, observations, origins)
    histories, interpolated = _histories(observations, origins, earlier, encoding)
    asked = np.isin(histories.now, origins)
    leads_c = forecast_leads_c(checkpoint.forward, histories, encoding, _progress(len(histories)))
    _refuse_not_finite(leads_c[asked], checkpoint.path)
    valid_at = histories.now[:, None] + np.array(encoding.leads) * np.timedelta64(1, "h")
    truth_c = observations.temperature_at(valid_at)
    warn_of_seen(checkpoint, valid_at[asked][np.isfinite(truth_c[asked])])
    ends_c, widths = intervals(checkpoint, encoding, histories, leads_c, truth_c, asked)
    return Forecasts(
        checkpoint=str(checkpoint.path),
        sha256=checkpoint.sha256,
        model=packaged_name(checkpoint.path) or checkpoint.model,
        synthetic=bool(checkpoint.metadata and checkpoint.metadata.synthetic),
        trained_years=checkpoint.trained_years,
        observations=observations,
        last_observation=histories.now[asked],
        valid_at=valid_at[asked],
        temperature_c=leads_c[asked],
        ends_c=ends_c,
        interval_widths=widths,
        baseline_c=histories.last_observed_c[asked],
        truth_c=truth_c[asked],
        interpolated_hours=interpolated[asked],
        in_steps=every_s is not None,
    )


def _histories(observations: Observations, asked: Times, earlier: Times, encoding: Encoding) -> tuple[Histories, Rows]:
    """The complete histories that end at `asked` and `earlier`, and how many of the hours of each are interpolated."""
    series, hours, origins = observations.series, encoding.needed_hours, np.union1d(asked, earlier)
    first = origins[0] - np.timedelta64(hours, "h")
    near = (series.times > first) & (series.times <= origins[-1])  # a long file is not encoded whole for one forecast
    cut = series.pick(near)
    windows = history_windows(cut, hours)
    windows = windows.pick(np.isin(cut.times[windows.last_rows], origins))
    filled = observations.filled[near][windows.lanes]
    of_asked = windows.pick(np.isin(cut.times[windows.last_rows], asked))
    needed = np.sort(cut.times[windows.lanes][filled & _covered(of_asked)])
    if len(needed):
        logger.info("interpolated %s of the rows that are needed: %s", f"{len(needed):,}", describe_hours(needed))
    before = np.concatenate([[0], np.cumsum(filled)])
    return histories_and_windows(cut, windows, encoding)[0], before[windows.starts + hours] - before[windows.starts]


def _refuse_not_finite(leads_c: Floats, path: Path) -> None:
    bad = int((~np.isfinite(leads_c)).sum())
    if bad:
        raise CheckpointError(
            f"{path}: {bad:,} of {leads_c.size:,} forecasts are not finite; train again or restore a copy"
        )


def _progress(total: int) -> Callable[[], None]:
    """A function, called after each batch, that tells every few seconds how many of the forecasts are made."""
    done, told = 0, time.monotonic()

    def tell() -> None:
        nonlocal done, told
        done = min(done + EVALUATION_BATCH, total)
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            logger.info("%s of %s forecasts", f"{done:,}", f"{total:,}")

    return tell


def _covered(windows: Windows) -> NDArray[np.bool_]:
    """(lane_rows,) which of them lie in some window's history."""
    begins, ends = (
        np.bincount(places, minlength=len(windows.lanes) + 1)
        for places in (windows.starts, windows.starts + windows.history)
    )
    return np.cumsum(begins - ends)[:-1] > 0
