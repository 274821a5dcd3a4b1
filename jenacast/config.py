"""The settings of a run: what is forecast, with which network, trained how.

The values live in the TOML files of `configs/`: `default.toml` is complete and commented, a recipe such
as `stacked-gru.toml` states only its difference. This module owns the rules: names, types and bounds.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from jenacast.columns import check_columns
from jenacast.errors import ConfigError, did_you_mean
from jenacast.records import Record
from jenacast.toml_files import assign, flatten, merge, name_of_today, read_toml, up_to_date

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"  # names a folder
MAX_NAME = 60  # characters of it
MAX_TEXT = 10_000  # characters; a checkpoint repeats all settings
MAX_ENTRIES = 1000
MAX_STEPS = 10**9
TargetKind = Literal["absolute", "change", "departure", "departure-change"]
FitSplit = Literal["train", "train+val", "train+val+test"]


class _Settings(Record):
    model_config = ConfigDict(strict=True)


Hours = Annotated[int, Field(ge=1, le=24 * 60)]


class DataSettings(_Settings):
    """What is forecast from what, in hours, whatever the series' own step."""

    history_hours: int = Field(ge=1, le=24 * 60)
    lead_hours: int = Field(ge=1, le=24 * 14)
    windows_per_hour: Literal[0, 1, 2, 3, 6]
    columns: list[str] = Field(min_length=1, max_length=MAX_ENTRIES)
    target: TargetKind
    every_hour: bool
    warming_c_per_decade: float = Field(ge=-2, le=2)
    fit_on: FitSplit
    homogenise: bool

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: list[str]) -> list[str]:
        return check_columns(columns)


class ModelSettings(_Settings):
    """The network. A setting that an architecture does not use keeps its value in `default.toml`."""

    architecture: str
    units: int = Field(ge=1, le=4096)
    layers: int = Field(ge=1, le=16)
    dropout: float = Field(ge=0, lt=1)
    noise: float = Field(ge=0, le=10)
    feature_noise: float = Field(ge=0, le=10)
    members: int = Field(ge=1, le=64)
    recurrent_dropout: float = Field(ge=0, lt=1)
    engine: Literal["auto", "keras", "tied", "weight-drop"]
    cell: Literal["gru", "lstm", "simple"]
    bidirectional: bool
    unroll: bool
    any_history: bool
    change_hours: list[Hours] = Field(max_length=MAX_ENTRIES)
    mean_hours: list[Hours] = Field(max_length=MAX_ENTRIES)

    @property
    def has_dropout(self) -> bool:
        """Whether a training drops anything out."""
        return bool(self.dropout or self.recurrent_dropout)


class TrainSettings(_Settings):
    """How the network is trained."""

    epochs: int = Field(ge=1, le=100_000)
    stop_epoch: int = Field(ge=0)
    batch_size: int = Field(ge=1, le=65_536)
    loss: Literal["mse", "mae", "huber"]
    optimizer: Literal["rmsprop", "adam", "adamw"]
    weight_decay: float = Field(ge=0, lt=1)
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    warmup_steps: int = Field(ge=0, le=MAX_STEPS)
    ema: float = Field(ge=0, lt=1)
    clip_norm: float = Field(ge=0)
    patience: int = Field(ge=0)
    save_every_seconds: float = Field(gt=0)
    seed: int = Field(ge=0, lt=2**32)
    deterministic: bool

    @property
    def last_epoch(self) -> int:
        """The epoch that ends a run if patience does not."""
        return self.stop_epoch or self.epochs

    @model_validator(mode="after")
    def _no_unused_settings(self) -> "TrainSettings":
        for setting, is_changed, owner, is_set in (
            ("weight_decay", self.weight_decay > 0, "optimizer=adamw", self.optimizer == "adamw"),
            ("warmup_steps", self.warmup_steps > 0, "schedule=cosine", self.schedule == "cosine"),
        ):
            if is_changed and not is_set:
                raise ValueError(f"{setting} is used with train.{owner} alone; set that, or leave it at its default")
        if self.stop_epoch > self.epochs:
            raise ValueError(
                f"stop_epoch={self.stop_epoch} lies beyond train.epochs={self.epochs}; lower it, or raise that"
            )
        return self


