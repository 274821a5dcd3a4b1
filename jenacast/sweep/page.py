"""One page about a sweep: the best trials, what the search found, and what became of every trial."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jenacast.files import refuse_existing
from jenacast.report.page import write_page
from jenacast.report.parts import BASELINE, Head, Part, Picture, Section, Tile
from jenacast.report.pictures import inline_svg
from jenacast.sweep import plots
from jenacast.sweep.plots import searched
from jenacast.sweep.results import LEAST_FOR_IMPORTANCE, State, SweepResult, TrialResult
from jenacast.tables import Column, Table, Value, columns

SHOWN = 10  # best trials
STATES: tuple[State, ...] = ("complete", "pruned", "failed", "running", "waiting")


def write_sweep_page(result: SweepResult, out: Path, *, force: bool = False) -> None:
    """Write `out`, an HTML page that needs no network, about a sweep. The same result gives the same page.

    Args:
        result: the sweep so far; trials may be running.
        out: the page.
        force: overwrite it.

    Raises:
        ExistsError: `out` exists and `force` is not given.
    """
    refuse_existing(out, force=force)
    head = Head(result.name, _summary(result), _tiles(result))
    search = Section("search", "Search", [_course(result), _importance(result), _parallel(result)])
    sections = [Section("best", "Best trials", [_best(result)]), search, Section("trials", "Trials", _all(result))]
    write_page(out, Path(__file__).with_name("page.html.j2"), head, sections, synthetic=result.synthetic)


def _summary(result: SweepResult) -> str:
    count = len(result.trials)
    text = f"{count} trial{'s' * (count != 1)}: {_states(result)}."
    baseline = ""
    if result.baseline_mae_c is not None:
        baseline = f" The guess “{BASELINE}” errs by {result.baseline_mae_c:.3f} °C on validation."
    unread = "The test split was not read."
    if not result.complete:
        return f"{text} None is complete, so there is no best one.{baseline} {unread}"
    best = result.complete[0]
    error = f"a validation MAE of {best.val_mae_c:.3f} °C"
    if best.val_mae_std_c is not None:
        error += f" (deviation over {result.seeds} seeds: {best.val_mae_std_c:.3f} °C)"
    return (
        f"{text} The best is trial {best.number}, with {error}.{baseline} {unread} The best of many trials is "
        "also a lucky one, so its validation MAE is optimistic: judge its run with jenacast evaluate."
    )


def _states(result: SweepResult) -> str:
    """How many trials are in which state; the first three states are named even where they are none."""
    found = Counter(trial.state for trial in result.trials)
    return ", ".join(f"{found[state]} {state}" for state in STATES if found[state] or state in STATES[:3])


def _tiles(result: SweepResult) -> list[Tile]:
    tiles = []
    if result.complete:
        best = result.complete[0]
        tiles.append(Tile("best validation MAE", f"{best.val_mae_c:.3f} °C", f"trial {best.number}"))
    if result.baseline_mae_c is not None:
        tiles.append(Tile("baseline's validation MAE", f"{result.baseline_mae_c:.3f} °C", BASELINE))
    minutes = sum(trial.seconds or 0 for trial in result.trials) / 60
    time = f"{minutes / 60:,.1f} h" if minutes >= 60 else f"{minutes:.0f} min"
    epochs = sum(trial.epochs for trial in result.trials)
    tiles.append(Tile("trials", f"{len(result.trials):,}", _states(result)))
    return [*tiles, Tile("epochs trained in all", f"{epochs:,}", f"in {time}, summed over trials")]


def _best(result: SweepResult) -> Part:
    notes = [f"Judged on the validation split of protocol {result.protocol}."]
    if not result.complete:
        return Part("None so far", notes)
    if result.seeds == 1:
        notes.append(
            "Each trial has one seed: differences below a recipe's spread over seeds mean nothing. A sweep with "
            "--seeds 3 measures that spread."
        )
    else:
        notes.append(f"The MAE is the mean over {result.seeds} seeds; differences within its deviation mean little.")
    best = result.complete[:SHOWN]
    settings = searched(best)
    heads = [Column("trial"), *_error_columns(result), *columns(*settings, form=".5g"), *_run_columns(result)]
    rows = [[trial.number, *_errors(trial, result), *_chosen(trial, settings), *_run(trial, result)] for trial in best]
    title = f"The best {len(best)} of {len(result.complete)} complete trials"
    return Part(title, notes, tables=[Table(heads, rows, "The best trials, by their validation MAE")])


def _all(result: SweepResult) -> list[Part]:
    settings = searched(result.trials)
    last = Column("MAE after the last epoch", ".3f", "°C")
    heads = [*columns("trial", "state"), *_error_columns(result), last, *columns(*settings, form=".5g")]
    rows: list[list[Value]] = [
        [
            *(trial.number, trial.state, *_errors(trial, result), trial.curve_c[-1] if trial.curve_c else None),
            *(*_chosen(trial, settings), *_run(trial, result), trial.reason),
        ]
        for trial in result.trials
    ]
    table = Table([*heads, *_run_columns(result), Column("reason")], rows, "All trials")
    parts = [Part("What became of them", [f"{_states(result)}."], folded=[table])]
    failures: dict[str, list[int]] = {}
    for trial in result.trials:
        if trial.state == "failed":
            failures.setdefault(trial.reason or "no reason was told", []).append(trial.number)
    if failures:
        commonest = sorted(failures.items(), key=lambda failure: -len(failure[1]))
        parts.append(Part("Failures", [f"{_trials(numbers)}: {reason}" for reason, numbers in commonest]))
    return parts


def _trials(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers))
    return f"Trial {named}" if len(numbers) == 1 else f"{len(numbers)} trials ({named})"


def _error_columns(result: SweepResult) -> list[Column]:
    return columns("validation MAE", "its deviation", form=".3f", unit="°C")[: min(result.seeds, 2)]


def _errors(trial: TrialResult, result: SweepResult) -> list[Value]:
    errors: list[Value] = [trial.val_mae_c, trial.val_mae_std_c]
    return errors[: min(result.seeds, 2)]


def _run_columns(result: SweepResult) -> list[Column]:
    machine = ["machine"] if _is_on_many(result) else []
    return [*columns(*machine, "run folder", "epochs"), Column("time", ".0f", "s")]


def _run(trial: TrialResult, result: SweepResult) -> list[Value]:
    machine = [trial.host] if _is_on_many(result) else []
    return [*machine, trial.run, trial.epochs, trial.seconds]


def _is_on_many(result: SweepResult) -> bool:
    return len({trial.host for trial in result.trials if trial.host}) > 1


def _chosen(trial: TrialResult, settings: Sequence[str]) -> list[Value]:
    return [_value(trial.params.get(setting)) for setting in settings]


def _value(value: Any) -> Value:
    """What a trial chose: numbers stay numbers, all else is a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None or isinstance(value, int | float) else str(value)


