"""One trial: settings chosen, a training that reports its validation MAE after each epoch, the mean over its seeds."""

import logging
import socket
import statistics
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jenacast.config import Config, with_train
from jenacast.errors import ExistsError, InUseError, JenacastError
from jenacast.evaluation.metrics import std
from jenacast.experiments import held_out
from jenacast.experiments.seeds import SeedsPlan, seeds_in, write_summary
from jenacast.experiments.years import plan_years, prepare_years, runs_of, years_in
from jenacast.sweep.samplers import load_optuna
from jenacast.sweep.study import SweepRequest
from jenacast.training.run import train_or_resume
from jenacast.training.run_folder import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

# A trial's attributes in the study
RUN, HOST, REASON = "run", "host", "reason"
BASELINE, DEVIATION, EPOCHS = "val_baseline_mae_c", "val_mae_std_c", "epochs"
FOLDS = "val_maes_c"  # of each held-out year
SETTINGS = "settings"  # all of them, so that the winner can be had without its run folder
LONGEST_REASON = 2000  # characters


class TrialFailedError(JenacastError):
    """A trial that failed; its reason is kept in the study."""


@dataclass(frozen=True)
class Objective:
    """What a trial is judged by: the validation MAE (degC) of its best epoch, the mean over seeds and years."""

    request: SweepRequest

    def __call__(self, trial: "Trial") -> float:
        """Train what the trial's sampler chooses; return the validation MAE.

        Raises:
            TrialFailedError: the training failed.
            optuna.TrialPruned: the pruner found it hopeless.
        """
        optuna = load_optuna()
        trial.set_user_attr(HOST, socket.gethostname())
        try:
            return self._train(trial, first_number(trial.study.get_trials(deepcopy=False)[trial.number]))
        except (optuna.TrialPruned, optuna.exceptions.StorageInternalError, optuna.exceptions.UpdateFinishedTrialError):
            raise
        except Exception as error:  # whatever it is, other settings may do better
            known = isinstance(error, JenacastError | OSError)
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            trial.set_user_attr(REASON, reason[:LONGEST_REASON])
            raise TrialFailedError(reason) from error

    def _train(self, trial: "Trial", first: int) -> float:
        space = self.request.space
        config = space.config(space.suggest(trial), f"{space.name}-{first}")
        trial.set_user_attr(SETTINGS, config.model_dump())
        if first != trial.number:
            logger.info("trial %d takes over from trial %d, whose worker was lost or stopped", trial.number, first)
            with suppress(InUseError):  # the worker that was given up lives; the study no longer listens to it
                return self._train_seeds(trial, config, self._folder(first))
        folder = self._folder(trial.number)
        if folder.exists():
            raise ExistsError(f"{folder} exists, but its study is gone; choose another --run-dir, or remove it")
        return self._train_seeds(trial, config, folder)

    def _folder(self, number: int) -> Path:
        return self.request.folder / f"trial-{number:04d}"

    def _train_years(self, trial: "Trial", config: Config, folder: Path) -> float:
        """The mean over the held-out years; after each of the first seed the pruner sees the mean so far."""
        plan = replace(plan_years(config, self.request.data_dir, self.request.seeds), years=self.request.years)
        years_in(folder).write(config, plan)
        prepare_years(plan, folder)
        maes_c: dict[str, float] = {}
        epochs = 0
        for year, seed, run in runs_of(plan, folder):
            outcome = train_or_resume(with_train(config, seed=seed), data_dir=folder / str(year), run_dir=run)
            epochs += outcome.epochs
            trial.set_user_attr(EPOCHS, epochs)
            if seed == plan.seeds[0]:
                maes_c[str(year)] = outcome.val_mae_c or 0.0  # a held-out year is never trained on
                trial.set_user_attr(FOLDS, maes_c)
                trial.report(statistics.mean(maes_c.values()), len(maes_c))
                if len(maes_c) < len(plan.years) and trial.should_prune():
                    raise load_optuna().TrialPruned
        summary = held_out.write_summary(config, plan, folder)
        trial.set_user_attr(BASELINE, summary.baseline_mae_c)
        trial.set_user_attr(FOLDS, {str(year.year): year.val_mae_c for year in summary.years})
        if (deviation_c := std(summary.val_maes_c)) is not None:
            trial.set_user_attr(DEVIATION, deviation_c)
        return summary.val_mae_c

    def _train_seeds(self, trial: "Trial", config: Config, folder: Path) -> float:
        trial.set_user_attr(RUN, str(folder.resolve()))
        if self.request.years:
            return self._train_years(trial, config, folder)
        seeds, outcomes = self.request.seeds, []
        if len(seeds) == 1:
            outcomes.append(self._train_one(trial, config, folder))
        else:
            plan = SeedsPlan(str(self.request.data_dir.resolve()), seeds, require_cudnn=False, tensorboard=False)
            seeds_in(folder).write(config, plan)
            for seed in seeds:
                outcomes.append(self._train_one(trial, with_train(config, seed=seed), folder / f"seed-{seed}"))
            write_summary(config, plan, folder)
        trial.set_user_attr(EPOCHS, sum(outcome.epochs for outcome in outcomes))
        maes_c = [outcome.val_mae_c for outcome in outcomes if outcome.val_mae_c is not None]
        if (deviation_c := std(maes_c)) is not None:
            trial.set_user_attr(DEVIATION, deviation_c)
        return statistics.mean(maes_c)

    def _train_one(self, trial: "Trial", config: Config, run: Path) -> Outcome:
        so_far: list[float] = []

        def report(epoch: int, val_mae_c: float) -> bool:
            so_far.append(val_mae_c)
            trial.report(min(so_far), epoch)  # the best epoch counts, so a later one that is worse does no harm
            return trial.should_prune()

        is_first = config.train.seed == self.request.seeds[0]
        data_dir = self.request.data_dir
        outcome = train_or_resume(config, data_dir=data_dir, run_dir=run, callback=report if is_first else None)
        trial.set_user_attr(BASELINE, outcome.val_baseline_mae_c)
        if not outcome.finished:
            trial.set_user_attr(EPOCHS, outcome.epochs)
            raise load_optuna().TrialPruned
        return outcome


def first_number(trial: "FrozenTrial") -> int:
    """The number of the trial's first try; its own, unless another worker had it earlier and was lost or stopped."""
    first = load_optuna().storages.RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if first is None else int(first)
