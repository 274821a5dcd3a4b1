"""Times on the command line: in ISO 8601, or as the station writes them."""

from datetime import datetime

import typer

from jenacast.columns import TIME_FORMAT

STATION_FORMATS = (TIME_FORMAT, TIME_FORMAT.removesuffix(":%S"), TIME_FORMAT.split(" ")[0])
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


def _as_the_station_writes(text: str) -> datetime:
    for form in STATION_FORMATS:
        try:
            return datetime.strptime(text.strip(), form)
        except ValueError:
            pass
    raise typer.BadParameter(f"expected a time such as {EXAMPLES}, received {text!r}")
