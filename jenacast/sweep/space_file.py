"""The search space's TOML file, read and checked whole before any work."""

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jenacast.config import Config, check_settings, default_settings, defaults_with, kind_of, load_recipe, settings_in
from jenacast.errors import ConfigError
from jenacast.models.build import check_model
from jenacast.network_file import OwnNetwork, network_of
from jenacast.settings import NAME_PATTERN
from jenacast.sweep.domains import Choice, Domain, IntegerRange, Range
from jenacast.sweep.space import RECIPE, Chosen, Space
from jenacast.toml_files import describe_problem, merge, no_such_setting, read_toml

LONGEST_NAME = 40  # characters; the trials are named NAME-123
OTHER_WINDOWS = "their errors cannot be compared"
NOT_SEARCHABLE = {
    "train.seed": "--seeds says how many a trial is trained with",
    "data.fit_on": "trials are judged on validation",
    **dict.fromkeys(
        ("data.history_hours", "data.lead_hours", "data.windows_per_hour"),
        f"trials with other windows answer another question, so {OTHER_WINDOWS}",
    ),
}
NOTHING_SEARCHED = (
    "nothing is searched; say, for example, under [train]: learning_rate = { low = 1e-4, high = 1e-2, log = true }"
)


def load_space(path: Path) -> Space:
    """Read a search space and check it whole: its domains, their conditions, and settings at the domains' bounds.

    Where a domain or a condition is wrong, settings are only checked by themselves, not whether they fit together.

    Raises:
        ConfigError: the file cannot be read, or breaks a rule; all problems in one text.
    """
    content = {"name": path.stem, **read_toml(path)}
    problems = _name_problems(content["name"])
    fixed, searched = _split(content)
    network = network_of(fixed, path.parent)
    kind = kind_of(network)
    found = {setting: _domain(setting, each, problems, kind) for setting, each in searched.items()}
    domains = {setting: domain for setting, domain in found.items() if domain}
    bases = _bases(domains.get(RECIPE), fixed, problems, network)
    problems += [] if searched else [NOTHING_SEARCHED]
    problems += _condition_problems(domains, searched)
    if not problems:
        space = Space(content["name"], bases, _ordered(domains), kind)
        never = [setting for setting, needed in space.needs().items() if not all(needed.values())]
        problems = [f"{setting}.when: asks for choices that exclude each other, so never holds" for setting in never]
    if problems:
        alone = {name: each.model_copy(update={"when": {}}) for name, each in domains.items()}
        space = Space(path.stem, bases, alone, kind)
    problems += _value_problems(space, alone=bool(problems))
    if problems:
        raise ConfigError(f"{len(problems)} problem(s) in the search space ({path}):\n  " + "\n  ".join(problems))
    return space


def _name_problems(name: object) -> list[str]:
    if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) and len(name) <= LONGEST_NAME:
        return []
    return [f"name: expected at most {LONGEST_NAME} lower-case letters, digits, - and _, received {name!r}"]


