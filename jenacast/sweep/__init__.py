"""Many trainings, each with other settings, in search of a better recipe; on Optuna.

A sweep is a study in a database and a folder of runs. Workers, processes on one machine or on many, take trials from
the study until there are enough; none of them is in charge.
"""

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
