import json
import os
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points

import pytest
from conftest import refused
from typer.main import get_command

import jenacast as package
from jenacast.cli import app, main
from jenacast.columns import COLUMNS
from jenacast.config import load_config, load_recipe, recipe_names
from jenacast.data.download import CSV_NAME
from jenacast.runtime import load_tensorflow, quiet

COMMANDS = get_command(app).commands


def test_the_console_script_is_the_module(jenacast_process):
    (script,) = entry_points(group="console_scripts", name="jenacast")
    assert script.load() is main
    done = jenacast_process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"jenacast {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["forecastle"], "'forecastle'"),
        (["train", "--model", "dense", "--epoch-count", "3"], "--epoch-count"),
        (["train", "--model", "dense", "--epochs", "many"], "'--epochs'"),
        (["evaluate"], "CKPT"),
        (["evaluate", "run", "--split", "train"], "'train'"),
        (["prepare", "--protocol", "loose"], "'loose'"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(jenacast, arguments, told):
    done = jenacast(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Usage: " in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--model", "lstn"], ["'lstn'", *recipe_names(), "jenacast models"]),
        (["train", "--config", "absent.toml"], ["absent.toml not found", "jenacast models NAME"]),
        (["train", "--model", "dense", "--set", "train.epochs=0"], ["train.epochs", "greater than or equal to 1", "0"]),
        (["train", "--model", "dense"], ["manifest.json not found", "run: jenacast prepare"]),
        (["evaluate", "absent.keras"], ["absent.keras not found", "jenacast train"]),
        (["baseline"], ["manifest.json not found", "run: jenacast prepare"]),
        (["prepare"], [f"{CSV_NAME} not found", "run: jenacast download"]),
        (["models", "lstn"], ["'lstn'", *recipe_names()]),
    ],
    ids=lambda value: " ".join(value) if value[0] in COMMANDS else "",
)
def test_a_known_failure_exits_with_1_and_names_the_remedy(jenacast, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    done = jenacast(*arguments)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert all(text in done.stderr for text in told), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_file_system_is_told_in_one_line(jenacast, trained_run, data_dir, tmp_path):
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "forecasts.csv"
    done = jenacast("evaluate", trained_run, "--data-dir", data_dir, "--predictions", out)
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert str(tmp_path / "file") in done.stderr
    assert "Check the path, its permissions and the free space" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


class ResourceExhaustedError(Exception):
    """As TensorFlow has it."""

    __module__ = "tensorflow.python.framework.errors_impl"


class UnknownError(Exception):
    """As TensorFlow has it."""

    __module__ = "tensorflow.python.framework.errors_impl"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "MemoryError; memory is full: choose a smaller train.batch_size"),
        (ResourceExhaustedError("OOM\nmore"), "ResourceExhaustedError: OOM; memory is full"),
        (UnknownError("it failed"), "UnknownError: it failed; to see what works on this machine: jenacast"),
        (RecursionError("too deep"), "RecursionError: too deep; what was read is nested too deeply"),
    ],
)
def test_errors_of_libraries_that_are_no_bugs_exit_with_1_and_a_remedy(jenacast, monkeypatch, error, told):
    def fail(*_):
        raise error

    monkeypatch.setattr("jenacast.config.load_recipe", fail)
    refused(jenacast("models", "dense"), told)


def test_a_bug_is_no_known_failure(jenacast, monkeypatch):
    monkeypatch.setattr("jenacast.config.load_recipe", lambda name: 1 / 0)
    assert isinstance(jenacast("models", "dense").exception, ZeroDivisionError)


def test_control_characters_are_shown_and_not_obeyed(jenacast):
    refused(jenacast("train", "--config", "\x1b[31mred\x07.toml"), r"\x1b[31mred\x07.toml not found")


def test_quiet_leaves_the_answer_and_what_went_wrong(jenacast, data_dir, tmp_path):
    loud = jenacast("prepare", "--data-dir", data_dir)
    done = jenacast("prepare", "--data-dir", data_dir, "--quiet")
    assert "nothing to do" in loud.stderr
    assert (done.exit_code, done.stdout, done.stderr) == (0, loud.stdout, "")
    assert "nothing to do" in jenacast("prepare", "--data-dir", data_dir).stderr  # of that command alone
    refused(jenacast("prepare", "--data-dir", tmp_path / "no", "--quiet"), "not found")
    settings = ("--set", "model.dropout=0.7", "--set", "data.history_hours=12", "--epochs", "1")
    options = ("--model", "dense", *settings, "--data-dir", data_dir, "--run-dir", tmp_path / "run", "--quiet")
    (line,) = jenacast("train", *options).stderr.splitlines()
    assert line.startswith("warning: model.dropout=0.7 drops more than half")


