"""Pictures within a page, in its colours, light or dark."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from jenacast import plotting
from jenacast.report.page import Picture

# Which variable of the page's style sheet takes the place of a colour of the plots
COLOURS = {
    plotting.BLACK: "ink",
    plotting.GREY: "grey",
    plotting.BLUE: "blue",
    plotting.ORANGE: "orange",
    plotting.GREEN: "green",
    **{colour: f"ramp-{place}" for place, colour in enumerate(plotting.RAMP)},
    "#ffffff": "card",  # matplotlib's backgrounds, grid and frames
    "#b0b0b0": "line",
    "#cccccc": "line",
}


def draw_picture(name: str, finding: str, draw: Callable[..., None], *what: Any, **figures: Any) -> Picture:
    """A picture for an HTML page, as an SVG whose ids and colours are the page's.

    Args:
        name: letters, digits and hyphens, other than the names of the page's other pictures; its ids begin with it.
        finding: what the picture shows, in words.
        draw: called as `draw(path, *what, title="", **figures)`; writes an SVG, with all text escaped.
        what: for `draw`.
        figures: for `draw`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        draw(path, *what, title="", **figures)
        svg = path.read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # as wide as its place
    svg = re.sub(r"<[^>]+>", lambda tag: _adapted(tag.group(), name), svg)  # and never what is written between them
    svg = svg.replace("<svg ", f'<svg role="img" aria-labelledby="{name}-finding" ', 1)
    return Picture(name, Markup(svg), finding)  # noqa: S704 - drawn by us


def _adapted(tag: str, name: str) -> str:
    tag = re.sub(r"(\d\.\d\d)\d{2,}", r"\1", tag)  # hundredths of a point are fine enough
    tag = re.sub(r'\bid="|href="#|url\(#', lambda found: f"{found.group()}{name}-", tag)
    return re.sub("|".join(COLOURS), _variable, tag, flags=re.IGNORECASE)


def _variable(found: re.Match[str]) -> str:
    names = {colour.lower(): name for colour, name in COLOURS.items()}
    return f"var(--{names[found.group().lower()]})"
