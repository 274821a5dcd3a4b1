"""The runs below a folder, one row each: what they are, how far they came, how good they are, how they go on.

Runs that belong together, such as the seeds of a recipe, are one row. Nothing is trained, evaluated or written.
"""

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jenacast.config import Config
from jenacast.errors import JenacastError, command
from jenacast.evaluation.files import stored_scores
from jenacast.evaluation.metrics import std
from jenacast.experiments.backtest import RUN, SUMMARY, backtest_in
from jenacast.experiments.changed import changed_settings
from jenacast.experiments.held_out import read_summary
from jenacast.experiments.run_set import SWEEP, RunSet
from jenacast.experiments.seeds import run_folders, seeds_in
from jenacast.experiments.years import runs_of, years_in
from jenacast.locks import is_held
from jenacast.training import run_folder

# A sweep is idle where no trial runs: how many trials are wanted, only its command says
State = Literal["finished", "running", "stopped", "failed", "idle", "damaged"]
Kind = Literal["run", "seeds", "held-out years", "backtest", "sweep"]
MARKS = (run_folder.RECORD, run_folder.METRICS, run_folder.STATE)  # one of them makes a folder a run, whole or not


@dataclass(frozen=True)
class RunRow:
    """A run, or runs that belong together.

    Attributes:
        name: the folder's path below the one that is listed.
        model: the recipe; None where it is not known, and of a sweep.
        settings: those that differ from the recipe of this name, such as "train.epochs=5", without the seed.
        epochs: trained so far, the mean over the runs.
        val_mae_c: on validation: the mean over seeds or held-out years, of a sweep that of its best trial.
        test_mae_c: on the test split, or on all periods of a backtest; None where not every run was evaluated.
        state: see `State`; of several runs the worst.
        note: why it failed, what is damaged, or how many runs of a set are finished; "" where all is said.
        resume: the command that continues what was stopped; None for what is finished or runs.
    """

    name: str
    folder: str
    kind: Kind
    state: State
    model: str | None = None
    settings: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    epochs: float | None = None
    val_mae_c: float | None = None
    val_mae_std_c: float | None = None
    test_mae_c: float | None = None
    test_mae_std_c: float | None = None
    protocol: str | None = None
    synthetic: bool | None = None
    note: str = ""
    resume: str | None = None


@dataclass(frozen=True)
class _Failure:
    """The content of `failure.json`."""

    reason: str


@dataclass(frozen=True)
class _Tested:
    """The figures of an evaluation on test, or of a backtest, that are listed."""

    mae_c: float | None = None
    test_mae_c: float | None = None


def list_runs(folder: Path) -> list[RunRow]:
    """The runs below `folder`, by name. Of a folder that is a set of runs they are its own; a run is listed itself.

    Raises:
        JenacastError: there is no such folder.
    """
    if not folder.is_dir():
        raise JenacastError(f"{folder} is no folder; name one that holds runs (jenacast train makes them in runs/)")
    if _is_run(folder) and _kind(folder) == "run":
        return [_row(folder, folder.parent)]
    found = []
    for place, inside, _ in os.walk(folder):
        below = [Path(place, name) for name in sorted(inside) if not name.startswith(".")]
        is_run = {path: _is_run(path) for path in below}
        found += [path for path in below if is_run[path]]
        inside[:] = [path.name for path in below if not is_run[path]]
    return [_row(path, folder) for path in sorted(found)]


def _is_run(path: Path) -> bool:
    return _kind(path) != "run" or any((path / name).is_file() for name in MARKS)


def _kind(path: Path) -> Kind:
    """What the folder would be, by its plan."""
    if (path / SWEEP).is_file():
        return "sweep"
    sets: tuple[tuple[Kind, RunSet[Any]], ...] = (
        ("seeds", seeds_in(path)),
        ("held-out years", years_in(path)),
        ("backtest", backtest_in(path)),
    )
    return next((kind for kind, runs in sets if runs.exists), "run")


def _row(path: Path, listed: Path) -> RunRow:
    kind, name = _kind(path), str(path.relative_to(listed))
    sets = {"seeds": _seeds, "held-out years": _held_out, "backtest": _backtest, "sweep": _sweep}
    try:
        row = sets.get(kind, _run)(path)
    except (JenacastError, OSError) as error:
        return RunRow(name, str(path), kind, "damaged", note=str(error))
    return replace(row, name=name)


def _run(path: Path) -> RunRow:
    config, record = run_folder.read_config(path), run_folder.read_record(path)
    outcome = run_folder.read_outcome(path) if (path / run_folder.METRICS).exists() else None
    scores = stored_scores(path)
    state, note = _state_of(path, is_finished=outcome is not None and outcome.finished)
    is_trial = any((folder / SWEEP).is_file() for folder in path.resolve().parents[:2])
    return RunRow(
        name=path.name,
        folder=str(path),
        kind="run",
        state=state,
        model=config.name,
        settings=changed_settings(config.model_dump()),
        seeds=[config.train.seed],
        epochs=outcome.epochs if outcome else 0,
        val_mae_c=outcome.val_mae_c if outcome else None,
        test_mae_c=run_folder.read_as(_Tested, scores).mae_c if scores else None,
        protocol=record.protocol,
        synthetic=record.synthetic,
        note="a trial, perhaps stopped by its sweep" if is_trial and state == "stopped" else note,
        resume=None if is_trial else _resume("jenacast train", path, state),
    )


