import importlib.util
import json
import shutil
import zipfile

import pytest
from conftest import files, refused

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
        pytest.skip("tf2onnx is not installed; pip install '.[onnx]'")
    run, data_dir, mae_c = trained
    out = tmp_path / "out"
    done = jenacast("export", run, "--format", form, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["max_difference_c"] <= 1e-5
    assert json.loads((out / "jenacast.json").read_text())["model"] == "stacked-gru"
    options = ("--data-dir", data_dir, "--split", "val", "--json")
    scores = json.loads(jenacast("evaluate", out, *options, "--trust-saved-model").stdout)
    assert scores["mae_c"] == pytest.approx(mae_c, abs=1e-5)
    assert scores["scaling"] == "the checkpoint's"


def test_an_export_that_forecasts_otherwise_is_not_kept(trained, tmp_path, jenacast, monkeypatch):
    monkeypatch.setattr("jenacast.models.export.TOLERANCE_C", -1.0)
    done = jenacast("export", trained[0], "--format", "keras", "--out", tmp_path / "out")
    refused(done, "not kept")
    assert list(tmp_path.iterdir()) == []


def test_force_replaces_an_export_and_nothing_else(trained, tmp_path, jenacast):
    run, papers, out = tmp_path / "run", tmp_path / "papers", tmp_path / "out"
    shutil.copytree(trained[0], run)
    (run / "jenacast.json").write_text("{}")  # the mark alone is not enough
    papers.mkdir()
    (papers / "thesis.txt").write_text("years of work")
    out.mkdir()
    for folder, flags, told in (
        (run, ["--force"], "not an export alone (best.keras"),
        (papers, ["--force"], "not an export alone (thesis.txt)"),
        (papers / "thesis.txt", ["--force"], "not an export alone"),
        (out, [], "--force"),
    ):
        before = files(tmp_path)
        refused(jenacast("export", trained[0], "--format", "keras", "--out", folder, *flags), told)
        assert files(tmp_path) == before
    for form, name in (("keras", "model.keras"), ("json+weights", "model.json")):
        assert jenacast("export", trained[0], "--format", form, "--out", out, "--force").exit_code == 0
        assert (out / name).exists()
    assert not (out / "model.keras").exists()


def saved_model(folder, forward, hours=6):
    """Write a SavedModel whose `serve` is `forward`."""
    import tensorflow as tf

    program = tf.Module()
    program.serve = tf.function(forward, input_signature=[tf.TensorSpec((None, hours, 14), tf.float32)])
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(program, str(folder))


def test_a_saved_model_runs_only_where_it_is_trusted(trained, tmp_path, jenacast):
    import tensorflow as tf

    run, trace = tmp_path / "run", tmp_path / "trace"
    shutil.copytree(trained[0], run)
    expected = json.loads(jenacast("evaluate", run, "--data-dir", trained[1], "--json").stdout)["mae_c"]

    def harm(inputs):
        with tf.control_dependencies([tf.io.write_file(str(trace), "harm")]):
            return tf.identity(inputs[:, 0, :1])

    saved_model(run / "saved_model", harm)
    with zipfile.ZipFile(run / "best.keras") as archive:
        archive.extract("jenacast.json", run)
    scores = json.loads(jenacast("evaluate", run, "--data-dir", trained[1], "--json", "--trust-saved-model").stdout)
    assert scores["mae_c"] == expected  # a run folder is its best.keras
    (run / "best.keras").unlink()
    for command in (("evaluate", run), ("evaluate", trained[0], "--against", run)):
        refused(jenacast(*command, "--data-dir", trained[1]), "holds a SavedModel", "--trust-saved-model")
    assert not trace.exists()
    assert jenacast("evaluate", run, "--data-dir", trained[1], "--trust-saved-model").exit_code == 0
    assert trace.exists()


def test_an_export_that_fails_or_gives_other_shapes_is_a_known_failure(trained, tmp_path, jenacast):
    import tensorflow as tf

    (tmp_path / "jenacast.json").write_bytes(zipfile.ZipFile(trained[0] / "best.keras").read("jenacast.json"))
    for forward, told in (
        (lambda inputs: inputs[:, 0], "gives outputs of shape (321, 14) for 321 windows, expected (321, 1)"),
        (lambda inputs: inputs[0, 0], "gives outputs of shape (14,)"),
        (lambda inputs: tf.ensure_shape(tf.reshape(inputs, (-1, 1))[:3], (3, 1)), "gives outputs of shape (3, 1)"),
        (lambda inputs: tf.reshape(inputs, (-1, 11))[:, :1], "failed to forecast 321 windows: Input to reshape"),
    ):
        saved_model(tmp_path / "saved_model", forward)
        refused(jenacast("evaluate", tmp_path, "--data-dir", trained[1], "--trust-saved-model"), told)


def onnx_model(path, axes, keep, hours=6):
    """Write an ONNX file that gives the mean over some axes of its inputs."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed; pip install '.[onnx]'")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    inputs = helper.make_tensor_value_info("inputs", real, (None, hours, 14))
    mean = helper.make_node("ReduceMean", ["inputs"], ["means"], axes=axes, keepdims=int(keep))
    nodes, name = [mean], "means"
    if keep:  # (windows, 1, 1)
        nodes.append(helper.make_node("Flatten", ["means"], ["flat"]))
        name = "flat"
    graph = helper.make_graph(nodes, "means", [inputs], [helper.make_tensor_value_info(name, real, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def test_an_onnx_file_that_gives_other_shapes_than_its_metadata_say_is_a_known_failure(trained, tmp_path, jenacast):
    (tmp_path / "jenacast.json").write_bytes(zipfile.ZipFile(trained[0] / "best.keras").read("jenacast.json"))
    for axes, told in (([1], "(321, 14)"), ([0, 1], "(14,)"), ([1, 2], "(321,)")):
        onnx_model(tmp_path / "model.onnx", axes, keep=False)
        told = f"gives outputs of shape {told} for 321 windows, expected (321, 1)"
        refused(jenacast("evaluate", tmp_path, "--data-dir", trained[1]), told, "export it anew")
        refused(jenacast("evaluate", trained[0], "--against", tmp_path, "--data-dir", trained[1]), told)
    onnx_model(tmp_path / "model.onnx", [1, 2], keep=True)
    assert jenacast("evaluate", tmp_path, "--data-dir", trained[1]).exit_code == 0


def test_a_foreign_network_that_fails_as_it_forecasts_is_a_known_failure(trained, tmp_path, jenacast):
    import keras

    inputs = keras.Input((120, 14))
    table = keras.layers.Embedding(input_dim=1, output_dim=1)  # whose only row is 0: any other number fails
    row = table(keras.layers.Flatten()(keras.layers.Rescaling(1000)(inputs)))
    keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(row)).save(tmp_path / "foreign.keras")
    done = jenacast("evaluate", tmp_path / "foreign.keras", "--data-dir", trained[1])
    refused(done, f"{tmp_path / 'foreign.keras'} failed to forecast", "check it with the program that made it")


@pytest.mark.parametrize("content", ["", "{}", '{"format": 99}'])
def test_an_export_with_damaged_metadata_is_refused(content, trained, tmp_path, jenacast):
    shutil.copy(trained[0] / "best.keras", tmp_path / "model.keras")
    (tmp_path / "jenacast.json").write_text(content)
    refused(jenacast("evaluate", tmp_path, "--data-dir", trained[1]), "jenacast.json")


def test_an_unknown_format_is_wrong_usage(trained, jenacast):
    assert jenacast("export", trained[0], "--format", "pickle").exit_code == 2
