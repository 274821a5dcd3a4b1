import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import (
    NAN,
    PICTURES,
    SAID,
    SVG,
    draw_curves,
    draw_evaluation,
    draw_forecast,
    draw_forecasts,
    draw_leads,
    draw_one_epoch,
    draw_panels,
    hours,
    made_group,
    texts,
    wave,
)
from PIL import Image

from jenacast import plotting
from jenacast.columns import NAMES
from jenacast.data.prepare import prepare
from jenacast.data.synthetic import synthetic_series
from jenacast.errors import ConfigError
from jenacast.evaluation import plots
from jenacast.plotting import check_suffix

pytestmark = pytest.mark.pictures


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_says_units_and_baseline_as_text_and_comes_out_the_same_every_time(name, tmp_path):
    draw, words = PICTURES[name]
    draw(tmp_path / "a.svg", **SAID)
    assert words <= texts(tmp_path / "a.svg")
    draw(tmp_path / "b.svg", **SAID)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_several_forecasts_have_a_panel_each_and_one_scale_and_only_the_newest_starts_from_now(tmp_path, monkeypatch):
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **_: drawn.extend(figure.axes))
        draw_panels(tmp_path / "a.svg", **SAID)
    assert [axis.get_title() for axis in drawn] == [f"panel {count}" for count in (30, 50, 70, 90, 110)]
    assert len({(axis.get_xlim(), axis.get_ylim()) for axis in drawn}) == 1
    assert drawn[0].get_xlim()[1] > 24  # hours from each one's own origin
    marks = [[text.get_text() for text in axis.texts] for axis in drawn]
    assert marks == [["from here"]] * 4 + [["now"]]
    draw_panels(tmp_path / "b.svg", **SAID)
    legend = [text.text for text in ET.parse(tmp_path / "b.svg").iter(f"{SVG}text")]  # noqa: S314 - our own
    assert legend.count("forecast") == 1


def test_a_single_lead_lies_inside_the_axis(tmp_path, monkeypatch):
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **_: drawn.append(figure.axes[0]))
        plots.groups(tmp_path / "a.svg", [made_group("24 h", 2.2, 2.6)], "lead", **SAID)
    assert drawn[0].get_ylim()[1] > 2.6 * 1.03


def test_a_title_stands_as_it_is_and_a_made_up_series_is_named(tmp_path):
    draw_leads(tmp_path / "a.svg", title="best <&> $x$", synthetic=True)
    assert "best <&> $x$  —  SYNTHETIC SERIES, not Jena" in texts(tmp_path / "a.svg")


@pytest.mark.parametrize("name", ["forecast", "comparison"])
def test_a_png_is_an_image_of_the_screens_width_and_comes_out_the_same_every_time(name, tmp_path):
    for file in ("a.PNG", "b.png"):
        PICTURES[name][0](tmp_path / file, **SAID)
    assert (tmp_path / "a.PNG").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.PNG") as image:
        assert image.width == 9 * 120
        assert len(set(image.convert("L").tobytes())) > 10


def test_a_pdf_is_180_mm_wide_in_letters_of_8_pt(tmp_path):
    draw_forecasts(tmp_path / "a.pdf", **SAID)
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    width_pt = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content).group(1))
    assert width_pt / 72 * 25.4 == pytest.approx(180, abs=0.1)
    assert plotting.PRINT["font.size"] == 8
    assert b"CreationDate" not in content
    draw_forecasts(tmp_path / "b.pdf", **SAID)
    assert (tmp_path / "b.pdf").read_bytes() == content


def test_another_suffix_is_refused_before_any_work(tmp_path, jenacast):
    with pytest.raises(ConfigError, match=r"'\.jpg', expected \.png, \.svg or \.pdf"):
        check_suffix(tmp_path / "a.jpg")
    with pytest.raises(ConfigError):
        draw_leads(tmp_path / "a", **SAID)
    refused = jenacast("compare", tmp_path / "no-run", "--plot", tmp_path / "a.gif")
    assert refused.exit_code == 1
    assert "expected .png, .svg or .pdf" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: draw_forecast(path, leads=1, count=1, **SAID),
        lambda path: draw_panels(path, counts=(1, 2), **SAID),
        lambda path: draw_forecasts(path, count=1, **SAID),
        lambda path: draw_forecasts(path, count=0, **SAID),
        lambda path: draw_evaluation(path, count=1, **SAID),
        lambda path: plots.groups(path, [made_group("all", 2.0, 2.6)], "year", **SAID),
        lambda path: plots.groups(path, [], "year", **SAID),
        lambda path: plots.reliability(path, [0.5], [0.4], **SAID),
        lambda path: plots.reliability(path, [], [], **SAID),
        lambda path: plots.groups(path, [made_group("24 h", 2.2, 2.6)], "lead", **SAID),
        lambda path: plots.groups(path, [], "lead", **SAID),
        lambda path: draw_one_epoch(path, **SAID),
    ],
)
def test_few_points_or_none_make_a_picture_too(draw, tmp_path):
    draw(tmp_path / "a.svg")
    assert SAID["title"] in texts(tmp_path / "a.svg")


def test_a_failure_leaves_no_file(tmp_path):
    with pytest.raises(ValueError), plotting.figure(tmp_path / "a.png", **SAID) as (axis,):
        axis.plot([1, 2], [1.0])
    assert not list(tmp_path.iterdir())


