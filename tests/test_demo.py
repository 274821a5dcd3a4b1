import json

import numpy as np
import pytest

from jenacast.cli import demo as module
from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepared import load_manifest
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.errors import UnreachableError


@pytest.fixture
def short_demo(monkeypatch):
    """The demo's own way, with fewer rows and a smaller recipe, and without an internet connection."""

    def unreachable(*arguments, **options):
        raise UnreachableError("no network")

    recipe = load_recipe("dense", ["data.windows_per_hour=1", "model.units=4", "train.epochs=1"])
    monkeypatch.setattr("jenacast.config.load_recipe", lambda name: recipe)
    monkeypatch.setattr("jenacast.data.download.download", unreachable)
    monkeypatch.setattr(module, "SYNTHETIC_ROWS", 9_000)


def test_without_data_or_network_it_goes_on_with_a_synthetic_series_and_says_so(short_demo, jenacast, tmp_path):
    done = jenacast("demo", "--data-dir", tmp_path / "data", "--run-dir", tmp_path / "run", "--json")
    assert done.exit_code == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["synthetic"] is True
    assert "NO REAL DATA" in done.stderr
    assert not (tmp_path / "data" / CSV_NAME).exists()  # nothing made up where the real series belongs
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["synthetic"] is True
    assert (tmp_path / "run" / "evaluation-test.png").is_file()
    # Ten-minute rows are trained on one window an hour.
    windows = load_manifest(tmp_path / "data" / "synthetic" / "prepared").splits["train"].windows
    assert json.loads((tmp_path / "run" / "run.json").read_text())["train_windows"] == int(np.ceil(windows / 6))


def test_with_data_in_its_place_it_uses_them(short_demo, jenacast, tmp_path):
    write_csv(tmp_path / CSV_NAME, *synthetic_series(rows=1_400, step_minutes=60))
    done = jenacast("demo", "--data-dir", tmp_path, "--run-dir", tmp_path / "run", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["synthetic"] is False
    assert "NO REAL DATA" not in done.stderr
