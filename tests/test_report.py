import json
import re
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from report_page import Page, check_is_alone, check_is_well_formed

from jenacast.config import dump_config, load_config, load_recipe, with_train
from jenacast.data.prepared import load_manifest
from jenacast.evaluation.evaluate import evaluate
from jenacast.report import write_report
from jenacast.report.page import digits
from jenacast.training.run import train

HOSTILE = "<script>alert('Jena')</script>"
SMALL = ["data.history_hours=12", "model.units=4", "train.epochs=1"]


@pytest.fixture
def report(jenacast, tmp_path):
    """A function that writes a report and reads it."""

    def write(*runs):
        done = jenacast("report", *runs, "-o", tmp_path / "report.html", "--force")
        assert done.exit_code == 0, done.stderr
        assert done.stdout == f"{tmp_path / 'report.html'}\n"
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


@pytest.fixture(scope="module")
def _other_run(_synthetic_data_dir, tmp_path_factory):
    """A run with another seed and number of epochs, which says every hour."""
    folder = tmp_path_factory.mktemp("other") / "run"
    settings = load_recipe("dense", [*SMALL, "train.seed=7", "data.every_hour=true"])
    train(settings, data_dir=_synthetic_data_dir, run_dir=folder)
    return folder


@pytest.fixture
def other_run(_other_run, tmp_path):
    return Path(shutil.copytree(_other_run, tmp_path / "other"))


@pytest.fixture(scope="module")
def run(_trained_run):
    """A run that no test changes."""
    return _trained_run


@pytest.fixture(scope="module")
def html(run, tmp_path_factory):
    """The page about that run, its pictures drawn; as bytes."""
    out = tmp_path_factory.mktemp("one") / "report.html"
    write_report([run], out)
    return out.read_bytes()


@pytest.fixture(scope="module")
def page(html):
    return Page(html.decode())


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def data_dir_of(run):
    return Path(json.loads((run / "run.json").read_text())["data_dir"])


def test_a_report_holds_the_run_and_its_judgement(run, page):
    scores = evaluate(run, data_dir=data_dir_of(run)).scores
    record = json.loads((run / "run.json").read_text())
    outcome = json.loads((run / "metrics.json").read_text())
    assert page.one("h1").text == "dense, seed 0"
    row, baseline = page.rows("Errors on")
    assert row[:4] == ["dense, seed 0", f"{outcome['val_mae_c']:.3f}", f"{scores.mae_c:.3f}", "–"]  # a fortnight
    assert row[4] == digits(scores.difference_c, "+.3f")
    assert row[6] == digits(100 * scores.skill, "+.1f") + " %"
    assert baseline[0] == "baseline: the same as now"
    assert baseline[1:3] == [f"{outcome['val_baseline_mae_c']:.3f}", f"{scores.baseline_mae_c:.3f}"]
    trained = dict(page.rows("What was trained"))
    assert trained["epochs"] == f"{outcome['epochs']}, the best {outcome['best_epoch']}"
    assert trained["commit"] == record["commit"]
    assert f"keras {record['versions']['keras']}" in trained["versions"]
    assert record["source_sha256"] in page.text
    assert dump_config(load_config(run / "config.toml")).split() == page.one("pre").text.split()
    assert len(page.rows("The epochs")) == 2
    assert [row[0] for row in page.rows("The splits")] == ["train", "val", "test"]
    assert len(page.rows("Errors by hour")) == 24
    assert sum(int(row[1]) for row in page.rows("Errors by change")) == scores.windows
    assert sum(int(row[1]) for row in page.rows("Errors by month")) == scores.windows
    assert [row[0] for row in page.rows("Intervals on the test split")] == ["50 %", "80 %", "90 %"]
    assert "Errors over the lead" not in page.text  # it says one hour alone


