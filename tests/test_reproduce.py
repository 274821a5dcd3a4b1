import json
import shutil

import pytest
from conftest import refused

from jenacast.config import recipe_names
from jenacast.experiments import reproduce
from jenacast.experiments.published import PUBLISHED
from jenacast.experiments.reproduce import tolerance
from jenacast.training.run_folder import write_config


@pytest.fixture
def book_dir(data_dir, jenacast):
    assert jenacast("prepare", "--protocol", "book", "--force", "--data-dir", data_dir).exit_code == 0
    return data_dir


@pytest.fixture
def trainings(_trained_run, monkeypatch):
    """The run folders that were asked for; each becomes a copy of one small run."""
    asked = []

    def train(config, *, data_dir, run_dir, force):
        shutil.copytree(_trained_run, run_dir)
        record = json.loads((run_dir / "run.json").read_text()) | {"data_dir": str(data_dir)}
        (run_dir / "run.json").write_text(json.dumps(record))
        write_config(run_dir, config)
        asked.append(run_dir.name)

    monkeypatch.setattr(reproduce, "train", train)
    return asked


def test_the_tolerance_is_the_prediction_interval_of_a_textbook():
    # n = 3, s = 0.1: 4.303 * 0.1 * sqrt(1 + 1/3) = 0.4969
    assert tolerance(0.1, 3) == pytest.approx(0.4969, abs=0.001)
    assert tolerance(None, 1) is None


def test_every_published_recipe_exists():
    assert set(PUBLISHED) <= set(recipe_names())


def test_it_trains_each_seed_writes_the_ledger_and_does_not_train_twice(trainings, book_dir, tmp_path, jenacast):
    out, runs = tmp_path / "ledger.md", tmp_path / "runs"
    options = ("reproduce", "lstm", "gru", "--seeds", 2, "--epochs", 1, "--edition", 3)
    options += ("--data-dir", book_dir, "--runs-dir", runs)
    first = jenacast(*options, "--out", out, "--json")
    assert first.exit_code == 0, first.stderr
    lstm, gru = json.loads(first.stdout)
    assert lstm["measured"]["seeds"] == [0, 1]
    assert lstm["published"]["executions_c"] == [2.52, 2.64, 2.55]
    assert lstm["verdict"].endswith("of 4 published test figures within 0.00")
    assert gru["verdict"] == "nothing published"
    page = out.read_text()
    facts = ("reproduce lstm gru --edition 3", "--epochs 1", "SHA-256", "adam", "engine: `keras`", "SYNTHETIC")
    for fact in (*facts, "| lstm | 0, 1 |"):
        assert fact in page
    assert "LSTM against GRU: lstm (" in page
    assert "no winner" in page
    assert "10-minute rows: 6 times the windows" in page
    assert trainings == [f"{name}-edition3-seed{seed}" for name in ("lstm", "gru") for seed in (0, 1)]
    settings = (runs / trainings[0] / "config.toml").read_text()
    assert 'optimizer = "adam"' in settings
    assert 'engine = "keras"' in settings

    refused(jenacast(*options, "--out", out), "--force")
    again = jenacast(*options, "--json")
    assert "is finished already" in again.stderr
    assert json.loads(again.stdout) == [lstm, gru]
    assert len(trainings) == 4


def test_one_seed_that_is_really_trained_gets_no_verdict(book_dir, tmp_path, jenacast):
    options = ("--epochs", "1", "--seeds", "1", "--data-dir", book_dir, "--runs-dir", tmp_path / "runs")
    done = jenacast("reproduce", "dense", *options, "--json")
    assert json.loads(done.stdout)[0]["verdict"] == "one seed: no tolerance, no verdict"
    assert (tmp_path / "runs" / "dense-edition2-seed0" / "best.keras").exists()


def test_another_protocol_or_an_unknown_name_is_an_error_with_its_remedy(data_dir, tmp_path, jenacast):
    refused(jenacast("reproduce", "dense", "--data-dir", data_dir, "--runs-dir", tmp_path), "prepare --protocol book")
    refused(jenacast("reproduce", "transformer", "--data-dir", data_dir), "stacked-gru")
