"""`jenacast info`, and what the shell completes."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from conftest import refused
from typer.testing import CliRunner

from jenacast.cli import app
from jenacast.config import load_recipe, recipe_names
from jenacast.models.build import build_model
from jenacast.models.checkpoint import load_checkpoint
from jenacast.models.structure import read_structure


def test_a_checkpoint_tells_what_trained_it_and_what_it_forecasts(trained_run, data_dir, jenacast):
    told = json.loads(jenacast("info", trained_run, "--json").stdout)
    manifest = json.loads((data_dir / "prepared" / "manifest.json").read_text())
    outcome = json.loads((trained_run / "metrics.json").read_text())
    assert told["checkpoint"] == str(trained_run / "best.keras")
    assert (told["model"], told["recipe"], told["seed"]) == ("dense", "dense", 0)
    assert told["settings"] == ["data.history_hours=12", "model.units=4", "train.epochs=2"]
    assert (told["history_hours"], told["lead_hours"], told["trained_on"]) == (12, 24, "train")
    assert (told["source_sha256"], told["protocol"]) == (manifest["source_sha256"], manifest["protocol"])
    assert (told["epoch"], told["val_mae_c"]) == (outcome["best_epoch"], outcome["val_mae_c"])
    assert (told["parameters"], told["synthetic"]) == (outcome["parameters"], True)
    assert {"name": "temperature_c", "unit": "degC"} in told["columns"]
    assert [layer["kind"] for layer in told["layers"]] == ["Flatten", "Dense", "Dense"]


def test_the_text_fits_a_terminal(jenacast):
    told = jenacast("info", "pretrained").stdout
    assert "intervals       50, 80, 90 %" in told
    assert "trained on      train, protocol book\n" in told
    assert max(len(line) for line in told.splitlines() if "/" not in line) <= 80


@pytest.mark.parametrize("recipe", ["dense-batchnorm", "lstm-dropout"])
def test_the_parameters_are_those_that_keras_counts(recipe, tmp_path):
    """Neither the optimiser's numbers nor the seeds of dropout."""
    network = build_model(load_recipe(recipe, ["data.history_hours=12", "model.units=4"]))
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    for path in (tmp_path / "network.keras", tmp_path / "network.h5"):
        network.save(path)
        structure = read_structure(path)
        assert structure.parameters == network.count_params()
        assert [layer.name for layer in structure.layers] == [layer.name for layer in network.layers[1:]]


def test_a_network_made_elsewhere_has_layers_alone(trained_run, jenacast, tmp_path):
    network = load_checkpoint(trained_run).model
    for name in ("other.keras", "other.h5"):
        network.save(tmp_path / name)
        told = json.loads(jenacast("info", tmp_path / name, "--json").stdout)
        assert (told["model"], told["parameters"]) == (None, network.count_params())
        assert [layer["kind"] for layer in told["layers"]] == ["Flatten", "Dense", "Dense"]
        assert "made elsewhere" in jenacast("info", tmp_path / name).stdout


def test_an_ensemble_names_its_members_and_an_export_is_read(trained_run, data_dir, jenacast, tmp_path):
    both = tmp_path / "both.keras"
    members = (trained_run, trained_run / "last.keras")
    assert jenacast("ensemble", *members, "-o", both, "--data-dir", data_dir).exit_code == 0
    told = json.loads(jenacast("info", both, "--json").stdout)
    assert [member["weight"] for member in told["members"]] == [0.5, 0.5]
    assert told["parameters"] == 2 * json.loads(jenacast("info", trained_run, "--json").stdout)["parameters"]
    exported = jenacast("export", trained_run, "--format", "json+weights", "-o", tmp_path / "export")
    assert exported.exit_code == 0, exported.output
    told = json.loads(jenacast("info", tmp_path / "export", "--json").stdout)
    assert (told["model"], told["layers"], told["history_hours"]) == ("dense", None, 12)


def test_what_cannot_be_read_is_refused(trained_run, jenacast, tmp_path):
    refused(jenacast("info", tmp_path / "none.keras"), "none.keras", "not found")
    (tmp_path / "text.keras").write_text("no network")
    refused(jenacast("info", tmp_path / "text.keras"), "text.keras is damaged")
    with zipfile.ZipFile(tmp_path / "out.keras", "w") as archive:
        archive.writestr("../config.json", "{}")
    refused(jenacast("info", tmp_path / "out.keras"), "leads out")
    whole = (trained_run / "best.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    refused(jenacast("info", tmp_path / "half.keras"), "half.keras is damaged")


def test_the_shell_completes_recipes_without_anything_heavy():
    heavy = "sys.modules.keys() & {'numpy', 'pandas', 'tensorflow', 'keras'}"
    code = f"import atexit, sys; from jenacast.cli import main; atexit.register(lambda: print({heavy})); main()"
    line = {"COMP_WORDS": "jenacast train --model lagged", "COMP_CWORD": "3", "_JENACAST_COMPLETE": "complete_bash"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | line, check=True)
    *offered, imported = done.stdout.splitlines()
    assert offered == [name for name in recipe_names() if name.startswith("lagged")]
    assert imported == "set()"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("models stacked-g", ["stacked-gru"]),
        ("train --set train.ep", ["train.epochs="]),
        ("evaluate pre", ["pretrained", "pretrained-all"]),
        ("explain pretrained-", ["pretrained-all"]),
        ("info runs/pre", []),  # the shell offers files
    ],
)
def test_the_shell_completes_settings_and_the_network_of_the_package(typed, offered):
    words = str(len(typed.split()))
    line = {"COMP_WORDS": f"jenacast {typed}", "COMP_CWORD": words, "_JENACAST_COMPLETE": "complete_bash"}
    assert CliRunner().invoke(app, [], prog_name="jenacast", env=line).stdout.split() == offered


def test_a_misspelt_recipe_is_answered_with_the_nearest(jenacast, data_dir):
    refused(jenacast("train", "--model", "staked-gru", "--data-dir", data_dir), "did you mean stacked-gru?")
