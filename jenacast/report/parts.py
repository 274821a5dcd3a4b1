"""What a page is made of: its head, and sections with tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from jenacast.evaluation.bootstrap import Interval

NOTHING = "–"
BASELINE = "the same as now"


@dataclass(frozen=True)
class Cell:
    """What a table shows, and what it is sorted by where that is another: a number behind digits with a unit."""

    text: str
    key: float | None = None

    @property
    def is_number(self) -> bool:
        """Whether it stands in a column of numbers, measured or not."""
        return self.key is not None or self.text == NOTHING


@dataclass(frozen=True)
class Table:
    """Its first column names the rows. `is_folded` hides it until it is asked for."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    is_folded: bool = False

    @property
    def is_sortable(self) -> bool:
        """Whether there is an order to look for: several rows, and numbers."""
        return len(self.rows) > 1 and any(cell.key is not None for row in self.rows for cell in row)


@dataclass(frozen=True)
class Picture:
    """An SVG to stand in the page, and what it shows in words."""

    name: str
    svg: Markup
    finding: str


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it."""

    title: str
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


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


def word(text: object) -> Cell:
    """A cell of text."""
    return Cell(str(text))


def number(value: float | None, form: str = ".3f") -> Cell:
    """A cell of a number, with a minus sign that is one."""
    return Cell(NOTHING) if value is None else Cell(digits(value, form), float(value))


def interval(ends: Interval | None, form: str = ".3f") -> Cell:
    """A cell of an interval, sorted by its low end."""
    return Cell(NOTHING) if ends is None else Cell(span(ends, form), float(ends[0]))


def digits(value: float, form: str = ".3f") -> str:
    """A number for people."""
    return format(value, form).replace("-", "−")


def span(ends: Interval, form: str = ".3f") -> str:
    """The ends of an interval, for people."""
    return " to ".join(digits(end, form) for end in ends)
