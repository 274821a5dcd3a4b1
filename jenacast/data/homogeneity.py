"""Breaks in a station's temperature: steps against its region that the weather does not explain.

A new sensor, shelter or place leaves a step in the difference between a station and its region. Where a step is
likeliest, and whether it is more than noise, is tested as in the standard normal homogeneity test (SNHT, Alexandersson
& Moberg 1997, International Journal of Climatology 17) by the largest ratio of what a step explains to what it leaves,
with three additions for months:

* The mean annual cycle of the difference is fitted together with the step, so that neither hides the other.
* Months are alike to their neighbours, which makes false steps (Wang 2008, Journal of Applied Meteorology and
  Climatology 47). So the critical value is not one for white noise: many homogeneous series with the autocorrelation
  found are tested too. The same series with the step found put in give the intervals of its size and its month.
* More breaks are looked for one after the other, given those that were found (Bai 1997, Econometric Theory 13).
"""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from jenacast.data.region import compare_with_region, month_numbers
from jenacast.data.series import Floats, Rows, Series
from jenacast.records import Record

LEAST_MONTHS = 36  # to be tested at all
LEAST_CORRELATION = 0.8  # below it the region is no reference for the station
LEAST_SEGMENT = 12  # months on each side of a break: a year
LEVEL = 0.01  # of significance
MADE_SERIES = 1999
SEED = 1997
MASKING = 2  # further steps that are kept out of the noise; with opposite ones neither would be found
MOST_AUTOCORRELATION = 0.9
TRIED = np.linspace(0, MOST_AUTOCORRELATION, 46)


class Break(Record):
    """A step in the station's temperature less its region's, degC, positive where it rises.

    `month` is the first one at the new level, such as 2012-02. `p` is the share of homogeneous series in which as much
    is found. Both intervals hold the true value in 95 % of cases.
    """

    month: str = Field(pattern=r"^\d{4}-\d\d$")
    month_ci95: tuple[str, str]
    step_c: float
    step_ci95_c: tuple[float, float]
    p: float


class Homogeneity(Record):
    """What the comparison with the region found.

    `difference_c` is the station's mean less the region's by month; it is empty, and nothing is known of breaks, where
    less than three years can be compared, where the station does not follow its region, and for made-up series.
    """

    difference_c: dict[str, float] = Field(default_factory=dict)
    breaks: list[Break] = Field(default_factory=list)


def audit_homogeneity(series: Series, *, synthetic: bool) -> Homogeneity:
    """Compare a cleaned series with its region and look for breaks; rows that were not measured are left out."""
    if synthetic:
        return Homogeneity()
    compared = compare_with_region(series)
    if len(compared.months) < LEAST_MONTHS or compared.correlation < LEAST_CORRELATION:
        return Homogeneity()
    differences = zip(compared.months.astype(str).tolist(), compared.difference_c.round(3).tolist(), strict=True)
    breaks = find_breaks(month_numbers(compared.months), compared.difference_c)
    return Homogeneity(difference_c=dict(differences), breaks=breaks)


def find_breaks(months: Rows, difference_c: Floats) -> list[Break]:
    """The significant breaks in order of time.

    Args:
        months: (months,) counted from January 1970, increasing; some may be missing.
        difference_c: (months,) station less region, degC.
    """
    known: list[int] = []
    while (found := _likeliest(months, difference_c, known)) and found.p <= LEVEL:
        known = sorted([*known, found.month])
    others = [[each for each in known if each != month] for month in known]
    again = [found for each in others if (found := _likeliest(months, difference_c, each))]  # each given all others
    return sorted((each.as_record() for each in again), key=lambda each: each.month)


@dataclass(frozen=True)
class _Step:
    """A step as it is found: months counted from January 1970."""

    month: int
    month_ci95: tuple[int, int]
    step_c: float
    step_ci95_c: tuple[float, float]
    p: float

    def as_record(self) -> Break:
        """With its months as text."""
        first, last = (_month_text(month) for month in self.month_ci95)
        sizes = round(self.step_ci95_c[0], 3), round(self.step_ci95_c[1], 3)
        return Break(
            month=_month_text(self.month),
            month_ci95=(first, last),
            step_c=round(self.step_c, 3),
            step_ci95_c=sizes,
            p=self.p,
        )


def _likeliest(months: Rows, difference_c: Floats, known: list[int]) -> _Step | None:
    """The likeliest step beside those `known`; None where no place is left for one."""
    candidates = _candidates(months, known)
    if not len(candidates):
        return None
    scan = _Scan(months, known, candidates)
    (place,), (step_c,), (ratio,) = scan.best(difference_c[:, None])
    month = int(candidates[place])
    noise_c = _made_noise(months, difference_c, _with_others(months, difference_c, [*known, month]))
    p = (1 + int((scan.best(noise_c)[2] >= ratio).sum())) / (1 + MADE_SERIES)
    places, steps_c, _ = scan.best(noise_c + step_c * (months >= month)[:, None])
    low_c, high_c = np.quantile(steps_c, (0.025, 0.975)) - step_c
    first, last = np.quantile(candidates[places], (0.025, 0.975), method="nearest")
    return _Step(month, (int(first), int(last)), float(step_c), (float(step_c - high_c), float(step_c - low_c)), p)


