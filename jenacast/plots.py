"""The pictures, in one style: units on the axes, the baseline always drawn, colours told apart by all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jenacast.files import atomic_path
from jenacast.series import Floats, Times

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jenacast.compare import Row

# Okabe & Ito's palette, which colour-blind readers can tell apart
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#7F7F7F"
SHOWN_DAYS = 14
HIGHEST_MAE = 1.75  # of learning curves, in baselines: the first epochs would press the rest flat


@contextmanager
def _figure(path: Path, rows: int, title: str, synthetic: bool) -> Iterator[tuple["Figure", Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2 * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    figure.suptitle(f"{title}  —  SYNTHETIC SERIES, not Jena" if synthetic else title)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    yield figure, axes
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


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
    with _figure(path, 1, title, synthetic) as (_, (axis,)):
        axis.plot(epochs, [r["train_mae_c"] for r in history], color=BLUE, marker=".", label="train, dropout on")
        if baseline_mae_c is not None:
            axis.plot(epochs, [r["val_mae_c"] for r in history], color=ORANGE, marker=".", label="validation")
            axis.axhline(baseline_mae_c, color=GREY, linestyle="--", label="baseline: the same as now")
            axis.set_ylim(top=min(axis.get_ylim()[1], HIGHEST_MAE * baseline_mae_c))
        axis.set(xlabel="epoch", ylabel="MAE (°C)")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()


def evaluation(
    path: Path,
    *,
    valid_at: Times,
    forecast_c: Floats,
    truth_c: Floats,
    baseline_c: Floats,
    title: str,
    synthetic: bool,
) -> None:
    """Two weeks of forecasts against the truth, every forecast against its truth, and the errors."""
    from matplotlib.dates import ConciseDateFormatter

    with _figure(path, 3, title, synthetic) as (_, (weeks, scatter, errors)):
        middle = valid_at[len(valid_at) // 2]
        shown = (valid_at >= middle) & (valid_at < middle + np.timedelta64(SHOWN_DAYS, "D"))
        weeks.plot(valid_at[shown], truth_c[shown], color="black", label="truth")
        weeks.plot(valid_at[shown], forecast_c[shown], color=ORANGE, label="forecast 24 h before")
        weeks.plot(valid_at[shown], baseline_c[shown], color=GREY, linestyle="--", label="baseline: the same as now")
        weeks.set(xlabel="time", ylabel="temperature (°C)")
        concise: Any = ConciseDateFormatter  # matplotlib types its dates in part only
        weeks.xaxis.set_major_formatter(concise(weeks.xaxis.get_major_locator()))
        weeks.legend()

        low, high = float(truth_c.min()), float(truth_c.max())
        scatter.plot(truth_c, forecast_c, ".", color=BLUE, markersize=1, alpha=0.4, rasterized=True)
        scatter.plot([low, high], [low, high], color="black", linewidth=1)
        scatter.set(xlabel="truth (°C)", ylabel="forecast (°C)")

        bins = np.linspace(-12, 12, 97)
        for values_c, color, label in (
            (baseline_c - truth_c, GREY, "baseline: the same as now"),
            (forecast_c - truth_c, ORANGE, "forecast"),
        ):
            errors.hist(np.clip(values_c, -12, 12), bins=bins, histtype="step", color=color, label=label)
        errors.set(xlabel="forecast minus truth (°C)", ylabel="windows")
        errors.legend()


def comparison(path: Path, rows: "Sequence[Row]") -> None:
    """The test MAE of each recipe, every seed a point, the baseline as a line."""
    with _figure(path, 1, "test MAE by recipe", synthetic=False) as (figure, (axis,)):
        figure.set_figheight(1.6 + 0.4 * len(rows))
        for number, row in enumerate(rows):
            seeds = axis.plot(row.test_maes_c, [number] * len(row.test_maes_c), "o", color=BLUE, alpha=0.5)
            mean = axis.plot(row.test_mae_c, number, "|", color=ORANGE, markersize=18, markeredgewidth=2.5)
        seeds[0].set_label("one seed")
        mean[0].set_label("mean over seeds")
        axis.axvline(rows[0].baseline_mae_c, color=GREY, linestyle="--", label="baseline: the same as now")
        axis.set(xlabel="test MAE (°C)", yticks=range(len(rows)), yticklabels=[row.model for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        figure.legend(loc="outside lower center", ncols=3)
