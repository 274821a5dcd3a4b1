"""The page itself: what was gathered, put into the template, with all text escaped."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import jenacast
from jenacast.report.details import RunSection
from jenacast.report.parts import Section
from jenacast.report.result import Result

HERE = Path(__file__).parent


def render(*, result: Result, data: Section, runs: Sequence[RunSection], synthetic: bool) -> str:
    """The page as HTML. It may load nothing, and run no script but its own, which is known by its hash."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_keep_units,
    )
    script = (HERE / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return environment.get_template("report.html.j2").render(
        result=result,
        data=data,
        runs=runs,
        synthetic=synthetic,
        version=jenacast.__version__,
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        script_hash=digest,
    )


def _keep_units(value: Any) -> Any:
    """No line ends between a number and its unit. What is safe stays so, and what is not is escaped after this."""
    return value.replace(" °C", "\xa0°C").replace(" %", "\xa0%") if isinstance(value, str) else value
