import json
import statistics

import pytest
from conftest import refused
from made_sweeps import made_up_training

from jenacast.config import load_config
from jenacast.sweep import trials
from jenacast.sweep.results import read_result
from jenacast.sweep.run import open_study
from jenacast.training.run import train_or_resume
from jenacast.training.run_folder import read_outcome

pytestmark = pytest.mark.system  # many trainings

SPACE = """
name = "small"
recipe = "dense"
data.history_hours = 12
train.epochs = 1
train.batch_size = 4096
model.units = { choices = [2, 4] }
"""


@pytest.fixture
def place(tmp_path, years):
    """A function that gives the arguments of a sweep over held-out years."""
    (tmp_path / "space.toml").write_text(SPACE)

    def arguments(**options):
        given = {"trials": 2, "sampler": "grid", "pruner": "none", "data-dir": years, "run-dir": tmp_path / "sweep"}
        words = [f"--{name}={value}" for name, value in (given | options).items()]
        return ["sweep", tmp_path / "space.toml", "--folds", *words]

    return arguments


def test_a_trial_is_judged_by_the_mean_over_the_years_and_the_winner_can_be_trained(place, jenacast, tmp_path):
    done = jenacast(*place(), "--json")
    assert done.exit_code == 0, done.stderr
    best = json.loads(done.stdout)["best"]
    assert list(best["folds_c"]) == ["2009", "2010"]
    result = read_result(open_study(str(tmp_path / "sweep"), "")[0])
    assert result.years == [2009, 2010]
    for trial in result.trials:
        folder = tmp_path / "sweep" / f"trial-{trial.number:04d}"
        maes_c = [read_outcome(folder / year / "seed-0").val_mae_c for year in ("2009", "2010")]
        assert trial.folds_c == dict(zip(("2009", "2010"), maes_c, strict=True))
        assert trial.val_mae_c == pytest.approx(statistics.mean(maes_c), rel=1e-12)
        assert trial.curve_c == pytest.approx([maes_c[0], statistics.mean(maes_c)], rel=1e-12)
        assert trial.epochs == 2
    baselines = [read_outcome(folder / year / "seed-0").val_baseline_mae_c for year in ("2009", "2010")]
    assert result.baseline_mae_c == pytest.approx(statistics.mean(baselines), rel=1e-12)

    compared = jenacast("compare", *sorted((tmp_path / "sweep").glob("trial-*")), "--json")
    assert json.loads(compared.stdout)[0]["val_mae_c"] == pytest.approx(best["val_mae_c"], rel=1e-12)
    assert jenacast("sweep-report", tmp_path / "sweep").exit_code == 0
    winner = load_config(tmp_path / "sweep" / "report" / "winner.toml")
    assert "the mean over 2009, 2010, each held out" in winner.summary
    assert winner.model.units == best["params"]["model.units"]
    assert "held-out years 2009, 2010" in (tmp_path / "sweep" / "report" / "report.html").read_text()

    without = [word for word in place() if word != "--folds"]
    refused(jenacast(*without), "another plan", "years")


def test_a_trial_that_was_stopped_goes_on_with_the_years_that_are_missing(place, jenacast, monkeypatch, tmp_path):
    done, stops = [], [2]

    def stopped_once(config, *, run_dir, **options):
        if len(done) == stops[0]:
            stops[0] = -1
            raise KeyboardInterrupt
        outcome = train_or_resume(config, run_dir=run_dir, **options)
        done.append((run_dir.parents[1].name, run_dir.parent.name))
        return outcome

    monkeypatch.setattr(trials, "train_or_resume", stopped_once)
    assert jenacast(*place(trials=1, sampler="random"), "--seeds", "2").exit_code == 130
    assert done == [("trial-0000", "2009"), ("trial-0000", "2010")]
    kept = (tmp_path / "sweep" / "trial-0000" / "2009" / "seed-0" / "best.keras").stat().st_mtime_ns
    again = jenacast(*place(trials=1, sampler="random"), "--seeds", "2", "--json")
    assert again.exit_code == 0, again.stderr
    best = json.loads(again.stdout)["best"]
    assert best["run"] == str(tmp_path / "sweep" / "trial-0000")
    assert best["val_mae_std_c"] is not None
    assert (tmp_path / "sweep" / "trial-0000" / "2009" / "seed-0" / "best.keras").stat().st_mtime_ns == kept


def test_the_pruner_spares_a_hopeless_trial_the_later_years(place, jenacast, monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "train_or_resume", made_up_training)
    monkeypatch.setattr("optuna.trial.Trial.should_prune", lambda _: True)
    done = jenacast(*place(trials=1, sampler="random"))
    refused(done, "no trial is complete")
    (trial,) = read_result(open_study(str(tmp_path / "sweep"), "")[0]).trials
    assert (trial.state, list(trial.folds_c), trial.epochs) == ("pruned", ["2009"], 1)
    assert trial.curve_c == list(trial.folds_c.values())
    assert "trial 0: pruned after year 1" in done.stderr
