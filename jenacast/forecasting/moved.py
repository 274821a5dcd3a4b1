"""Which columns moved one forecast: what the network would say had they been as in the same season of other years."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import TARGET, measured_columns
from jenacast.data import SAME_AS_NOW
from jenacast.data.prepared import load_prepared
from jenacast.data.series import HOUR_S, Floats, Rows, Series, Times
from jenacast.data.windows import Windows
from jenacast.errors import DataError
from jenacast.features.datasets import Histories, histories_and_windows, is_whole
from jenacast.features.encoding import Encoding
from jenacast.features.shuffle import Kind, draw_turns, mixed_inputs, parts_of
from jenacast.forecasting import MAX_GAP_HOURS
from jenacast.forecasting.forecast import LEAST_AGE_HOURS
from jenacast.forecasting.observations import join_observations, minute
from jenacast.forecasting.origins import find_origins
from jenacast.models.inference import forecast_leads_c
from jenacast.models.opening import open_checked
from jenacast.tables import Column, Table, Value, wrapped

DRAWS = 50
SEASON_DAYS = 15  # before and after the day of the year
YEAR_DAYS = 365


@dataclass(frozen=True)
class Move:
    """By how much a part of what the network sees moved a forecast, degC: the forecast less the mean without it."""

    part: str
    kind: Kind
    columns: list[str]
    moved_c: float


@dataclass(frozen=True)
class Moved:
    """A forecast, and what moved it, the largest moves of each kind first; times by the station's clock, ISO 8601."""

    checkpoint: str
    last_observation: str
    valid_at: str
    baseline_c: float
    forecast_c: float
    draws: int
    moves: list[Move]


def explain_forecast(
    path: Path,
    files: Sequence[Series],
    *,
    at: np.datetime64,
    source: str,
    data_dir: Path,
    trust_saved_model: bool = False,
) -> Moved:
    """Forecast from the last observation at or before `at`, and say which columns moved the forecast.

    In turn each part takes whole histories of other years from the train split: of the same hour, and a day of the year
    at most 15 days off.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DataError: the files lack hours that a forecast needs, or there are no prepared data with such histories.
    """
    checkpoint, encoding = open_checked(path, data_dir, trust_saved_model=trust_saved_model)
    columns, needed = [TARGET, *measured_columns(encoding.names)], encoding.needed_hours
    observations = join_observations(files, columns=columns, max_gap_hours=MAX_GAP_HOURS, source=source)
    (origin,) = find_origins(observations, [at], hours=needed, max_age_hours=max(MAX_GAP_HOURS, LEAST_AGE_HOURS))
    back_s = (origin - observations.series.times).astype(np.int64)
    own = observations.series.pick((back_s >= 0) & (back_s < needed * HOUR_S) & (back_s % HOUR_S == 0))
    window = Windows(np.arange(needed), np.array([0]), np.array([needed - 1]), needed)
    history, _ = histories_and_windows(own, window, encoding)
    random = np.random.default_rng(0)
    pool, rows = _other_years(origin, encoding, data_dir, random)
    donors, seen, turns = encoding.seen(pool), encoding.seen(own), draw_turns(len(rows), random)
    # In the same batches, so that a part which plays no role moves it by exactly 0
    as_it_is = _repeated(history, [history.inputs] * len(rows))
    forecast_c = forecast_leads_c(checkpoint.forward, as_it_is, encoding)[:, -1]
    moves = []
    for part in parts_of(encoding):
        if part.hours:
            continue
        mixed = [
            mixed_inputs(
                *(encoding, seen, history.inputs, donors.pick(of_draw), part),
                {cycle: each[draw] for cycle, each in turns.items()},
            )
            for draw, of_draw in enumerate(rows)
        ]
        said_c = forecast_leads_c(checkpoint.forward, _repeated(history, mixed), encoding)[:, -1]
        moves.append(Move(part.name, part.kind, [*part.sources, *part.cycles], float((forecast_c - said_c).mean())))
    return Moved(
        checkpoint=str(checkpoint.path),
        last_observation=str(origin),
        valid_at=str(origin + np.timedelta64(encoding.lead_hours, "h")),
        baseline_c=float(history.last_observed_c[0]),
        forecast_c=float(forecast_c[0]),
        draws=len(rows),
        moves=sorted(moves, key=lambda move: (move.kind != "group", -abs(move.moved_c))),
    )


def describe_moved(moved: Moved) -> str:
    """The moves as short tables."""
    head = (
        f"from {minute(np.datetime64(moved.last_observation))}: {moved.baseline_c:.1f} °C now, and {SAME_AS_NOW} would "
        f"be the baseline; {moved.forecast_c:.1f} °C forecast for {minute(np.datetime64(moved.valid_at))}, a change of "
        f"{moved.forecast_c - moved.baseline_c:+.1f} °C. What moved it, beside the mean of {moved.draws} histories of "
        "the same season and hour in other years; moves need not add up:"
    )
    tables = []
    for kind, name in (("group", "group of columns"), ("column", "column")):
        rows: list[list[Value]] = [[move.part, move.moved_c] for move in moved.moves if move.kind == kind]
        tables.append(Table([Column(name), Column("moved it by", "+.2f", "°C")], rows).as_text())
    return "\n\n".join([wrapped(head), *tables])


def _other_years(
    origin: np.datetime64, encoding: Encoding, data_dir: Path, random: np.random.Generator
) -> tuple[Series, Rows]:
    """The prepared series in lane order, and (draws, hours) its rows of histories to draw from."""
    prepared, needed = load_prepared(data_dir), encoding.needed_hours
    windows = prepared.windows("train", history_hours=needed, lead_hours=encoding.lead_hours)
    pool = prepared.series.pick(windows.lanes)
    values = np.column_stack([pool.column(name) for name in measured_columns(encoding.names) or [TARGET]])
    windows = windows.pick(is_whole(values, windows))
    now = prepared.series.times[windows.last_rows]
    off = np.abs(_day(now) - _day(np.array([origin])))
    fits = (np.minimum(off, YEAR_DAYS - off) <= SEASON_DAYS) & (_hour(now) == _hour(np.array([origin])))
    found = windows.starts[fits & (now.astype("datetime64[Y]") != origin.astype("datetime64[Y]"))]
    if not len(found):
        raise DataError(
            f"the train split of {prepared.folder} has no history of the season and hour of {minute(origin)} in "
            "another year to compare with; prepare a longer series"
        )
    chosen = random.choice(found, size=min(DRAWS, len(found)), replace=False)
    rows: Rows = chosen[:, None] + np.arange(needed)
    return pool, rows


def _repeated(history: Histories, inputs: Sequence[Floats]) -> Histories:
    """One window as often as it has inputs, each with its own."""
    count, rows = len(inputs), len(inputs[0])
    repeated: dict[str, Any] = {
        name: np.repeat(getattr(history, name), count) for name in ("rows", "now", "last_observed_c")
    }
    starts = history.starts[0] + rows * np.arange(count)
    return replace(history, inputs=np.concatenate(inputs), starts=starts, **repeated)


def _day(times: Times) -> Rows:
    """Days since the year began."""
    days: Rows = (times.astype("datetime64[D]") - times.astype("datetime64[Y]")).astype(np.int64)
    return days


def _hour(times: Times) -> Rows:
    hours: Rows = times.astype("datetime64[h]").astype(np.int64) % 24
    return hours
