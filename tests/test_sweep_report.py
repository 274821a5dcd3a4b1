import itertools
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

from jenacast.errors import ExistsError
from jenacast.report.pictures import inline_svg
from jenacast.sweep import plots
from jenacast.sweep.coordinates import BEYOND_AT, LEAST_GAP, NONE_AT, coordinate, mae_coordinate, sight
from jenacast.sweep.page import write_sweep_page

pytestmark = pytest.mark.pictures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<b>&amp; $x$ <script>alert(1)</script>"
BASELINE = "baseline: the same as now"
PICTURES = {"history": plots.sweep_history, "importance": plots.sweep_importance, "parallel": plots.sweep_parallel}

RATE = "train.learning_rate"
EDGES = {
    "no trial": sweep(baseline_mae_c=None),
    "one complete": sweep(trial(0, 2.4)),
    "one complete, as good as the baseline": sweep(trial(0, 2.62)),
    "one without error": sweep(trial(5, 0.0)),
    "two alike": sweep(trial(0, 2.4), trial(1, 2.4)),
    "all pruned": sweep(trial(0), trial(1, curve_c=[2.7])),
    "pruned before the first epoch": sweep(trial(0, curve_c=[])),
    "all failed": sweep(*(trial(i, state="failed", curve_c=[], seconds=None, reason="why") for i in range(3))),
    "one failed without a word": sweep(trial(0, state="failed", curve_c=[], seconds=None), baseline_mae_c=None),
    "running and waiting": sweep(trial(0, state="running"), trial(1, state="waiting", curve_c=[], epochs=0)),
    "errors that are no numbers": sweep(
        trial(0, 2.4), trial(1, 2.5), trial(2, curve_c=[math.nan]), trial(3, curve_c=[math.inf])
    ),
    "only errors that are no numbers": sweep(trial(0, curve_c=[math.nan]), trial(1, curve_c=[math.inf])),
    "nothing searched": sweep(trial(0, 2.4, params={}), trial(1, 2.5, params={})),
    "a constant setting": sweep(*(trial(i, 2.4 + i, params={RATE: 0.1}) for i in range(3))),
    "a setting that one alone has": sweep(trial(0, 2.4, params={}), trial(1, 2.5)),
    "choices of all kinds": sweep(
        *(trial(i, 2.4 + i, params={"a": value}) for i, value in enumerate([1, 1.0, True, "x" * 90, "1", -0.0, [2]]))
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
        write_sweep_page(result, tmp_path / "sweep.html", force=True)
        return Page((tmp_path / "sweep.html").read_text(encoding="utf-8"))

    return write


def texts(path):
    return [text.text for text in ET.parse(path).iter(f"{SVG}text")]  # noqa: S314 - our own


def drawn(name, result, folder):
    PICTURES[name](folder / f"{name}.svg", result, title="a sweep")
    return texts(folder / f"{name}.svg")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_comes_out_the_same_every_time(name, tmp_path):
    for suffix in (".png", ".svg"):
        paths = [tmp_path / f"{copy}{suffix}" for copy in "ab"]
        for path in paths:
            PICTURES[name](path, whole_sweep(), title="a sweep")
        assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.getcolors(maxcolors=100_000)) > 20
    assert "a sweep" in texts(tmp_path / "a.svg")


def test_the_history_names_all_that_became_of_trials(tmp_path):
    said = drawn("history", whole_sweep(baseline_mae_c=2.55), tmp_path)
    assert {"trial", "validation MAE (°C)", BASELINE, "complete", "best so far", "failed"} <= set(said)
    assert {"pruned, at its last epoch", "beyond the axis"} <= set(said)
    assert "deviation over its seeds" not in said
    deviating = sweep(trial(0, 2.4, val_mae_std_c=0.1), trial(1, 2.5, val_mae_std_c=0.0), seeds=3)
    said = drawn("history", deviating, tmp_path)
    assert "deviation over its seeds" in said
    assert not {"failed", "beyond the axis", "pruned, at its last epoch"} & set(said)


def test_what_is_far_off_does_not_press_the_history_flat(tmp_path):
    far = sweep(*whole_sweep().trials, baseline_mae_c=9.0)
    said = drawn("history", far, tmp_path)
    assert f"{BASELINE}, 9.000 °C" in said
    assert BASELINE not in said
    heights = [float(text) for text in said if re.fullmatch(r"\d\.\d+", text)]
    assert min(heights) > 2.3
    assert max(heights) < 2.7


def test_sight_ends_at_the_outer_fence():
    # quartiles 2.4 and 2.6, so the fence stands at 2.6 + 3 * 0.2 = 3.2
    assert sight(np.array([2.3, 2.4, 2.5, 2.6, 50.0])) == (2.3, 2.6)
    assert sight(np.array([2.3, 2.4, 2.5, 2.6, 3.19])) == (2.3, 3.19)


@given(st.lists(st.floats(0, 1e6) | st.just(math.nan) | st.just(math.inf)))
def test_sight_is_never_nothing(maes_c):
    low, high = sight(np.array(maes_c, float))
    assert math.isfinite(low)
    assert low < high < math.inf


def test_bars_say_their_shares(tmp_path):
    said = drawn("importance", whole_sweep(), tmp_path)
    assert [text for text in said if text.endswith(" %")] == ["75.0 %", "25.0 %", "0.0 %"]
    assert "train.learning_rate" in said


def test_parallel_coordinates_show_complete_trials_and_name_the_best(tmp_path):
    pruned_alone = trial(19, params={"model.units": 8})
    said = drawn("parallel", sweep(*whole_sweep().trials, pruned_alone), tmp_path)
    assert {"the best: trial 7, 2.400 °C", "among the best", "among the worst", "none", "MAE (°C)"} <= set(said)
    assert {"recurrent_", "dropout", "optimizer", "adam", "adamw", "true", "false", "over 2.51"} <= set(said)
    assert {"1e-05", "0.0001", "0.001", "0.01"} & set(said) == {"1e-05", "0.0001", "0.001", "0.01"}
    assert "units" not in said


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([1e-4, 1e-3, 1e-2], [0, 0.5, 1]),
        ([16, 48, 80], [0, 0.5, 1]),
        ([0.0, 1e-3, 1.0], [0, 1e-3, 1]),  # 0 has no place on a log scale
        ([0.002, 0.251, 0.5], [0, 0.5, 1]),  # a wide span that is spread evenly all the same
        ([-1.0, 0.0, 3.0], [0, 0.25, 1]),
        ([3, 3], [0.5, 0.5]),
        (["b", "a", "c", "b"], [0.5, 0, 1, 0.5]),
        ([True, False], [1, 0]),
        ([1e-4, None, 1e-2], [0, NONE_AT, 1]),
        ([None, None], [NONE_AT, NONE_AT]),
        (["one"], [0.5]),
        ([], []),
    ],
)
def test_a_value_stands_at_its_place(values, places):
    assert coordinate(values).places == pytest.approx(places)


