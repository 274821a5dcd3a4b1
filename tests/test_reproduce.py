import json

import pytest

from jenacast.config import recipe_names
from jenacast.experiments.published import PUBLISHED
from jenacast.experiments.reproduce import tolerance

QUICK = ("--epochs", "1", "--seeds", "2")


@pytest.fixture
def book_dir(data_dir, jenacast):
    assert jenacast("prepare", "--protocol", "book", "--force", "--data-dir", data_dir).exit_code == 0
    return data_dir


def test_the_tolerance_is_the_prediction_interval_of_a_textbook():
    # n = 3, s = 0.1: 4.303 * 0.1 * sqrt(1 + 1/3) = 0.4969
    assert tolerance(0.1, 3) == pytest.approx(0.4969, abs=0.001)
    assert tolerance(None, 1) is None


def test_every_published_recipe_exists():
    assert set(PUBLISHED) <= set(recipe_names())


def test_it_trains_each_seed_writes_the_ledger_and_does_not_train_twice(book_dir, tmp_path, jenacast):
    out, runs = tmp_path / "ledger.md", tmp_path / "runs"
    options = ("reproduce", "dense", *QUICK, "--data-dir", book_dir, "--runs-dir", runs, "--edition", "3")
    first = jenacast(*options, "--out", out, "--json")
    assert first.exit_code == 0, first.stderr
    entry = json.loads(first.stdout)[0]
    assert entry["measured"]["seeds"] == [0, 1]
    assert entry["published"]["executions_c"] == [2.61, 2.64, 2.61, 2.46]
    page = out.read_text()
    for fact in ("reproduce dense --edition 3", "SHA-256", "adam", "SYNTHETIC", "| dense | 0, 1 | 1 |"):
        assert fact in page
    assert {path.name for path in runs.iterdir()} == {"dense-edition3-seed0", "dense-edition3-seed1"}
    assert 'optimizer = "adam"' in (runs / "dense-edition3-seed0" / "config.toml").read_text()

    again = jenacast(*options, "--out", out)
    assert again.exit_code == 1
    assert "--force" in again.stderr
    again = jenacast(*options, "--json")
    assert "is finished already" in again.stderr
    assert json.loads(again.stdout)[0]["measured"]["test_maes_c"] == entry["measured"]["test_maes_c"]


def test_one_seed_gets_no_verdict(book_dir, tmp_path, jenacast):
    options = ("--epochs", "1", "--seeds", "1", "--data-dir", book_dir, "--runs-dir", tmp_path / "runs")
    done = jenacast("reproduce", "dense", *options, "--json")
    assert json.loads(done.stdout)[0]["verdict"] == "one seed: no tolerance, no verdict"


def test_another_protocol_or_an_unknown_name_is_an_error_with_its_remedy(data_dir, tmp_path, jenacast):
    wrong = jenacast("reproduce", "dense", "--data-dir", data_dir, "--runs-dir", tmp_path)
    assert wrong.exit_code == 1
    assert "prepare --protocol book" in wrong.stderr
    unknown = jenacast("reproduce", "transformer", "--data-dir", data_dir)
    assert unknown.exit_code == 1
    assert "stacked-gru" in unknown.stderr
