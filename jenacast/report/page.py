"""The page itself: what was gathered, put into a template, with all text escaped."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import jenacast
from jenacast.files import atomic_path
from jenacast.report.parts import Head, Section

HERE = Path(__file__).parent


def write_page(out: Path, template: Path, head: Head, sections: Sequence[Section], *, synthetic: bool) -> None:
    """Write the page as HTML. It may load nothing, and run no script but its own, which is known by its hash.

    Args:
        out: the page.
        template: the file of one that extends `base.html.j2`.
        head: what the page begins with.
        sections: what it holds, in this order.
        synthetic: whether the series is made up.
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
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        script_hash=digest,
    )
    with atomic_path(out) as temporary:
        temporary.write_bytes(page.encode("utf-8", "replace"))  # a folder's name may hold what is no text


def _keep_units(value: Any) -> Any:
    """No line ends between a number and its unit. What is safe stays so, and what is not is escaped after this."""
    return value.replace(" °C", "\xa0°C").replace(" %", "\xa0%") if isinstance(value, str) else value
