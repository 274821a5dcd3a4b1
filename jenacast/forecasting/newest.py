"""The newest hours: the station's running file and, where its period has just begun, the one before."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jenacast.data.archive import running_file, station_files
from jenacast.data.series import Series
from jenacast.data.station import read_station_csv
from jenacast.errors import command
from jenacast.forecasting.observations import minute
from jenacast.forecasting.summary import age_hours

BEGINNING = np.timedelta64(10, "D")  # of a period, in which the one before is read too; most histories are shorter
LONGEST_STEP = np.timedelta64(1, "h")  # from the last row of a period to the first of the next
OLD_HOURS = 3.0

logger = logging.getLogger(__name__)


def read_files(paths: Sequence[Path], data_dir: Path, *, offline: bool = False) -> tuple[list[Series], str]:
    """What station files hold, or without any the newest hours as `read_newest` gives them; and the files' names.

    Raises:
        DataError: a file cannot be had or read.
    """
    if paths:
        return [read_station_csv(path) for path in paths], ", ".join(map(str, paths))
    return read_newest(data_dir, offline=offline)


def read_newest(data_dir: Path, *, offline: bool = False) -> tuple[list[Series], str]:
    """The running file of the station, fetched unless it was a moment ago, and what comes before it; and their names.

    Raises:
        DataError: it cannot be had or read.
    """
    path = running_file(data_dir, offline=offline)
    running = read_station_csv(path)
    begins = running.times.min()
    if running.times.max() - begins > BEGINNING:
        return [running], str(path)
    before = [file for file in station_files(data_dir) if file.resolve() != path.resolve()]
    if before:
        earlier = read_station_csv(before[-1])
        if begins - earlier.times.max() <= LONGEST_STEP:
            return [earlier, running], f"{before[-1]}, {path}"
    fetch = command("jenacast", "download", "--source", "station", "--data-dir", data_dir)
    logger.info("%s begins at %s; if more is needed: %s", path, minute(begins), fetch)
    return [running], str(path)


def tell_age(newest: np.datetime64, utc: np.datetime64) -> None:
    """Say how old the newest row is, as a warning if it is too old to be called now.

    Args:
        newest: its time by the station's clock.
        utc: the present time in UTC.
    """
    age = age_hours(newest, utc)
    if age > OLD_HOURS:
        logger.warning("THE NEWEST ROW, OF %s, IS %.1f HOURS OLD: the forecast starts from there", minute(newest), age)
    elif age < 0:
        text = "the newest row, of %s, lies %.1f hours ahead of this computer's clock: set that"
        logger.warning(text, minute(newest), -age)
    else:
        logger.info("the newest row, of %s, is %.1f hours old", minute(newest), age)