def test_a_made_up_series_is_named_loudly_and_the_policy_allows_the_pages_own_script_alone(page, html):
    assert page.one("title").text.startswith("SYNTHETIC")
    assert page.one("header").text.startswith("SYNTHETIC SERIES, not Jena.")
    assert all("SYNTHETIC SERIES, not Jena" in svg.text for svg in page.all("svg"))
    check_is_alone(page, html)


@pytest.mark.pictures
def test_the_same_run_gives_the_same_page(run, html, report, tmp_path):
    report(run)
    assert (tmp_path / "report.html").read_bytes() == html


@pytest.mark.pictures
def test_text_of_a_run_is_never_markup_and_a_name_that_is_no_text_does_no_harm(trained_run, report, tmp_path):
    run = trained_run.rename(tmp_path / f"{HOSTILE.replace('/', '')} &amp; $x$")
    config = (run / "config.toml").read_text()
    (run / "config.toml").write_text(re.sub("^summary = .*$", f'summary = "{HOSTILE}"', config, flags=re.MULTILINE))
    change(run / "run.json", commit=HOSTILE, kernel=HOSTILE, started=HOSTILE, versions={HOSTILE: HOSTILE})
    change(run / "metrics.json", device=f'"><img src=x onerror="{HOSTILE}')
    names = ("run-\udcff", "耶拿-\x1b")  # no text for a picture
    page = report(run, *(shutil.copytree(run, tmp_path / name) for name in names))
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert page.text.count(HOSTILE) > 6
    assert page.text.count("&amp; $x$") >= 1
    assert all(HOSTILE in settings.text for settings in page.all("pre"))
    assert f"dense, seed 0 ({tmp_path}/run-?)" in page.text
    assert f"dense, seed 0 ({tmp_path}/耶拿-?)" in page.text


def test_where_the_data_are_gone_the_page_says_so_and_goes_on(trained_run, report, jenacast, tmp_path):
    change(trained_run / "run.json", data_dir=str(tmp_path / "gone"))
    page = report(trained_run)
    assert "The prepared data are not available" in page.text
    assert f"{tmp_path / 'gone' / 'prepared' / 'manifest.json'} not found" in page.text
    assert "It is not judged on the test split here." in page.one("header").text
    assert len(page.all("svg")) == 1  # the learning curves
    assert len(page.rows("The epochs")) == 2


def test_scores_that_stand_in_the_folder_are_shown_without_the_data(trained_run, data_dir, jenacast, report, tmp_path):
    scores = json.loads(jenacast("evaluate", trained_run, "--data-dir", data_dir, "--json").stdout)
    change(trained_run / "run.json", data_dir=str(tmp_path / "gone"))
    assert report(trained_run).rows("Errors on")[0][2] == f"{scores['mae_c']:.3f}"
    shutil.copyfile(trained_run / "last.keras", trained_run / "best.keras")  # another network than the scores'
    (row,) = report(trained_run).rows("Errors on")
    assert row[2] == "–"


def test_a_folder_that_holds_other_data_by_now_is_not_judged_on(trained_run, report):
    change(trained_run / "run.json", source_sha256="0" * 64)
    assert "now holds another series, protocol or fold" in report(trained_run).text


def test_of_a_fold_the_findings_in_the_whole_series_are_shown(trained_run, data_dir, report):
    manifest = load_manifest(data_dir / "prepared")
    audit = manifest.audit.model_dump(exclude={"values", "windows"})
    change(data_dir / "prepared" / "manifest.json", audit=audit, fold="2009-02")
    change(trained_run / "run.json", data_dir=str(data_dir), fold="2009-02")
    page = report(trained_run)
    assert "The audit found 0 gaps, 0 jumps back in time and 0 repeated rows." in page.text
    assert len(page.rows("The splits")) == 3


