import csv
import hashlib
import io
import json
import shutil
import statistics
from pathlib import Path

import pytest
from conftest import refused

from jenacast.config import load_config, with_train
from jenacast.training.run_folder import write_config

BASELINE_C = 2.5


@pytest.fixture
def runs(_trained_run, tmp_path):
    """Two seeds of one recipe and one of another, with made-up results; only the first has not been evaluated yet."""
    made = (("a", "dense", 0, 2.25, None), ("b", "dense", 1, 2.75, 3.0), ("c", "other", 0, 2.0, 2.125))
    for name, recipe, seed, val_mae_c, test_mae_c in made:
        run = Path(shutil.copytree(_trained_run, tmp_path / name))
        config = with_train(load_config(run / "config.toml"), seed=seed)
        write_config(run, config.model_copy(update={"name": recipe}))
        metrics = json.loads((run / "metrics.json").read_text())
        (run / "metrics.json").write_text(json.dumps(metrics | {"val_mae_c": val_mae_c}))
        if test_mae_c is not None:
            test = {"protocol": "strict", "mae_c": test_mae_c, "baseline_mae_c": BASELINE_C}
            test |= {"checkpoint_sha256": hashlib.sha256((run / "best.keras").read_bytes()).hexdigest()}
            (run / "evaluation-test.json").write_text(json.dumps(test))
    return [tmp_path / name for name in "abc"]


def compared(done):
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_seeds_of_one_recipe_become_mean_and_deviation(runs, jenacast):
    best, dense = compared(jenacast("compare", *runs, "--format", "json"))
    made = json.loads((runs[0] / "evaluation-test.json").read_text())  # by this command
    assert (best["model"], best["val_mae_c"], best["test_mae_c"]) == ("other", 2.0, 2.125)
    assert (best["val_mae_spread_c"], best["test_mae_spread_c"]) == (None, None)
    assert best["skill"] == pytest.approx(1 - 2.125 / BASELINE_C)
    assert (dense["model"], dense["seeds"], dense["test_maes_c"]) == ("dense", [0, 1], [made["mae_c"], 3.0])
    assert (dense["val_mae_c"], dense["val_mae_spread_c"]) == (2.5, pytest.approx(0.5 / 2**0.5))
    assert dense["test_mae_c"] == pytest.approx(statistics.mean([made["mae_c"], 3]))
    assert dense["test_mae_spread_c"] == pytest.approx(statistics.stdev([made["mae_c"], 3]))
    assert dense["skill"] == pytest.approx(1 - dense["test_mae_c"] / made["baseline_mae_c"])


def test_an_evaluation_of_other_weights_than_the_checkpoint_has_is_said_to_be_so_and_made_again(runs, jenacast):
    """As after a resumption and a copy, which leave the times of the files in any order."""
    assert compared(jenacast("compare", runs[1], "--format", "json"))[0]["test_mae_c"] == 3.0
    shutil.copyfile(runs[1] / "last.keras", runs[1] / "best.keras")
    (runs[1] / "evaluation-test.json").touch()  # the newest file there is
    done = jenacast("compare", runs[1], "--format", "json")
    assert f"{runs[1] / 'evaluation-test.json'} is not of the weights that {runs[1] / 'best.keras'} has" in done.stderr
    again = compared(done)[0]["test_mae_c"]
    assert again != 3.0
    kept = json.loads((runs[1] / "evaluation-test.json").read_text())
    assert kept["checkpoint_sha256"] == hashlib.sha256((runs[1] / "best.keras").read_bytes()).hexdigest()
    assert kept["mae_c"] == again


def test_the_other_formats_hold_the_same_rows(runs, jenacast, tmp_path):
    plot = tmp_path / "plot.png"
    table = jenacast("compare", *runs[1:], "--plot", plot)
    assert "2.750" in next(line for line in table.stdout.splitlines() if line.startswith("dense"))
    assert table.stdout.endswith("baseline, the same as now: 2.500 °C on test\n")
    assert plot.exists()
    refused(jenacast("compare", *runs[1:], "--plot", plot), "plot.png exists")
    rows = list(csv.DictReader(io.StringIO(jenacast("compare", *runs[1:], "--format", "csv").stdout)))
    assert [(row["model"], row["test_mae_c"]) for row in rows] == [("other", "2.125"), ("dense", "3.0")]
    assert jenacast("compare", *runs[1:], "--format", "markdown").stdout.startswith("| model |")


