"""Pictures of a sweep: its course, which settings matter, and what the best trials chose."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.data.series import Floats
from jenacast.plotting import (
    BASELINE,
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    RAMP,
    figure,
    name_rows,
    shorten_middle,
)
from jenacast.sweep.coordinates import NONE_AT, Coordinate, coordinate, mae_coordinate, sight

if TYPE_CHECKING:
    from jenacast.sweep.results import SweepResult, TrialResult

COMPLETE: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 5}
PRUNED: dict[str, Any] = {"color": GREY, "marker": ".", "markersize": 4}
FAILED: dict[str, Any] = {"color": BLACK, "marker": "x", "markersize": 6, "linestyle": "", "clip_on": False}
FAR = 0.5  # of the height that the trials take: what is further off would press them flat
LONGEST_NAMES = 100  # characters of the settings' names side by side
MANY = 60  # trials: their lines are thinner


def sweep_history(path: Path, result: "SweepResult", *, title: str) -> None:
    """The validation MAE of the trials in their order, the best so far, and what became of the others."""
    complete = sorted(result.complete, key=lambda trial: trial.number)
    pruned = [trial for trial in result.trials if trial.state == "pruned" and trial.curve_c]
    failed = [trial.number for trial in result.trials if trial.state == "failed"]
    maes_c = np.array([trial.val_mae_c for trial in complete], float)
    deviations_c = np.array([trial.val_mae_std_c or 0 for trial in complete], float)
    last_c = np.array([trial.curve_c[-1] for trial in pruned], float)
    with figure(path, title, result.synthetic, height=3.8) as (axis,):
        ends_c = [*last_c, *(maes_c - deviations_c), *(maes_c + deviations_c)]
        _set_height(axis, maes_c if complete else last_c, ends_c, result.baseline_mae_c)
        _draw_points(axis, pruned, last_c, PRUNED, "pruned, at its last epoch")
        _draw_points(axis, complete, maes_c, COMPLETE, "complete")
        _draw_deviations(axis, complete, maes_c, deviations_c)
        if complete:
            numbers = [*(trial.number for trial in complete), result.trials[-1].number]
            best_c = np.minimum.accumulate(maes_c)
            axis.step(numbers, [*best_c, best_c[-1]], where="post", color=ORANGE, linewidth=1.8, label="best so far")
        if failed:
            axis.plot(failed, [0.0] * len(failed), **FAILED, transform=axis.get_xaxis_transform(), label="failed")
        if max([*last_c, *maes_c], default=0) > axis.get_ylim()[1]:
            axis.plot([], [], "^", color=GREY, label="beyond the axis")
        axis.set(xlabel="trial", ylabel="validation MAE (°C)")
        axis.xaxis.get_major_locator().set_params(integer=True)


def sweep_importance(path: Path, result: "SweepResult", *, title: str) -> None:
    """The share of each setting in what tells the best trials from the others."""
    percent = [100 * share for share in result.importance.values()]
    with figure(path, title, result.synthetic, height=1.2 + 0.35 * len(percent)) as (axis,):
        bars = axis.barh(range(len(percent)), percent, color=BLUE, height=0.6)
        axis.bar_label(bars, fmt="%.1f %%", padding=4)
        axis.set(xlabel="share (%)", xlim=(0, 1.12 * max(percent, default=100)))
        name_rows(axis, list(result.importance))
        axis.grid(visible=False, axis="y")


def sweep_parallel(path: Path, result: "SweepResult", *, title: str) -> None:
    """Each complete trial as a line through its settings to its validation MAE, the best in the foreground."""
    best_last = result.complete[::-1]
    names = searched(best_last)
    axes = [coordinate([trial.params.get(name) for trial in best_last]) for name in names]
    axes.append(mae_coordinate([trial.val_mae_c or 0 for trial in best_last]))
    with figure(path, title, result.synthetic, height=4.4) as (axis,):
        for number, trial in enumerate(best_last):
            places = [one.places[number] for one in axes]
            axis.plot(places, **_look(trial, len(best_last) - 1 - number, len(best_last)), marker="o", markersize=3)
        for place, one in enumerate(axes):
            _draw_coordinate(axis, place, one)
        if len(best_last) > 2:
            axis.plot([], [], color=RAMP[0], label="among the best")
            axis.plot([], [], color=RAMP[-1], label="among the worst")
        labels = [*(_on_lines(name, LONGEST_NAMES // len(axes)) for name in names), "validation\nMAE (°C)"]
        axis.set(xticks=range(len(axes)), xticklabels=labels, yticks=[], xlim=(-0.15, len(axes) - 0.4))
        axis.tick_params(axis="x", bottom=False, labeltop=True, labelbottom=False)
        axis.spines[:].set_visible(False)
        axis.grid(visible=False)


def searched(trials: "Sequence[TrialResult]") -> list[str]:
    """The settings that any of the trials has, in the order in which they come up."""
    return list(dict.fromkeys(name for trial in sorted(trials, key=lambda t: t.number) for name in trial.params))


def _set_height(axis: Any, maes_c: Floats, ends_c: Sequence[float], baseline_c: float | None) -> None:
    """Let these errors fill the picture, with what else is not far from them; draw the baseline, or say its value."""
    low_c, high_c = sight(maes_c)
    reach_c = FAR * (high_c - low_c)
    seen_c = [end for end in [*ends_c, baseline_c] if end is not None and low_c - reach_c <= end <= high_c + reach_c]
    low_c, high_c = min([low_c, *seen_c]), max([high_c, *seen_c])
    margin_c = 0.08 * (high_c - low_c)
    axis.set_ylim(low_c - margin_c, high_c + margin_c)
    if baseline_c in seen_c:
        axis.axhline(baseline_c, **BASELINE)
    elif baseline_c is not None:
        axis.plot([], [], **BASELINE | {"label": f"{BASELINE['label']}, {baseline_c:.3f} °C"})


def _draw_points(axis: Any, trials: "Sequence[TrialResult]", maes_c: Floats, look: dict[str, Any], label: str) -> None:
    """A mark for each trial, for one beyond the upper edge a triangle there."""
    if not trials:
        return
    top_c = axis.get_ylim()[1]
    numbers, is_beyond = np.array([trial.number for trial in trials]), maes_c > top_c
    axis.plot(numbers[~is_beyond], maes_c[~is_beyond], **look, linestyle="", label=label)
    if is_beyond.any():  # an empty line that is not clipped would have room made for it
        above = look | {"marker": "^", "linestyle": "", "clip_on": False}
        axis.plot(numbers[is_beyond], np.full(is_beyond.sum(), top_c), **above)


def _draw_deviations(axis: Any, trials: "Sequence[TrialResult]", maes_c: Floats, deviations_c: Floats) -> None:
    if deviations_c.any():
        numbers = [trial.number for trial in trials]
        look = {"color": BLUE, "alpha": 0.5, "linestyle": ""}
        axis.errorbar(numbers, maes_c, deviations_c, **look, label="deviation over its seeds")


def _draw_coordinate(axis: Any, place: int, one: Coordinate) -> None:
    axis.vlines(place, 0, 1, color=BLACK, linewidth=0.8, zorder=3)
    ticks = [*one.ticks, (NONE_AT, "none")] if np.any(one.places == NONE_AT) else one.ticks
    for height, label in ticks:
        axis.plot(place, height, "_", color=BLACK, markersize=6, zorder=3)
        card = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
        axis.annotate(
            *(label, (place, height), (6, 0)),
            textcoords="offset points",
            verticalalignment="center",
            fontsize="small",
            bbox=card,
            zorder=4,
        )


def _look(trial: "TrialResult", rank: int, trials: int) -> dict[str, Any]:
    """The line of the trial that is `rank` places behind the best; the colours share the trials evenly."""
    if rank == 0:
        return {"color": ORANGE, "linewidth": 3, "label": f"the best: trial {trial.number}, {trial.val_mae_c:.3f} °C"}
    return {"color": RAMP[round(rank / (trials - 1) * (len(RAMP) - 1))], "linewidth": 1.2 if trials <= MANY else 0.7}


def _on_lines(name: str, longest: int) -> str:
    """A setting's name on lines so short that it does not run into its neighbours."""
    lines = [""]
    for word in name.replace(".", ".\0").replace("_", "_\0").split("\0"):
        if lines[-1] and (lines[-1].endswith(".") or len(lines[-1] + word) > longest):
            lines.append("")
        lines[-1] += word
    return "\n".join(shorten_middle(line, 2 * longest) for line in lines)