@pytest.mark.pictures
def test_two_runs_are_held_against_the_best_on_validation(trained_run, other_run, report):
    runs = {json.loads((run / "metrics.json").read_text())["val_mae_c"]: run for run in (trained_run, other_run)}
    (_, best), (_, second) = sorted(runs.items())
    page = report(second, best)
    check_is_well_formed(page)
    assert len(page.all("svg")) > 10
    seeds = [load_config(run / "config.toml").train.seed for run in (best, second)]
    assert [row[0] for row in page.rows("Errors on")[:2]] == [f"dense, seed {seed}" for seed in seeds]
    against = evaluate(second, data_dir=data_dir_of(best), against=best).scores.difference_to_against_c
    assert page.rows("Test MAE less that of") == [
        [f"dense, seed {seeds[1]}", digits(against, "+.3f"), "–", "too few days"]
    ]
    assert page.one("h1").text == "2 runs"  # another number of epochs
    leads = page.rows("Errors by lead")
    assert [row[0] for row in leads] == [f"{hour} h" for hour in range(1, 25)]
    assert len(leads[0]) == 10  # with the coverage of three intervals


def test_a_network_without_intervals_has_no_part_about_them(trained_run, report, monkeypatch):
    def without_intervals(*paths, **options):
        made = evaluate(*paths, **options)
        leads = [replace(lead, quantiles_c=None) for lead in made.leads]
        return replace(made, scores=replace(made.scores, intervals=None), leads=leads, judged=leads[-1])

    monkeypatch.setattr("jenacast.report.runs.evaluate", without_intervals)
    page = report(trained_run)
    assert "How sure it is" not in page.text
    assert "90 % interval" not in page.one("header").text
    assert len(page.rows("Errors by hour")[0]) == 7


def test_a_run_of_other_data_is_shown_but_not_compared(trained_run, other_run, report):
    change(other_run / "run.json", protocol="book")
    page = report(trained_run, other_run)
    assert page.rows("Test MAE less that of")[0][-1] == "another task, or other data"
    assert page.text.count("SHA-256 of the source") == 2


def test_a_folder_of_seeds_means_its_runs(trained_run, report, tmp_path):
    seeds = tmp_path / "seeds"
    for seed in (3, 4):
        run = Path(shutil.copytree(trained_run, seeds / f"seed-{seed}"))
        config = with_train(load_config(run / "config.toml"), seed=seed)
        (run / "config.toml").write_text(dump_config(config))
        change(run / "metrics.json", val_mae_c=2.0 + seed)
    plan = {"data_dir": "data", "seeds": [3, 4], "require_cudnn": False, "tensorboard": False}
    (seeds / "plan.json").write_text(json.dumps(plan))
    page = report(seeds)
    assert page.one("h1").text == "dense, 2 seeds"
    (row,) = page.rows("Mean and standard deviation over seeds")
    assert row[:4] == ["dense", "3, 4", "5.500", f"{statistics.stdev([5.0, 6.0]):.3f}"]
    assert row[5] == "0.000"  # the same network twice


def test_a_run_without_validation_has_a_page_too(trained_run, report):
    change(trained_run / "metrics.json", val_mae_c=None, val_baseline_mae_c=None, finished=False)
    history = (trained_run / "history.csv").read_text().splitlines()
    lines = [",".join("" if i in (3, 4) else cell for i, cell in enumerate(line.split(","))) for line in history[1:]]
    (trained_run / "history.csv").write_text("\n".join([history[0], *lines]))
    (trained_run / "state.npz").unlink()
    page = report(trained_run)
    assert page.rows("Errors on")[0][1] == "–"
    assert "no validation chose among them" in page.text
    assert dict(page.rows("What was trained"))["epochs"].endswith("; not finished")


@pytest.mark.parametrize("hostile", ["\0", "/dev/null", "x" * 5000, ""])
def test_a_record_that_names_a_strange_data_folder_does_no_harm(trained_run, report, hostile):
    change(trained_run / "run.json", data_dir=hostile)
    assert "The prepared data are not available" in report(trained_run).text
