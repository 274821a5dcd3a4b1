import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sweeps import sweep, trial, whole_sweep
from PIL import Image
from report_page import Page, check_is_alone, check_is_well_formed

from jenacast.report.pictures import draw_picture
from jenacast.sweep import plots
from jenacast.sweep.plots import NONE_AT, axis_limits, axis_places
from jenacast.sweep.report import write_sweep_page

pytestmark = pytest.mark.pictures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>&amp; $x$ <script>alert(1)</script>"
PICTURES = {"history": plots.sweep_history, "importance": plots.sweep_importance, "parallel": plots.sweep_parallel}

RATE = "train.learning_rate"
EDGES = {
    "one complete": sweep(trial(0, 2.4), baseline_mae_c=None),
    "one without error, as good as the baseline": sweep(trial(5, 0.0), baseline_mae_c=0.0),
    "two alike": sweep(trial(0, 2.4), trial(1, 2.4)),
    "pruned before the first epoch": sweep(trial(0, 2.4), trial(1, curve_c=[])),
    "running and waiting": sweep(
        trial(0, 2.4), trial(1, state="running"), trial(2, state="waiting", curve_c=[], epochs=0, seconds=None)
    ),
    "errors that are no numbers": sweep(
        trial(0, 2.4), trial(1, 2.5), trial(2, curve_c=[math.nan]), trial(3, curve_c=[math.inf])
    ),
    "nothing searched": sweep(trial(0, 2.4, params={}), trial(1, 2.5, params={})),
    "a constant setting": sweep(*(trial(i, 2.4 + i, params={RATE: 0.1}) for i in range(3)), log=[RATE]),
    "a setting that one alone has": sweep(trial(0, 2.4, params={}), trial(1, 2.5)),
    "choices of all kinds": sweep(
        *(trial(i, 2.4 + i, params={"a": value}) for i, value in enumerate([1, 1.0, True, "x" * 90, "1", -0.0]))
    ),
    "names that are markup": sweep(
        trial(0, 2.4, params={HOSTILE: HOSTILE}, run=HOSTILE, host=HOSTILE),
        trial(1, 2.5, params={HOSTILE: "b"}, host="b"),
        trial(2, state="failed", reason=HOSTILE),
        name=HOSTILE,
        protocol=HOSTILE,
        importance={HOSTILE: 1.0},
    ),
    "everything": whole_sweep(seeds=3, synthetic=True),
}


@pytest.fixture
def write(tmp_path):
    """A function that writes the page of a sweep and reads it."""

    def write(result):
        write_sweep_page(result, tmp_path / "sweep.html")
        return Page((tmp_path / "sweep.html").read_text(encoding="utf-8"))

    return write


def texts(path):
    return [text.text for text in ET.parse(path).iter(f"{SVG}text")]  # noqa: S314 - our own


def drawn(name, result, folder):
    PICTURES[name](folder / f"{name}.svg", result, title="a sweep")
    return texts(folder / f"{name}.svg")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_comes_out_the_same_every_time(name, tmp_path):
    for copy in "ab":
        PICTURES[name](tmp_path / f"{copy}.svg", whole_sweep(), title="a sweep")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "a sweep" in texts(tmp_path / "a.svg")
    PICTURES[name](tmp_path / "a.png", whole_sweep(), title="a sweep")
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.getcolors(maxcolors=100_000)) > 20


def test_what_is_far_off_does_not_press_the_history_flat(tmp_path):
    said = drawn("history", whole_sweep(baseline_mae_c=9.0), tmp_path)
    assert {"trial", "validation MAE (°C)", "complete", "best so far", "pruned, beyond the axis"} <= set(said)
    assert {"complete, beyond the axis", "baseline: the same as now, 9.000 °C, lies above the axis"} <= set(said)
    heights = [float(text) for text in said if re.fullmatch(r"\d\.\d+", text)]
    assert 2.3 < min(heights) < max(heights) < 2.7
    assert "baseline: the same as now, 2.500 °C" in drawn("history", whole_sweep(baseline_mae_c=2.5), tmp_path)
    said = drawn("history", sweep(trial(0, 2.4), trial(1, curve_c=[2.4])), tmp_path)
    assert {"complete", "pruned"} <= set(said)
    assert not any("beyond" in text for text in said)


