"""Pictures of a sweep: its course, which settings matter, and what the best trials chose."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.plotting import BASELINE, BLACK, BLUE, GREY, ORANGE, RAMP, figure, name_rows, shorten_middle

if TYPE_CHECKING:
    from jenacast.sweep.results import SweepResult, TrialResult

COMPLETE: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 5}
PRUNED: dict[str, Any] = {"color": GREY, "marker": ".", "markersize": 4}
NONE_AT = -0.12  # the place of a trial that lacks the setting
FEW_VALUES = 6  # are named at their places; of more, the ends and the middle
LEAST_GAP = 0.08  # between names, of the axis
LONGEST_LABEL = 14  # characters


def sweep_history(path: Path, result: "SweepResult", *, title: str) -> None:
    """The validation MAE of the trials in their order, and the best so far."""
    complete = sorted(result.complete, key=lambda trial: trial.number)
    pruned = [trial for trial in result.trials if trial.state == "pruned" and trial.curve_c]
    numbers, maes_c = [trial.number for trial in complete], np.array([trial.val_mae_c for trial in complete], float)
    low_c, high_c = axis_limits(maes_c)
    with figure(path, title, result.synthetic, height=3.8) as (axis,):
        axis.set_ylim(low_c - 0.1 * (high_c - low_c), high_c + 0.4 * (high_c - low_c))
        _draw_points(axis, {trial.number: trial.curve_c[-1] for trial in pruned}, PRUNED, "pruned")
        _draw_points(axis, dict(zip(numbers, maes_c, strict=True)), COMPLETE, "complete")
        best_c = np.minimum.accumulate([*maes_c, np.inf])
        steps = [*numbers, result.trials[-1].number]
        axis.step(steps, best_c, where="post", color=ORANGE, linewidth=1.8, label="best so far")
        if result.baseline_mae_c is not None:
            label, (bottom_c, top_c) = f"{BASELINE['label']}, {result.baseline_mae_c:.3f} °C", axis.get_ylim()
            if bottom_c <= result.baseline_mae_c <= top_c:
                axis.plot(steps, [result.baseline_mae_c] * len(steps), **BASELINE | {"label": label})
            else:
                side = "above" if result.baseline_mae_c > top_c else "below"
                axis.set_title(f"{label}, lies {side} the axis", fontsize="medium")
        axis.set(xlabel="trial", ylabel="validation MAE (°C)")
        axis.xaxis.get_major_locator().set_params(integer=True)


def sweep_importance(path: Path, result: "SweepResult", *, title: str) -> None:
    """The share of each setting in what tells the best trials from the others."""
    percent = [100 * share for share in result.importance.values()]
    with figure(path, title, result.synthetic, height=1.2 + 0.35 * len(percent)) as (axis,):
        bars = axis.barh(range(len(percent)), percent, color=BLUE, height=0.6)
        axis.bar_label(bars, fmt="%.1f %%", padding=4)
        axis.set(xlabel="share (%)", xlim=(0, 1.12 * max(percent)))
        name_rows(axis, list(result.importance))
        axis.grid(visible=False, axis="y")


def sweep_parallel(path: Path, result: "SweepResult", *, title: str) -> None:
    """Each complete trial as a line through its settings to its validation MAE, the best in the foreground."""
    best_last = result.complete[::-1]
    names = searched(best_last)
    axes = [axis_places([trial.params.get(name) for trial in best_last], log=name in result.log) for name in names]
    _, high_c = axis_limits(np.array([trial.val_mae_c for trial in best_last], float))
    places, ticks = axis_places([min(trial.val_mae_c or 0, high_c) for trial in best_last])
    if (best_last[0].val_mae_c or 0) > high_c:
        ticks = {place: f"from {label}" if place == 1 else label for place, label in ticks.items()}
    axes.append((places, ticks))
    with figure(path, title, result.synthetic, height=4.4) as (axis,):
        lines = np.array([places for places, _ in axes]).T
        for rank, (trial, line) in enumerate(zip(best_last, lines, strict=True)):
            axis.plot(line, **_look(trial, rank / (len(best_last) - 1)), marker="o", markersize=3)
        for number, (_, ticks) in enumerate(axes):
            _draw_axis(axis, number, ticks)
        labels = [*(name.replace(".", ".\n").replace("_", "_\n") for name in names), "validation\nMAE (°C)"]
        axis.set(xticks=range(len(axes)), xticklabels=labels, yticks=[], xlim=(-0.15, len(axes) - 0.4))
        axis.tick_params(axis="x", bottom=False, labeltop=True, labelbottom=False)
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)


def drawable(result: "SweepResult") -> dict[str, Callable[..., None]]:
    """The pictures for which the complete trials suffice, by name."""
    drawn: dict[str, Callable[..., None]] = {"history": sweep_history}
    if result.importance:
        drawn["importance"] = sweep_importance
    if len(result.complete) > 1 and searched(result.complete):
        drawn["parallel"] = sweep_parallel
    return drawn


def searched(trials: "Sequence[TrialResult]") -> list[str]:
    """The settings that any of the trials has, in the order in which they come up."""
    return list(dict.fromkeys(name for trial in sorted(trials, key=lambda t: t.number) for name in trial.params))


def axis_limits(maes_c: Floats) -> tuple[float, float]:
    """The lowest and the highest of the errors that a picture shows, never the same.

    Left out are those beyond Tukey's outer fence, the upper quartile and three times the quartiles' distance: they
    would press the rest flat.
    """
    lower, upper = np.quantile(maes_c, (0.25, 0.75))
    low, high = float(maes_c.min()), float(maes_c[maes_c <= upper + 3 * (upper - lower)].max())
    return (low, high) if high > low else (0.95 * low, 1.05 * low + 1e-9)


def axis_places(values: Sequence[Any], *, log: bool = False) -> tuple[list[float], dict[float, str]]:
    """The places of values on an upright axis from 0 to 1, and the names beside it.

    Numbers are placed by their size, or by its logarithm; other values evenly; None at `NONE_AT`.
    """
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        sizes = np.log(known) if log else np.array(known, float)
        low, high = min(sizes, default=0.0), max(sizes, default=0.0)
        places = (sizes - low) / (high - low) if high > low else np.full(len(sizes), 0.5)
        ticks = {place: f"{value:.4g}" for place, value in sorted(zip(places.tolist(), known, strict=True))}
        if len(ticks) > FEW_VALUES or np.any(np.diff(list(ticks)) < LEAST_GAP):
            middle = np.exp((low + high) / 2) if log else (low + high) / 2
            ticks = {0.0: f"{min(known):.3g}", 0.5: f"{middle:.3g}", 1.0: f"{max(known):.3g}"}
    else:
        texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in known]
        names = sorted(set(texts))
        evenly = np.linspace(0, 1, len(names)) if len(names) > 1 else np.array([0.5])
        places = np.array([evenly[names.index(text)] for text in texts])
        ticks = {place: shorten_middle(name, LONGEST_LABEL) for place, name in zip(evenly.tolist(), names, strict=True)}
    following = iter(places.tolist())
    if len(known) < len(values):
        ticks[NONE_AT] = "none"
    return [NONE_AT if value is None else next(following) for value in values], ticks


def _draw_points(axis: Any, maes_c: dict[int, float], look: dict[str, Any], label: str) -> None:
    """A mark for each trial, by its number; for one beyond the upper edge a triangle there."""
    top_c = axis.get_ylim()[1]
    within = {number: mae_c for number, mae_c in maes_c.items() if mae_c <= top_c}
    beyond = dict.fromkeys(maes_c.keys() - within.keys(), top_c)
    above = look | {"marker": "^", "clip_on": False}
    for points, mark, text in ((within, look, label), (beyond, above, f"{label}, beyond the axis")):
        if points:
            axis.plot(points.keys(), points.values(), **mark, linestyle="", label=text)


def _draw_axis(axis: Any, number: int, ticks: dict[float, str]) -> None:
    axis.vlines(number, 0, 1, color=BLACK, linewidth=0.8, zorder=3)
    card = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
    look: dict[str, Any] = {"textcoords": "offset points", "verticalalignment": "center", "fontsize": "small"}
    for height, label in ticks.items():
        axis.plot(number, height, "_", color=BLACK, markersize=6, zorder=3)
        axis.annotate(label, (number, height), (6, 0), **look, bbox=card, zorder=4)


def _look(trial: "TrialResult", rank: float) -> dict[str, Any]:
    """The line of a trial; `rank` goes from 0, the worst, to 1, the best."""
    if rank == 1:
        return {"color": ORANGE, "linewidth": 3, "label": f"the best: trial {trial.number}, {trial.val_mae_c:.3f} °C"}
    label = "the worst" if rank == 0 else None
    return {"color": RAMP[round((1 - rank) * (len(RAMP) - 1))], "linewidth": 1, "label": label}
