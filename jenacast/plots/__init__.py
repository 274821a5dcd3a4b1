"""The pictures, in one style: units on the axes, the baseline always drawn, colours told apart by all."""

from jenacast.plots.backtest import folds
from jenacast.plots.errors import evaluation, groups, leads
from jenacast.plots.forecasts import outlook, outlooks
from jenacast.plots.intervals import reliability
from jenacast.plots.runs import comparison, differences, learning_curves
from jenacast.plots.style import Format, check_suffix
from jenacast.plots.sweep import sweep_history, sweep_importance, sweep_parallel

__all__ = [
    "Format",
    "check_suffix",
    "comparison",
    "differences",
    "evaluation",
    "folds",
    "groups",
    "leads",
    "learning_curves",
    "outlook",
    "outlooks",
    "reliability",
    "sweep_history",
    "sweep_importance",
    "sweep_parallel",
]
