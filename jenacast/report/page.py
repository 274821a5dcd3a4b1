"""A page and what it is made of: a head, and sections with tables and pictures; all text is escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import jenacast
from jenacast.evaluation import OVER_DAYS
from jenacast.evaluation.bootstrap import Interval
from jenacast.files import atomic_path
from jenacast.tables import Table

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """An SVG within the page, and what it shows in words."""

    name: str
    svg: Markup
    finding: str


@dataclass(frozen=True)
class Part:
    """A heading and what is below it; `folded` tables are shown when they are asked for."""

    title: str
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()


@dataclass(frozen=True)
class Section:
    """Parts about one thing, of a run its settings as TOML too.

    `anchor` is the id for links; a page of runs shows a folded section when it is asked for.
    """

    anchor: str
    title: str
    parts: Sequence[Part]
    settings: str = ""
    is_folded: bool = False


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


def write_page(
    out: Path, template: Path, head: Head, sections: Sequence[Section], *, synthetic: bool, **texts: object
) -> None:
    """Write the page as HTML. It may load nothing, and run no script but its own, which is known by its hash.

    Args:
        out: the page.
        template: the file of one that extends `base.html.j2`.
        head: what the page begins with.
        sections: what it holds, in this order.
        synthetic: whether the series is made up.
        texts: what else the template names.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_keep_units,
    )
    script = (HERE / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    page = environment.get_template(template.name).render(
        head=head,
        sections=sections,
        synthetic=synthetic,
        version=jenacast.__version__,
        over_days=OVER_DAYS,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        script_hash=digest,
        **texts,
    )
    with atomic_path(out) as temporary:
        temporary.write_bytes(page.encode("utf-8", "replace"))  # a folder's name may hold what is no text


def _keep_units(value: Any) -> Any:
    """No line ends between a number and its unit. What is safe stays so, and what is not is escaped after this."""
    return value.replace(" °C", "\xa0°C").replace(" %", "\xa0%") if isinstance(value, str) else value


def digits(value: float, form: str = ".3f") -> str:
    """A number for people."""
    return format(value, form).replace("-", "−")


def span(ends: Interval, form: str = ".3f") -> str:
    """The ends of an interval, for people."""
    return " to ".join(digits(end, form) for end in ends)
