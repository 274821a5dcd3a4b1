"""What a network would see if a part of it were of another time, in the same season and at the same hours of the day.

A window keeps its own past, but for some measured columns: they come from a donor, a window of the same hour and
calendar month. Every column that is worked out of them is worked out again, so that it follows. A donor's history is
whole, so nothing breaks inside a column; what breaks is what it had to do with the rest, and with what came after.
Within a season the calendar would stay as it is: its clock is turned instead, by any hours of the day and any days of
the year.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jenacast.columns import CALENDAR, NAMES, OPTIONAL_NAMES, measured_columns, parse_column
from jenacast.data.series import Floats, Rows, Series, Times
from jenacast.features.datasets import Histories
from jenacast.features.encoding import Encoding

Kind = Literal["group", "column", "hours"]
GROUPS = {
    "temperature": (
        "temperature_c",
        "potential_temperature_k",
        "saturation_vapour_pressure_mbar",
        "air_density_g_per_m3",  # it goes with the temperature far more than with the pressure
    ),
    "pressure": ("pressure_mbar",),
    "humidity": (
        "dew_point_c",
        "relative_humidity_percent",
        "vapour_pressure_mbar",
        "vapour_pressure_deficit_mbar",
        "specific_humidity_g_per_kg",
        "water_vapour_mmol_per_mol",
    ),
    "wind": ("wind_speed_m_per_s", "max_wind_speed_m_per_s", "wind_direction_deg"),
    "sun and rain": ("shortwave_radiation_w_per_m2", "par_umol_per_m2_s", "rain_mm", "raining_s"),
}
ALL_MEASURED = "all measured columns"
CYCLES = {"hour": "hour of the day", "year": "time of the year"}
TURNS = {"hour": (24, "h"), "year": (365, "D")}  # how far the clock of a cycle is turned, and in which unit
HOURS_BACK = (0, 1, 3, 6, 12, 24, 48, 96)  # where ranges of a history end, counted back from now
BLOCK_DAYS = 5  # windows of so many days get their donors from so many days
MONTH_BLOCKS = 6
Turns = NDArray[np.timedelta64]


@dataclass(frozen=True)
class Part:
    """A part of what a network sees, which is shuffled as one.

    Attributes:
        name: for people.
        kind: a group of columns, a single one, or hours of the history.
        sources: the measured columns.
        cycles: of the calendar, by their names in `CALENDAR`.
        hours: of the history [first, last) before now, where it is not the whole.
    """

    name: str
    kind: Kind
    sources: tuple[str, ...] = ()
    cycles: tuple[str, ...] = ()
    hours: tuple[int, int] | None = None

    def steps(self, history: int) -> NDArray[np.bool_]:
        """(history, 1) which steps of a history are shuffled."""
        back = np.arange(history)[::-1, None]
        first, last = self.hours or (0, history)
        chosen: NDArray[np.bool_] = (back >= first) & (back < last)
        return chosen


def parts_of(encoding: Encoding) -> list[Part]:
    """The parts of what a network sees: groups of several columns, single ones, and ranges of hours of all of them."""
    sources, cycles = tuple(measured_columns(encoding.names)), _cycles(encoding.names)
    groups = {name: tuple(each for each in members if each in sources) for name, members in GROUPS.items()}
    parts = [Part(name, "group", members) for name, members in groups.items() if members]
    if cycles:
        parts.append(Part("calendar", "group", cycles=cycles))
    if sources:
        parts.append(Part(ALL_MEASURED, "group", sources))
    parts += [Part(name, "column", (name,)) for name in sources]
    parts += [Part(CYCLES[cycle], "column", cycles=(cycle,)) for cycle in cycles]
    edges = [*(hours for hours in HOURS_BACK if hours < encoding.history_hours), encoding.history_hours]
    for first, last in pairwise(edges):
        name = "now" if last == 1 else f"{first} to {last - 1} h before" if last - 1 > first else f"{first} h before"
        parts.append(Part(name, "hours", sources, hours=(first, last)))
    return parts


def draw_donors(now: Times, *, apart_hours: int, random: np.random.Generator) -> Rows:
    """A donor for every window: one of the same hour and the same calendar month, of any year.

    Windows of the same five days get theirs from the same days, where these have windows; donors lie further off than
    `apart_hours`, so that they share no hour with the window or its target.

    Args:
        now: (windows,) datetime64[s] of the last observations, at most one in an hour.
        apart_hours: what a window spans, target included.
        random: decides.

    Returns:
        (windows,) places of the donors; -1 where no other window fits, whatever is drawn.
    """
    hours = now.astype("datetime64[h]")
    days, months = hours.astype("datetime64[D]"), hours.astype("datetime64[M]")
    block = np.minimum((days - months.astype("datetime64[D]")).astype(np.int64) // BLOCK_DAYS, MONTH_BLOCKS - 1)
    begins = months.astype("datetime64[D]") + block * BLOCK_DAYS
    order = np.argsort(hours, kind="stable")
    donors = np.full(len(now), -1)
    starts = np.unique(begins)
    for calendar_month in range(12):
        found = starts[starts.astype("datetime64[M]").astype(np.int64) % 12 == calendar_month]
        found = found[random.permutation(len(found))]
        for place, begin in enumerate(found):
            windows = np.flatnonzero(begins == begin)
            for other in (*found[place + 1 :], *found[:place]):  # the next ones of a circle: a permutation, almost
                shift = (other - begin).astype("timedelta64[h]")
                if abs(shift.astype(np.int64)) <= apart_hours:
                    continue
                lacking = windows[donors[windows] < 0]
                donors[lacking] = _places(hours[order], order, hours[lacking] + shift)
    return donors


def draw_turns(count: int, random: np.random.Generator) -> dict[str, Turns]:
    """How far the clock is turned, by cycle of the calendar: (count,) each."""
    return {
        cycle: random.integers(most, size=count).astype(f"timedelta64[{unit}]").astype("timedelta64[s]")
        for cycle, (most, unit) in TURNS.items()
    }


def mixed_inputs(
    encoding: Encoding, own: Series, inputs: Floats, donor: Series, part: Part, turns: Mapping[str, np.timedelta64]
) -> Floats:
    """(rows, columns) what a network sees of a stretch of rows, with a part of it from a donor.

    Args:
        encoding: of the network.
        own: the rows, as `Encoding.seen` gives them, without a gap.
        inputs: (rows, columns) what it sees of them as they are; columns that have nothing to do with `part` stay.
        donor: as many rows, whose values are taken.
        part: which of them; its hours play no role.
        turns: how far the clock of each cycle is turned.
    """
    mixed = np.array(inputs)
    follows = [bool(set(part.sources) & set(measured_columns([name]))) for name in encoding.names]
    numbers = [number for number, does in enumerate(follows) if does]
    if numbers:
        mixed[:, numbers] = encoding.standardised(_with_columns(own, donor, part.sources), numbers)
    for cycle in part.cycles:
        numbers = [number for number, name in enumerate(encoding.names) if _cycles([name]) == (cycle,)]
        mixed[:, numbers] = encoding.standardised(replace(own, times=own.times + turns[cycle]), numbers)
    return mixed


@dataclass(frozen=True)
class Stretches:
    """Windows and their donors, cut into stretches in which both are neighbours: each is worked out by itself.

    Attributes:
        own: (rows,) places in the series of every row of every stretch.
        donors: (rows,) those of the donor's rows.
        begins: (stretches + 1,) where in them each stretch begins, and the end.
        starts: (windows,) where in them the history of each window begins.
    """

    own: Rows
    donors: Rows
    begins: Rows
    starts: Rows

    def inputs(
        self, encoding: Encoding, seen: Series, inputs: Floats, part: Part, turns: Mapping[str, Turns]
    ) -> Floats:
        """(rows, columns) of all stretches with a part from the donors; `seen` and `inputs` are of the whole series."""
        mixed = np.empty((len(self.own), inputs.shape[1]), np.float32)
        for number, rows in enumerate(self._slices()):
            own, turn = self.own[rows], {cycle: each[number] for cycle, each in turns.items()}
            donor = seen.pick(self.donors[rows])
            mixed[rows] = mixed_inputs(encoding, seen.pick(own), inputs[own], donor, part, turn)
        return mixed

    def __len__(self) -> int:
        return len(self.begins) - 1

    def _slices(self) -> Iterator[slice]:
        return (slice(begin, end) for begin, end in pairwise(self.begins))


def cut_stretches(histories: Histories, donor_starts: Rows, *, back: int) -> Stretches:
    """The stretches of windows whose donors' histories begin at `donor_starts`, with `back` rows before a history."""
    order = np.argsort(histories.starts, kind="stable")
    starts, others = histories.starts[order], donor_starts[order]
    edges = np.flatnonzero((np.diff(starts) != 1) | (np.diff(others) != 1)) + 1
    firsts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(order)]])
    sizes = ends - firsts + back + histories.history - 1
    begins = np.concatenate([[0], np.cumsum(sizes)])
    within = np.arange(begins[-1]) - np.repeat(begins[:-1], sizes)
    own, donors = (np.repeat(each[firsts] - back, sizes) + within for each in (starts, others))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) + np.repeat(begins[:-1] + back - firsts, ends - firsts)
    return Stretches(own, donors, begins, places)


def _places(hours: Times, order: Rows, wanted: Times) -> Rows:
    """Where the `wanted` hours stand, by `hours` in order; -1 where they do not."""
    found = np.minimum(np.searchsorted(hours, wanted), len(hours) - 1)
    places: Rows = np.where(hours[found] == wanted, order[found], -1)
    return places


def _cycles(names: Sequence[str]) -> tuple[str, ...]:
    """The cycles of the calendar that columns are waves of."""
    sources = {parse_column(name).source for name in names}
    return tuple(cycle for cycle in CYCLES if any(CALENDAR[each][0] == cycle for each in sources & set(CALENDAR)))


def _with_columns(own: Series, donor: Series, names: Sequence[str]) -> Series:
    """The rows of `own` with some columns of `donor`."""
    values, optional = np.array(own.values), None if own.optional is None else np.array(own.optional)
    for name in names:
        if name in NAMES:
            values[:, NAMES.index(name)] = donor.column(name)
        elif optional is not None:
            optional[:, OPTIONAL_NAMES.index(name)] = donor.column(name)
    return Series(own.times, values, optional=optional)