def test_central_intervals_are_read_off_the_quantiles_that_mirror_each_other(tmp_path, monkeypatch):
    drawn, draw = [], plots._against_diagonal
    monkeypatch.setattr(plots, "_against_diagonal", lambda *args: (drawn.append(args[1:]), draw(*args)))
    plots.reliability(tmp_path / "a.svg", [0.05, 0.25, 0.5, 0.75, 0.9], [0.1, 0.2, 0.5, 0.9, 1.0], **SAID)
    (nominal, inside) = drawn[1]
    assert nominal == pytest.approx([0.5])  # 5 % has no 95 % beside it
    assert inside == pytest.approx([0.7])


def test_a_gap_gets_a_nan_and_nothing_else_does():
    times = hours(10)[[0, 1, 2, 6, 7]]
    drawn_at, values = plotting.with_gaps(times, np.array([1.0, 2, 3, 4, 5]))
    np.testing.assert_array_equal(values, [1, 2, 3, NAN, 4, 5])
    assert len(drawn_at) == 6
    assert plotting.with_gaps(hours(9), wave(9))[1] == pytest.approx(wave(9))


@given(st.sets(st.integers(0, 60), min_size=3))
def test_no_line_crosses_a_gap_and_no_value_is_lost(present):
    picks = sorted(present)
    drawn_at, values = plotting.with_gaps(hours(61)[picks], np.array(picks, float))
    np.testing.assert_array_equal(values[~np.isnan(values)], picks)
    usual = min(step for step in np.diff(picks) if list(np.diff(picks)).count(step) == most_common(np.diff(picks)))
    steps = np.diff(drawn_at).astype("timedelta64[h]").astype(int)
    crossed = steps[~np.isnan(values[1:]) & ~np.isnan(values[:-1])]
    assert (crossed <= 1.5 * usual).all()


def most_common(steps):
    return max(list(steps).count(step) for step in steps)


def test_a_matplotlibrc_changes_no_picture(tmp_path, monkeypatch):
    draw_forecast(tmp_path / "a.png", title="", synthetic=False)
    read = {"text.usetex": True, "savefig.dpi": 9, "timezone": "Asia/Tokyo", "axes.facecolor": "red"}
    for name, value in read.items():
        monkeypatch.setitem(matplotlib.rcParams, name, value)
    draw_forecast(tmp_path / "b.png", title="", synthetic=False)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert matplotlib.rcParams["savefig.dpi"] == 9  # a program that imports the package keeps its own


def test_dropout_is_said_where_there_is_some(tmp_path):
    draw_curves(tmp_path / "curves.svg", dropout=True, title="", synthetic=False)
    assert "train, dropout on" in (tmp_path / "curves.svg").read_text(encoding="utf-8")


@pytest.fixture
def faulty(place_csv):
    """A data folder of a made-up hourly series: a gap of nine hours on its third day, and -9999 later on."""
    times, values = synthetic_series(rows=1400, step_minutes=60, warts=False)
    values[900, NAMES.index("temperature_c")] = values[1300, NAMES.index("wind_speed_m_per_s")] = -9999
    kept = np.delete(np.arange(1400), slice(50, 58))
    folder = place_csv(times[kept], values[kept])
    prepare(folder, synthetic=True)
    return folder, times, values[:, NAMES.index("temperature_c")]


def test_the_series_is_drawn_as_measured_with_its_faults(faulty, jenacast, tmp_path, monkeypatch):
    folder, times, temperature_c = faulty
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, path, **_: drawn.extend(figure.axes))
        done = jenacast("prepare", "--data-dir", folder, "--plot", tmp_path / "series.svg")
    assert "nothing to do" in done.stderr  # it was prepared before, and is drawn all the same
    for axis, rows in zip(drawn, (1400, 240), strict=True):  # all of it, and ten days
        at, values_c = axis.lines[0].get_data()
        line = dict(zip(at[~np.isnan(values_c)], values_c[~np.isnan(values_c)], strict=True))
        shown = [row for row in range(rows) if row not in {*range(50, 58), 900}]
        assert line == pytest.approx({times[row]: temperature_c[row] for row in shown}, abs=1e-4)
        assert np.isnan(values_c[50])  # no line crosses the gap
        marks = {mark.get_label(): list(mark.get_xdata()) for mark in axis.lines if mark.get_marker() != "None"}
        gap, *replaced = marks.values()
        assert gap == [times[49]]
        assert replaced == ([[times[900], times[1300]]] if rows == 1400 else [])
    assert {"gap", "first replaced value of a column"} <= {mark.get_label() for mark in drawn[0].lines}


def test_a_picture_of_the_series_names_splits_and_what_is_made_up_and_replaces_nothing(faulty, jenacast, tmp_path):
    command = ("prepare", "--data-dir", faulty[0], "--plot", tmp_path / "series.svg")
    assert jenacast(*command).exit_code == 0
    title = "1,392 rows, 1 an hour; protocol strict  —  SYNTHETIC SERIES, not Jena"
    assert {title, " validation", " test", "gap", "temperature (°C)"} <= texts(tmp_path / "series.svg")
    before = (tmp_path / "series.svg").read_bytes()
    again = jenacast(*command, "--protocol", "book")
    assert again.exit_code == 1
    assert "series.svg exists; --force" in again.stderr
    assert not (faulty[0] / "prepared-other").exists()  # refused before any work
    assert jenacast(*command, "--force").exit_code == 0
    assert (tmp_path / "series.svg").read_bytes() == before
