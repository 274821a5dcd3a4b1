"""A network of the user's own: a Python file, read for the settings that it has. Nothing in it is run here.

The file has a function `build(inputs, *, outputs, units=32, ...)`, whose arguments with defaults are settings. They are
read off the source, so that listing and comparing runs takes no code that came with them.
"""

import ast
import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from jenacast.errors import ConfigError
from jenacast.files import read_regular

SUFFIX = ".py"  # of a `model.architecture` that is a file
BUILD = "build"
GIVEN = ("outputs", "columns")  # arguments of a builder that are no settings
COMMON = ("architecture", "code_sha256", "noise", "any_history", "has_dropout")  # what every such network has already
MOST_BYTES = 200_000
LONGEST_SHOWN = 60  # characters of source in an error
TEMPLATE = "`jenacast models --template` prints a file to start from"
FORM = f"expected def {BUILD}(inputs, *, outputs, units=32, ...); {TEMPLATE}"


@dataclass(frozen=True)
class CodeFile:
    """A Python file as it was read: what is run is what was hashed."""

    path: Path
    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The hash of the content, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def at(self, line: int) -> str:
        """A place in the file, for errors."""
        return f"{self.path}, line {line}"


@dataclass(frozen=True)
class OwnNetwork:
    """What the source of a network says.

    Attributes:
        code: the file.
        summary: the first line of its docstring, or "".
        settings: the arguments with defaults, and these.
        line: where `build` begins.
        return_line: of its last return.
        class_lines: where the classes of the file begin, by name.
    """

    code: CodeFile
    summary: str
    settings: dict[str, Any]
    line: int
    return_line: int
    class_lines: dict[str, int]


def read_code(path: Path) -> CodeFile:
    """Read a Python file; it need not be a network.

    Raises:
        ConfigError: missing, unreadable, or too large.
    """
    try:
        return CodeFile(path, read_regular(path, MOST_BYTES))
    except FileNotFoundError:
        raise ConfigError(f"{path} not found; {TEMPLATE}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {TEMPLATE}") from None


def read_network(path: Path) -> OwnNetwork:
    """Read a network's settings off its source.

    Raises:
        ConfigError: the file cannot be read, is no Python, or has no `build` of the right form; each problem with its
            line.
    """
    code = read_code(path)
    tree = _parse(code)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == BUILD]
    if not functions:
        raise ConfigError(f"{path} has no function {BUILD}; {FORM}")
    build = functions[-1]
    settings: dict[str, Any] = {}
    problems = [f"{code.at(line)}: {text}" for line, text in _read_arguments(build, settings)]
    if problems:
        raise ConfigError("\n  ".join(problems))
    returns = [node.lineno for node in ast.walk(build) if isinstance(node, ast.Return)]
    return OwnNetwork(
        code=code,
        summary=(ast.get_docstring(tree) or "").partition("\n")[0],
        settings=settings,
        line=build.lineno,
        return_line=max(returns, default=build.lineno),
        class_lines={node.name: node.lineno for node in ast.walk(tree) if isinstance(node, ast.ClassDef)},
    )


def network_of(recipe: Mapping[str, Any], folder: Path) -> OwnNetwork | None:
    """The network of the user's own that settings name by a path from `folder`, if they do.

    Raises:
        ConfigError: the file cannot be read, or is not the one that a run began with.
    """
    model = recipe.get("model")
    architecture = model.get("architecture") if isinstance(model, dict) else None
    if not (isinstance(model, dict) and is_file(architecture)):
        return None
    network = read_network(folder / str(architecture))
    begun = model.get("code_sha256", network.code.sha256)
    if begun != network.code.sha256:
        raise ConfigError(
            f"{network.code.path} has changed: its SHA-256 was {begun}, and is {network.code.sha256}; put it back, or "
            "start a new run with it: jenacast train --model FILE.py"
        )
    model["architecture"] = network.code.path.name
    return network


def is_file(architecture: object) -> bool:
    """Whether a `model.architecture` is a file, and none of jenacast's own."""
    return isinstance(architecture, str) and architecture.endswith(SUFFIX)


def _parse(code: CodeFile) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of questionable escapes; they are shown where the file is run
            return ast.parse(code.content, str(code.path))
    except SyntaxError as error:
        where = code.at(error.lineno) if error.lineno else str(code.path)
        raise ConfigError(f"{where}: {error.msg}; mend it") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; too deeply nested
        raise ConfigError(f"{code.path} is no Python file: {error or type(error).__name__}") from None


def _read_arguments(build: ast.FunctionDef, settings: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Put the settings in their place; yield (line, problem) for what is not as it has to be."""
    arguments = build.args
    by_place = [*arguments.posonlyargs, *arguments.args]
    if not by_place:
        yield build.lineno, f"{BUILD} takes no inputs; {FORM}"
    for each in by_place[1:]:
        yield each.lineno, f"{each.arg} is not given by name; write `*,` after {by_place[0].arg}"
    if arguments.vararg:
        yield arguments.vararg.lineno, f"*{arguments.vararg.arg}: arguments are given by name; leave it out"
    if arguments.kwarg:
        what = f"**{arguments.kwarg.arg}"
        yield arguments.kwarg.lineno, f"{what}: every setting needs a name and a default; write them out instead"
    if by_place and "outputs" not in [each.arg for each in (*by_place, *arguments.kwonlyargs)]:
        yield build.lineno, f"{BUILD} has no argument outputs, how many numbers it returns a window; {FORM}"
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if each.arg in GIVEN:
            continue
        if each.arg in COMMON or each.arg.startswith("_") or hasattr(BaseModel, each.arg):
            yield each.lineno, f"{each.arg} cannot be the name of a setting of your own; choose another"
        elif default is None:
            yield each.lineno, f"{each.arg} has no default; it becomes a setting under [model] by one"
        else:
            try:
                settings[each.arg] = _literal(default)
            except ValueError as error:
                yield default.lineno, f"the default of {each.arg}: {error}"


def _literal(node: ast.expr) -> Any:
    """The value of a default, a tuple as a list; a ValueError where TOML has no such value."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        value = None
    value = list(value) if isinstance(value, tuple) else value
    parts = value if isinstance(value, list) else [value]
    is_known = all(isinstance(part, bool | int | float | str) for part in parts)
    if not parts or not is_known or len({type(part) for part in parts}) > 1:
        raise ValueError(
            "expected a number, a text, True or False, or a list of one of these that is not empty, written out, "
            f"received {ast.unparse(node)[:LONGEST_SHOWN]}"
        )
    if any(isinstance(part, float) and not math.isfinite(part) for part in parts):
        raise ValueError(f"expected a finite number, received {ast.unparse(node)[:LONGEST_SHOWN]}")
    return value
