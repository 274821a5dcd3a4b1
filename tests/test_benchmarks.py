import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jenacast.config import load_recipe
from jenacast.data.download import CSV_NAME
from jenacast.data.prepare import prepare
from jenacast.data.prepared import load_prepared
from jenacast.data.synthetic import synthetic_series, write_csv
from jenacast.features.datasets import split_samples
from jenacast.features.encoding import fit_encoding
from jenacast.runtime import load_tensorflow, usable_cores

pytestmark = pytest.mark.system

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ALONE = {
    "peers.py": ["--quick", "--peers", "no-python"],
    "sweep.py": ["--trials", "1", "--epochs", "1", "--seeds", "2", "--pruners", "halving"],
    "startup.py": ["--runs", "1", "--rows", "1400", "--ten-minute-rows", "9000"],
    "one_card.py": ["--rows", "9000", "--epochs", "1", "--set", "model.units=2", "--set", "data.history_hours=4"],
    "preparing.py": ["--rows", "9000"],
    "time_to_accuracy.py": ["--recipes", "lagged", "--book-epochs", "0"],
    "whole.py": ["--recipes", "lagged", "--book-share", "0.05"],
    "cores.py": ["--recipes", "dense"],
    "epoch.py": ["--rows", "9000", "--recipes", "dense"],
    "recurrent_step.py": ["--cells", "gru", "--steps", "1", "--units", "4", "--peers", "no-python"],
    "input_pipeline.py": ["--rows", "20000", "--short-rows", "9000", "--long-rows", "30000", "--keras-batches", "5"],
    "training_loop.py": ["--rows", "20000", "--steps", "5", "--rounds", "1", "--recipes", "1"],
}
# Stands for the library in the environment of the peers: every tree halves the error.
LIGHTGBM = """
import numpy as np
from types import SimpleNamespace
from lightgbm.callback import EarlyStopException

class LGBMRegressor:
    def __init__(self, **settings):
        assert settings["objective"] == "l1"

    def fit(self, inputs, targets, *, eval_X, eval_y, eval_metric, callbacks):
        assert inputs.shape[1] == eval_X.shape[1] and inputs.shape[:1] == targets.shape and eval_metric == "l1"
        try:
            for tree in range(99):
                l1 = float(np.abs(eval_y).mean()) / 2**tree
                state = SimpleNamespace(iteration=tree, evaluation_result_list=[("valid_0", "l1", l1, False)])
                for callback in callbacks:
                    callback(state)
        except EarlyStopException:
            pass
"""
# Stands for the Python of the peers: each forecasts 0 degC.
PEER = (
    f"#!{sys.executable}"
    + """
import json, sys
import numpy as np
_, _, folder, name, _ = sys.argv
with np.load(folder + "/task.npz") as task:
    np.savez(folder + "/" + name, **{each: np.zeros((1, len(task[each + "_now"]))) for each in ("val", "test")})
with open(folder + "/" + name + ".json", "w") as told:
    json.dump([{"name": name, "seconds": 0, "note": ""}], told)
"""
)
# Stands for the Python whose `jenacast doctor` finds problems, and no GPU; of a benchmark it tells the arguments alone.
PYTHON = f"""#!/bin/sh
[ "$2" != jenacast ] || {{ echo '{{"gpus": []}}'; exit 1; }}
case "$1" in
    benchmarks/*) shift; [ "$2" != --fail ] && echo "\\"$*\\"" ;;
    *) exec {sys.executable} "$@" ;;
esac
"""
# The shared task, and the peers' side, which runs where the peers are.
NO_BENCHMARKS = {"task.py", "torch_step.py", "peers_fit.py"}


@pytest.fixture
def run_alone(monkeypatch, capsys):
    """A function that runs a benchmark's script in this process: the object that it prints, and what stderr says."""

    def run(script, *where):
        monkeypatch.syspath_prepend(BENCHMARKS)
        monkeypatch.setattr(sys, "argv", [script, *map(str, where), *ALONE[script], "--json"])
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
        said = capsys.readouterr()
        return json.loads(said.out), said.err

    return run


def test_startup_prints_one_object(run_alone):
    answer, _ = run_alone("startup.py")
    assert answer["ratio"] > 1
    assert answer["evaluate_over_import"] > 0
    assert len(answer["over_import"]) == 11


def test_one_card_prints_one_object(run_alone):
    answer, _ = run_alone("one_card.py")
    ways = answer["ways"]
    assert {way: ways[way]["kernel"] == "TensorFlow" for way in ways} == {way: way == "Keras' layers" for way in ways}
    assert min(way["seconds"] - way["seconds_of_epochs"] for way in ways.values()) > 0
    assert answer["work_of_two_at_once"] > 0


def test_peers_prints_one_object(run_alone):
    answer, said = run_alone("peers.py")
    maes = {row["forecast"]: row["test_mae_c"] for row in answer["rows"]}
    assert maes["jenacast, ridge"] < maes["the same as now"] < maes["jenacast, climatology"]
    assert "no-python not found, so the peers are left out" in said


