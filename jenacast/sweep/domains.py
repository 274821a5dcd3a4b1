"""What a setting may be in a sweep: one of several choices, or a number of a range."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Label = bool | int | float | str


class Domain(BaseModel):
    """The values of one setting, and the choices elsewhere that enable it (`when`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    when: dict[str, Label | list[Label]] = Field(default_factory=dict)

    @field_validator("when", mode="before")
    @classmethod
    def _flat(cls, when: Any) -> Any:
        """TOML reads train.optimizer = "adam" without quotes as a table in a table."""
        if not isinstance(when, dict):
            return when
        flat: dict[str, Any] = {}
        for key, value in when.items():
            flat |= {f"{key}.{name}": each for name, each in value.items()} if isinstance(value, dict) else {key: value}
        return flat

    @property
    def conditions(self) -> dict[str, list[Label]]:
        """The choices of other settings of which one must have been made."""
        return {setting: label if isinstance(label, list) else [label] for setting, label in self.when.items()}

    def is_enabled(self, chosen: Mapping[str, Any]) -> bool:
        """Whether the choices made so far let this setting be searched; else it keeps its value."""
        return all(chosen.get(setting) in labels for setting, labels in self.conditions.items())

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        raise NotImplementedError

    def ends(self) -> list[Label]:
        """The choices, or the two ends of the range."""
        raise NotImplementedError

    def values(self) -> list[Label] | None:
        """All there are to choose from; None for a range without steps."""
        raise NotImplementedError

    def value(self, label: Label) -> Any:
        """The setting's value for what was chosen."""
        return label


class Choice(Domain):
    """One of several values; those that are no plain value, such as lists of columns, have names."""

    choices: list[Label] | dict[str, Any] = Field(min_length=1)

    @field_validator("choices", mode="before")
    @classmethod
    def _plain(cls, choices: Any) -> Any:
        if isinstance(choices, list) and any(isinstance(value, list | dict) for value in choices):
            raise ValueError("name the choices that are lists: { all = [...], few = [...] }")
        return choices

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        return trial.suggest_categorical(setting, self.ends())  # type: ignore[return-value]  # None is no choice

    def ends(self) -> list[Label]:
        """The choices, by name where they have names."""
        return list(self.choices)

    def values(self) -> list[Label]:
        """The same."""
        return self.ends()

    def value(self, label: Label) -> Any:
        """The setting's value for what was chosen."""
        return self.choices[str(label)] if isinstance(self.choices, dict) else label


class Range(Domain):
    """A number from `low` to `high`, both included; `log`: by its order of magnitude."""

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _sound(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} must lie below high={self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range begins above 0, not at low={self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a log range has no step")
        if self.step is not None and not math.isclose(steps := (self.high - self.low) / self.step, round(steps)):
            raise ValueError(f"from low={self.low:g} to high={self.high:g} goes no whole number of step={self.step:g}")
        return self

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        return trial.suggest_float(setting, self.low, self.high, log=self.log, step=self.step)

    def ends(self) -> list[Label]:
        """Low and high."""
        return [self.low, self.high]

    def values(self) -> list[Label] | None:
        """The steps."""
        if self.step is None:
            return None
        count = round((self.high - self.low) / self.step) + 1
        return [min(self.low + number * self.step, self.high) for number in range(count)]


class WholeRange(Range):
    """The same of whole numbers."""

    low: int
    high: int
    step: int | None = Field(default=None, gt=0)

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        return trial.suggest_int(setting, self.low, self.high, log=self.log, step=self.step or 1)

    def values(self) -> list[Label] | None:
        """The steps, by default of 1."""
        return None if self.log else list(range(self.low, self.high + 1, self.step or 1))
