"""Many trainings, each with other settings, in search of a better recipe; on Optuna.

A sweep is a study in a database and a folder of runs. Workers, processes on one machine or on many, take trials from
the study until there are enough; none of them is in charge.
"""

from typing import Literal

Sampler = Literal["tpe", "random", "grid"]  # how the next trial is chosen
Pruner = Literal["none", "halving", "median", "hyperband"]  # what ends hopeless trials, after each epoch