def test_limits_lie_at_the_outer_fence():
    # quartiles 2.4 and 2.6, so the fence stands at 2.6 + 3 * 0.2 = 3.2
    assert axis_limits(np.array([2.3, 2.4, 2.5, 2.6, 50.0])) == (2.3, 2.6)
    assert axis_limits(np.array([2.3, 2.4, 2.5, 2.6, 3.19])) == (2.3, 3.19)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_limits_are_never_the_same(maes_c):
    low, high = axis_limits(np.array(maes_c, float))
    assert low < high < math.inf


def test_bars_say_their_shares(tmp_path):
    said = drawn("importance", whole_sweep(), tmp_path)
    assert [text for text in said if text.endswith(" %")] == ["75.0 %", "25.0 %", "0.0 %"]
    assert "train.learning_rate" in said


def test_parallel_coordinates_show_complete_trials_and_name_the_best(tmp_path):
    pruned_alone = trial(19, params={"model.units": 8})
    said = drawn("parallel", sweep(*whole_sweep().trials, pruned_alone, log=[RATE]), tmp_path)
    assert {"the best: trial 7, 2.400 °C", "the worst", "none", "MAE (°C)", "from 2.51"} <= set(said)
    assert {"recurrent_", "dropout", "optimizer", "adam", "adamw", "true", "false"} <= set(said)
    assert {"1e-05", "0.0001", "0.001", "0.01"} <= set(said)
    assert "units" not in said


@pytest.mark.parametrize(
    ("values", "log", "places"),
    [
        ([1e-4, 1e-3, 1e-2], True, [0, 0.5, 1]),
        ([16, 48, 80], False, [0, 0.5, 1]),
        ([-1.0, 0.0, 3.0], False, [0, 0.25, 1]),
        ([3, 3], False, [0.5, 0.5]),
        (["b", "a", "c", "b"], False, [0.5, 0, 1, 0.5]),
        ([True, False], False, [1, 0]),
        ([1e-4, None, 1e-2], True, [0, NONE_AT, 1]),
        ([None, None], False, [NONE_AT, NONE_AT]),
        (["one"], False, [0.5]),
    ],
)
def test_a_value_stands_at_its_place(values, log, places):
    assert axis_places(values, log=log)[0] == pytest.approx(places)


def test_ticks_are_few_and_short_and_apart():
    def named(values, *, log=False):
        return list(axis_places(values, log=log)[1].values())

    assert named([16, 64, 96]) == ["16", "64", "96"]
    assert named([16, 17, 96]) == ["16", "56", "96"]  # 17 would stand on 16
    assert named(np.geomspace(1e-5, 1e-1, 50).tolist(), log=True) == ["1e-05", "0.001", "0.1"]
    assert named([True, "x", 3, None]) == ["3", "true", "x", "none"]
    assert len(named(["a" * 200, "b"])[0]) < 20


@pytest.mark.parametrize("name", EDGES)
def test_every_sweep_makes_a_page_that_is_well_formed_and_alone(name, write, tmp_path):
    page = write(EDGES[name])
    check_is_well_formed(page)
    check_is_alone(page, (tmp_path / "sweep.html").read_bytes())


