"""Pictures of trainings: their course, and runs side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.bootstrap import Interval
from jenacast.plots.style import BASELINE, BASELINE_LABEL, BLUE, ORANGE, figure, fitting, legend_below

if TYPE_CHECKING:
    from jenacast.compare import Row

HIGHEST_MAE = 1.75  # of learning curves, in baselines: the first epochs would press the rest flat


def learning_curves(
    path: Path,
    history: Sequence[dict[str, Any]],
    *,
    baseline_mae_c: float | None,
    title: str,
    synthetic: bool,
) -> None:
    """Train MAE over the epochs, and validation MAE with its baseline where there is a validation."""
    epochs = [record["epoch"] for record in history]
    with figure(path, title, synthetic) as (_, (axis,)):
        train = [record["train_mae_c"] for record in history]
        axis.plot(epochs, train, color=BLUE, marker="o", markerfacecolor="none", label="train, dropout on")
        if baseline_mae_c is not None:
            axis.plot(epochs, [r["val_mae_c"] for r in history], color=ORANGE, marker="s", label="validation")
            axis.axhline(baseline_mae_c, **BASELINE, label=BASELINE_LABEL)
            axis.set_ylim(top=min(axis.get_ylim()[1], HIGHEST_MAE * baseline_mae_c))
        axis.set(xlabel="epoch", ylabel="MAE (°C)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()


def comparison(path: Path, rows: "Sequence[Row]") -> None:
    """The test MAE of each recipe, every seed a point, the baseline as a line."""
    with figure(path, "test MAE by recipe", synthetic=False, height=1.6 + 0.4 * len(rows)) as (whole, (axis,)):
        for number, row in enumerate(rows):
            seeds = axis.plot(row.test_maes_c, [number] * len(row.test_maes_c), "o", color=BLUE, alpha=0.5)
            mean = axis.plot(row.test_mae_c, number, "|", color=ORANGE, markersize=18, markeredgewidth=2.5)
        seeds[0].set_label("one seed")
        mean[0].set_label("mean over seeds")
        axis.axvline(rows[0].baseline_mae_c, **BASELINE, label=BASELINE_LABEL)
        axis.set(xlabel="test MAE (°C)", yticks=range(len(rows)), yticklabels=[fitting(row.model) for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        legend_below(whole)


def differences(
    path: Path,
    labels: Sequence[str],
    difference_c: Sequence[float],
    ci95_c: Sequence[Interval | None],
    *,
    title: str,
    synthetic: bool,
) -> None:
    """How far each run's MAE is from the baseline's, with its 95 % interval where there is one; degC, (runs,)."""
    places = np.arange(len(labels))
    ends = np.array([pair or (np.nan, np.nan) for pair in ci95_c], float).reshape(-1, 2)
    lengths = np.abs(ends.T - np.asarray(difference_c, float))
    with figure(path, title, synthetic, height=1.5 + 0.35 * len(labels)) as (whole, (axis,)):
        axis.errorbar(
            difference_c,
            places,
            xerr=lengths,
            color=ORANGE,
            capsize=3,
            marker="o",
            linestyle="",
            label="a run, with 95 % interval",
        )
        axis.axvline(0, **BASELINE, label=BASELINE_LABEL)
        axis.set(xlabel="test MAE less the baseline's (°C)", yticks=places, yticklabels=list(map(fitting, labels)))
        axis.set_ylim(len(labels) - 0.5, -0.5)
        legend_below(whole)
