"""How far forecasts are from the truth, in degC, how much better than the baseline, and how that varies over seeds."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jenacast.data.series import Floats
from jenacast.errors import DataError


@dataclass(frozen=True)
class ErrorMetrics:
    """Errors over `windows` forecasts. `bias_c` is forecast minus truth: positive is too warm."""

    windows: int
    mae_c: float
    rmse_c: float
    bias_c: float


def absolute_errors(forecast_c: Floats, truth_c: Floats) -> Floats:
    """|forecast - truth| of (windows,) forecasts, float64 degC."""
    return np.abs(signed_errors(forecast_c, truth_c))


def signed_errors(forecast_c: Floats, truth_c: Floats) -> Floats:
    """Forecast minus truth of (windows,) forecasts, float64 degC."""
    errors_c: Floats = forecast_c.astype(np.float64) - truth_c.astype(np.float64)
    return errors_c


def measure(forecast_c: Floats, truth_c: Floats) -> ErrorMetrics:
    """Mean absolute error, root mean square error and bias of (windows,) forecasts in degC.

    Raises:
        DataError: no windows, or a value that is not finite, which an average would hide.
    """
    errors_c = signed_errors(forecast_c, truth_c)
    if not len(errors_c):
        raise DataError("there is no window to measure; the series is too short or too broken")
    if not np.isfinite(errors_c).all():
        bad = int((~np.isfinite(errors_c)).sum())
        raise DataError(f"{bad} of {len(errors_c)} forecasts or truths are not finite; no mean is taken")
    return ErrorMetrics(
        windows=len(errors_c),
        mae_c=float(np.abs(errors_c).mean()),
        rmse_c=float(np.sqrt(np.square(errors_c).mean())),
        bias_c=float(errors_c.mean()),
    )


def skill(mae_c: float, baseline_mae_c: float) -> float:
    """1 - MAE / baseline MAE: 0 is no better than the baseline, 1 is perfect, below 0 is worse.

    Raises:
        DataError: the baseline makes no error.
    """
    if not baseline_mae_c:
        raise DataError("the baseline makes no error on these windows, so there is no skill; use a longer series")
    return 1 - mae_c / baseline_mae_c


def std(values: Sequence[float]) -> float | None:
    """The standard deviation of a figure over seeds (n - 1 in the denominator); None for fewer than two."""
    return statistics.stdev(values) if len(values) > 1 else None


def with_std(mean: float | None, std: float | None) -> str:
    """A mean, with its standard deviation over seeds if there is one; a dash where nothing was measured."""
    if mean is None:
        return "-"
    return f"{mean:.3f}" if std is None else f"{mean:.3f} ± {std:.3f}"
