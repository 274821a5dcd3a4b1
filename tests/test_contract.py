"""What a network of the user's own has to hold to before it is trained, and how it is told where it does not."""

import pytest

from jenacast.config import configs_dir, load_network
from jenacast.errors import ConfigError
from jenacast.models import own
from jenacast.training.contract import check_network

SMALL = ["data.history_hours=6", 'data.columns=["temperature_c", "pressure_mbar"]']
HEAD = "import keras\n\ndef build(inputs, *, outputs, units=4):\n"  # three lines
EMPTY = HEAD + "    ...\n"
DENSE = "    x = keras.layers.Dense(units)(keras.layers.Flatten()(inputs))\n"
LAYER = """import keras
{registered}
class Scale(keras.layers.Layer):
    def __init__(self, start=1.0, **options):
        super().__init__(**options)
        self.start = start

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.start))
        self.spare = self.add_weight(shape=(), trainable={spare}, name="spare")

    def call(self, inputs):
        return {call}

    def get_config(self):
        return {config}


def build(inputs, *, outputs, start=2.0):
    x = Scale(start)(keras.layers.Flatten()(inputs))
    return keras.layers.Dense(outputs)(x)
"""
GOOD = {
    "registered": '@keras.saving.register_keras_serializable("tests")',
    "spare": "False",
    "call": "inputs * self.scale",
    "config": '{**super().get_config(), "start": self.start}',
}


@pytest.fixture
def check(tmp_path, monkeypatch):
    """A function that tries a source, which is named as it were on the command line."""
    monkeypatch.setattr(own, "_named", {})

    def tried(source, *assignments):
        (tmp_path / "net.py").write_text(source)
        config = load_network(tmp_path / "net.py", [*SMALL, *assignments])
        own.allow(config.network.code)
        check_network(config)

    return tried


def layer(**changes):
    return LAYER.format(**{**GOOD, **changes})


@pytest.mark.parametrize(
    "source",
    [
        HEAD + DENSE + "    return keras.layers.Dense(outputs)(x)",
        HEAD.replace("outputs,", "outputs, columns,")
        + "    assert columns[1] == 'pressure_mbar'\n"
        + DENSE
        + "    return keras.layers.Dense(outputs)(x)",
        HEAD + DENSE + "    gate = keras.layers.Dense(units, use_bias=False, kernel_initializer='zeros')(x)\n"
        "    return keras.layers.Dense(outputs)(x + gate)",
        layer(),
    ],
    ids=["dense", "columns", "a gate that begins at 0", "layer"],
)
def test_a_sound_network_holds_to_the_contract(check, source):
    check(source)
    check(source, "data.every_hour=true")


def test_the_template_holds_to_the_contract(check):
    check((configs_dir() / "my_net.py").read_text(), "model.units=4")


BAD = {
    "import keras\nprint('hello')\n" + EMPTY: ("line 2", "prints to stdout"),
    "import sys\n\nsys.exit('bye')\n" + EMPTY: ("line 3", "ends the program"),
    "import nothing_of_this_name\n" + EMPTY: ("line 1", "only what is installed can be imported"),
    "x = 1 / 0\n" + EMPTY: ("line 1", "ZeroDivisionError: division by zero"),
    HEAD + "    return None": ("line 4", "build returns a NoneType, expected the output tensor, (windows, 1) float32"),
    HEAD + "    return keras.Model(inputs, inputs)": ("line 4", "build returns a Functional"),
    HEAD + "    return keras.layers.Dense(outputs)(inputs)": ("line 4", "a tensor of (windows, 6, 1) float32"),
    HEAD + DENSE + "    return keras.layers.Dense(3)(x)": ("line 5", "(windows, 3) float32, expected"),
    HEAD + DENSE + "    return keras.layers.Dense(outputs)(y)": ("line 5", "name 'y' is not defined"),
    HEAD + "    x = keras.layers.Dense(-units)(inputs)\n    return x": ("line 4", "invalid value for `units`"),
    HEAD + "    return keras.layers.Dense(outputs)(keras.Input((3,)))": ("line 3",),
    HEAD + DENSE + "    x = keras.ops.log(-keras.ops.abs(x) - 1)\n    return keras.layers.Dense(outputs)(x)": (
        "line 5",
        "Log makes NaN",
    ),
    HEAD + "    return keras.ops.mean(inputs, axis=(1, 2))[:, None]": ("line 3", "no weights"),
    HEAD + DENSE + "    x = keras.ops.stop_gradient(x)\n    return keras.layers.Dense(outputs)(x)": (
        "line 4",
        "training does not move dense/",
        "a weight of Dense",
    ),
    HEAD + "    x = keras.layers.Lambda(lambda x: x[:, -1])(inputs)\n    return keras.layers.Dense(outputs)(x)": (
        "saved, it cannot be loaded again",
        "Lambda",
    ),
    layer(registered=""): ("line 3", "cannot be loaded again", "Could not locate class 'Scale'", "register_keras"),
    layer(config="{**super().get_config(), 'begin': self.start}"): ("line 3", "cannot be loaded again", "get_config"),
    layer(config="super().get_config()", call="inputs * self.scale * self.start"): (
        "forecasts something else",
        "get_config",
    ),
    layer(spare="True"): ("line 20", "training does not move", "spare", "a weight of Scale"),
    layer(call="inputs + unknown"): ("line 13", "name 'unknown' is not defined"),
    layer(call="print(inputs)"): ("line 13", "prints to stdout"),
}


@pytest.mark.parametrize("source", BAD)
def test_what_does_not_hold_is_one_sentence_with_file_and_line(check, source, tmp_path):
    with pytest.raises(ConfigError) as caught:
        check(source)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "net.py"))
    assert [text for text in BAD[source] if text not in said] == [], said
    assert "\n" not in said
    assert "\x1b" not in said


def test_code_that_was_not_named_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "_named", {})
    (tmp_path / "net.py").write_text("raise SystemExit\n" + EMPTY)
    with pytest.raises(
        ConfigError, match=r"net\.py is code, and is run only where you name it; .*add: --code .*net\.py"
    ):
        check_network(load_network(tmp_path / "net.py"))


def test_each_network_has_what_its_file_keeps_for_itself(check, tmp_path):
    """A layer that is made as the file is read would be trained by the trial already."""
    shared = "import keras\nSHARED = keras.layers.Dense(3)\n\ndef build(inputs, *, outputs):\n"
    check(shared + "    return keras.layers.Dense(outputs)(SHARED(inputs[:, -1]))")
    built = [own.load_builder(load_network(tmp_path / "net.py").network) for _ in range(2)]
    assert built[0].__wrapped__.__globals__["SHARED"] is not built[1].__wrapped__.__globals__["SHARED"]
