"""Who chooses the next trial, and who ends a hopeless one: Optuna's samplers and pruners."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.errors import JenacastError, install_extra
from jenacast.sweep import Pruner, Sampler
from jenacast.sweep.space import Chosen, Space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

REDUCTION = 3  # of successive halving: one trial in three goes on to three times the epochs
MEDIAN_TRIALS = 5  # whole ones, before the median says anything
MEDIAN_SHARE = 5  # of a trial's epochs one, before it is asked


def load_optuna() -> Any:
    """Import Optuna, which then speaks through errors alone.

    Raises:
        JenacastError: it is not installed.
    """
    try:
        import optuna
        import psycopg  # noqa: F401
    except ImportError as error:
        raise JenacastError(f"sweeps need {error.name}; run: {install_extra('sweep')}") from None
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def make_sampler(kind: Sampler, space: Space, entropy: Sequence[int]) -> "BaseSampler":
    """The sampler; what makes its choices differ from those of other workers, and repeatable, is `entropy`."""
    load_optuna()
    from optuna.samplers import RandomSampler, TPESampler

    seed = int(np.random.SeedSequence([space.first_seed, *entropy]).generate_state(1)[0])
    if kind != "tpe":  # a grid's trials are queued, and nothing is left to choose
        return RandomSampler(seed=seed)
    # Settings are weighed together, those that a choice enables by themselves; running trials count as bad ones, so
    # that workers do not try the same (Bergstra et al. 2011; Falkner et al. 2018).
    return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def make_pruner(kind: Pruner, space: Space, *, years: int = 0) -> "BasePruner":
    """The pruner.

    Asynchronous successive halving (Li et al. 2020) lets the best third of the trials pass after a ninth and after a
    third of the epochs; Hyperband (Li et al. 2018) spares some of the trials the first or both; the median is that of
    whole trials at the same epoch. None of them judges by the first epochs: there the best often lie behind
    (`docs/experiments.md`). Where so many `years` are held out, they take the place of epochs, and two are the fewest
    to judge by.
    """
    load_optuna()
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

    epochs = years or space.most_epochs
    first = max(2 if years else 1, epochs // REDUCTION**2)
    if kind == "halving":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION)
    if kind == "hyperband":
        return HyperbandPruner(min_resource=first, max_resource=epochs, reduction_factor=REDUCTION)
    if kind == "median":
        return MedianPruner(n_startup_trials=MEDIAN_TRIALS, n_warmup_steps=epochs // MEDIAN_SHARE)
    return NopPruner()


def draw(space: Space, count: int, kind: Sampler = "random") -> list[Chosen]:
    """What the first trials of a sweep are, as far as no result is known; nothing is kept."""
    if kind == "grid":
        return space.grid()[:count]
    study = load_optuna().create_study(sampler=make_sampler(kind, space, [0, 0]))
    return [space.suggest(study.ask()) for _ in range(count)]
