"""A table of values: built once, beside what it shows, and rendered as text, Markdown, CSV or in an HTML page."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

FORMULA = ("=", "+", "-", "@")  # a spreadsheet runs a text that begins so

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

    def as_text(self) -> str:
        """Columns padded to their widest cell, for a terminal."""
        lines = self._lines()
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        rule = ["-" * width for width in widths]
        if self.columns[-1].is_left:
            rule[-1] = "-" * len(lines[0][-1])  # such texts are long
        is_left = [place == 0 or column.is_left for place, column in enumerate(self.columns)]
        padded = [
            [cell.ljust(width) if left else cell.rjust(width) for cell, width, left in zip(*line, strict=True)]
            for line in ((cells, widths, is_left) for cells in (lines[0], rule, *lines[1:]))
        ]
        return "\n".join("  ".join(cells).rstrip() for cells in padded)

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
