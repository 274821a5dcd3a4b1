"""The report in a real browser: Chromium as the machine has it, without a network."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forecasts import station_file
from made_sweeps import whole_sweep
from PIL import Image

from jenacast.config import dump_config, load_config, with_train
from jenacast.report import write_report
from jenacast.sweep.report import write_sweep_page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "google-chrome-stable"))), None)
pytestmark = [
    pytest.mark.system,
    pytest.mark.pictures,
    pytest.mark.skipif(not BROWSER, reason="neither chromium nor google-chrome is on the PATH"),
]

PHONE, DESKTOP = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def addresses(_trained_run, tmp_path_factory):
    """Of a report about two runs, the data of one of them gone, and of the page of a sweep."""
    folder = tmp_path_factory.mktemp("browser")
    twin = Path(shutil.copytree(_trained_run, folder / "twin"))
    config = with_train(load_config(twin / "config.toml"), seed=1)
    (twin / "config.toml").write_text(dump_config(config))
    record = json.loads((twin / "run.json").read_text())
    (twin / "run.json").write_text(json.dumps(record | {"data_dir": "/gone"}))
    write_report([_trained_run, twin], folder / "report.html")
    write_sweep_page(whole_sweep(seeds=3, synthetic=True), folder / "sweep.html")
    station = station_file(folder / "station.csv", 240)
    command = [sys.executable, "-m", "jenacast", "forecast", station, "--data-dir", folder]
    for options in (["--every", "6h", "--keep"], ["--page", folder / "tomorrow.html"]):
        subprocess.run([*command, *options], check=True, capture_output=True)
    return {name: (folder / f"{name}.html").as_uri() for name in ("report", "sweep", "tomorrow")}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])  # root has no sandbox
        yield started
        started.close()


@pytest.fixture
def complaints():
    """What the browser's console says."""
    return []


@pytest.fixture
def visit(browser, addresses, complaints):
    """A function that opens a page; in the end it must have asked for nothing and complained of nothing."""
    contexts, opened, asked = [], [], []

    def open_page(size=DESKTOP, scheme="light", name="report"):
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("requestfinished", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        opened.append(addresses[name])
        page.goto(addresses[name])
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert asked == opened
    assert complaints == []


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("name", "size"),
    [("report", PHONE), ("report", DESKTOP), ("sweep", PHONE), *((("tomorrow", size)) for size in (PHONE, DESKTOP))],
)
def test_axe_finds_nothing_to_object_to_and_the_page_never_scrolls_sideways(visit, name, size, scheme):
    page = visit(size, scheme, name)
    unfold(page)
    found = Axe().run(page)
    assert len(found.response["passes"]) > 20
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_the_lines_of_a_sweep_follow_the_scheme(visit):
    line = "getComputedStyle(document.querySelector('[style*=ramp-0]')).stroke"
    light, dark = (visit(DESKTOP, scheme, "sweep").evaluate(line) for scheme in SCHEMES)
    assert (light, dark) == ("rgb(68, 1, 84)", "rgb(253, 231, 37)")


def test_a_phone_scrolls_tables_and_pictures_in_their_boxes(visit):
    page = visit(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    unfold(page)
    boxes = page.evaluate("[...document.querySelectorAll('.scroll')].map((box) => [box.scrollWidth, box.clientWidth])")
    assert any(inside > outside for inside, outside in boxes)
    assert all(outside <= PHONE["width"] for _, outside in boxes)
    figures, summary = (page.locator(name).bounding_box() for name in (".tiles", ".summary"))
    assert figures["y"] + figures["height"] <= summary["y"]  # what counts comes first


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_screenshot_shows_the_schemes_colours_and_is_not_blank(visit, scheme):
    page = visit(DESKTOP, scheme)
    image = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("L")
    assert (image.getpixel((2, 2)) < 64) == (scheme == "dark")
    assert len({level for level, count in enumerate(image.histogram()) if count > 50}) > 30
    assert image.height > 5_000


def test_a_click_sorts_a_table_upwards_then_downwards(visit):
    page = visit()
    unfold(page)
    table = page.locator("table.sortable", has=page.locator("caption", has_text="Errors by hour")).first

    def hours():
        return table.locator("tbody th").all_inner_texts()

    def maes():
        return [float(text) for text in table.locator("tbody td:nth-child(3)").all_inner_texts()]

    in_order, heads = hours(), table.locator("thead th")
    assert in_order == [f"{hour:02d}" for hour in range(24)]
    assert heads.nth(2).get_attribute("aria-sort") is None
    heads.nth(2).get_by_role("button").click()
    assert maes() == sorted(maes())
    assert hours() != in_order
    assert heads.nth(2).get_attribute("aria-sort") == "ascending"
    heads.nth(2).get_by_role("button").press("Enter")  # from the keyboard too
    assert maes() == sorted(maes(), reverse=True)
    assert heads.nth(2).get_attribute("aria-sort") == "descending"
    heads.nth(0).get_by_role("button").click()
    assert hours() == in_order
    assert heads.nth(2).get_attribute("aria-sort") is None


def test_what_was_not_measured_is_sorted_last(visit):
    page = visit()
    table = page.locator("table.sortable", has_text="RMSE and bias")
    bias = table.locator("thead th", has_text="bias").get_by_role("button").first
    for _ in range(2):
        bias.click()
        assert table.locator("tbody tr").last.locator("td").last.inner_text() == "–"


def test_the_links_lead_to_their_sections(visit):
    page = visit()
    links = page.locator("nav a").all()
    assert len(links) == 5
    for link in links:
        link.click()
        assert page.locator(":target").count() == 1
        assert page.locator(":target > h2 + details:not([open])").count() == 0


def test_on_paper_everything_is_unfolded_and_black_on_white(visit):
    page = visit(scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.pdf().startswith(b"%PDF-")


def test_the_policy_stops_what_the_page_never_does(visit, complaints):
    page = visit()
    stopped = page.evaluate(
        """() => new Promise((done) => {
            const stopped = [];
            addEventListener("securitypolicyviolation", (event) => {
                stopped.push(event.effectiveDirective);
                if (stopped.length === 3) done(stopped.sort());
            });
            document.body.insertAdjacentHTML("beforeend", `<img src="http://localhost:9/x.png" onerror="a = 1">`);
            fetch("http://localhost:9/").catch(() => {});
        })"""
    )
    assert stopped == ["connect-src", "img-src", "script-src-attr"]
    assert len(complaints) >= 3
    complaints.clear()
