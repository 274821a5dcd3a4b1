"""What commands say of themselves, and what they import for it."""

import subprocess
import sys

import pytest
from typer.main import get_command

from jenacast.cli import app
from jenacast.cli.help import GROUPS

COMMANDS = get_command(app).commands
HEAVY = ("tensorflow", "keras", "matplotlib", "pandas", "numpy")


def modules_after(*arguments):
    """The heavy modules that a fresh process has imported once the command is done."""
    code = (
        "import sys\n"
        "from jenacast.cli import app\n"
        "try:\n"
        "    app(sys.argv[1:], prog_name='jenacast')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"print(*(sys.modules.keys() & set({HEAVY!r})), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_how_each_option_is_meant(jenacast, name):
    done = jenacast(name, "--help")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Usage: " in done.stdout
    first, *more = COMMANDS[name].help.strip().split("\n\n")
    assert first.endswith(".")
    assert more  # an example, or what to know before
    silent = [parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", "")]
    assert not silent


@pytest.mark.system
def test_what_a_checkpoint_knows_is_read_without_tensorflow():
    assert not modules_after("info", "pretrained") & {"tensorflow", "keras"}


def test_help_imports_nothing_heavy():
    assert modules_after("train", "--help") == set()  # every command is imported for the help of one


@pytest.mark.system
def test_preparing_imports_neither_tensorflow_nor_keras(place_csv, ramp):
    assert modules_after("prepare", "--data-dir", place_csv(*ramp(1_400))) == {"pandas", "numpy"}


def test_without_a_command_the_help_is_shown(jenacast):
    done = jenacast()
    assert done.exit_code == 2
    assert all(name in done.output for name in COMMANDS)
    assert "..." not in done.output.partition("Commands:")[2]


def test_help_is_narrow_and_keeps_what_stands_in_brackets(jenacast, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    for name in COMMANDS:
        assert max(map(len, jenacast(name, "-h").stdout.splitlines())) <= 80
    assert ".[onnx]" in jenacast("export", "--help").stdout


def test_long_lists_of_options_are_in_groups_and_examples_can_be_typed(jenacast):
    for name, groups in GROUPS.items():
        known = {opt for each in COMMANDS[name].params for opt in each.opts}
        assert {opt for options in groups.values() for opt in options} <= known
        told = jenacast(name, "--help").stdout
        places = [told.index(f"\n{title}:\n") for title in ("Example", *groups, "Options") if title != "Example"]
        assert places == sorted(places)
        hidden = {opt for each in COMMANDS[name].params if getattr(each, "hidden", False) for opt in each.opts}
        assert {opt for opt in known - hidden if opt.startswith("--") and opt not in told} == set()
    told = jenacast("evaluate", "--help").stdout
    assert "\n  jenacast evaluate pretrained --by season --by lead --out pictures\n" in told
    told = jenacast("forecast", "--help").stdout
    assert " \\\n      " in told.partition("Examples:")[2]  # a long one is continued as a shell reads it


def test_one_thing_has_one_name_in_all_commands():
    names = {name: {opt for each in command.params for opt in each.opts} for name, command in COMMANDS.items()}
    for name, opts in names.items():
        assert {"--quiet", "--json"} <= opts, name
    for opts in names.values():
        assert ("--out" in opts) == ("-o" in opts)
        assert "--output" not in opts or "--out" in opts  # an old name beside the new
        assert not opts & {"--verbose", "--silent", "--as-json", "--outdir", "--out-dir"}
    for name in ("ensemble", "evaluate", "export", "report", "reproduce", "sweep-report"):
        assert "--out" in names[name], name
