"""The part of a report about breaks: the station beside its region, month by month."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from jenacast.data.findings import breaks_finding, breaks_table
from jenacast.data.homogeneity import Homogeneity
from jenacast.data.region import REGION, SOURCE
from jenacast.plotting import BLACK, GREY, ORANGE, figure, time_axis, with_gaps
from jenacast.report.page import Part
from jenacast.report.pictures import draw_picture

NOTE = (
    "A step that the region does not make is one of the instrument: a sensor, its shelter or its place was changed. "
    "Networks that are trained on both sides of it forecast too cold or too warm; data.homogenise=true repairs it."
)


def describe_homogeneity(homogeneity: Homogeneity | None, name: str) -> list[Part]:
    """Nothing where the series was not compared; `name` begins those of its pictures."""
    if homogeneity is None or not homogeneity.difference_c:
        return []
    finding = breaks_finding(homogeneity)
    picture = draw_picture(f"{name}-breaks", finding, monthly_difference, homogeneity)
    has_breaks = bool(homogeneity.breaks)
    return [
        Part(
            f"The station beside {REGION}",
            notes=[NOTE, SOURCE] if has_breaks else [SOURCE],
            pictures=[picture],
            tables=[breaks_table(homogeneity)] if has_breaks else [],
        )
    ]


def monthly_difference(path: Path, homogeneity: Homogeneity, *, title: str) -> None:
    """Every month's mean of the station less the region's, with the mean on each side of a break."""
    months = np.array(list(homogeneity.difference_c), "datetime64[M]")
    differences_c = np.array(list(homogeneity.difference_c.values()))
    edges = [months[0], *np.array([each.month for each in homogeneity.breaks], "datetime64[M]"), months[-1] + 1]
    with figure(path, title, synthetic=False) as (axis,):
        times, values_c = with_gaps(months.astype("datetime64[D]") + 14, differences_c)
        axis.plot(times, values_c, color=GREY, marker=".", linewidth=0.8, label="month")
        for number, (begin, end) in enumerate(pairwise(edges)):
            mean_c = differences_c[(months >= begin) & (months < end)].mean()
            days = np.array([begin, end], "datetime64[D]")
            axis.plot(days, [mean_c, mean_c], color=ORANGE, linewidth=2.2, label="mean" if not number else None)
            if number:
                axis.axvline(days[0], color=BLACK, linestyle=":", linewidth=1)
        axis.set_ylabel(f"station less {REGION} (°C)")
        time_axis(axis)
