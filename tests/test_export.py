import importlib.util
import json

import pytest

FORMATS = ["keras", "json+weights", "savedmodel", "onnx"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, _synthetic_data_dir):
    """A run folder of a small stacked GRU, and the data it was trained on."""
    from typer.testing import CliRunner

    from jenacast.cli import app

    run = tmp_path_factory.mktemp("export") / "run"
    small = ["--set", "data.history_hours=12", "--set", "model.units=4", "--epochs", "1"]
    options = ["--model", "stacked-gru", *small, "--data-dir", str(_synthetic_data_dir), "--run-dir", str(run)]
    done = CliRunner().invoke(app, ["train", *options])
    assert done.exit_code == 0, done.stderr
    return run, _synthetic_data_dir


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_forecasts_what_the_checkpoint_does(form, trained, tmp_path, jenacast):
    if form == "onnx" and not importlib.util.find_spec("tf2onnx"):
        pytest.skip("tf2onnx is not installed; pip install 'jenacast[onnx]'")
    run, data_dir = trained
    out = tmp_path / "out"
    done = jenacast("export", run, "--format", form, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["max_difference_c"] <= 1e-5
    assert json.loads((out / "jenacast.json").read_text())["model"] == "stacked-gru"
    scores = [
        json.loads(jenacast("evaluate", path, "--data-dir", data_dir, "--split", "val", "--json").stdout)
        for path in (run, out)
    ]
    assert scores[1]["mae_c"] == pytest.approx(scores[0]["mae_c"], abs=1e-5)
    assert scores[1]["scaling"] == "the checkpoint's"


def test_an_export_that_forecasts_otherwise_is_not_kept(trained, tmp_path, jenacast, monkeypatch):
    monkeypatch.setattr("jenacast.models.export.TOLERANCE_C", -1.0)
    done = jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "not kept" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(trained, tmp_path, jenacast):
    (tmp_path / "out").mkdir()
    done = jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "--force" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}'])
def test_an_export_with_damaged_metadata_is_refused(content, trained, tmp_path, jenacast):
    jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    (tmp_path / "out" / "jenacast.json").write_text(content)
    done = jenacast("evaluate", tmp_path / "out", "--data-dir", trained[1])
    assert done.exit_code == 1
    assert "jenacast.json" in done.stderr


def test_an_unknown_format_is_wrong_usage(trained, jenacast):
    assert jenacast("export", trained[0], "--format", "pickle").exit_code == 2
