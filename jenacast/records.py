"""What is kept as JSON: records, checked whole when they are read.

A record is a pydantic model derived from `Record`, a dataclass, or any other type that pydantic can check.
"""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from jenacast.errors import JenacastError
from jenacast.files import read_regular

MAX_PROBLEMS = 5  # named at once
MOST_BYTES = 100_000_000  # of a file; a manifest lists every row whose temperature was not measured
_Kind = TypeVar("_Kind")


class Record(BaseModel):
    """A record without unknown keys and without NaN or infinity; it is never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def problems(error: ValidationError) -> str:
    """The first problems of a failed check as one text: `splits.train.stop: Field required; ...`."""
    found = [
        (".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, "))
        for problem in error.errors()[:MAX_PROBLEMS]
    ]
    return "; ".join(": ".join(filter(None, place_and_rule)) for place_and_rule in found)


def read_record(
    path: Path,
    kind: type[_Kind],
    *,
    missing: str,
    damaged: str,
    error: type[JenacastError] = JenacastError,
    format: int | None = None,  # noqa: A002  the key in the file
) -> _Kind:
    """Read a JSON file as a `kind`.

    Args:
        path: the file.
        kind: a record's type.
        missing: the remedy where there is no file.
        damaged: the remedy where the file does not hold a `kind`.
        error: what is raised where it is missing, damaged or of another format.
        format: the number that the file's `format` must have.

    Raises:
        JenacastError: an `error`.
        PermissionError: the file may not be read, which damages nothing.
    """
    try:
        text = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        raise error(f"{path} not found; {missing}") from None
    except PermissionError:
        raise
    except (OSError, ValueError) as problem:  # a null byte in the path is a ValueError
        raise error(f"{path} is damaged ({problem}); {damaged}") from None
    return check_record(text, kind, str(path), damaged=damaged, error=error, format=format)


def check_record(
    content: Any,
    kind: type[_Kind],
    where: str,
    *,
    damaged: str,
    error: type[JenacastError] = JenacastError,
    format: int | None = None,  # noqa: A002
) -> _Kind:
    """Check JSON that was read already, as bytes or as what it holds; the rest is as for `read_record`.

    `where` names its file in errors.
    """
    if isinstance(content, bytes):
        try:
            content = json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as problem:  # no JSON, no UTF-8, too many digits; or too deeply nested
            raise error(f"{where} is damaged ({problem}); {damaged}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if format is not None and found != format:
        raise error(
            f"{where} has format {found!r}, this version reads {format}; use the jenacast that wrote it, or {damaged}"
        )
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as problem:
        raise error(f"{where} is damaged ({problems(problem)}); {damaged}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
