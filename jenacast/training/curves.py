"""The course of a training as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jenacast.plotting import BASELINE, BLUE, ORANGE, figure

HIGHEST_MAE = 1.75  # of learning curves, in baselines: the first epochs would press the rest flat


def learning_curves(
    path: Path,
    history: Sequence[dict[str, Any]],
    *,
    baseline_mae_c: float | None,
    dropout: bool,
    title: str,
    synthetic: bool,
) -> None:
    """Train MAE over the epochs, and validation MAE with its baseline where there is a validation.

    `dropout` says whether the train MAE is measured with dropout on, so that it may be above that of validation.
    """
    epochs = [record["epoch"] for record in history]
    with figure(path, title, synthetic) as (axis,):
        train = [record["train_mae_c"] for record in history]
        label = "train, dropout on" if dropout else "train"
        axis.plot(epochs, train, color=BLUE, marker="o", markerfacecolor="none", label=label)
        if baseline_mae_c is not None:
            axis.plot(epochs, [r["val_mae_c"] for r in history], color=ORANGE, marker="s", label="validation")
            axis.axhline(baseline_mae_c, **BASELINE)
            axis.set_ylim(top=min(axis.get_ylim()[1], HIGHEST_MAE * baseline_mae_c))
        axis.set(xlabel="epoch", ylabel="MAE (°C)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