def test_rows_say_their_runs_and_the_settings_that_differ_from_the_recipe(runs, jenacast):
    other, dense = compared(jenacast("compare", *runs, "--format", "json"))
    assert (other["runs"], dense["runs"]) == ([str(runs[2])], [str(runs[0]), str(runs[1])])
    assert dense["settings"] == ["data.history_hours=12", "model.units=4", "train.epochs=2"]
    assert 'model.architecture="dense"' in other["settings"]  # no recipe has this name: against the defaults
    text = " ".join(jenacast("compare", runs[1]).stdout.split())
    assert f"dense {runs[1]} " in text
    assert "data.history_hours=12; model.units=4; train.epochs=2" in text


def test_cells_of_a_csv_are_values_and_no_formula(runs, jenacast, monkeypatch):
    monkeypatch.chdir(runs[1].parent)
    Path("b").rename("=b")
    row = next(csv.DictReader(io.StringIO(jenacast("compare", "=b", "--format", "csv").stdout)))
    assert (row["runs"], row["seeds"], row["test_maes_c"]) == ("'=b", "1", "3.0")
    assert row["settings"] == "data.history_hours=12; model.units=4; train.epochs=2"


def test_a_run_that_is_named_twice_counts_once_and_equal_seeds_are_warned_of(runs, jenacast):
    twice = jenacast("compare", runs[1], runs[1].parent / "a" / ".." / "b", "--format", "json")
    assert compared(twice)[0]["seeds"] == [1]
    assert "warning" not in twice.stderr
    shutil.copytree(runs[1], runs[1].parent / "copy")
    done = jenacast("compare", runs[1], runs[1].parent / "copy", "--format", "json")
    assert compared(done)[0]["seeds"] == [1, 1]
    assert "equal settings and equal seeds" in done.stderr


def test_a_folder_of_seeds_is_its_runs_and_what_is_no_run_is_left_out_with_a_note(runs, jenacast, tmp_path):
    seeds = tmp_path / "seeds"
    for run, name in zip(runs, ("seed-0", "seed-1"), strict=False):
        shutil.copytree(run, seeds / name)
    (seeds / "plan.json").write_text(
        json.dumps({"data_dir": ".", "seeds": [0, 1], "require_cudnn": False, "tensorboard": False})
    )
    whole = compared(jenacast("compare", seeds, "--format", "json"))
    assert whole[0]["seeds"] == [0, 1]
    begun = Path(shutil.copytree(runs[1], seeds / "begun"))
    (begun / "metrics.json").unlink()
    done = jenacast("compare", *sorted(seeds.iterdir()), "--format", "json")
    assert compared(done) == whole
    for name in ("plan.json", "begun"):
        assert f"{seeds / name} is no run that has a result, and is left out" in done.stderr
    refused(jenacast("forecast", seeds, "--csv", "x.csv"), "holds 2 seeds; give one, such as", "jenacast ensemble")


def test_runs_that_were_not_measured_alike_are_not_ranked(runs, jenacast):
    for name in ("run.json", "evaluation-test.json"):
        path = runs[2] / name
        path.write_text(path.read_text().replace('"protocol": "strict"', '"protocol": "book"'))
    done = jenacast("compare", *runs[1:])
    refused(done, "cannot be ranked", "protocol strict", "protocol book, trained under book", str(runs[2]))


def test_a_folder_that_is_no_run_or_is_damaged_is_an_error_that_names_the_file(runs, jenacast, tmp_path):
    refused(jenacast("compare", tmp_path), "no run to compare")
    for name in ("evaluation-test.json", "metrics.json", "run.json"):
        (runs[1] / name).write_text("[]")
        refused(jenacast("compare", runs[1]), f"{name} is damaged")


def test_a_run_that_is_not_finished_is_compared_and_said_to_be_so(runs, jenacast):
    metrics = runs[1] / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"finished": true', '"finished": false'))
    done = jenacast("compare", runs[1])
    assert done.exit_code == 0
    assert "is not finished: 2 epochs so far" in done.stderr