def test_ticks_are_short_and_as_a_config_says_them():
    assert coordinate([16, 64, 65536]).ticks[-1] == (1, "65536")
    assert coordinate([1e-4, 0.00123456]).ticks == [(0, "0.0001"), (1, "0.00123")]
    assert [label for _, label in coordinate([True, "x", 3]).ticks] == ["3", "true", "x"]
    assert [label for _, label in coordinate(np.geomspace(1e-5, 1e-1, 50).tolist()).ticks] == [
        *("1e-05", "0.0001", "0.001", "0.01", "0.1")
    ]
    assert len(coordinate(["a" * 200, "b"]).ticks[0][1]) < 20


def test_an_error_out_of_sight_stands_beyond_the_axis():
    axis = mae_coordinate([2.3, 2.4, 2.5, 2.6, 50.0])
    assert axis.places == pytest.approx([0, 1 / 3, 2 / 3, 1, BEYOND_AT])
    assert (BEYOND_AT, "over 2.6") in axis.ticks


numbers = st.floats(-1e9, 1e9) | st.floats(1e-9, 1e-1) | st.integers(-(10**6), 10**6)


@given(st.lists(numbers, min_size=1, max_size=40) | st.lists(st.text() | st.booleans() | numbers, max_size=20))
def test_places_keep_the_order_and_ticks_their_distance(values):
    axis = coordinate(values)
    assert np.all((axis.places >= 0) & (axis.places <= 1))
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        assert np.all(np.diff(axis.places[np.argsort(values)]) >= 0)
    heights = sorted(height for height, _ in axis.ticks)
    assert all(low + 0.99 * LEAST_GAP <= high for low, high in itertools.pairwise(heights))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("without", ["no trial", "one complete", "all failed", "nothing searched"])
def test_where_there_is_nothing_to_draw_there_is_a_picture_all_the_same(name, without, tmp_path):
    assert "a sweep" in drawn(name, EDGES[without], tmp_path)


@pytest.mark.parametrize("name", EDGES)
def test_every_sweep_makes_a_page_that_is_well_formed_and_alone(name, write, tmp_path):
    page = write(EDGES[name])
    check_is_well_formed(page)
    check_is_alone(page, (tmp_path / "sweep.html").read_bytes())


def test_the_same_sweep_gives_the_same_page(write, tmp_path):
    write(whole_sweep())
    first = (tmp_path / "sweep.html").read_bytes()
    write(whole_sweep())
    assert (tmp_path / "sweep.html").read_bytes() == first


