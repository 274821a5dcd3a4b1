"""What a page is made of: its head, and sections with tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from jenacast.evaluation.bootstrap import Interval
from jenacast.tables import Table


@dataclass(frozen=True)
class Picture:
    """An SVG to stand in the page, and what it shows in words."""

    name: str
    svg: Markup
    finding: str


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it; `folded` tables are shown when they are asked for."""

    title: str
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()


@dataclass(frozen=True)
class Section:
    """Parts about one thing; `anchor` is where links lead."""

    anchor: str
    title: str
    parts: Sequence[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Tile:
    """One figure in large digits."""

    name: str
    figure: str
    below: str


@dataclass(frozen=True)
class Head:
    """What a page begins with."""

    title: str
    summary: str
    tiles: Sequence[Tile]


def digits(value: float, form: str = ".3f") -> str:
    """A number for people."""
    return format(value, form).replace("-", "−")


def span(ends: Interval, form: str = ".3f") -> str:
    """The ends of an interval, for people."""
    return " to ".join(digits(end, form) for end in ends)
