"""The station's page: which files it links to. Their names are read there, never made up."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

PAGES = (
    "https://www.bgc-jena.mpg.de/wetter/weather_data.html",
    "https://weather.bgc-jena.mpg.de/weather_data.html",
)
WANTED = "a zip whose name begins with mpi_roof"  # the roof; the mpi_saale and MPI_Soil files are other stations'
ROOF_ZIP = re.compile(r"mpi_roof[\w .-]*\.zip", re.IGNORECASE | re.ASCII)
PERIOD = re.compile(r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<first_half>a(?![a-z]))?(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """A file that the page links to."""

    name: str
    url: str


def read_links(html: str, url: str) -> list[Link]:
    """The zips of the roof that the page at `url` links to, each name once, in the page's order."""
    page = _Page(url)
    page.feed(html)
    links: dict[str, Link] = {}
    for target in page.targets:
        name = unquote(urlsplit(target).path).rpartition("/")[2]
        if ROOF_ZIP.fullmatch(name):
            links.setdefault(name, Link(name, target))
    return list(links.values())


def host_of(url: str) -> str:
    """The host of a URL, with its port where one is given."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def known_hosts(page: str) -> set[str]:
    """The hosts that files may come from: the page's own and the station's two."""
    return {host_of(address) for address in (page, *PAGES)}


def period_end(name: str) -> datetime | None:
    """When the period of a file ends, by its name; None for the running one, whose name has no year."""
    found = PERIOD.search(name)
    if not found:
        return None
    year = int(found["year"])
    return datetime(year, 7, 1, tzinfo=UTC) if found["first_half"] else datetime(year + 1, 1, 1, tzinfo=UTC)


class _Page(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self._base = url

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        try:
            address = urljoin(self._base, (address or "").strip())
        except ValueError:  # no address, such as http://[
            return
        if tag == "base":
            self._base = address
        elif tag == "a":
            self.targets.append(address)
