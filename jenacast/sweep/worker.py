"""A worker: one trial after another, until the sweep has all that are wanted."""

import logging
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING

from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import with_std
from jenacast.sweep.results import TrialResult, read_trials
from jenacast.sweep.samplers import load_optuna
from jenacast.sweep.storage import ending
from jenacast.sweep.study import SweepRequest
from jenacast.sweep.trials import HOST, Objective, TrialFailedError
from jenacast.training.interrupts import deferred_signals

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

FAILURES = 3  # in a row end the sweep
POLL_SECONDS = 1.0


def work(study: "Study", objective: Objective) -> None:
    """Run trials until the study has as many as wanted, or the time is over.

    Where other workers have the last trials, wait for them: one that is lost leaves its trial to those that live. Two
    workers may begin the last trial at the same moment; then there is one more than wanted. A trial that is interrupted
    is queued again, and whoever takes it continues where it stopped.

    Args:
        study: with its sampler and pruner.
        objective: what runs a trial.

    Raises:
        JenacastError: three trials in a row failed.
    """
    ending.clear()
    request, ended_before, waits = objective.request, ended(study), False
    until = None if request.timeout_s is None else time.monotonic() + request.timeout_s
    while not is_done(trials := study.get_trials(deepcopy=False), request):
        raise_after_failures(trials, ended_before)
        if until is not None and time.monotonic() >= until:
            logger.info("no further trial begins: --timeout is over")
            return
        if may_begin(trials, request):
            waits, number = False, _run_one(study, objective)
            if number is not None:
                left_s = None if until is None else until - time.monotonic()
                logger.info("%s", describe_trial(study.get_trials(deepcopy=False), number, request.trials, left_s))
            continue
        if not waits:
            running = ", ".join(str(trial.number) for trial in trials if _runs(trial))
            logger.info("waiting for other workers: trial %s", running)
            waits = True
        load_optuna().storages.fail_stale_trials(study)
        time.sleep(POLL_SECONDS)


def ended(study: "Study") -> set[int]:
    """The numbers of the trials that have ended, whichever way."""
    return {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}


def is_done(trials: "list[FrozenTrial]", request: SweepRequest) -> bool:
    """Whether there is nothing left to do: enough trials, or of a grid all."""
    if sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in trials) >= request.trials:
        return True
    return request.sampler == "grid" and not any(trial.state.name == "WAITING" or _runs(trial) for trial in trials)


def may_begin(trials: "list[FrozenTrial]", request: SweepRequest) -> bool:
    """Whether another trial is wanted, beside those that ended well or run."""
    begun = sum(trial.state.name in ("COMPLETE", "PRUNED") or _runs(trial) for trial in trials)
    is_left = request.sampler != "grid" or any(trial.state.name == "WAITING" for trial in trials)
    return is_left and begun < request.trials


def _runs(trial: "FrozenTrial") -> bool:
    """Whether a worker has it; one that was lost before its first word is not waited for."""
    return trial.state.name == "RUNNING" and HOST in trial.user_attrs


def _run_one(study: "Study", objective: Objective) -> int | None:
    """Run one trial; return its number, or None where the database failed it."""
    optuna = load_optuna()
    numbers: list[int] = []

    def remembered(trial: "Trial") -> float:
        numbers.append(trial.number)
        try:
            return objective(trial)
        except Exception:
            raise
        except BaseException:
            ending.set()  # before Optuna waits for its heartbeat
            raise

    try:
        study.optimize(remembered, n_trials=1, catch=(TrialFailedError,))
    except Exception as error:
        if ending.is_set():  # by Ctrl-C, which Optuna could not report
            raise KeyboardInterrupt from None
        if isinstance(error, optuna.exceptions.StorageInternalError):
            logger.warning("the sweep's database went away in the middle of a trial, which is queued again")
            if numbers:
                _queue_again(study, numbers[-1])  # or the database is away still, and that is the end
            return None
        # A worker that was suspended finds that its trial has ended; Optuna stumbles over that in several ways.
        if not (numbers and study.get_trials(deepcopy=False)[numbers[-1]].state.is_finished()):
            raise
        logger.warning("trial %d was given to another worker, since this one was not heard of", numbers[-1])
    except BaseException:
        ending.set()
        if numbers:
            with suppress(Exception):  # a database that does not answer gives the trial back later by itself
                _queue_again(study, numbers[-1])
        raise
    return numbers[-1]


def _queue_again(study: "Study", number: int) -> None:
    optuna = load_optuna()
    with deferred_signals():  # whoever stops many processes sends more than one
        with suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):  # Optuna has reported Ctrl-C itself
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.get_trials(deepcopy=False)[number])


def raise_after_failures(trials: "list[FrozenTrial]", ended_before: Collection[int]) -> None:
    """Stop where the last trials that ended have all failed; lost workers are no failures.

    Args:
        trials: of the study, in order of their numbers.
        ended_before: numbers of those that do not count: what made them fail may be mended.

    Raises:
        JenacastError: they have, with the reasons.
    """
    recent = [trial for trial in read_trials(trials) if trial.number not in ended_before]
    last = [trial for trial in recent if trial.state in ("complete", "pruned", "failed")][-FAILURES:]
    if len(last) == FAILURES and all(trial.state == "failed" for trial in last):
        reasons = Counter(trial.reason for trial in last)
        lines = "\n  ".join(f"{reason} ({count} of them)" if count > 1 else reason for reason, count in reasons.items())
        raise JenacastError(
            f"the last {FAILURES} trials failed, so the sweep stops; the others are kept. Mend this, and give the same "
            f"command again:\n  {lines}"
        )


def describe_trial(trials: "list[FrozenTrial]", number: int, wanted: int, most_s: float | None = None) -> str:
    """One line: a trial's result, the best so far, and how far the sweep is; it ends in `most_s` at the latest."""
    results = {trial.number: trial for trial in read_trials(trials)}
    done = [trial for trial in results.values() if trial.state in ("complete", "pruned")]
    parts = [_outcome(results[number])]
    best = min((trial for trial in done if trial.state == "complete"), key=lambda t: t.val_mae_c or 0.0, default=None)
    if best:
        parts.append(f"best {best.val_mae_c:.3f} °C (trial {best.number})")
    pruned = sum(trial.state == "pruned" for trial in done)
    parts.append(f"{len(done)} of {wanted} done" + (f", {pruned} of them pruned" if pruned else ""))
    if done and len(done) < wanted:
        workers = 1 + sum(trial.state == "running" for trial in results.values())
        left_s = (wanted - len(done)) * sum(trial.seconds or 0.0 for trial in done) / len(done) / workers
        parts.append(f"about {max(0.0, left_s if most_s is None else min(left_s, most_s)):.0f} s left")
    return "; ".join(parts)


def _outcome(trial: TrialResult) -> str:
    if trial.state == "complete":
        return f"trial {trial.number}: validation MAE {with_std(trial.val_mae_c, trial.val_mae_std_c)} °C"
    if trial.state == "pruned":
        unit = "year" if trial.folds_c else "epoch"
        return f"trial {trial.number}: pruned after {unit} {len(trial.curve_c)} at {trial.curve_c[-1]:.3f} °C"
    return f"trial {trial.number}: {trial.state}: {trial.reason}"
