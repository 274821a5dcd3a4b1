"""The settings of a run: what is forecast, with which network, trained how.

The values live in the TOML files of `configs/`: `default.toml` is complete and commented, a recipe such
as `stacked-gru.toml` states only its difference. The rules are those of `settings.py`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import tomli_w
from pydantic import Field, ValidationError, create_model

from jenacast.errors import ConfigError, did_you_mean
from jenacast.network_file import OwnNetwork, is_file, network_of, read_network
from jenacast.settings import (
    MAX_NAME,
    MAX_TEXT,
    NAME_PATTERN,
    DataSettings,
    ModelSettings,
    NetworkSettings,
    Settings,
    TrainSettings,
)
from jenacast.toml_files import assign, describe_problem, flatten, merge, name_of_today, read_toml, up_to_date


class Config(Settings):
    """All settings of one run. `name` is the recipe's, and begins the run folder's name.

    `network` is the file of a network of the user's own; None where jenacast builds it.
    """

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME)
    summary: str = Field(max_length=MAX_TEXT)
    source: str = Field(max_length=MAX_TEXT)
    data: DataSettings
    model: NetworkSettings
    train: TrainSettings
    network: ClassVar[OwnNetwork | None] = None


class RecipeConfig(Config):
    """The settings of a run whose network jenacast builds."""

    model: ModelSettings


_Kind = TypeVar("_Kind", bound=Config)


def kind_of(network: OwnNetwork | None) -> type[Config]:
    """The settings that there are with a network of the user's own: its arguments, with the types of their defaults."""
    if network is None:
        return RecipeConfig
    fixed = {"architecture": network.code.path.name, "code_sha256": network.code.sha256}
    fields: dict[str, Any] = {name: (Literal[value], ...) for name, value in fixed.items()}
    for name, value in network.settings.items():
        is_list = isinstance(value, list)
        fields[name] = (list[type(value[0])] if is_list else type(value), ...)  # type: ignore[misc]
    settings = create_model("Settings", __base__=NetworkSettings, **fields)
    own: type[Config] = create_model("OwnConfig", __base__=Config, model=(settings, ...))
    own.network = network
    return own


def settings_in(kind: type[Config]) -> list[str]:
    """The full names of the settings of a kind of runs, such as train.epochs."""
    sections = {name: getattr(field.annotation, "model_fields", {}) for name, field in kind.model_fields.items()}
    return [f"{section}.{key}" for section, fields in sections.items() for key in fields]


def configs_dir() -> Path:
    """The folder of the recipes: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent
    packed = package / "configs"
    return packed if packed.is_dir() else package.parent / "configs"


def recipe_names() -> list[str]:
    """The recipes `--model` knows, sorted."""
    return sorted(path.stem for path in configs_dir().glob("*.toml") if path.stem != "default")


def default_settings() -> dict[str, Any]:
    """The content of `default.toml`: complete except for the recipe's name, summary and source."""
    return read_toml(configs_dir() / "default.toml")


def load_recipe(name: str, assignments: Iterable[str] = ()) -> RecipeConfig:
    """The recipe `name`, also by a former name, over the defaults, then `assignments` such as `train.epochs=5`.

    Raises:
        ConfigError: no such recipe, or settings that break a rule; all problems in one text.
    """
    name = name_of_today(name)
    if name not in recipe_names():
        known, alike = ", ".join(recipe_names()), did_you_mean(name, recipe_names())
        raise ConfigError(f"model {name!r} is not known; choose one of: {known} (jenacast models lists them){alike}")
    path = configs_dir() / f"{name}.toml"
    return _load(_read(path), default_settings(), assignments, str(path), RecipeConfig)


def load_config(path: Path, assignments: Iterable[str] = ()) -> Config:
    """The settings in the TOML file `path` over the defaults, then `assignments`.

    A network of the user's own that it names, by a path from its folder, is read, and not run.

    Raises:
        ConfigError: a file cannot be read or is not the one it was, or settings break a rule; all problems in one text.
    """
    recipe = _read(path)
    network = network_of(recipe, path.parent)
    return _load(recipe, defaults_with(network), assignments, str(path), kind_of(network))


def load_stored(path: Path, assignments: Iterable[str] = ()) -> Config:
    """As `load_config`, of a file that a run wrote: see `stored_settings`."""
    recipe = _read(path)
    network = network_of(recipe, path.parent)
    below = defaults_with(network) if network else stored_settings({})
    return _load(recipe, below, assignments, str(path), kind_of(network))


