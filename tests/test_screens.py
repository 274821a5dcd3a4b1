"""What commands show people, at 80 columns."""

import pytest
from forecasts import station_file

from jenacast.data.synthetic import synthetic_series


@pytest.fixture
def shown(jenacast, tmp_path, monkeypatch):
    """A function that runs a command in `tmp_path` and returns its answer, and of its story the steps of a training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        done = jenacast(*arguments)
        assert done.exit_code == 0, done.output
        told = [line for line in done.stderr.splitlines() if line.startswith(("epoch ", "on ", "dense: "))]
        return done.stdout.splitlines() + told

    return run


def widest(lines):
    return max(lines, key=len)


def test_everything_about_data_fits(shown, place_csv, years):
    times, values = synthetic_series(rows=6000, step_minutes=60)  # with the station's faults
    folder = place_csv(times, values)
    for protocol in ("strict", "book"):
        screen = shown("prepare", "--data-dir", folder, "--protocol", protocol, "--force")
        assert len(widest(screen)) <= 80, widest(screen)
    screen = shown("baseline", "--all", "--data-dir", years)
    assert len(widest(screen)) <= 80, widest(screen)


@pytest.mark.parametrize("kind", ["month", "change", "lead"])
def test_every_grouping_of_errors_fits(shown, trained_run, data_dir, kind):
    screen = shown("evaluate", trained_run, "--data-dir", data_dir, "--by", kind)
    assert len(widest(screen)) <= 80


def test_comparisons_fit(shown, trained_run, data_dir):
    trained_run.rename(run := trained_run.with_name("a-run-with-a-long-name-20261127-094500"))
    for command in (("compare",), ("evaluate", "--data-dir", data_dir, "--against", "pretrained")):
        screen = shown(command[0], run.name, *command[1:])
        assert len(widest(screen)) <= 80


def test_forecasts_fit(shown, tmp_path):
    file = station_file(tmp_path / "file.csv", 200)
    for when in ((), ("--every", "6h"), ("--at", "07.06.2026 10:10:00")):
        screen = shown("forecast", file.name, *when)
        assert len(widest(screen)) <= 80, widest(screen)


def test_models_and_the_lines_of_a_training_fit(shown, data_dir, monkeypatch):
    monkeypatch.setattr("jenacast.config.recipe_names", lambda: ["dense", "lagged", "stacked-simple-rnn"])
    assert len(widest(shown("models"))) <= 80
    screen = shown("train", "--model", "dense", "--epochs", "2", "--data-dir", data_dir, "--run-dir", "run")
    assert len([line for line in screen if line.startswith("epoch ")]) == 2
    assert len(widest(screen)) <= 80 - len("seed 10: ")