def test_the_page_holds_what_the_sweep_came_to(write):
    page = write(whole_sweep())
    assert page.one("h1").text == "rates"
    assert page.one("title").text == "rates · jenacast"
    header = page.one("header").text
    assert "19 trials: 12 complete, 4 pruned, 3 failed." in header
    assert "The best is trial 7, with a validation MAE of 2.400 °C." in header
    assert "errs by 2.620 °C on validation" in header
    assert "The test split was not read." in header
    assert "optimistic" in header
    tiles = dict(zip(*([element.text for element in page.all(tag)] for tag in ("dt", "b")), strict=False))
    assert tiles == {
        "best validation MAE": "2.400 °C",
        "baseline's validation MAE": "2.620 °C",
        "trials": "19",
        "epochs trained in all": "32",  # 16 trials of 2
    }
    assert "--seeds 3" in page.text
    assert len(page.all("svg")) == 3
    for finding in (
        "goes from 2.470 °C (trial 0) down to 2.400 °C (trial 7); 6 complete trials after that one are no better",
        "most is train.learning_rate, with 75.0 %, then train.optimizer with 25.0 %",
        "12 complete trials, with a validation MAE from 2.400 to 40.000 °C. The best, trial 7, has train.learning_rate "
        "1e-05, train.optimizer adamw, model.recurrent_dropout 0, model.bidirectional false, train.weight_decay 0.007.",
    ):
        assert finding in " ".join(caption.text for caption in page.all("figcaption"))


def test_the_tables_hold_the_ten_best_and_all(write):
    page = write(whole_sweep())
    best = page.rows("The best trials")
    assert [row[0] for row in best] == ["7", "6", "5", "10", "11", "1", "13", "0", "15", "17"]
    assert best[0] == ["7", "2.400", "1e-05", "adamw", "0", "false", "0.007", "/runs/7", "2", "30"]
    assert best[1][6] == "–"  # a setting that it does not have
    everything = page.rows("All trials")
    assert [row[0] for row in everything] == [str(number) for number in range(19)]
    assert everything[4][:4] == ["4", "pruned", "–", "2.900"]
    assert everything[9][1] == "failed"
    assert everything[9][-1] == "out of memory"
    assert "2 trials (3, 14): the loss is no number" in page.text
    assert "Trial 9: out of memory" in page.text
    assert page.rows("Importance of the settings")[0] == ["train.learning_rate", "75.0 %"]


def test_with_several_seeds_the_deviation_is_shown(write):
    page = write(sweep(trial(0, 2.4, val_mae_std_c=0.0126), trial(1, 2.5, val_mae_std_c=0.5), seeds=3))
    assert "2.400 °C (deviation over 3 seeds: 0.013 °C)" in page.one("header").text
    assert [row[:3] for row in page.rows("The best trials")] == [["0", "2.400", "0.013"], ["1", "2.500", "0.500"]]
    assert "--seeds" not in page.text


def test_machines_are_named_where_there_are_several(write):
    assert "machine" not in write(sweep(trial(0, 2.4))).text
    rows = write(sweep(trial(0, 2.4), trial(1, 2.5, host="there"))).rows("The best trials")
    assert [row[3:5] for row in rows] == [["here", "/runs/0"], ["there", "/runs/1"]]


def test_what_takes_more_trials_is_said_instead_of_drawn(write):
    page = write(sweep(trial(0, 2.4), trial(1)))
    assert "The importance of the settings takes 10 complete trials; there are 1." in page.text
    assert "take 2 complete trials and a setting that is searched" in page.text
    assert "The first complete trial, 0, has a validation MAE of 2.400 °C" in page.text
    assert len(page.all("svg")) == 1
    page = write(sweep(trial(0), trial(1, state="running")))
    assert "2 trials: 0 complete, 1 pruned, 0 failed, 1 running. None is complete" in page.one("header").text
    assert not page.all("caption")[0].text.startswith("The best")
    assert not write(EDGES["all failed"]).all("svg")


def test_text_is_never_markup(write):
    page = write(EDGES["names that are markup"])
    assert page.one("h1").text == HOSTILE
    assert page.one("title").text == f"{HOSTILE} · jenacast"
    assert len(page.all("script")) == 1
    assert f"Trial 2: {HOSTILE}" in page.text
    assert page.text.count(HOSTILE) > 6
    assert all(b.parent.tag == "dd" for b in page.all("b"))


def test_a_made_up_series_is_named_loudly(write):
    page = write(whole_sweep(synthetic=True))
    assert page.one("title").text.startswith("SYNTHETIC: ")
    assert page.one("header").text.startswith("SYNTHETIC SERIES, not Jena.")
    assert all("SYNTHETIC SERIES, not Jena" in svg.text for svg in page.all("svg"))


def test_an_existing_page_is_not_overwritten_unasked(tmp_path):
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(ExistsError, match="--force"):
        write_sweep_page(whole_sweep(), tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "mine"


def test_what_a_picture_says_stays_as_it_is_in_the_page():
    labels = {"0.00055": 1.0, 'id="x" #ffffff url(#a)': 0.5}

    def draw(path):
        plots.sweep_importance(path, sweep(importance=labels), title="")

    svg = inline_svg(draw, "here")
    assert set(labels) <= {text.text for text in ET.fromstring(svg).iter(f"{SVG}text")}  # noqa: S314 - our own
    assert not re.search(r'="[^"]*\d\.\d{3}', svg)


def test_the_lines_of_trials_follow_the_pages_colours():
    svg = inline_svg(lambda path: plots.sweep_parallel(path, whole_sweep(), title=""), "here")
    assert {f"--ramp-{step}" for step in range(6)} <= set(re.findall(r"--[\w-]+", svg))
    assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