def stored_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a run wrote, complete: what its version did not know has the value that it went by."""
    return merge(merge(default_settings(), {"model": {"engine": "keras"}}), up_to_date(settings))


def load_network(path: Path, assignments: Iterable[str] = ()) -> Config:
    """The settings of a network of the user's own, in the Python file `path`, then `assignments`; it is not run.

    Raises:
        ConfigError: it cannot be read, is no network, or settings break a rule; all problems in one text.
    """
    network = read_network(path)
    name = re.sub("[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_")[:MAX_NAME]  # "My Net.py" is a good name too
    about = {"name": name or "own", "summary": network.summary, "source": path.name}
    return _load(about, defaults_with(network), assignments, str(path), kind_of(network))


def code_beside(settings: Path) -> Path | None:
    """The file of a network of the user's own that lies beside the TOML that names it; it is not read."""
    model: Any = None
    with suppress(ConfigError):  # no settings, or damaged ones
        model = read_toml(settings).get("model")
    name = model.get("architecture") if isinstance(model, dict) else None
    if not is_file(name) or Path(str(name)).name != name:
        return None
    return beside if (beside := settings.parent / str(name)).is_file() else None


def defaults_with(network: OwnNetwork | None) -> dict[str, Any]:
    """The default settings; under [model] those of a network of the user's own, if one is given."""
    defaults = default_settings()
    if network is not None:
        common = {key: defaults["model"][key] for key in ("noise", "any_history")}
        code = network.code
        defaults["model"] = {"architecture": code.path.name, "code_sha256": code.sha256, **network.settings, **common}
    return defaults


def _read(path: Path) -> dict[str, Any]:
    return {"name": path.stem, "summary": "", "source": str(path), **up_to_date(read_toml(path))}


def _load(
    recipe: Mapping[str, Any], below: Mapping[str, Any], assignments: Iterable[str], where: str, kind: type[_Kind]
) -> _Kind:
    settings = merge(below, recipe)
    problems = [problem for assignment in assignments if (problem := assign(settings, assignment))]
    return check_settings(settings, problems, where=where, kind=kind)


def with_train(config: Config, **changes: Any) -> Config:
    """`config` with other `train` settings; None means unchanged.

    Raises:
        ConfigError: a changed setting breaks a rule.
    """
    settings = config.model_dump()
    settings["train"].update({key: value for key, value in changes.items() if value is not None})
    return check_settings(settings, where="options", kind=type(config))


def standard_task() -> DataSettings:
    """History and lead of the task as everyone states it: those in `default.toml`."""
    return DataSettings.model_validate(default_settings()["data"])


def differences(config: Config, other: Mapping[str, Any]) -> list[str]:
    """One line for each setting that `other`, a dumped config, has otherwise."""
    ours, theirs = flatten(config.model_dump()), flatten(other)
    return [f"{key}: {theirs.get(key)!r}, now {value!r}" for key, value in ours.items() if theirs.get(key) != value]


def dump_config(config: Config) -> str:
    """The complete settings as TOML that `load_config` takes back."""
    return tomli_w.dumps(config.model_dump())


def dump_difference(config: Config) -> str:
    """The settings that differ from the defaults, as a short TOML that `load_config` takes back."""
    short = config.model_dump()
    for section, defaults in defaults_with(config.network).items():
        needed = ("architecture", "code_sha256") if config.network else ()  # without these, other defaults would hold
        changed = {key: each for key, each in short.pop(section).items() if key in needed or each != defaults[key]}
        short |= {section: changed} if changed else {}
    return tomli_w.dumps(short)


def check_settings(
    settings: Mapping[str, Any], problems: Sequence[str] = (), *, where: str, kind: type[_Kind]
) -> _Kind:
    """Complete settings as a config.

    Args:
        settings: as `Config.model_dump` gives them.
        problems: that were found before.
        where: what they are the settings of, for the error.
        kind: the settings that there are; see `kind_of`.

    Raises:
        ConfigError: they break rules, or there were problems before; all in one text.
    """
    found = list(problems)
    try:
        config = kind.model_validate(settings)  # strict mode too takes TOML's 1 where a float is meant
    except ValidationError as error:
        found += [describe_problem(dict(problem), settings_in(kind)) for problem in error.errors()]
    if found:
        raise ConfigError(f"{len(found)} problem(s) in the settings ({where}):\n  " + "\n  ".join(found))
    return config
