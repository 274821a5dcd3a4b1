"""One page about the newest forecast: the next hours, the last days, and what the record says of such forecasts."""

from pathlib import Path

from jenacast.columns import UTC_OFFSET_HOURS
from jenacast.errors import ExistsError
from jenacast.files import refuse_existing
from jenacast.forecasting.files import draw_forecasts
from jenacast.forecasting.forecast import Forecasts
from jenacast.forecasting.record import add_truths
from jenacast.forecasting.record_scores import NetworkScores, draw_recent, recent, score_record
from jenacast.forecasting.record_tables import record_tables
from jenacast.forecasting.screen import SHOWN, extremes_table, hours_table
from jenacast.forecasting.summary import Summary, weekday
from jenacast.report.page import HERE, Head, Part, Section, Tile, digits, span, write_page
from jenacast.report.pictures import draw_picture

MARK = b'<meta name="generator" content="jenacast '
MARK_WITHIN = 2_000  # bytes from the beginning of a page
DAYS = 5
NO_RECORD = "No forecast of this network has been kept yet: jenacast forecast --keep begins a record."


def refuse_foreign_page(page: Path, *, force: bool) -> None:
    """Refuse to replace a file that is no page of jenacast's, unless `force`; one that is may be renewed.

    Raises:
        ExistsError: it is another file.
    """
    if page.is_file() and not force:
        with page.open("rb") as file:
            if MARK in file.read(MARK_WITHIN):
                return
        raise ExistsError(f"{page} exists and is no page of jenacast; --force replaces it")
    refuse_existing(page, force=force)


def write_forecast_page(made: Forecasts, said: Summary, record: Path, page: Path) -> None:
    """Write `page`, which is complete in itself, about one forecast.

    Args:
        made: the forecast and the observations that it is made from.
        said: the same, summarised.
        record: the record of earlier forecasts, if there is one; it learns what came.
        page: the HTML file; the old one stays until the new one is whole.
    """
    scores = None
    if record.exists():
        add_truths(record, made.observations)
        kept = score_record(record)
        scores = next((each for each in kept if each.checkpoint_sha256 == said.sha256), None)
    sections = [_next_hours(made, said), _last_days(record, scores)]
    if scores:
        first, *folded = record_tables([scores])
        sections.append(Section("record", "The record", [Part("Errors so far", tables=[first], folded=folded)]))
    template = HERE / "tomorrow.html.j2"
    write_page(page, template, _head(said), sections, synthetic=said.synthetic, utc_offset_hours=UTC_OFFSET_HOURS)


def _head(said: Summary) -> Head:
    last = said.hours[-1]
    age = "" if said.age_hours is None else f", {said.age_hours:.1f} h before this page was written"
    tiles = [Tile("Now", _celsius(said.observed_c), weekday(said.last_observation))]
    tiles += [
        Tile(each.name.capitalize(), _celsius(each.hour.temperature_c), f"at {weekday(each.hour.valid_at)}")
        for each in said.extremes
    ]
    tiles.append(Tile(f"In {last.lead_hours} hours", _celsius(last.temperature_c), _band(last.intervals)))
    return Head(
        title=f"Jena: {_celsius(last.temperature_c)} on {weekday(last.valid_at)}",
        summary=f"The newest observation is of {weekday(said.last_observation)}{age}. Network: {said.network}.",
        tiles=tiles,
    )


def _next_hours(made: Forecasts, said: Summary) -> Section:
    finding = (
        f"From {_celsius(said.observed_c)} at {weekday(said.last_observation)} to "
        f"{_celsius(said.hours[-1].temperature_c)} at {weekday(said.hours[-1].valid_at)}."
    )
    picture = draw_picture("next", finding, lambda path, title: draw_forecasts(made, path, title=title))
    tables = [hours_table(said), *([extremes_table(said)] if said.extremes else [])]
    return Section("next", "The next hours", [Part("Temperature", pictures=[picture], tables=tables)])


def _last_days(record: Path, scores: NetworkScores | None) -> Section:
    if scores is None:
        return Section("last", "The last days", [Part("What had been said of them", notes=[NO_RECORD])])
    made = f"{scores.lead_hours} hours before" if scores.kind == "ahead" else "afterwards, from older files"
    finding = f"What was measured on the last {DAYS} days, and what had been forecast {made}."
    picture = draw_picture("last", finding, draw_recent, recent(record, scores, DAYS))
    return Section("last", "The last days", [Part("What had been said of them", pictures=[picture])])


def _celsius(value_c: float) -> str:
    return f"{digits(value_c, '.1f')} °C"


def _band(intervals: dict[str, tuple[float, float]]) -> str:
    return f"{SHOWN} %: {span(intervals[SHOWN], '.1f')} °C" if SHOWN in intervals else "no intervals"
