"""Reading a report as a browser would: its elements, their texts, and whether they are closed in order."""

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
