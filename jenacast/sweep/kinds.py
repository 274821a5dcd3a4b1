"""Who chooses the next trial, and who ends a hopeless one, by name."""

from enum import StrEnum


class Sampler(StrEnum):
    """How the next trial is chosen."""

    tpe = "tpe"
    random = "random"
    grid = "grid"


class Pruner(StrEnum):
    """How it is decided, after each epoch, that a trial is hopeless."""

    none = "none"
    halving = "halving"
    median = "median"
    hyperband = "hyperband"
