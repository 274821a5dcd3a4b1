"""The rules of the settings, section by section: names, types and bounds."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from jenacast.columns import check_columns
from jenacast.records import Record

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"  # names a folder
MAX_NAME = 60  # characters of it
MAX_TEXT = 10_000  # characters; a checkpoint repeats all settings
MAX_ENTRIES = 1000
MAX_STEPS = 10**9
TargetKind = Literal["absolute", "change", "departure", "departure-change"]
FitSplit = Literal["train", "train+val", "train+val+test"]


class Settings(Record):
    """Settings that belong together: strict about types, and without unknown names."""

    model_config = ConfigDict(strict=True)


Hours = Annotated[int, Field(ge=1, le=24 * 60)]


class DataSettings(Settings):
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


class NetworkSettings(Settings):
    """What every network has."""

    architecture: str
    noise: float = Field(ge=0, le=10)
    any_history: bool

    @property
    def has_dropout(self) -> bool:
        """Whether a training drops anything out, by the settings that are called so."""
        return any(value for name, value in self.model_dump().items() if name.endswith("dropout"))


class ModelSettings(NetworkSettings):
    """A network of jenacast. A setting that an architecture does not use keeps its value in `default.toml`."""

    units: int = Field(ge=1, le=4096)
    layers: int = Field(ge=1, le=16)
    dropout: float = Field(ge=0, lt=1)
    feature_noise: float = Field(ge=0, le=10)
    members: int = Field(ge=1, le=64)
    recurrent_dropout: float = Field(ge=0, lt=1)
    engine: Literal["auto", "keras", "tied", "weight-drop"]
    cell: Literal["gru", "lstm", "simple"]
    bidirectional: bool
    unroll: bool
    change_hours: list[Hours] = Field(max_length=MAX_ENTRIES)
    mean_hours: list[Hours] = Field(max_length=MAX_ENTRIES)


class TrainSettings(Settings):
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
