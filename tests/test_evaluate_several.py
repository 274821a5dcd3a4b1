import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import files, refused

from jenacast.config import load_recipe
from jenacast.models.checkpoint import load_checkpoint, save_checkpoint
from jenacast.training.run import train

ROUNDED = 1.1e-4  # forecasts in a CSV have four decimals, those of a sum and those summed


@pytest.fixture(scope="module")
def runs(_trained_run, _synthetic_data_dir, tmp_path_factory):
    """Three runs: the second sees one column, up to 6 h before its history of 24 h; all forecast the same hours."""
    folder = tmp_path_factory.mktemp("runs")
    small = ("train.epochs=2", "train.batch_size=133", "train.learning_rate=0.01")
    columns = 'data.columns=["temperature_c", "temperature_c:change_6h"]'
    for name, settings in (
        ("other", ("data.history_hours=24", columns)),
        ("last", ("data.history_hours=12", "data.target=change")),
    ):
        train(load_recipe("dense", [*small, *settings]), data_dir=_synthetic_data_dir, run_dir=folder / name)
    return [_trained_run, folder / "other", folder / "last"]


def test_of_several_the_mean_is_measured_on_the_hours_that_all_can_forecast(runs, ask, forecasts, tmp_path):
    before, paths = files(*runs), runs
    singles = [forecasts(path, "--split", "test") for path in paths]
    # 350 hourly rows of test: a window spans history and lead, less one; `other` needs six hours beyond its history.
    assert [len(table) for table in singles] == [350 - 35, 350 - 53, 350 - 35]
    answer = ask("evaluate", *paths)
    both = pd.concat([table.forecast_c for table in singles], axis=1, join="inner")
    truth = singles[0].truth_c[both.index]
    assert (answer["windows"], answer["windows_dropped"], answer["needed_hours"]) == (297, 18, 30)
    assert answer["mae_c"] == pytest.approx((both.mean(axis=1) - truth).abs().mean(), abs=ROUNDED)
    assert answer["bias_c"] == pytest.approx((both.mean(axis=1) - truth).mean(), abs=ROUNDED)
    baseline = singles[0].baseline_c[both.index]
    assert answer["baseline_mae_c"] == pytest.approx((baseline - truth).abs().mean(), abs=ROUNDED)
    assert answer["model"] == "mean of 3"
    assert answer["checkpoint"] == str(paths[0] / "best.keras")
    assert answer["members"] == [str(path / "best.keras") for path in paths]
    assert answer["weights"] == [pytest.approx(1 / 3)] * 3
    assert answer["offset_c"] == 0
    together = forecasts(*paths)
    np.testing.assert_array_equal(together.index, both.index)
    np.testing.assert_allclose(together.forecast_c, both.mean(axis=1), atol=ROUNDED)

    # Nothing was written into a run; --out says where.
    assert files(*runs) == before
    ask("evaluate", *paths, "--out", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "evaluation-test.json").read_text()) == answer
    assert (tmp_path / "out" / "evaluation-test.png").read_bytes().startswith(b"\x89PNG")
    assert files(*runs) == before


def test_alone_a_checkpoint_that_looks_further_back_tells_what_that_costs(runs, ask, jenacast, data_dir, tmp_path):
    answer = ask("evaluate", runs[1], "--out", tmp_path)
    assert (answer["windows"], answer["windows_dropped"], answer["needed_hours"]) == (297, 6, 30)
    assert (answer["members"], answer["weights"], answer["offset_c"]) == ([], [], 0)
    against = jenacast("evaluate", runs[0], "--against", runs[1], "--data-dir", data_dir, "--out", tmp_path)
    assert "18 windows lack hours of the 30 needed" in against.stdout


def test_another_lead_is_another_task(runs, jenacast, data_dir, tmp_path):
    checkpoint, path = load_checkpoint(runs[0]), tmp_path / "other.keras"
    encoding = checkpoint.metadata.encoding.model_copy(update={"lead_hours": 12})
    save_checkpoint(checkpoint.model, checkpoint.metadata.model_copy(update={"encoding": encoding}), path)
    done = jenacast("evaluate", runs[0], path, "--data-dir", data_dir)
    refused(done, "forecasts 24 h ahead", f"{path} forecasts 12 h ahead", "compare checkpoints of one lead")


def test_a_blend_fitted_on_validation_is_measured_on_test(runs, ask, forecasts):
    other, last = runs[1:]
    before = files(*runs)
    answer = ask("evaluate", last, other, "--fit-blend")
    weights, offset_c = np.array(answer["weights"]), answer["offset_c"]
    assert weights.sum() == pytest.approx(1)
    on_val, on_test = ([forecasts(path, "--split", split) for path in (last, other)] for split in ("val", "test"))
    values = pd.concat([table.forecast_c for table in on_val], axis=1, join="inner").to_numpy().T
    truth = on_val[1].truth_c.to_numpy()  # the one with fewer windows
    assert offset_c == pytest.approx(np.median(truth - weights @ values), abs=ROUNDED)
    missing = [truth - np.array([weight, 1 - weight]) @ values for weight in np.linspace(0, 1, 101)]
    best = min(np.abs(each - np.median(each)).mean() for each in missing)
    assert np.abs(truth - weights @ values - offset_c).mean() <= best + np.abs(values[0] - values[1]).mean() / 100
    of_test = pd.concat([table.forecast_c for table in on_test], axis=1, join="inner")
    expected = of_test @ weights + offset_c
    assert answer["mae_c"] == pytest.approx((expected - on_test[1].truth_c).abs().mean(), abs=ROUNDED)
    np.testing.assert_allclose(forecasts(last, other, "--fit-blend").forecast_c, expected, atol=ROUNDED)
    assert files(*runs) == before


def test_an_offset_fitted_for_one_run_is_not_kept_as_the_runs_own_score(runs, ask):
    before = files(runs[0])
    assert ask("evaluate", runs[0], "--fit-blend")["offset_c"] != 0
    assert files(runs[0]) == before


@pytest.mark.parametrize("name", ["pretrained", "pretrained-all"])
def test_a_name_is_a_network_of_the_package_and_a_path_a_folder(name, runs, jenacast, tmp_path, monkeypatch):
    shutil.copytree(runs[0], tmp_path / name)
    (tmp_path / name / "best.keras").write_bytes(b"spoilt")
    monkeypatch.chdir(tmp_path)
    told = [jenacast("evaluate", which, "--data-dir", tmp_path).stderr for which in (name, f"./{name}")]
    assert "prepared/manifest.json not found" in told[0]  # the network itself was opened
    assert f"{name}/best.keras begins with" in told[1]
