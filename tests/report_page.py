"""Reading a report as a browser would: its elements, their texts, and whether they are closed in order."""

import base64
import hashlib
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "link", "input"}


@dataclass
class Element:
    tag: str
    attributes: dict
    parent: "Element | None"
    pieces: list = field(default_factory=list)

    @property
    def text(self):
        return " ".join("".join(self.pieces).replace("\xa0", " ").split())


class Page(HTMLParser):
    """The elements of a page in their order; a tag that is not closed where it should be is an error."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert not self.open, [element.tag for element in self.open]

    def handle_starttag(self, tag, attrs):
        assert not [name for name, count in Counter(name for name, _ in attrs).items() if count > 1]
        element = Element(tag, dict(attrs), self.open[-1] if self.open else None)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.pieces.append(data)

    def all(self, *tags):
        return [element for element in self.elements if element.tag in tags]

    def one(self, tag):
        (element,) = self.all(tag)
        return element

    @property
    def text(self):
        return self.one("main").text

    def rows(self, caption):
        """The body rows, as texts, of the table whose caption begins so."""
        (table,) = [c.parent for c in self.all("caption") if c.text.startswith(caption)]
        cells = [cell for cell in self.all("th", "td") if cell.parent.parent.tag == "tbody"]
        rows = {}
        for cell in cells:
            if cell.parent.parent.parent is table:
                rows.setdefault(id(cell.parent), []).append(cell.text)
        return list(rows.values())


def check_is_well_formed(page):
    """Headings in order, ids that are unique and found, tables and pictures that are named, nothing from elsewhere."""
    assert page.one("html").attributes["lang"] == "en"
    levels = [int(heading.tag[1]) for heading in page.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels))
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name, value in element.attributes.items():
            if name in ("href", "xlink:href"):
                assert value[0] == "#"
                assert value[1:] in ids
            if name == "aria-labelledby":
                assert value in ids
            assert name not in ("src", "action", "srcset", "data"), f"{element.tag} {name}={value}"
            assert not name.startswith("on"), f"{element.tag} {name}={value}"
    assert not page.all("link", "iframe", "object", "embed", "form", "base")
    for svg in page.all("svg"):
        assert svg.attributes["role"] == "img"
        assert svg.attributes["aria-labelledby"]
    captioned = [table for table in page.all("caption") if table.text]
    assert len(captioned) == len(page.all("table"))
    for cell in page.all("th"):
        assert cell.attributes["scope"] == ("col" if cell.parent.parent.tag == "thead" else "row")
    assert not re.search(r"url\((?!#)", page.one("style").text)


def check_is_alone(page, html):
    """Its policy allows its own script, known by its hash, and no address."""
    (policy,) = [m.attributes["content"] for m in page.all("meta") if "http-equiv" in m.attributes]
    (script,) = re.findall(rb"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}';" in policy
    assert "http" not in policy
    assert len(html) < 1_000_000
