"""Settings as TOML: files read, tables laid over one another, single values assigned, problems described."""

import logging
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jenacast.errors import ConfigError, did_you_mean
from jenacast.files import read_regular

logger = logging.getLogger(__name__)

MOST_BYTES = 200_000  # of a file of settings; a summary goes into every checkpoint
RETIRED = {"train": {"quantile": 0.5}}  # settings that stored configs may have, with the value that changes nothing
RENAMED = {"best": "lagged", "wide": "lagged-wide"}  # recipes, by their names in earlier versions
SOURCE_OF_RENAMED = "docs/experiments.md"  # as those state it; settings of a user's own may be called best
A_START = "`jenacast models NAME` prints a config to start from"


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: missing, unreadable, or not TOML.
    """
    try:
        content = tomllib.loads(read_regular(path, MOST_BYTES).decode())
        repr(content)  # fails at tables in tables in tables that nothing else could look through either
        return content
    except FileNotFoundError:
        raise ConfigError(f"{path} not found; {A_START}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, too many digits; or too deeply nested
        raise ConfigError(f"{path} is not valid TOML: {error}; {A_START}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; {A_START}") from None


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `below` where `above` has no others, table by table."""
    merged = dict(below)
    for key, value in above.items():
        both_tables = isinstance(merged.get(key), dict) and isinstance(value, dict)
        merged[key] = merge(merged[key], value) if both_tables else value
    return merged


def assign(settings: dict[str, Any], assignment: str) -> str | None:
    """Apply `section.key=value` to settings in place; return the problem, if any. The value is TOML or a bare word."""
    key, equals, text = assignment.partition("=")
    section, dot, name = key.strip().partition(".")
    if not equals or not dot or not isinstance(settings.get(section), dict):
        return f"--set {assignment}: expected SECTION.KEY=VALUE, such as train.epochs=5"
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()  # a bare word such as adam
    settings[section][name] = value
    return None


def up_to_date(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings of an earlier version as this one has them.

    Retired settings that changed nothing are dropped, others are left to fail; a recipe has its name of today.
    """
    settings = dict(stored)
    for section, retired in RETIRED.items():
        if isinstance(settings.get(section), dict):
            settings[section] = {
                key: value for key, value in settings[section].items() if key not in retired or value != retired[key]
            }
    name = settings.get("name")
    if isinstance(name, str) and settings.get("source") == SOURCE_OF_RENAMED:
        settings["name"] = RENAMED.get(name, name)
    return settings


def name_of_today(recipe: str) -> str:
    """A recipe's name; one that an earlier version gave is understood, and logged with the one of today."""
    if recipe in RENAMED:
        logger.info("note: the recipe %s is now called %s", recipe, RENAMED[recipe])
    return RENAMED.get(recipe, recipe)


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their full names, such as train.epochs."""
    sections = {section: content for section, content in settings.items() if isinstance(content, dict)}
    named = {f"{section}.{key}": value for section, content in sections.items() for key, value in content.items()}
    return {key: value for key, value in settings.items() if key not in sections} | named


def no_such_setting(name: str, known: Iterable[str]) -> str:
    """The problem of a setting that is none of those that are known, by their full names."""
    return f"{name}: no such setting; `jenacast models NAME` prints those there are{did_you_mean(name, known)}"


def describe_problem(problem: Mapping[str, Any], known: Iterable[str]) -> str:
    """A problem that pydantic found in settings as one line: the setting, the rule and the value received."""
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return no_such_setting(key, known)
    if problem["type"] == "string_pattern_mismatch":  # the name, by default the file's
        return f"{key}: expected lower-case letters, digits, - and _, received {problem['input']!r}"
    if problem["type"] == "value_error":  # a rule of our own, which says what it received
        return f"{key}: {problem['ctx']['error']}"
    if problem["type"] == "model_type":
        return f"{key}: expected a table, received {problem['input']!r}"
    rule = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ").removeprefix("String should have ")
    received = repr(problem["input"])
    return f"{key}: expected {rule}, received {received if len(received) <= 80 else received[:80] + '...'}"
