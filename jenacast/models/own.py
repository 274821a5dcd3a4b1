"""Code of the user's own, which makes networks and layers: which of it may be run, and how it is run.

Nothing runs code that the user has not named on the command line. A file is known by its hash, so that a copy of it in
a run folder is named along with it, and a run folder or a checkpoint that somebody sent runs nothing of itself.
"""

import io
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from jenacast.errors import CheckpointError, ConfigError, JenacastError, command
from jenacast.models.guards import keras_reason
from jenacast.network_file import BUILD, CodeFile, OwnNetwork, is_file
from jenacast.runtime import load_tensorflow

OPTION = "--code"
_named: dict[str, CodeFile] = {}  # by their hashes: the files that the user has named


def allow(code: CodeFile) -> None:
    """Let this file be run, since the user has named it."""
    _named[code.sha256] = code


def refuse_unnamed(code: CodeFile) -> None:
    """Refuse to run a file that the user has not named.

    Raises:
        ConfigError: it was not named.
    """
    if code.sha256 not in _named:
        raise ConfigError(
            f"{code.path} is code, and is run only where you name it; where you trust it, add: "
            f"{command(OPTION, code.path)}"
        )


def load_builder(network: OwnNetwork) -> Callable[..., Any]:
    """Run the file of a network and return its `build`, which fails with the file and the line.

    The file is run anew each time, so that no two networks share what it keeps.

    Raises:
        ConfigError: it was not named, or it fails.
    """
    refuse_unnamed(network.code)
    function: Callable[..., Any] = vars(run(network.code))[BUILD]

    @wraps(function)
    def build(inputs: Any, *, outputs: int, **settings: Any) -> Any:
        with located_errors(network.code, network.line):
            output = function(inputs, outputs=outputs, **settings)
            _check_output(output, outputs, network)
            return output

    return build


def run(code: CodeFile) -> ModuleType:
    """Run a file as a module of its own: whatever layers it registers, Keras knows from then on.

    Raises:
        ConfigError: it fails, prints, or ends the program.
    """
    load_tensorflow()
    module = ModuleType(code.path.name)  # no other module has such a name
    module.__file__ = str(code.path)
    sys.modules[module.__name__] = module  # where dataclasses look for their types
    with located_errors(code):
        exec(compile(code.content, str(code.path), "exec", dont_inherit=True), vars(module))  # noqa: S102
    return module


@contextmanager
def located_errors(code: CodeFile, line: int | None = None) -> Iterator[None]:
    """Turn what fails in a file of the user's into one sentence with the file and the line; by default with `line`.

    Raises:
        ConfigError: something in the block failed, printed, or ended the program.
    """
    try:
        with redirect_stdout(_Closed()):
            yield
    except JenacastError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError) and error.filename == str(code.path):
            line = error.lineno
        inside = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(code.path)
        ]
        place = inside[-1] if inside else line
        raise ConfigError(f"{code.at(place) if place else code.path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "this ends the program; leave it out"
    if isinstance(error, _PrintedError):
        return "this prints to stdout, which has the result alone; print to sys.stderr, or leave it out"
    if isinstance(error, ModuleNotFoundError):
        return f"{error}: a network is one file; only what is installed can be imported"
    return f"{type(error).__name__}: {keras_reason(error)}" if isinstance(error, Exception) else str(error)


class _PrintedError(Exception):
    """Something was written to stdout."""


class _Closed(io.StringIO):
    """A stdout that nobody may write to."""

    def write(self, text: str) -> NoReturn:
        raise _PrintedError


def register_layers(*configs: Mapping[str, Any]) -> None:
    """Make the layers known to Keras that a network of these settings may hold: those of jenacast, and the user's own.

    Without settings, of a network made elsewhere, all files are run that the user has named.

    Raises:
        ConfigError: a file fails.
        CheckpointError: two files have a layer of one name, so that one of them would be taken for the other.
    """
    load_tensorflow()
    import keras

    import jenacast.models.layers
    import jenacast.models.members  # noqa: F401

    needed = [sha256 for sha256, _ in _code_of(configs)] if configs else list(_named)
    owners: dict[str, CodeFile] = {}
    for code in (_named[sha256] for sha256 in dict.fromkeys(needed) if sha256 in _named):
        before = dict(keras.saving.get_custom_objects())
        run(code)
        for name, each in keras.saving.get_custom_objects().items():
            if before.get(name) is not each and owners.setdefault(name, code) is not code:
                raise CheckpointError(f"{owners[name].path} and {code.path} both register {name}; rename one of them")


def unknown_layer_remedy(path: Path, *configs: Mapping[str, Any]) -> str:
    """What to do about a checkpoint of these settings that holds a layer which Keras does not know."""
    if not configs:
        return f"name the file that defines it, where you trust that: {OPTION} FILE.py"
    code = _code_of(configs)
    if not code:
        return "give a network that jenacast train made"
    missing = [(sha256, name) for sha256, name in code if sha256 not in _named]
    if not missing:
        return "register it in its file with @keras.saving.register_keras_serializable()"
    copies = [copy if (copy := path.parent / Path(name).name).is_file() else Path(name).name for _, name in missing]
    words = command(*(word for copy in copies for word in (OPTION, copy)))
    others = f"; {', '.join(str(code.path) for code in _named.values())} is another" if _named else ""
    hashes = ", ".join(f"SHA-256 {sha256}" for sha256, _ in missing)
    return (
        f"it is of code that this network was trained with; where you trust that, name it: {words} ({hashes}{others})"
    )


def _code_of(configs: tuple[Mapping[str, Any], ...]) -> list[tuple[str, str]]:
    """The hashes and names of the files that networks of these settings were built with."""
    models = [config.get("model") for config in configs]
    return [
        (str(model.get("code_sha256")), str(model["architecture"]))
        for model in models
        if isinstance(model, dict) and is_file(model.get("architecture"))
    ]


def _check_output(output: Any, outputs: int, network: OwnNetwork) -> None:
    """Refuse what a `build` returned if it is no tensor of (windows, `outputs`).

    Raises:
        ConfigError: it is something else.
    """
    import keras

    what = f"a {type(output).__name__}"
    if isinstance(output, keras.KerasTensor):
        if tuple(output.shape) == (None, outputs) and output.dtype == "float32":
            return
        sizes = ", ".join("windows" if number == 0 else str(size) for number, size in enumerate(output.shape))
        what = f"a tensor of ({sizes}) {output.dtype}"
    raise ConfigError(
        f"{network.code.at(network.return_line)}: {BUILD} returns {what}, expected the output tensor, "
        f"(windows, {outputs}) float32; let it end in keras.layers.Dense(outputs)"
    )