def test_control_characters_from_files_are_not_obeyed_in_answers_either(jenacast, tmp_path, data_dir):
    (tmp_path / "mine.toml").write_text('[data]\nhistory_hours = 12\n[model]\narchitecture = "dense"\nunits = 2\n')
    (data_dir / "\x1b[2Jrun").mkdir()
    run = data_dir / "\x1b[2Jrun" / "run"
    options = ("--config", tmp_path / "mine.toml", "--epochs", "1", "--data-dir", data_dir)
    done = jenacast("train", *options, "--run-dir", run)
    table = jenacast("compare", run)
    assert (done.exit_code, table.exit_code) == (0, 0), done.stderr
    assert "\x1b" not in done.output + table.output
    assert r"\x1b[2Jrun" in table.stdout
    told = json.loads(jenacast("compare", run, "--json").stdout)
    assert str(run) in told[0]["runs"]


def test_a_terminal_is_told_that_tensorflow_loads(monkeypatch, caplog):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with caplog.at_level("INFO", logger="jenacast"):
        load_tensorflow.__wrapped__()
    assert caplog.messages == ["loading TensorFlow ..."]


def test_what_tensorflow_says_while_it_loads_is_shown_where_it_fails_and_not_at_ctrl_c(capfd):
    def load(error):
        with quiet():
            os.write(2, b"absl\n")
            raise error

    for error, told in ((KeyboardInterrupt, ""), (ImportError, "absl\n")):
        with pytest.raises(error):
            load(error)
        assert capfd.readouterr().err == told


def test_a_misspelt_name_is_told_with_the_right_one(jenacast):
    refused(jenacast("train", "--model", "stacked-gro"), "did you mean stacked-gru?")
    refused(jenacast("train", "--model", "gru", "--set", "train.epoch=3"), "did you mean train.epochs?")


@pytest.mark.system
def test_a_reader_that_goes_away_is_no_failure_to_tell(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "jenacast", "models", "dense"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(writing)
    assert done.stderr == ""


def test_a_recipe_is_printed_as_the_toml_that_gives_it_back(jenacast, tmp_path):
    done = jenacast("models", "stacked-gru")
    assert (done.exit_code, done.stderr) == (0, "")
    (tmp_path / "mine.toml").write_text(done.stdout, encoding="utf-8")
    assert load_config(tmp_path / "mine.toml") == load_recipe("stacked-gru")
    assert json.loads(jenacast("models", "stacked-gru", "--json").stdout) == tomllib.loads(done.stdout)


def test_the_defaults_are_printed_with_what_they_mean(jenacast):
    printed = jenacast("models", "default").stdout
    assert tomllib.loads(printed)["data"]["lead_hours"] == 24
    assert "# from the last observation to the target" in printed


def test_models_lists_every_recipe_with_its_size_and_what_it_gave_the_best_first(jenacast, monkeypatch):
    monkeypatch.setattr("jenacast.config.recipe_names", lambda: ["demo", "dense", "simple-rnn"])
    better, dense, unknown = json.loads(jenacast("models", "--json").stdout)
    assert [row["name"] for row in (better, dense, unknown)] == ["simple-rnn", "dense", "demo"]
    assert dense["parameters"] == (120 * len(COLUMNS) + 1) * 16 + 17
    assert (dense["seeds"], dense["epochs"], dense["val_mae_c"], dense["val_mae_std_c"]) == (3, 10, 2.515, 0.061)
    assert unknown["val_mae_c"] is None
    table = jenacast("models").stdout
    assert ["dense", "2.515", "±", "0.061", "2.668", "±", "0.095", "10", "4", "26,913"] in [
        line.split() for line in table.splitlines()
    ]
    assert "a dense layer of 16 on the flattened window" in table


@pytest.mark.parametrize("command", ["baseline", "prepare"])
def test_json_is_one_object_and_the_data_folder_can_come_from_the_environment(jenacast, data_dir, command, monkeypatch):
    monkeypatch.setenv("JENACAST_DATA_DIR", str(data_dir))
    done = jenacast(command, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["synthetic"] is True
    assert done.stdout.count("\n") == 1


def test_a_second_command_in_one_process_tells_its_story_once(jenacast, data_dir):
    for _ in range(2):
        done = jenacast("prepare", "--data-dir", data_dir)
    assert done.stderr.count("nothing to do") == 1


@pytest.mark.system
def test_a_process_says_nothing_but_its_own_lines(jenacast_process, trained_run, data_dir):
    # A user's other backend is no hindrance.
    other = os.environ | {"KERAS_BACKEND": "jax"}
    done = jenacast_process("evaluate", trained_run, "--data-dir", data_dir, env=other)
    assert done.returncode == 0, done.stderr
    written = [trained_run / f"evaluation-test{end}" for end in (".json", "-days.json", ".png", "-reliability.png")]
    assert done.stderr == "".join(f"wrote {path}\n" for path in written)
    assert "\x1b" not in done.stdout
    printed = jenacast_process("models", "dense")
    assert (printed.returncode, printed.stderr) == (0, "")


@pytest.mark.system
def test_a_training_whose_standard_error_is_closed_works(data_dir, tmp_path):
    options = ["--model", "dense", "--set", "model.units=4", "--epochs", "1", "--data-dir", str(data_dir)]
    line = shlex.join([sys.executable, "-m", "jenacast", "train", *options, "--run-dir", str(tmp_path / "run")])
    done = subprocess.run(["sh", "-c", f"exec {line} 2>&-"], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'run' / 'best.keras'}\n")
