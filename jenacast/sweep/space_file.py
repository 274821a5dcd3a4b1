"""The search space's TOML file, read and checked whole before any work."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jenacast.config import NAME_PATTERN, Config, check_settings, default_settings, load_recipe, merge, read_toml
from jenacast.errors import ConfigError
from jenacast.sweep.domains import Choice, Domain, Range, WholeRange
from jenacast.sweep.samplers import draw
from jenacast.sweep.space import RECIPE, Space

LONGEST_NAME = 40  # characters; the trials are named NAME-123
DRAWS = 100  # combinations that are tried
OWNED = {
    "train.seed": "--seeds says how many a trial is trained with",
    "data.fit_on": "trials are judged on validation",
}


def load_space(path: Path) -> Space:
    """Read a search space and check it whole.

    First every setting by itself: what is fixed, every choice, both ends of every range. Then whether they fit
    together: combinations with each of these, and a hundred drawn ones, are tried as settings of a training.

    Raises:
        ConfigError: the file cannot be read, or breaks a rule; all problems of settings by themselves in one text, or
            all of combinations.
    """
    parts = _Parts({"name": path.stem, **read_toml(path)})
    _refuse(path, [*parts.problems, *_wrong_conditions(parts), *_wrong_values(parts)])
    space = Space(parts.fixed["name"], parts.bases, _ordered(parts.domains))
    _refuse(path, _misfits(space))
    return space


@dataclass
class _Parts:
    """The file's content taken apart: what all trials share, and what is searched."""

    content: Mapping[str, Any]
    fixed: dict[str, Any] = field(default_factory=dict)
    bases: dict[str, dict[str, Any]] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)  # the domains, and those that are none because of a problem
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key, value in self.content.items():
            if not isinstance(value, dict):
                self.fixed[key] = value
            elif key == RECIPE:
                self._search(RECIPE, value)
            else:
                self._take_section(key, value)
        self._take_recipes()
        name = self.fixed.get("name", self.content["name"])
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name) or len(name) > LONGEST_NAME:
            rule = f"at most {LONGEST_NAME} lower-case letters, digits, - and _"
            self.problems.append(f"name: expected {rule}, received {name!r}")
        if not self.searched:
            self.problems.append(
                "nothing is searched; say, for example, under [train]: "
                "learning_rate = { low = 1e-4, high = 1e-2, log = true }"
            )

    def _take_section(self, section: str, content: Mapping[str, Any]) -> None:
        plain = {key: value for key, value in content.items() if not isinstance(value, dict)}
        if plain or not content:
            self.fixed[section] = plain
        for key, value in content.items():
            if isinstance(value, dict):
                self._search(f"{section}.{key}", value)

    def _take_recipes(self) -> None:
        """What the trials change, by what is chosen as `recipe`; there is one where that is not searched."""
        recipe = self.domains.get(RECIPE)
        labels = recipe.ends() if recipe else [self.fixed.pop(RECIPE, None)]
        for label in labels:
            try:
                settings = _settings_of(recipe.value(label) if recipe else label)
            except ConfigError as error:
                self.problems.append(f"{RECIPE}: {error}")
                settings = _settings_of(None)
            self.bases[str(label or "default")] = merge(settings, self.fixed)

    def _search(self, setting: str, content: Mapping[str, Any]) -> None:
        kind: type[Domain]
        self.searched.add(setting)
        if setting in OWNED:
            self.problems.append(f"{setting}: cannot be searched: {OWNED[setting]}")
            return
        value_type = _type_of(setting)
        if value_type is None:
            self.problems.append(f"{setting}: no such setting; `jenacast models NAME` prints those there are")
            return
        if "choices" in content or value_type not in (int, float):
            kind = Choice
        else:
            kind = WholeRange if value_type is int else Range
        try:
            self.domains[setting] = kind.model_validate(content)
        except ValidationError as error:
            self.problems += [_describe(setting, kind, dict(problem)) for problem in error.errors()]