def _state_of(path: Path, *, is_finished: bool) -> tuple[State, str]:
    """The state of a run, and why it failed."""
    if is_held(path / run_folder.LOCK):
        return "running", ""
    if is_finished:
        return "finished", ""
    if (path / run_folder.FAILURE).is_file():
        return "failed", run_folder.read_as(_Failure, path / run_folder.FAILURE).reason
    return "stopped", ""


def _seeds(path: Path) -> RunRow:
    seeds = seeds_in(path)
    rows = list(_begun(run_folders(path)))
    whole = _together(seeds, "seeds", rows, wanted=len(seeds.read_plan().seeds))
    val = [row.val_mae_c for row in rows if row.val_mae_c is not None]
    test = [row.test_mae_c for row in rows if row.test_mae_c is not None]
    is_tested = bool(rows) and len(test) == len(rows)
    return replace(
        whole,
        seeds=seeds.read_plan().seeds,
        val_mae_c=statistics.mean(val) if val else None,
        val_mae_std_c=std(val),
        test_mae_c=statistics.mean(test) if is_tested else None,
        test_mae_std_c=std(test) if is_tested else None,
    )


def _held_out(path: Path) -> RunRow:
    plan = years_in(path).read_plan()
    runs = [run for *_, run in runs_of(plan, path)]
    whole = replace(_together(years_in(path), "held-out years", list(_begun(runs)), wanted=len(runs)), seeds=plan.seeds)
    if whole.state != "finished":
        return whole
    summary = read_summary(path)
    return replace(whole, val_mae_c=summary.val_mae_c, val_mae_std_c=summary.val_mae_std_c)


def _backtest(path: Path) -> RunRow:
    folds = [path / fold.name / RUN for fold in backtest_in(path).read_plan().folds]
    whole = _together(backtest_in(path), "backtest", list(_begun(folds)), wanted=len(folds))
    if whole.state != "finished":
        return whole
    return replace(whole, test_mae_c=run_folder.read_as(_Tested, path / SUMMARY).test_mae_c)


def _sweep(path: Path) -> RunRow:
    trials = [_row(trial, path) for trial in sorted(path.glob("trial-*")) if trial.is_dir() and _is_run(trial)]
    done = [row for row in trials if row.state == "finished" and row.val_mae_c is not None]
    best = min(done, key=lambda row: row.val_mae_c or 0.0, default=None)
    report = command("jenacast", "sweep-report", path)
    of_best = {"val_mae_c": best.val_mae_c, "val_mae_std_c": best.val_mae_std_c, "seeds": best.seeds} if best else {}
    return replace(
        RunRow(path.name, str(path), "sweep", "running" if _has(trials, "running") else "idle", **of_best),  # type: ignore[arg-type]
        epochs=statistics.mean(row.epochs or 0 for row in trials) if trials else None,
        note=f"{len(done)} of {len(trials)} trials finished; {report} shows them",
    )


def _begun(runs: Sequence[Path]) -> Iterator[RunRow]:
    """The rows of the runs of a set that have begun; a damaged one is an error of the set."""
    return (_run(run) for run in runs if _is_run(run))


def _together(runs: RunSet[Any], kind: Kind, rows: Sequence[RunRow], *, wanted: int) -> RunRow:
    """What the runs of a set have in common, and the state of the whole."""
    path = runs.folder
    config: Config = run_folder.read_config(path)
    finished = sum(row.state == "finished" for row in rows)
    state: State = "stopped"
    if is_held(path / run_folder.LOCK) or _has(rows, "running"):
        state = "running"
    elif _has(rows, "failed"):
        state = "failed"
    elif finished == wanted and (kind != "backtest" or (path / SUMMARY).is_file()):
        state = "finished"
    reasons = [f"{Path(row.folder).name}: {row.note}" for row in rows if row.state == "failed"]
    notes = [f"{finished} of {wanted} runs finished", *reasons] if state != "finished" else []
    return RunRow(
        name=path.name,
        folder=str(path),
        kind=kind,
        state=state,
        model=config.name,
        settings=changed_settings(config.model_dump()),
        seeds=[config.train.seed],
        epochs=statistics.mean(row.epochs or 0 for row in rows) if rows else 0,
        protocol=rows[0].protocol if rows else None,
        synthetic=rows[0].synthetic if rows else None,
        note="; ".join(notes),
        resume=_resume(runs.command, path, state),
    )


def _has(rows: Sequence[RunRow], state: State) -> bool:
    return any(row.state == state for row in rows)


def _resume(begin: str, path: Path, state: State) -> str | None:
    return f"{begin} {command(*run_folder.resume_words(path))}" if state in ("stopped", "failed") else None
