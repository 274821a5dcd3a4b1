"""What a sweep found, read from its study: the trials, the best of them, and which settings matter."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jenacast.sweep.samplers import load_optuna
from jenacast.sweep.study import read_plan
from jenacast.sweep.trials import BASELINE, DEVIATION, EPOCHS, FOLDS, HOST, REASON, RUN, first_number

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# A stopped trial's worker was lost or interrupted, which is no failure of its settings
State = Literal["complete", "pruned", "failed", "stopped", "running", "waiting"]
LEAST_FOR_IMPORTANCE = 10  # complete trials; of fewer, the best tenth is a single one
SURPLUS = "surplus"  # an attribute of trials that did nothing, in studies of earlier versions


@dataclass(frozen=True)
class TrialResult:
    """One trial of a sweep.

    Attributes:
        params: the searched settings that it has, by name such as `train.learning_rate`; of named choices the name.
        val_mae_c: of its best epoch, the mean over its seeds; None unless it is complete.
        val_mae_std_c: the deviation over its seeds; None for one seed.
        curve_c: validation MAE of the best epoch so far, after each epoch of its first seed; with held-out years the
            mean so far, after each year.
        epochs: trained, over all seeds.
        run: its folder, absolute, on the machine `host`; "" before it has one.
        reason: why it failed or stopped; "" for others.
        folds_c: validation MAE of each held-out year; empty without them.
    """

    number: int
    state: State
    params: dict[str, Any]
    val_mae_c: float | None
    val_mae_std_c: float | None
    curve_c: list[float]
    epochs: int
    seconds: float | None
    run: str
    host: str
    reason: str
    folds_c: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepResult:
    """A sweep so far.

    Attributes:
        baseline_mae_c: on validation, of the same as now; None before a trial has reported it.
        seeds: how many each trial is trained with.
        trials: in order of their numbers.
        importance: share of each searched setting in what tells the best trials from the others, the largest first
            (PED-ANOVA, Watanabe et al. 2023); empty where fewer than `LEAST_FOR_IMPORTANCE` trials are complete.
        log: the settings that are searched by their order of magnitude.
        years: held out, if any.
    """

    name: str
    baseline_mae_c: float | None
    protocol: str
    synthetic: bool
    seeds: int
    trials: list[TrialResult]
    importance: dict[str, float]
    log: list[str]
    years: list[int] = field(default_factory=list)

    @property
    def complete(self) -> list[TrialResult]:
        """The complete trials, the best first."""
        return sorted((trial for trial in self.trials if trial.val_mae_c is not None), key=lambda t: t.val_mae_c or 0.0)

    @property
    def is_behind(self) -> bool:
        """Whether the best trial errs more than the baseline."""
        return self.baseline_mae_c is not None and (self.complete[0].val_mae_c or 0.0) > self.baseline_mae_c

    def count(self, state: State) -> int:
        """How many trials are in this state."""
        return sum(trial.state == state for trial in self.trials)


def read_result(study: "Study") -> SweepResult:
    """What `study` found so far.

    Raises:
        JenacastError: it is no sweep's.
    """
    plan, trials = read_plan(study), study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    importance = {}
    if len(complete) >= LEAST_FOR_IMPORTANCE and any(trial.params for trial in complete):
        importance = load_optuna().importance.get_param_importances(study)
    return SweepResult(
        name=study.study_name,
        baseline_mae_c=next((trial.user_attrs[BASELINE] for trial in trials if BASELINE in trial.user_attrs), None),
        protocol=plan.protocol,
        synthetic=plan.synthetic,
        seeds=len(plan.seeds),
        trials=read_trials(trials),
        importance={setting: float(share) for setting, share in importance.items()},
        log=[setting for setting, domain in plan.space.get("search", {}).items() if domain.get("log")],
        years=plan.years,
    )


def read_trials(trials: "list[FrozenTrial]") -> list[TrialResult]:
    """What became of the trials of a study, in order of their numbers."""
    successors = {first_number(trial): trial.number for trial in trials if first_number(trial) != trial.number}
    return [_read(trial, successors) for trial in trials if SURPLUS not in trial.user_attrs]


def _read(trial: "FrozenTrial", successors: dict[int, int]) -> TrialResult:
    attributes, known = trial.user_attrs, trial.state.name.lower()
    state: Any = known
    curve = [mae_c for _, mae_c in sorted(trial.intermediate_values.items())]
    reason = attributes.get(REASON, "") if known == "fail" else ""
    if known == "fail":
        state = "failed" if reason else "stopped"
    if state == "stopped":
        successor = successors.get(first_number(trial))
        reason = "its worker was lost or stopped" + ("" if successor is None else f"; tried again as trial {successor}")
    return TrialResult(
        number=trial.number,
        state=state,
        params=dict(trial.params),
        val_mae_c=trial.value if state == "complete" else None,
        val_mae_std_c=attributes.get(DEVIATION),
        curve_c=curve,
        epochs=attributes.get(EPOCHS, len(curve)),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        run=attributes.get(RUN, ""),
        host=attributes.get(HOST, ""),
        reason=reason,
        folds_c=attributes.get(FOLDS, {}),
    )