def _split(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What all trials share; and by setting what is searched: tables in a section's table, and the recipe's."""
    fixed: dict[str, Any] = {}
    searched: dict[str, Any] = {}
    for key, value in content.items():
        if not isinstance(value, dict):
            fixed[key] = value
        elif key == RECIPE:
            searched[RECIPE] = value
        else:
            plain = {name: each for name, each in value.items() if not isinstance(each, dict)}
            fixed |= {key: plain} if plain or not value else {}
            searched |= {f"{key}.{name}": each for name, each in value.items() if isinstance(each, dict)}
    return fixed, searched


def _domain(setting: str, content: Mapping[str, Any], problems: list[str], settings: type[Config]) -> Domain | None:
    """The domain of a setting; None where it cannot be read, after which there are more problems."""
    value_type = _type_of(setting, settings)
    if setting in NOT_SEARCHABLE:
        problems.append(f"{setting}: cannot be searched: {NOT_SEARCHABLE[setting]}")
    elif value_type is None:
        problems.append(no_such_setting(setting, settings_in(settings)))
    else:
        kind: type[Domain] = {int: IntegerRange, float: Range}.get(value_type, Choice)
        kind = Choice if "choices" in content else kind
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            problems += [_describe(setting, kind, dict(problem)) for problem in error.errors()]
    return None


def _type_of(setting: str, kind: type[Config]) -> Any:
    """The type of a setting's values; None where there is no such setting."""
    if setting == RECIPE:
        return str
    section, _, key = setting.partition(".")
    settings = kind.model_fields[section].annotation if section in kind.model_fields else None
    fields = getattr(settings, "model_fields", {})
    return fields[key].annotation if key in fields else None


def _describe(setting: str, kind: type[Domain], problem: Mapping[str, Any]) -> str:
    place = ".".join([setting, *map(str, problem["loc"])])
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such key here; there are {', '.join(kind.model_fields)}"
    if problem["type"] == "missing":
        choices = '{ choices = ["...", "..."] }'
        return f"{place}: missing; write {choices if kind is Choice else '{ low = ..., high = ... } or ' + choices}"
    return describe_problem({**problem, "loc": [place]}, ())


def _bases(
    recipe: Domain | None, fixed: dict[str, Any], problems: list[str], network: OwnNetwork | None
) -> dict[str, dict[str, Any]]:
    """What the trials change, by what is chosen as `recipe`; there is one where that is not searched."""
    bases = {}
    own = {"model": defaults_with(network)["model"]} if network else {}
    shared = {key: value for key, value in fixed.items() if key != RECIPE}
    for label in recipe.bounds() if recipe else [fixed.get(RECIPE)]:
        settings = {**default_settings(), "summary": "", "source": ""}
        if label is not None:
            try:
                settings = load_recipe(str(recipe.value(label) if recipe else label)).model_dump()
            except ConfigError as error:
                problems.append(f"{RECIPE}: {error}")
        bases[str(label or "default")] = merge({**settings, **own}, shared)
    for key in ("lead_hours", "windows_per_hour"):  # history_hours may differ where columns look further back
        found = {name: base["data"].get(key) for name, base in bases.items() if isinstance(base["data"], dict)}
        if len(set(map(repr, found.values()))) > 1:
            problems.append(f"{RECIPE}: these differ in data.{key}, so {OTHER_WINDOWS}: {found}; set it for all")
    return bases


def _condition_problems(domains: Mapping[str, Domain], searched: Mapping[str, Any]) -> list[str]:
    problems = []
    for setting, domain in domains.items():
        for other, labels in domain.when.items():
            deciding = domains.get(other)
            if isinstance(deciding, Choice):
                known = deciding.bounds()
                unknown = [label for label in labels if label not in known]
                problems += [f"{setting}.when: {other} = {label!r} is not one of {known}" for label in unknown]
            elif deciding or other not in searched:
                problems.append(f"{setting}.when: {other} has no choices here")
    if RECIPE in domains and domains[RECIPE].when:
        problems.append(f"{RECIPE}.when: every trial has a recipe")
    try:
        _ordered(domains)
    except CycleError as error:
        problems.append(f"these wait for each other with `when`: {', '.join(error.args[1][1:])}")
    return problems


def _ordered(domains: Mapping[str, Domain]) -> dict[str, Domain]:
    """What others wait for first."""
    order = TopologicalSorter({name: domain.when for name, domain in domains.items()}).static_order()
    return {name: domains[name] for name in order if name in domains}


def _value_problems(space: Space, *, alone: bool) -> list[str]:
    """The rules that settings at the domains' bounds break, each once with the first combination that breaks it.

    Args:
        space: what is searched.
        alone: leave out the rules for several settings.
    """
    found: dict[str, list[tuple[str, Chosen]]] = {}
    corners = space.corner_choices()
    for chosen in corners:
        for line in _broken_rules(space.settings(chosen), space.kind, alone=alone):
            found.setdefault(re.sub(r"\d\S*", "#", line), []).append((line, chosen))  # whatever the numbers
    problems = []
    for broken in found.values():
        line, chosen = broken[0]
        if len(broken) < len(corners):  # and not broken whatever is chosen
            picked = ", ".join(f"{setting}={label!r}" for setting, label in chosen.items())
            line += f" (chosen: {picked}; `when` keeps apart what does not fit together)"
        problems.append(line)
    return problems


def _broken_rules(settings: Mapping[str, Any], kind: type[Config], *, alone: bool) -> list[str]:
    problems = []
    data = settings.get("data")
    if isinstance(data, dict) and data.get("fit_on") in ("train+val", "train+val+test"):
        rule = f"{NOT_SEARCHABLE['data.fit_on']}, so expected 'train', received {data['fit_on']!r}"
        problems.append(f"data.fit_on: {rule}")
    try:
        config = check_settings({**settings, "name": "trial"}, where="", kind=kind)
        if not alone:
            check_model(config)
    except ConfigError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        problems += lines[1:] or lines  # without the head that counts them
    # A rule for several settings names their table.
    tables = [key for key, value in settings.items() if isinstance(value, dict)]
    return [line for line in problems if not (alone and line.partition(":")[0] in tables)]
