"""What a setting may be in a sweep: one of several choices, or a number of a range."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from jenacast.records import Record

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Label = bool | int | float | str
MOST_STEPS = 10_000  # of a range
LARGEST_INTEGER = 2**53  # samplers calculate with doubles, which hold every integer up to here


class Domain(Record, ABC, strict=True):
    """The values of one setting, and the choices elsewhere that enable it.

    Attributes:
        when: for each setting on which it depends, the choices of which one must have been made.
    """

    when: dict[str, list[Label]] = Field(default_factory=dict)

    @field_validator("when", mode="before")
    @classmethod
    def _flat(cls, when: Any) -> Any:
        """TOML reads train.optimizer = "adam" without quotes as a table in a table."""
        flat: dict[str, Any] = {}
        for key, value in when.items() if isinstance(when, dict) else ():
            flat |= {f"{key}.{name}": each for name, each in value.items()} if isinstance(value, dict) else {key: value}
        if not flat:
            raise ValueError(f'expected a table such as {{ train.optimizer = "adam" }}, received {when!r}')
        return {key: _check_labels(value if isinstance(value, list) else [value]) for key, value in flat.items()}

    def is_enabled(self, chosen: Mapping[str, Any]) -> bool:
        """Whether the choices made so far let this setting be searched; else it keeps its value."""
        return all(chosen.get(setting) in labels for setting, labels in self.when.items())

    @abstractmethod
    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""

    @abstractmethod
    def bounds(self) -> Sequence[Label]:
        """The choices, by name where they have names; or the two ends of the range."""

    def values(self) -> Sequence[Label] | None:
        """All that can be chosen; None for a range without steps."""
        return self.bounds()

    def value(self, label: Label) -> Any:
        """The setting's value for what was chosen."""
        return label


class Choice(Domain):
    """One of several values; those that are lists, such as lists of columns, have names."""

    choices: list[Label] | dict[str, Any]

    @field_validator("choices", mode="before")
    @classmethod
    def _sound(cls, choices: Any) -> Any:
        if not isinstance(choices, list | dict):
            raise ValueError(f"expected a list, or a table of named values, received {choices!r}")
        if any(isinstance(each, list | dict) for each in choices):
            raise ValueError("name the choices that are lists: { all = [...], few = [...] }")
        if len(set(_check_labels(list(choices)))) < len(choices):
            raise ValueError(f"expected every choice once, received {choices!r}")
        return choices

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        return trial.suggest_categorical(setting, self.bounds())  # type: ignore[return-value]  # None is no choice

    def bounds(self) -> Sequence[Label]:
        """The choices, by name where they have names."""
        return list(self.choices)

    def value(self, label: Label) -> Any:
        """The setting's value for what was chosen."""
        return self.choices[str(label)] if isinstance(self.choices, dict) else label


class Range(Domain):
    """A range of numbers from `low` to `high`, both included; `log`: chosen by the order of magnitude."""

    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _sound(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low={self.low} must lie below high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range begins above 0, not at low={self.low}")
        if self.log and self.step is not None:
            raise ValueError(f"a log range has no step, received step={self.step}")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if steps > MOST_STEPS:
                raise ValueError(f"step={self.step} makes more than {MOST_STEPS} steps; take a longer one, or none")
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"from low={self.low} to high={self.high} goes no whole number of step={self.step}")
        return self

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        chosen = trial.suggest_float(setting, self.low, self.high, log=self.log, step=self.step)
        return chosen if self.step is None else self._at(round((chosen - self.low) / self.step), self.step)

    def bounds(self) -> Sequence[Label]:
        """Low and high."""
        return [self.low, self.high]

    def values(self) -> Sequence[Label] | None:
        """The steps; None without `step`."""
        if self.step is None:
            return None
        return [self._at(number, self.step) for number in range(round((self.high - self.low) / self.step) + 1)]

    def _at(self, number: int, step: float) -> float:
        """After so many steps: 0.3 after three of 0.1, where floats add up to 0.30000000000000004."""
        return float(f"{self.low + number * step:.12g}")


class IntegerRange(Range):
    """A range of integers."""

    low: int = Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)
    high: int = Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)
    step: int | None = Field(default=None, gt=0, le=LARGEST_INTEGER)

    def suggest(self, trial: "BaseTrial", setting: str) -> Label:
        """Let the trial's sampler choose."""
        return trial.suggest_int(setting, self.low, self.high, log=self.log, step=self.step or 1)

    def values(self) -> Sequence[Label] | None:
        """The steps, by default of 1; None for a log range."""
        return None if self.log else range(self.low, self.high + 1, self.step or 1)


def _check_labels(labels: list[Any]) -> list[Any]:
    if not labels:
        raise ValueError("expected at least one value, received none")
    for label in labels:
        is_plain = isinstance(label, bool | int) or (isinstance(label, float) and math.isfinite(label))
        if not is_plain and not (isinstance(label, str) and label.isprintable()):
            raise ValueError(f"expected text in one line, a finite number, true or false, received {label!r}")
    return labels