def test_peers_are_those_that_are_asked_for(run_alone, monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text(PEER)
    python.chmod(0o755)
    monkeypatch.setitem(ALONE, "peers.py", ["--quick", "--peers", str(python), "--only", "darts", "lightgbm"])
    rows = run_alone("peers.py")[0]["rows"]
    assert [row["forecast"] for row in rows if " " not in row["forecast"]] == ["darts", "lightgbm"]


def test_sequence_models_are_refused_where_a_year_inside_train_is_held_out(run_alone, monkeypatch):
    monkeypatch.setattr("jenacast.data.windows.is_inside_train", lambda borders: True)
    monkeypatch.setitem(ALONE, "peers.py", ["--quick", "--peers", sys.executable])
    with pytest.raises(SystemExit, match="--only lightgbm"):
        run_alone("peers.py")


def test_training_loop_prints_one_object(run_alone):
    (ways,) = run_alone("training_loop.py")[0]["ms"].values()
    assert len(ways) == 4
    assert all(milliseconds > 0 for milliseconds in ways.values())


@pytest.fixture(scope="module")
def year_and_more(tmp_path_factory):
    """A prepared series of which a year trains."""
    folder = tmp_path_factory.mktemp("year")
    write_csv(folder / CSV_NAME, *synthetic_series(rows=17_600, step_minutes=60, warts=False))
    prepare(folder, protocol="book", synthetic=True)
    return folder


def test_time_to_accuracy_prints_one_object(run_alone, year_and_more):
    answer, said = run_alone("time_to_accuracy.py", year_and_more, "--target", "99", "--peers", "no-python")
    (best,) = answer["ways"].values()
    assert (best["reached"], best["at"]) == (True, "epoch 1")
    assert best["val_mae_c"] < 99
    assert answer["fastest_s"] == best["seconds"] > 0
    assert "no-python not found, so LightGBM is left out" in said


def test_sweep_prints_one_object(run_alone, year_and_more):
    answer, _ = run_alone("sweep.py", "--data-dir", year_and_more)
    none, halving = answer["sweeps"]
    assert none["epochs"] == 1
    assert halving == none | {key: halving[key] for key in ("pruner", "cpu_s")}  # the last epoch is never pruned
    assert answer["deviation_c"] > 0


def test_time_to_accuracy_counts_the_trees_of_lightgbm(run_alone, year_and_more, tmp_path, monkeypatch):
    """With a stand-in: it stops at the first tree that is good enough in degC, as `lagged` scales its target."""
    library = tmp_path / "lightgbm"
    library.mkdir()
    (library / "__init__.py").write_text(LIGHTGBM)
    (library / "callback.py").write_text("class EarlyStopException(Exception):\n    def __init__(self, *about): pass\n")
    prepared, data = load_prepared(year_and_more), load_recipe("lagged", ["data.every_hour=false"]).data
    encoding = fit_encoding(prepared, data)
    first_c = np.abs(split_samples(prepared, "val", encoding).targets).mean() * encoding.target.scale_c
    target_c = 0.9 * first_c
    where = (year_and_more, "--target", str(target_c), "--peers", sys.executable)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    ways = run_alone("time_to_accuracy.py", *where)[0]["ways"]
    lightgbm = ways["LightGBM"]
    assert (lightgbm["reached"], lightgbm["at"]) == (True, "tree 2")
    assert lightgbm["val_mae_c"] == pytest.approx(first_c / 2)
    assert 0 < lightgbm["seconds"] < 60


def test_epoch_prints_one_object(run_alone):
    assert run_alone("epoch.py")[0]["recipes"]["dense"]["ratio"] > 1


def test_whole_prints_one_object(run_alone, year_and_more):
    book, lagged = run_alone("whole.py", year_and_more)[0]["ways"].values()
    assert (book["epochs"], lagged["epochs"]) == (2, load_recipe("lagged").train.epochs)
    for way in (book, lagged):
        assert way["seconds"] > way["epochs"] * way["epoch_s"] > 0
        assert 100 < way["memory_mb"] < 10_000


@pytest.mark.skipif(len(usable_cores()) < 2, reason="needs two cores")
def test_cores_prints_one_object(run_alone):
    ways = run_alone("cores.py")[0]["steps_per_second"].values()
    assert len(ways) == 5
    assert all(way["dense"] > 0 for way in ways)


def test_preparing_prints_one_object(run_alone):
    answer, _ = run_alone("preparing.py")
    assert answer["rows"] == 9000
    assert 10 < answer["prepare_mb"] < 1000


def test_input_pipeline_prints_one_object(run_alone):
    assert run_alone("input_pipeline.py")[0]["ratio"] > 1


def test_recurrent_step_prints_one_object(run_alone, monkeypatch):
    """On six steps, and without compiling, which takes XLA seconds a layer and is tried in test_backend."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr("task.HISTORY", 6)
    load_tensorflow().config.run_functions_eagerly(True)
    try:
        cells = run_alone("recurrent_step.py")[0]["cells"]
    finally:
        load_tensorflow().config.run_functions_eagerly(False)
    assert len(cells["gru"]["ms"]) == 9
    assert all(milliseconds > 0 for milliseconds in cells["gru"]["ms"].values())


def test_all_figures_of_a_gpu_box_go_into_one_file(tmp_path):
    out, python = tmp_path / "gpu.json", tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    environment = os.environ | {"PYTHON": str(python), "EPOCH": "--rows 9", "STEP": "--steps 1", "CARD": "--fail"}
    command = ["bash", BENCHMARKS / "gpu.sh", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert f"jenacast doctor found problems; see {out}" in done.stderr
    assert f"benchmarks/one_card.py failed; it is left out of {out}" in done.stderr
    assert "no GPU: these are the figures of the CPU" in done.stderr
    assert json.loads(out.read_text()) == {
        "doctor": {"gpus": []},
        "epoch": "--json --engines auto keras tied weight-drop --rows 9",
        "input_pipeline": "--json --keras-batches 20",
        "recurrent_step": "--json --steps 1",
        "training_loop": "--json",
    }


def test_every_benchmark_is_tried_here():
    assert {path.name for path in BENCHMARKS.glob("*.py")} - NO_BENCHMARKS == set(ALONE)