def _with_others(months: Rows, difference_c: Floats, steps: list[int]) -> list[int]:
    """`steps` and the `MASKING` likeliest others, real or not, which would pass for noise beside the first found."""
    for _ in range(MASKING):
        candidates = _candidates(months, sorted(steps))
        if len(candidates):
            (place,), _, _ = _Scan(months, steps, candidates).best(difference_c[:, None])
            steps = [*steps, int(candidates[place])]
    return steps


def _candidates(months: Rows, known: list[int]) -> Rows:
    """The months at which a step may begin: those with `LEAST_SEGMENT` months before and after, up to the next one."""
    segments = np.searchsorted(known, months, side="right")
    places = [np.flatnonzero(segments == segment) for segment in range(len(known) + 1)]
    return np.concatenate([months[place[LEAST_SEGMENT : len(place) - LEAST_SEGMENT + 1]] for place in places])


class _Scan:
    """Tries a step at every candidate, beside an annual cycle and the steps that are known."""

    def __init__(self, months: Rows, known: list[int], candidates: Rows) -> None:
        self._rest = _rest_matrix(months, known)
        self._steps = self._rest @ (months[:, None] >= candidates).astype(np.float64)
        self._squares = np.square(self._steps).sum(axis=0)[:, None]
        hidden = self._squares[:, 0] < 1e-6  # by months that are known on one side alone: nothing tells a step there
        self._steps[:, hidden], self._squares[hidden] = 0.0, 1.0

    def best(self, values: Floats) -> tuple[Rows, Floats, Floats]:
        """Of (months, series) values the place of each one's likeliest step among the candidates, its size, and its F.

        F is the sum of squares that the step explains over what is left: the order of the SNHT's statistic.
        """
        sizes = self._steps.T @ values / self._squares
        explained = np.square(sizes) * self._squares
        total = np.square(self._rest @ values).sum(axis=0)
        places = explained.argmax(axis=0)
        series = np.arange(values.shape[1])
        most = explained[places, series]
        return places, sizes[places, series], most / np.maximum(total - most, np.finfo(float).tiny)


def _rest_matrix(months: Rows, steps: list[int]) -> Floats:
    """(months, months): takes out the annual cycle and steps at the months `steps`."""
    of_year = (months[:, None] % 12 == np.unique(months % 12)).astype(np.float64)
    basis, _ = np.linalg.qr(np.hstack([of_year, (months[:, None] >= np.array(steps, np.int64)).astype(np.float64)]))
    rest: Floats = np.eye(len(months)) - basis @ basis.T
    return rest


def _made_noise(months: Rows, difference_c: Floats, steps: list[int]) -> Floats:
    """(months, MADE_SERIES) noise of the deviation and autocorrelation that cycle and steps leave, degC.

    The fit takes away from both, so they are those whose remains are expected to be as found. The autocorrelation is
    one standard error above that: too small a value makes false alarms.
    """
    rest = _rest_matrix(months, steps)
    left_c = rest @ difference_c
    neighbours = (np.abs(months[:, None] - months) == 1) / 2  # sums the products of months in a row
    total = float(left_c @ left_c) or np.finfo(float).tiny
    seen = float(left_c @ neighbours @ left_c) / total
    lags = np.abs(months[:, None] - months).ravel()
    of_pairs, of_all = (np.bincount(lags, each.ravel()) for each in (rest @ neighbours @ rest, rest))
    powers = TRIED[:, None] ** np.arange(len(of_all))
    expected = (powers @ of_pairs) / (powers @ of_all)
    autocorrelation = min(float(np.interp(seen, expected, TRIED)) + len(months) ** -0.5, MOST_AUTOCORRELATION)
    correlations = _correlations(months, autocorrelation)
    deviation_c = np.sqrt(total / (rest * correlations).sum())
    white = np.random.default_rng(SEED).standard_normal((len(months), MADE_SERIES))
    noise_c: Floats = deviation_c * (np.linalg.cholesky(correlations) @ white)
    return noise_c


def _correlations(months: Rows, autocorrelation: float) -> Floats:
    """(months, months) of a first-order autoregressive process; over missing months they fall as over others."""
    correlations: Floats = autocorrelation ** np.abs(months[:, None] - months).astype(np.float64)
    return correlations


def _month_text(month: int) -> str:
    return str(np.datetime64(month, "M"))
