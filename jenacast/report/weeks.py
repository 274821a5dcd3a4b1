"""Which weeks of a split a report shows: a typical one of each season, and the worst."""

import numpy as np
from numpy.typing import NDArray

from jenacast.data.series import Floats, Times
from jenacast.evaluation.groups import SEASONS, season_numbers

LEAST_SHARE = 0.9  # of the fullest week's windows: a week with less is not shown


def chosen_weeks(valid_at: Times, errors_c: Floats) -> dict[str, NDArray[np.bool_]]:
    """The windows of each chosen week, by what it is called; a week is shown once, under its first name.

    Typical is the week whose MAE is the median of its season's. Weeks begin on Monday and belong to the season of
    their Thursday.

    Args:
        valid_at: (windows,) datetime64, the times forecast for.
        errors_c: (windows,) degC, absolute.
    """
    days = valid_at.astype("datetime64[D]").astype(np.int64)
    weeks, place, windows = np.unique((days + 3) // 7, return_inverse=True, return_counts=True)  # day 0: a Thursday
    mae_c = np.bincount(place, weights=errors_c) / windows
    whole = windows >= LEAST_SHARE * windows.max()
    seasons = season_numbers((weeks * 7).astype("datetime64[D]"))
    chosen: dict[int, str] = {}
    for number, season in enumerate(SEASONS):
        candidates = np.flatnonzero(whole & (seasons == number))
        if len(candidates):
            by_error = candidates[np.argsort(mae_c[candidates], kind="stable")]
            chosen[int(by_error[(len(by_error) - 1) // 2])] = f"A typical week in {season}"
    worst = int(np.argmax(np.where(whole, mae_c, -np.inf)))
    chosen.setdefault(worst, "The worst week")
    return {name: place == week for week, name in chosen.items()}
