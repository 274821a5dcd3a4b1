"""Times and steps of time on the command line; times in ISO 8601, or as the station writes them."""

import re
from datetime import datetime

import typer

from jenacast.columns import TIME_FORMAT

STATION_FORMATS = (TIME_FORMAT, TIME_FORMAT.removesuffix(":%S"), TIME_FORMAT.split(" ")[0])
SECONDS = {"m": 60, "h": 3600, "d": 86400}
EXAMPLES = f"2016-06-22T08:00 or {datetime(2016, 6, 22, 8):{TIME_FORMAT}}"


def parse_time(text: str) -> datetime:
    """A time by the station's clock; a day alone is its first moment. For Typer's `parser`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = _as_the_station_writes(text)
    if time.tzinfo is not None:
        raise typer.BadParameter(f"expected a time by the station's clock, without a zone, received {text!r}")
    return time


def parse_step(text: str) -> int:
    """The seconds of --every, such as 30m, 1h or 1d."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text)
    if not match:
        raise typer.BadParameter(f"--every {text!r}: expected a number and m, h or d, such as 30m, 1h or 1d")
    return int(match[1]) * SECONDS[match[2]]


def _as_the_station_writes(text: str) -> datetime:
    for form in STATION_FORMATS:
        try:
            return datetime.strptime(text.strip(), form)
        except ValueError:
            pass
    raise typer.BadParameter(f"expected a time such as {EXAMPLES}, received {text!r}")