def test_the_page_holds_what_the_sweep_found_and_a_table_of_all_trials(write, tmp_path):
    page = write(whole_sweep())
    first = (tmp_path / "sweep.html").read_bytes()
    assert (page.one("h1").text, page.one("title").text) == ("rates", "rates · jenacast")
    header = page.one("header").text
    assert "The best of 12 complete trials is trial 7, with a validation MAE of 2.400 °C." in header
    assert "The test split was not read." in header
    assert "optimistic" in header
    assert "12 complete, 4 pruned, 3 failed" in header
    tiles = dict(zip(*([element.text for element in page.all(tag)] for tag in ("dt", "b")), strict=False))
    assert tiles == {
        "best validation MAE": "2.400 °C",
        "baseline's validation MAE": "2.620 °C",
        "trials": "19",
        "epochs trained in all": "32",  # 16 trials of 2
    }
    assert "--seeds 3" in page.text
    assert [caption.text for caption in page.all("figcaption")] == [
        "The first complete trial, 0, has a validation MAE of 2.470 °C; the best, 7, 2.400 °C.",
        "What tells the best trials from the others most is train.learning_rate, with 75.0 %.",
        "12 trials, from 2.400 to 40.000 °C.",
    ]
    rows = page.rows("All trials")
    assert [row[0] for row in rows[:11]] == ["7", "6", "5", "10", "11", "1", "13", "0", "15", "17", "18"]
    assert rows[0] == ["7", "complete", "2.400", "–", "1e-05", "adamw", "0", "false", "0.007", "here", "/runs/7", "2",
                       "30", ""]  # fmt: skip
    assert rows[1][8] == "–"  # a setting that it does not have
    assert [(row[0], row[1], row[-1]) for row in rows[12:14]] == [
        ("3", "failed", "the loss is no number"),
        ("4", "pruned", ""),
    ]
    write(whole_sweep())
    assert (tmp_path / "sweep.html").read_bytes() == first


def test_with_several_seeds_the_deviation_is_shown(write):
    page = write(sweep(trial(0, 2.4, val_mae_std_c=0.0126), trial(1, 2.5, val_mae_std_c=0.5), seeds=3))
    assert "2.400 °C ± 0.013 °C over 3 seeds" in page.one("header").text
    assert [row[2:4] for row in page.rows("All trials")] == [["2.400", "0.013"], ["2.500", "0.500"]]
    assert "--seeds" not in page.text


def test_what_takes_more_trials_is_said_instead_of_drawn(write):
    page = write(sweep(trial(0, 2.4), trial(1)))
    assert "This picture takes 10 complete trials; the complete ones so far: 1." in page.text
    assert "This picture takes 2 complete trials and a setting that is searched" in page.text
    assert len(page.all("svg")) == 1


def test_text_is_never_markup(write):
    page = write(EDGES["names that are markup"])
    assert page.one("h1").text == HOSTILE
    assert page.one("title").text == f"{HOSTILE} · jenacast"
    assert len(page.all("script")) == 1
    assert page.text.count(HOSTILE) > 6
    assert all(b.parent.tag == "dd" for b in page.all("b"))


def test_a_made_up_series_is_named_loudly(write):
    page = write(sweep(trial(0, 2.4), synthetic=True))
    assert page.one("title").text.startswith("SYNTHETIC: ")
    assert page.one("header").text.startswith("SYNTHETIC SERIES, not Jena.")
    assert all("SYNTHETIC SERIES, not Jena" in svg.text for svg in page.all("svg"))


def test_what_a_picture_says_stays_as_it_is_in_the_page_and_lines_follow_its_colours():
    labels = {"0.00055": 1.0, 'id="x" #ffffff url(#a)': 0.5}
    svg = draw_picture("here", "", plots.sweep_importance, sweep(importance=labels)).svg
    assert set(labels) <= {text.text for text in ET.fromstring(svg).iter(f"{SVG}text")}  # noqa: S314 - our own
    assert not re.search(r'="[^"]*\d\.\d{3}', svg)
    svg = draw_picture("here", "", plots.sweep_parallel, whole_sweep()).svg
    assert {f"--ramp-{step}" for step in range(6)} <= set(re.findall(r"--[\w-]+", svg))
    assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
