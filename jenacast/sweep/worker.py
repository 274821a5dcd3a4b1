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
from jenacast.sweep.storage import grace_seconds
from jenacast.sweep.trials import HOST, REASON, Objective, TrialFailedError, count_begun
from jenacast.training.interrupts import deferred_signals

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

FAILURES = 3  # in a row end the sweep
POLL_SECONDS = 1.0


def work(study: "Study", objective: Objective, *, timeout_s: float | None = None) -> None:
    """Run trials until the study has as many as wanted, or the time is over.

    Where other workers have the last trials, wait for them: one that is lost leaves its trial to those that live. A
    trial that is interrupted is queued again, and whoever takes it goes on where it stood.

    Args:
        study: with its sampler and pruner.
        objective: what runs a trial.
        timeout_s: no trial begins after so many seconds.

    Raises:
        JenacastError: three trials in a row failed.
    """
    began, is_told = time.monotonic(), False
    silent_since: dict[int, float] = {}
    ended_before = ended(study)
    while not is_done(trials := study.get_trials(deepcopy=False), objective):
        refuse_failures(trials, ended_before)
        if timeout_s is not None and time.monotonic() - began >= timeout_s:
            logger.info("no further trial begins: --timeout is over")
            return
        if _may_begin(trials, objective):
            if (number := _run_one(study, objective)) is None:
                continue
            left_s = None if timeout_s is None else timeout_s - (time.monotonic() - began)
            logger.info("%s", describe_trial(study.get_trials(deepcopy=False), number, objective.wanted, left_s))
            is_told = False
            continue
        if not is_told:
            running = [str(trial.number) for trial in trials if trial.state.name == "RUNNING"]
            logger.info("waiting for other workers: trial %s", ", ".join(running))
            is_told = True
        _release_lost(study, trials, silent_since)
        time.sleep(POLL_SECONDS)


def ended(study: "Study") -> set[int]:
    """The numbers of the trials that have come to their end, whichever."""
    return {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}


def is_done(trials: "list[FrozenTrial]", objective: Objective) -> bool:
    """Whether there is nothing left to do."""
    counts = Counter(trial.state.name for trial in trials)
    left = counts["WAITING"] + counts["RUNNING"]
    return counts["COMPLETE"] + counts["PRUNED"] >= objective.wanted or (objective.queued is not None and not left)


def _may_begin(trials: "list[FrozenTrial]", objective: Objective) -> bool:
    is_left = objective.queued is None or any(trial.state.name == "WAITING" for trial in trials)
    return is_left and count_begun(trials) < objective.wanted


def _run_one(study: "Study", objective: Objective) -> int | None:
    """Run one trial; return its number, or None where the database failed it."""
    optuna = load_optuna()
    numbers: list[int] = []

    def remembered(trial: "Trial") -> float:
        numbers.append(trial.number)
        return objective(trial)

    try:
        study.optimize(remembered, n_trials=1, catch=(TrialFailedError,))
    except optuna.exceptions.UpdateFinishedTrialError:
        logger.warning("trial %d was given to another worker, since this one was not heard of", numbers[-1])
    except optuna.exceptions.StorageInternalError:
        logger.warning("the sweep's database went away in the middle of a trial, which is queued again")
        if numbers:
            _queue_again(study, numbers[-1])  # or it is away still, and that is the end
        return None
    except Exception:
        raise
    except BaseException:
        if numbers:
            _queue_again(study, numbers[-1])
        raise
    return numbers[-1]


def _queue_again(study: "Study", number: int) -> None:
    optuna = load_optuna()
    with deferred_signals():  # whoever stops many processes sends more than one
        with suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):  # Optuna has told of Ctrl-C itself
            study.tell(number, state=optuna.trial.TrialState.FAIL)
        optuna.storages.RetryHeartbeatStaleTrialCallback()(study, study.get_trials(deepcopy=False)[number])


def _release_lost(study: "Study", trials: "list[FrozenTrial]", silent_since: dict[int, float]) -> None:
    """Give up trials whose worker is not heard of, so that they are tried again.

    `silent_since` remembers those that have not said a word yet: no heartbeat tells of a worker that was lost at once.
    """
    optuna = load_optuna()
    optuna.storages.fail_stale_trials(study)
    for trial in trials:
        if trial.state.name != "RUNNING" or HOST in trial.user_attrs:
            silent_since.pop(trial.number, None)
        elif time.monotonic() - silent_since.setdefault(trial.number, time.monotonic()) > grace_seconds():
            with suppress(optuna.exceptions.UpdateFinishedTrialError, ValueError):
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def refuse_failures(trials: "list[FrozenTrial]", ended_before: Collection[int]) -> None:
    """Stop where the last trials that ended have all failed; lost workers are no failures.

    Args:
        trials: of the study, in order of their numbers.
        ended_before: numbers of those that do not count: what made them fail may be mended.

    Raises:
        JenacastError: they have, for these reasons.
    """
    recent = [trial for trial in trials if trial.state.is_finished() and trial.number not in ended_before]
    last = [trial for trial in recent if trial.state.name != "FAIL" or REASON in trial.user_attrs][-FAILURES:]
    if len(last) == FAILURES and all(trial.state.name == "FAIL" for trial in last):
        reasons = Counter(trial.user_attrs[REASON] for trial in last)
        told = "\n  ".join(f"{reason} ({count} of them)" if count > 1 else reason for reason, count in reasons.items())
        raise JenacastError(
            f"the last {FAILURES} trials failed, so the sweep stops; the others are kept. Mend this, and give the same "
            f"command again:\n  {told}"
        )


def describe_trial(trials: "list[FrozenTrial]", number: int, wanted: int, most_s: float | None = None) -> str:
    """One line: what a trial came to, the best so far, and how far the sweep is; it ends in `most_s` at the latest."""
    results = read_trials(trials)
    mine = next((trial for trial in results if trial.number == number), None)
    done = [trial for trial in results if trial.state in ("complete", "pruned")]
    line = f"{_outcome(mine)}; " if mine else ""
    best = min((trial for trial in done if trial.val_mae_c is not None), key=lambda t: t.val_mae_c or 0.0, default=None)
    if best:
        line += f"best {best.val_mae_c:.3f} °C (trial {best.number}); "
    line += f"{len(done)} of {wanted} done"
    pruned = sum(trial.state == "pruned" for trial in done)
    line += f", {pruned} of them pruned" if pruned else ""
    took_s = [trial.seconds for trial in done if trial.seconds is not None]
    if took_s and len(done) < wanted:
        workers = 1 + sum(trial.state == "running" for trial in results)
        left_s = (wanted - len(done)) * sum(took_s) / len(took_s) / workers
        line += f"; about {max(0.0, left_s if most_s is None else min(left_s, most_s)):.0f} s left"
    return line


def _outcome(trial: TrialResult) -> str:
    if trial.state == "complete":
        return f"trial {trial.number}: validation MAE {with_std(trial.val_mae_c, trial.val_mae_std_c)} °C"
    if trial.state == "pruned":
        return f"trial {trial.number}: pruned after epoch {len(trial.curve_c)} at {trial.curve_c[-1]:.3f} °C"
    return f"trial {trial.number}: failed: {trial.reason}"