def _course(result: SweepResult) -> Part:
    title = "The trials in their order"
    if not result.complete and not any(trial.curve_c for trial in result.trials):
        return Part(title, ["No trial has an error to show yet."])
    return Part(title, pictures=[_picture(plots.sweep_history, result, "history", _course_in_words(result))])


def _course_in_words(result: SweepResult) -> str:
    if not result.complete:
        return f"No trial is complete: {_states(result)}."
    best, first = result.complete[0], min(result.complete, key=lambda trial: trial.number)
    since = sum(trial.number > best.number for trial in result.complete)
    if best is first:
        later = f"none of the {since} complete trials after it is better" if since else "no trial after it is complete"
        return f"The first complete trial, {first.number}, has a validation MAE of {first.val_mae_c:.3f} °C; {later}."
    return (
        f"The smallest validation MAE so far goes from {first.val_mae_c:.3f} °C (trial {first.number}) down to "
        f"{best.val_mae_c:.3f} °C (trial {best.number}); {since} complete trials after that one are no better."
    )


def _importance(result: SweepResult) -> Part:
    title = "Which settings matter"
    if not result.importance:
        there_are = f"takes {LEAST_FOR_IMPORTANCE} complete trials; there are {len(result.complete)}."
        return Part(title, [f"The importance of the settings {there_are}"])
    (first, share), *others = result.importance.items()
    then = f", then {others[0][0]} with {100 * others[0][1]:.1f} %" if others else ""
    finding = f"What tells the best trials from the others most is {first}, with {100 * share:.1f} %{then}."
    heads = [Column("setting"), Column("share", ".1%")]
    table = Table(heads, list(result.importance.items()), "Importance of the settings")
    return Part(title, pictures=[_picture(plots.sweep_importance, result, "importance", finding)], folded=[table])


def _parallel(result: SweepResult) -> Part:
    title = "Settings and errors"
    if len(result.complete) < 2 or not searched(result.complete):
        return Part(title, ["Lines through the settings take 2 complete trials and a setting that is searched."])
    best, worst = result.complete[0], result.complete[-1]
    chosen = ", ".join(
        f"{setting} {value:.4g}" if isinstance(value, float) else f"{setting} {_value(value)}"
        for setting, value in best.params.items()
    )
    finding = (
        f"{len(result.complete)} complete trials, with a validation MAE from {best.val_mae_c:.3f} to "
        f"{worst.val_mae_c:.3f} °C. The best, trial {best.number}, has {chosen or 'none of the settings'}."
    )
    return Part(title, pictures=[_picture(plots.sweep_parallel, result, "parallel", finding)])


def _picture(draw: Callable[..., None], result: SweepResult, name: str, finding: str) -> Picture:
    return Picture(name, inline_svg(lambda path: draw(path, result, title=""), name), finding)
