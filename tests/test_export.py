import importlib.util
import json
import shutil

import pytest
from conftest import refused

from jenacast.evaluation.evaluate import evaluate

FORMATS = ["keras", "json+weights", "savedmodel", "onnx"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, _synthetic_data_dir):
    """A run folder of a small stacked GRU, the data it was trained on, and its MAE on validation."""
    from typer.testing import CliRunner

    from jenacast.cli import app

    run = tmp_path_factory.mktemp("export") / "run"
    small = ["--set", "data.history_hours=6", "--set", "model.units=4", "--set", "train.batch_size=671"]
    place = ["--data-dir", str(_synthetic_data_dir), "--run-dir", str(run)]
    done = CliRunner().invoke(app, ["train", "--model", "stacked-gru", "--epochs", "1", *small, *place])
    assert done.exit_code == 0, done.stderr
    scores = evaluate(run, data_dir=_synthetic_data_dir, split="val").scores
    return run, _synthetic_data_dir, scores.mae_c


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_forecasts_what_the_checkpoint_does(form, trained, tmp_path, jenacast):
    if form == "onnx" and not importlib.util.find_spec("tf2onnx"):
        pytest.skip("tf2onnx is not installed; pip install 'jenacast[onnx]'")
    run, data_dir, mae_c = trained
    out = tmp_path / "out"
    done = jenacast("export", run, "--format", form, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["max_difference_c"] <= 1e-5
    assert json.loads((out / "jenacast.json").read_text())["model"] == "stacked-gru"
    scores = json.loads(jenacast("evaluate", out, "--data-dir", data_dir, "--split", "val", "--json").stdout)
    assert scores["mae_c"] == pytest.approx(mae_c, abs=1e-5)
    assert scores["scaling"] == "the checkpoint's"


def test_an_export_that_forecasts_otherwise_is_not_kept(trained, tmp_path, jenacast, monkeypatch):
    monkeypatch.setattr("jenacast.models.export.TOLERANCE_C", -1.0)
    done = jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    refused(done, "not kept")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(trained, tmp_path, jenacast):
    (tmp_path / "out").mkdir()
    done = jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    refused(done, "--force")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}'])
def test_an_export_with_damaged_metadata_is_refused(content, trained, tmp_path, jenacast):
    shutil.copy(trained[0] / "best.keras", tmp_path / "model.keras")
    (tmp_path / "jenacast.json").write_text(content)
    refused(jenacast("evaluate", tmp_path, "--data-dir", trained[1]), "jenacast.json")


def test_an_unknown_format_is_wrong_usage(trained, jenacast):
    assert jenacast("export", trained[0], "--format", "pickle").exit_code == 2
