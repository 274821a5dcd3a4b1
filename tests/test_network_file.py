"""A network of the user's own, read but not run: its settings, and what is wrong with its source."""

import pytest
from conftest import refused

from jenacast.config import configs_dir, dump_config, load_config, load_network
from jenacast.errors import ConfigError

RUNS = "raise SystemExit('run')\n"  # whoever runs the file ends here
PLAIN = f"""{RUNS}
"Not the docstring."

def build(inputs, *, outputs, units=32, rate=0.5, way="up", deep=True, hours=(1, 3)):
    pass
"""


@pytest.fixture
def write(tmp_path):
    """A function that writes a Python file and returns its path."""

    def written(source, name="my_net.py"):
        (tmp_path / name).write_text(source)
        return tmp_path / name

    return written


def own_settings(config):
    return {key: value for key, value in config.model if key not in ("architecture", "code_sha256")}


def test_arguments_with_defaults_are_settings(write):
    config = load_network(write(PLAIN), ["model.units=8", "model.rate=1", "model.hours=[2]", "train.epochs=3"])
    assert own_settings(config) == {
        "units": 8,
        "rate": 1.0,
        "way": "up",
        "deep": True,
        "hours": [2],
        "noise": 0.0,
        "any_history": False,
    }
    assert (config.name, config.train.epochs) == ("my_net", 3)


def test_the_name_of_a_run_is_made_of_any_name_of_a_file(write):
    assert load_network(write(PLAIN, "My Nets (2).py")).name == "my-nets-2"
    assert load_network(write(PLAIN, "_.py")).name == "own"


def test_the_first_line_of_the_docstring_is_the_summary(write):
    assert load_network(write('"""What it is.\n\nMore."""\n' + PLAIN)).summary == "What it is."


@pytest.mark.parametrize(
    ("assignment", "texts"),
    [
        ("model.unitz=8", ["model.unitz: no such setting", "did you mean model.units?"]),
        ("model.cell=gru", ["model.cell: no such setting"]),
        ("model.units=8.5", ["model.units: expected integer, received 8.5"]),
        ("model.units=true", ["model.units: expected integer, received True"]),
        ("model.rate=fast", ["model.rate: expected number, received 'fast'"]),
        ("model.hours=[1.5]", ["model.hours.0: expected integer, received 1.5"]),
        ("model.architecture=lagged", ["model.architecture: expected 'my_net.py', received 'lagged'"]),
    ],
)
def test_settings_have_the_types_of_their_defaults(write, assignment, texts):
    with pytest.raises(ConfigError) as caught:
        load_network(write(PLAIN), [assignment])
    assert all(text in str(caught.value) for text in texts), caught.value


BAD = {
    "def build(inputs, *, outputs:\n    pass": "line 1: '(' was never closed",
    "x = 1\nx = = 2": "line 2: invalid syntax",
    "a\0b": "null bytes",
    "x = 1": "has no function build; expected def build(inputs, *, outputs, units=32, ...)",
    "class A:\n    def build(self, shape): ...": "has no function build",
    "\ndef build(inputs, *, units=3): ...": "line 2: build has no argument outputs",
    "def build(): ...": "line 1: build takes no inputs",
    "def build(inputs, units=32, *, outputs): ...": "line 1: units is not given by name; write `*,` after inputs",
    "def build(inputs, *rest, outputs): ...": "line 1: *rest: arguments are given by name",
    "def build(inputs, *, outputs, **more): ...": "line 1: **more: every setting needs a name and a default",
    "def build(inputs, *, outputs,\n          units): ...": "line 2: units has no default",
    "def build(inputs, *, outputs, noise=0.1): ...": "line 1: noise cannot be the name of a setting of your own",
    "def build(inputs, *, outputs, copy=1): ...": "line 1: copy cannot be the name",
    "def build(inputs, *, outputs, _x=1): ...": "line 1: _x cannot be the name",
    "N = 3\ndef build(inputs, *, outputs, units=N): ...": "line 2: the default of units: expected a number, a text",
    "def build(inputs, *, outputs, units=None): ...": "the default of units: expected a number, a text, True or False",
    "def build(inputs, *, outputs, units={'a': 1}): ...": "received {'a': 1}",
    "def build(inputs, *, outputs, units=[]): ...": "that is not empty, written out, received []",
    "def build(inputs, *, outputs, units=[1, 'a']): ...": "received [1, 'a']",
    "def build(inputs, *, outputs, rate=1e999): ...": "the default of rate: expected a finite number",
}


@pytest.mark.parametrize("source", BAD)
def test_what_is_wrong_with_a_source_is_said_with_its_line(write, source, jenacast):
    path = write(source)
    refused(jenacast("models", path), str(path), BAD[source])


def test_all_problems_of_a_source_are_said_at_once(write):
    with pytest.raises(ConfigError) as caught:
        load_network(write("def build(inputs, *, outputs, a=None,\n          **b): ..."))
    assert "line 1: the default of a" in str(caught.value)
    assert "line 2: **b" in str(caught.value)


def test_a_file_that_is_missing_or_no_file_is_refused(jenacast, tmp_path):
    refused(jenacast("models", tmp_path / "none.py"), "none.py not found", "jenacast models --template")
    (tmp_path / "folder.py").mkdir()
    refused(jenacast("train", "--model", tmp_path / "folder.py"), "folder.py cannot be read")


def test_models_prints_settings_that_a_toml_may_have_which_stays_when_the_file_changes(
    write, jenacast, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    write(PLAIN, "nets/my_net.py")
    (tmp_path / "mine.toml").write_text(jenacast("models", "nets/my_net.py").stdout)
    assert own_settings(load_config(tmp_path / "mine.toml", ["model.units=3"]))["units"] == 3
    write(PLAIN.replace("units=32", "units=16"), "nets/my_net.py")
    assert own_settings(load_config(tmp_path / "mine.toml"))["units"] == 32
    assert '"architecture": "nets/my_net.py"' in jenacast("models", "nets/my_net.py", "--json").stdout


def test_a_toml_names_a_file_by_the_path_from_its_own_folder(write, tmp_path):
    write(PLAIN)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "short.toml").write_text('[model]\narchitecture = "../my_net.py"\nunits = 5\n')
    config = load_config(tmp_path / "deep" / "short.toml")
    assert config.model.architecture == "my_net.py"
    assert own_settings(config)["units"] == 5


def test_complete_settings_know_the_file_by_its_hash(write, tmp_path):
    path = write(PLAIN)
    (tmp_path / "config.toml").write_text(dump_config(load_network(path, ["model.units=5"])))
    assert load_config(tmp_path / "config.toml").model_dump() == load_network(path, ["model.units=5"]).model_dump()
    path.write_text(PLAIN + "\n")
    with pytest.raises(ConfigError, match=r"my_net\.py has changed: its SHA-256 was .*put it back"):
        load_config(tmp_path / "config.toml")


def test_the_template_is_printed_as_it_is(jenacast):
    printed = jenacast("models", "--template")
    assert printed.exit_code == 0
    assert printed.stdout == (configs_dir() / "my_net.py").read_text()
    assert jenacast("models", "--template", "dense").exit_code == 2
