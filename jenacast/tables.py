"""A table of values: built once, beside what it shows, and rendered as text, Markdown, CSV or in an HTML page."""

import csv
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

WIDTH = 80  # characters of a line on a terminal
LONG_TEXT = 30  # characters of a cell; below that, headers are broken first
GAP = 2  # between columns
LONGEST_NAME = 20  # characters of a row's, where it has to stand above the row
WAYS = ((GAP, WIDTH), (1, WIDTH), (GAP, LONGEST_NAME))  # gap and longest name, in the order they are tried
FORMULA = ("=", "+", "-", "@")  # a spreadsheet runs a text that begins so


def wrapped(text: str, indent: str = "") -> str:
    """Text in lines as wide as a table may be, the later ones behind `indent`; a word is never broken."""
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


# A number, the two ends of an interval, a text, or None for what was not measured
Value = float | tuple[float, float] | str | None


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its header, without the unit.
        form: the format specification of its numbers, such as ".3f", "," or "+.1%".
        unit: of its numbers; the header names it.
        is_left: plain text aligns it to the left, as it does the first column of every table.
    """

    name: str
    form: str = ""
    unit: str = ""
    is_left: bool = False


SKILL = Column("skill", "+.1%")  # a share, in every table


def columns(*names: str, form: str = "", unit: str = "") -> list[Column]:
    """Columns whose numbers have one format and one unit."""
    return [Column(name, form, unit) for name in names]


@dataclass(frozen=True)
class Cell:
    """A cell of an HTML table: what it shows, and the number that it is sorted by, where there is one."""

    text: str
    key: float | None
    is_number: bool


@dataclass(frozen=True)
class Table:
    """Rows of values under their columns, of which the first names the rows. HTML pages show the `caption` too."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    caption: str = ""

    def pick(self, *names: str) -> "Table":
        """The columns of these names, in this order."""
        return self._of([[column.name for column in self.columns].index(name) for name in names])

    def _of(self, places: Sequence[int]) -> "Table":
        rows = [[row[place] for place in places] for row in self.rows]
        return Table([self.columns[place] for place in places], rows, self.caption)

    def as_text(self, width: int = WIDTH) -> str:
        """Columns padded to their widest cell, for a terminal.

        Where that is wider than `width`, headers and texts are broken between words, columns come closer, and a long
        name stands on a line of its own above its row. What is still wider comes as several tables, each with the
        first column. A word, such as a path, is never broken.
        """
        lines = self._lines()
        is_left = [place == 0 or column.is_left for place, column in enumerate(self.columns)]
        for gap, longest_name in WAYS:
            widths, fits = _column_widths(lines, is_left, width - gap * (len(is_left) - 1), longest_name)
            if fits or (len(is_left) <= 2 and (gap, longest_name) == WAYS[-1]):
                return _laid_out(lines, widths, is_left, gap)
        return "\n\n".join(part.as_text(width) for part in self._parts(width))

    def _parts(self, width: int) -> list["Table"]:
        """The table as several, each as wide as fits, or with one column beside the first."""
        widths = [max(map(len, cells)) + GAP for cells in zip(*self._lines(), strict=True)]
        parts: list[list[int]] = []
        for place in range(1, len(widths)):
            if parts and widths[0] - GAP + sum(widths[each] for each in (*parts[-1], place)) <= width:
                parts[-1].append(place)
            else:
                parts.append([place])
        return [self._of([0, *part]) for part in parts]

    def as_markdown(self) -> str:
        """A Markdown table; a bar inside a cell is escaped."""
        heads, *rows = [[cell.replace("|", r"\|") for cell in line] for line in self._lines()]
        return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *rows))

    def as_csv(self) -> str:
        """The columns' names, then the values with full precision; nothing for what was not measured.

        Texts that a spreadsheet would run as a formula get an apostrophe in front.
        """
        text = io.StringIO()
        rows = [[_disarmed(value) for value in row] for row in self.rows]
        csv.writer(text, lineterminator="\n").writerows([[column.name for column in self.columns], *rows])
        return text.getvalue().rstrip("\n")

    @property
    def heads(self) -> list[str]:
        """The headers as an HTML page shows them."""
        return [f"{column.name} ({column.unit})" if column.unit else column.name for column in self.columns]

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows as an HTML page shows them, with a minus sign and a dash of their own."""
        return [[_cell(value, column.form) for value, column in self._pairs(row)] for row in self.rows]

    @property
    def is_sortable(self) -> bool:
        """Whether sorting makes sense: there are several rows, and numbers."""
        return len(self.rows) > 1 and any(cell.key is not None for row in self.cells for cell in row)

    def _pairs(self, row: Sequence[Value]) -> "zip[tuple[Value, Column]]":
        return zip(row, self.columns, strict=True)

    def _lines(self) -> list[list[str]]:
        """The header and the rows as plain text."""
        heads = [f"{column.name} {column.unit}".rstrip() for column in self.columns]
        rows = [
            [_shown(value, column.form, missing="-", between=" .. ") for value, column in self._pairs(row)]
            for row in self.rows
        ]
        return [heads, *rows]


def _column_widths(
    lines: Sequence[Sequence[str]], is_left: Sequence[bool], total: int, longest_name: int
) -> tuple[list[int], bool]:
    """The widths of the columns that fit into `total`, and whether they do: long texts give way first, then headers."""
    widths, least, cells = [], [], []
    for (head, *below), left in zip(zip(*lines, strict=True), is_left, strict=True):
        unbroken = below if not left else [word for cell in below for word in cell.split()]
        cells.append(max(map(len, below), default=0))
        widths.append(max(len(head), cells[-1]))
        least.append(max(map(len, (*head.split(), *unbroken)), default=0))
    least[0] = min(least[0], longest_name)
    while sum(widths) > total:
        breakable = [place for place, width in enumerate(widths) if width > least[place]]
        if not breakable:
            return widths, False
        widths[max(breakable, key=lambda at: (widths[at] > LONG_TEXT, widths[at] > cells[at], widths[at]))] -= 1
    return widths, True


def _laid_out(lines: Sequence[Sequence[str]], widths: Sequence[int], is_left: Sequence[bool], gap: int) -> str:
    """Lines whose cells are broken between words to the columns' widths; headers stand on their rule."""
    head, *rows = [[_broken(cell, width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    for row in rows:
        if max(map(len, row[0])) > widths[0]:
            row[1:] = [[""] * len(row[0]) + cell for cell in row[1:]]
    rule = ["-" * width for width in widths]
    if is_left[-1]:
        rule[-1] = "-" * max(map(len, head[-1]))  # such texts are long
    height = max(map(len, head))
    blocks = [[[""] * (height - len(cell)) + cell for cell in head], [[dashes] for dashes in rule], *rows]
    shown = [line for block in blocks for line in zip_longest(*block, fillvalue="")]
    align = ["<" if left else ">" for left in is_left]
    padded = [[f"{text:{to}{width}}" for text, to, width in zip(line, align, widths, strict=True)] for line in shown]
    return "\n".join((" " * gap).join(cells).rstrip() for cells in padded)


def _broken(cell: str, width: int) -> list[str]:
    """A cell in lines of at most `width` characters, as far as its words allow."""
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, max(1, width), break_long_words=False, break_on_hyphens=False) or [""]


def _disarmed(value: Value) -> Value:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _shown(value: Value, form: str, *, missing: str, between: str) -> str:
    if value is None or isinstance(value, str):
        return missing if value is None else value
    return between.join(format(each, form) for each in (value if isinstance(value, tuple) else (value,)))


def _cell(value: Value, form: str) -> Cell:
    if isinstance(value, str):
        return Cell(value, None, is_number=False)
    text = re.sub("(?<!e)-", "−", _shown(value, form, missing="–", between=" to ")).replace("%", " %")  # 1e-05 stays
    key = value[0] if isinstance(value, tuple) else value
    return Cell(text, None if key is None else float(key), is_number=True)
