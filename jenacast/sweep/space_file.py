"""The search space's TOML file, read and checked whole before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jenacast.config import Config, default_settings, load_recipe, merge, read_toml
from jenacast.errors import ConfigError
from jenacast.sweep.domains import Choice, Domain, Range, WholeRange
from jenacast.sweep.space import RECIPE, Chosen, Space

LONGEST_NAME = 40  # characters; the trials are named NAME-123
DRAWS = 100  # combinations that are tried
OWNED = {
    "train.seed": "--seeds says how many a trial is trained with",
    "data.fit_on": "trials are judged on validation",
}


def load_space(path: Path) -> Space:
    """Read a search space and check it whole.

    Every choice, both ends of every range, and a hundred combinations are tried as settings of a training.

    Raises:
        ConfigError: the file cannot be read, or breaks a rule; all problems in one text.
    """
    parts = _Parts({"name": path.stem, **read_toml(path)})
    _refuse(path, [*parts.problems, *_wrong_conditions(parts.domains)])
    recipes = parts.domains[RECIPE].values() if RECIPE in parts.domains else [parts.fixed.pop(RECIPE, None)]
    bases = {str(recipe or "default"): merge(_settings_of(recipe), parts.fixed) for recipe in recipes or []}
    space = Space(parts.fixed["name"], bases, _ordered(path, parts.domains))
    _refuse(path, _problems_of_trials(space))
    return space


@dataclass
class _Parts:
    """The file's content taken apart: what all trials share, and what is searched."""

    content: Mapping[str, Any]
    fixed: dict[str, Any] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key, value in self.content.items():
            if key == RECIPE and isinstance(value, dict):
                self._search(RECIPE, value)
            elif isinstance(value, dict):
                self.fixed[key] = {name: each for name, each in value.items() if not isinstance(each, dict)}
                for name, each in value.items():
                    if isinstance(each, dict):
                        self._search(f"{key}.{name}", each)
            else:
                self.fixed[key] = value
        name = self.fixed["name"]
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            self.problems.append(f"name: expected at most {LONGEST_NAME} characters, received {name!r}")
        if not self.domains and not self.problems:
            self.problems.append(
                "nothing is searched; say, for example, under [train]: "
                "learning_rate = { low = 1e-4, high = 1e-2, log = true }"
            )

    def _search(self, setting: str, content: Mapping[str, Any]) -> None:
        kind: type[Domain]
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
    known = [str(part) for part in problem["loc"] if part in kind.model_fields]
    rule = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "extra_forbidden":
        known, rule = [str(problem["loc"][0])], f"no part of a domain; there are {', '.join(kind.model_fields)}"
    if problem["type"] == "missing":
        return f"{'.'.join([setting, *known])}: missing; write {_example(kind)}"
    if problem["type"] == "value_error":
        return f"{'.'.join([setting, *known])}: {rule}"
    return f"{'.'.join([setting, *known])}: expected {rule}, received {problem['input']!r}"


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
    return (
        {**default_settings(), "summary": "", "source": ""} if recipe is None else load_recipe(str(recipe)).model_dump()
    )


def _wrong_conditions(domains: Mapping[str, Domain]) -> list[str]:
    problems = []
    for setting, domain in domains.items():
        for other, labels in domain.conditions.items():
            deciding = domains.get(other)
            if not isinstance(deciding, Choice):
                problems.append(f"{setting}.when: {other} has no choices here")
                continue
            unknown = [label for label in labels if label not in deciding.ends()]
            problems += [f"{setting}.when: {other} = {label!r} is none of {deciding.ends()}" for label in unknown]
    return problems


def _ordered(path: Path, domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """What others wait for first."""
    try:
        order = TopologicalSorter({name: domain.conditions for name, domain in domains.items()}).static_order()
        return {name: domains[name] for name in order}
    except CycleError as error:
        raise ConfigError(f"{path}: these wait for each other with `when`: {', '.join(error.args[1][1:])}") from None


def _problems_of_trials(space: Space) -> list[str]:
    problems: dict[str, None] = {}
    for chosen in [*_extremes(space), *_draws(space)]:
        try:
            config = space.config(chosen, space.name)
            if config.data.fit_on != "train":
                problems[f"data.fit_on={config.data.fit_on!r}: {OWNED['data.fit_on']}, so it stays 'train'"] = None
        except ConfigError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            problems |= dict.fromkeys(lines[1:] or lines)
    return list(problems)


def _extremes(space: Space) -> list[Chosen]:
    """For every choice, and both ends of every range, one combination that has it."""
    return [
        _combination(space, _enabling(space, setting) | {setting: label})
        for setting, domain in space.domains.items()
        for label in domain.ends()
    ]


def _enabling(space: Space, setting: str) -> Chosen:
    """What must be chosen for this setting to be searched."""
    wanted: Chosen = {}
    for other, labels in space.domains[setting].conditions.items():
        wanted |= _enabling(space, other) | {other: labels[0]}
    return wanted


def _combination(space: Space, wanted: Chosen) -> Chosen:
    chosen: Chosen = {}
    for setting, domain in space.domains.items():
        if domain.is_enabled(chosen):
            chosen[setting] = wanted.get(setting, domain.ends()[0])
    return chosen


def _draws(space: Space) -> list[Chosen]:
    from jenacast.sweep.samplers import draw

    return draw(space, DRAWS)


def _refuse(path: Path, problems: Sequence[str]) -> None:
    if problems:
        raise ConfigError(f"{len(problems)} problem(s) in the search space ({path}):\n  " + "\n  ".join(problems))
