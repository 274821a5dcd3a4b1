"""The parts of a report, and runs that it refuses."""

import re

import pytest
from conftest import refused

from jenacast.experiments.plots import differences
from jenacast.report.page import digits, span
from jenacast.report.pictures import draw_picture


def test_an_existing_file_is_not_overwritten_unasked_and_a_folder_that_is_no_run_is_refused(
    trained_run, jenacast, tmp_path
):
    out = tmp_path / "report.html"
    refused(jenacast("report", trained_run, tmp_path, "-o", out), str(tmp_path), "not a run folder")
    refused(jenacast("report", tmp_path / "gone", "-o", out), "gone is not a run folder")
    assert not out.exists()
    out.write_text("mine")
    refused(jenacast("report", trained_run, "-o", out), str(out), "exists", "--force")
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.csv", "epoch,loss\n1,2\n"),
        ("history.csv", lambda old: old[: old.index("\n2,")]),
        ("history.csv", lambda old: old[: old.index("\n1,") + 1]),
        ("history.csv", lambda old: ""),
        ("history.csv", lambda old: old.replace("\n2,", "\n2,0.")),
        ("history.csv", lambda old: old.replace("\n2,", "\n3,")),
        ("metrics.json", '{"val_baseline_mae_c": NaN}'),
        ("run.json", '{"data_dir": 3}'),
        ("config.toml", "name = "),
        ("best.keras", "no network"),
    ],
)
def test_a_damaged_run_is_refused_by_the_name_of_its_file(trained_run, jenacast, tmp_path, name, content):
    old = (trained_run / name).read_bytes().decode(errors="replace")
    (trained_run / name).write_text(content if isinstance(content, str) else content(old))
    refused(jenacast("report", trained_run, "-o", tmp_path / "a.html"), str(trained_run / name))
    assert not list(tmp_path.glob("*a.html"))


def test_numbers_in_sentences_have_a_minus_sign():
    assert digits(-0.3914, "+.3f") == "−0.391"
    assert span((-0.47, -0.31), ".2f") == "−0.47 to −0.31"


@pytest.mark.pictures
def test_a_picture_in_the_page_has_its_own_ids_and_the_pages_colours():
    figures = {"figures": [(-0.1, (-0.2, 0))], "other": "c < d", "synthetic": False}
    svg = draw_picture("here", "It is less.", differences, ["a < b"], **figures).svg
    assert svg.startswith('<svg role="img" aria-labelledby="here-finding" ')
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids
    assert all(name.startswith("here-") for name in ids)
    assert set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', svg)) <= {(i, "") for i in ids} | {("", i) for i in ids}
    assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
    assert "a &lt; b" in svg
    assert "c &lt; d" in svg