class Config(_Settings):
    """All settings of one run. `name` is the recipe's, and begins the run folder's name."""

    name: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME)
    summary: str = Field(max_length=MAX_TEXT)
    source: str = Field(max_length=MAX_TEXT)
    data: DataSettings
    model: ModelSettings
    train: TrainSettings


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


def load_recipe(name: str, assignments: Iterable[str] = ()) -> Config:
    """The recipe `name`, also by a former name, over the defaults, then `assignments` such as `train.epochs=5`.

    Raises:
        ConfigError: no such recipe, or settings that break a rule; all problems in one text.
    """
    name = name_of_today(name)
    if name not in recipe_names():
        known, alike = ", ".join(recipe_names()), did_you_mean(name, recipe_names())
        raise ConfigError(f"model {name!r} is not known; choose one of: {known} (jenacast models lists them){alike}")
    return load_config(configs_dir() / f"{name}.toml", assignments)


def load_config(path: Path, assignments: Iterable[str] = ()) -> Config:
    """The settings in the TOML file `path` over the defaults, then `assignments`.

    Raises:
        ConfigError: the file cannot be read, or settings break a rule; all problems in one text.
    """
    return _load(path, default_settings(), assignments)


def load_stored(path: Path, assignments: Iterable[str] = ()) -> Config:
    """As `load_config`, of a file that a run wrote: see `stored_settings`."""
    return _load(path, stored_settings({}), assignments)


def stored_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a run wrote, complete: what its version did not know has the value that it went by."""
    return merge(merge(default_settings(), {"model": {"engine": "keras"}}), up_to_date(settings))


def _load(path: Path, defaults: Mapping[str, Any], assignments: Iterable[str]) -> Config:
    recipe = {"name": path.stem, "summary": "", "source": str(path), **up_to_date(read_toml(path))}
    settings = merge(defaults, recipe)
    problems = [problem for assignment in assignments if (problem := assign(settings, assignment))]
    return check_settings(settings, problems, where=str(path))


def with_train(config: Config, **changes: Any) -> Config:
    """`config` with other `train` settings; None means unchanged.

    Raises:
        ConfigError: a changed setting breaks a rule.
    """
    settings = config.model_dump()
    settings["train"].update({key: value for key, value in changes.items() if value is not None})
    return check_settings(settings, where="options")


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
    """The settings that differ from `default.toml`, as a short TOML that `load_config` takes back."""
    short = config.model_dump()
    for section, defaults in default_settings().items():
        changed = {key: value for key, value in short.pop(section).items() if value != defaults[key]}
        short |= {section: changed} if changed else {}
    return tomli_w.dumps(short)


def check_settings(settings: Mapping[str, Any], problems: Sequence[str] = (), *, where: str) -> Config:
    """Complete settings as a config.

    Args:
        settings: as `Config.model_dump` gives them.
        problems: that were found before.
        where: what they are the settings of, for the error.

    Raises:
        ConfigError: they break rules, or there were problems before; all in one text.
    """
    found = list(problems)
    try:
        config = Config.model_validate(settings)  # strict mode too takes TOML's 1 where a float is meant
    except ValidationError as error:
        found += [describe_problem(dict(problem)) for problem in error.errors()]
    if found:
        raise ConfigError(f"{len(found)} problem(s) in the settings ({where}):\n  " + "\n  ".join(found))
    return config


def no_such_setting(name: str) -> str:
    """The problem of a setting that does not exist."""
    return (
        f"{name}: no such setting; `jenacast models NAME` prints those there are"
        f"{did_you_mean(name, flatten(default_settings()))}"
    )


def describe_problem(problem: Mapping[str, Any]) -> str:
    """A problem that pydantic found in settings as one line: the setting, the rule and the value received."""
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return no_such_setting(key)
    if problem["type"] == "string_pattern_mismatch":  # the name, by default the file's
        return f"{key}: expected lower-case letters, digits, - and _, received {problem['input']!r}"
    if problem["type"] == "value_error":  # a rule of our own, which says what it received
        return f"{key}: {problem['ctx']['error']}"
    if problem["type"] == "model_type":
        return f"{key}: expected a table, received {problem['input']!r}"
    rule = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ").removeprefix("String should have ")
    received = repr(problem["input"])
    return f"{key}: expected {rule}, received {received if len(received) <= 80 else received[:80] + '...'}"