def _describe(setting: str, kind: type[Domain], problem: Mapping[str, Any]) -> str:
    place = ".".join([setting, *map(str, problem["loc"])])
    rule = str(problem["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    match problem["type"]:
        case "extra_forbidden":
            return f"{place}: no such key here; there are {', '.join(kind.model_fields)}"
        case "missing":
            return f"{place}: missing; write {_example(kind)}"
        case "value_error":  # a rule of our own, which says what it received
            return f"{place}: {rule.removeprefix('Value error, ')}"
    received = repr(problem["input"])
    return f"{place}: expected {rule}, received {received if len(received) <= 80 else received[:80] + '...'}"


def _example(kind: type[Domain]) -> str:
    return '{ choices = ["...", "..."] }' if kind is Choice else "{ low = ..., high = ... } or { choices = [...] }"


def _type_of(setting: str) -> Any:
    """The type of a setting's values; None where there is no such setting."""
    if setting == RECIPE:
        return str
    section, _, key = setting.partition(".")
    settings = Config.model_fields[section].annotation if section in Config.model_fields else None
    fields = getattr(settings, "model_fields", {})
    return fields[key].annotation if key in fields else None


def _settings_of(recipe: object) -> dict[str, Any]:
    if recipe is None:
        return {**default_settings(), "summary": "", "source": ""}
    return load_recipe(str(recipe)).model_dump()


def _wrong_conditions(parts: _Parts) -> list[str]:
    problems = []
    for setting, domain in parts.domains.items():
        for other, labels in domain.when.items():
            deciding = parts.domains.get(other)
            if isinstance(deciding, Choice):
                unknown = [label for label in labels if label not in deciding.ends()]
                problems += [f"{setting}.when: {other} = {label!r} is none of {deciding.ends()}" for label in unknown]
            elif deciding or other not in parts.searched:
                problems.append(f"{setting}.when: {other} has no choices here")
    if RECIPE in parts.domains and parts.domains[RECIPE].when:
        problems.append(f"{RECIPE}.when: every trial has a recipe")
    try:
        _ordered(parts.domains)
    except CycleError as error:
        problems.append(f"these wait for each other with `when`: {', '.join(error.args[1][1:])}")
    return problems


def _ordered(domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """What others wait for first."""
    order = TopologicalSorter({name: domain.when for name, domain in domains.items()}).static_order()
    return {name: domains[name] for name in order if name in domains}


def _wrong_values(parts: _Parts) -> list[str]:
    problems: dict[str, None] = {}
    for base in parts.bases.values():
        changes: list[dict[str, Any]] = [{}]
        for setting, domain in parts.domains.items():
            section, _, key = setting.partition(".")
            changes += [{section: {key: domain.value(label)}} for label in domain.ends() if key]
        for change in changes:
            problems |= dict.fromkeys(_wrong_settings(merge(base, {**change, "name": "sound"})))
        if isinstance(base["data"], dict) and base["data"]["fit_on"] == "train+val":
            problems[f"data.fit_on: {OWNED['data.fit_on']}, so expected 'train', received 'train+val'"] = None
    return list(problems)


def _wrong_settings(settings: Mapping[str, Any]) -> list[str]:
    try:
        check_settings(settings, where="")
    except ConfigError as error:
        # A rule for several settings names their table; whether they keep it together is asked later.
        tables = [key for key in default_settings() if isinstance(settings[key], dict)]
        return [line for line in _lines(error) if line.partition(":")[0] not in tables]
    return []


def _misfits(space: Space) -> list[str]:
    """What is wrong with combinations; each rule once, with the first combination that breaks it."""
    never = [setting for setting, needed in space.needs().items() if not all(needed.values())]
    if never:
        return [f"{setting}.when: asks for choices that exclude each other, so never holds" for setting in never]
    found: dict[str, str] = {}
    for chosen in [*space.extremes(), *draw(space, DRAWS)]:
        try:
            space.config(chosen, space.name)
        except ConfigError as error:
            told = ", ".join(f"{setting}={label!r}" for setting, label in chosen.items())
            for line in _lines(error):
                rule = re.sub(r"\d\S*", "#", line)  # whatever the numbers
                found.setdefault(rule, f"{line} (chosen: {told}; `when` keeps apart what does not fit together)")
    return list(found.values())


def _lines(error: ConfigError) -> list[str]:
    """The problems of settings, without the head that counts them."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[1:] or lines


def _refuse(path: Path, problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError(f"{len(problems)} problem(s) in the search space ({path}):\n  " + "\n  ".join(problems))
