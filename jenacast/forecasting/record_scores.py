"""How good the record's forecasts were: worked out by SQLite, so that a record of years needs no memory."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jenacast.data.series import Floats, Times
from jenacast.files import write_columns
from jenacast.forecasting import plots
from jenacast.forecasting.record import FORECAST, open_record
from jenacast.models.intervals import ENDS
from jenacast.plotting import Bands

Kind = Literal["ahead", "afterwards"]
CHUNK = 10_000  # rows whose text is in memory at a time
SHARES = ", ".join(f"AVG(truth_c BETWEEN low_{name}_c AND high_{name}_c)" for name in ENDS)
FIGURES = (
    "COUNT(truth_c), AVG(ABS(temperature_c - truth_c)), AVG(ABS(last_observed_c - truth_c)), "
    f"AVG(temperature_c - truth_c), {SHARES}"
)


@dataclass(frozen=True)
class Figures:
    """Errors of some kept hours, in degC; everything but the count is None where the truth of none is known.

    Attributes:
        label: which hours.
        scored: how many of them have their truth.
        mae_c, baseline_mae_c, bias_c: of the forecast, of "the same as now", of the forecast.
        coverage: the share of truths inside each interval; None where the network gives none.
    """

    label: str
    scored: int
    mae_c: float | None
    baseline_mae_c: float | None
    bias_c: float | None
    coverage: dict[str, float | None]

    @property
    def skill(self) -> float | None:
        """1 - MAE / baseline MAE."""
        return 1 - self.mae_c / self.baseline_mae_c if self.mae_c is not None and self.baseline_mae_c else None


@dataclass(frozen=True)
class NetworkScores:
    """What a network's kept forecasts were worth; of those made ahead, or of those made afterwards.

    Attributes:
        network: its name.
        checkpoint_sha256: of its file.
        kind: "ahead" of the time forecast for, or "afterwards".
        synthetic: whether it was trained on a made-up series.
        lead_hours: the lead that is judged, the network's longest.
        forecasts: how many were kept, by their origins.
        first, last: the times forecast for, by the station's clock.
        judged: the errors at that lead.
        by_lead: of every lead.
        by_month: at the judged lead, by the month of the time forecast for.
    """

    network: str
    checkpoint_sha256: str
    kind: Kind
    synthetic: bool
    lead_hours: int
    forecasts: int
    first: str
    last: str
    judged: Figures
    by_lead: list[Figures] = field(default_factory=list)
    by_month: list[Figures] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Every figure by its name."""
        return asdict(self) | {"skill": self.judged.skill}


def score_record(path: Path) -> list[NetworkScores]:
    """The scores of every network in the record, the one with the newest forecasts first.

    Raises:
        DataError: there is no record, or the file is none.
    """
    with open_record(path) as record:
        found = record.execute(
            "SELECT checkpoint_sha256, made_ahead, MAX(network), MAX(synthetic), COUNT(DISTINCT last_observation), "
            "MIN(valid_at), MAX(valid_at) FROM forecasts GROUP BY checkpoint_sha256, made_ahead "
            "ORDER BY MAX(made_at) DESC, made_ahead DESC"
        ).fetchall()
        return [_score(record, *row) for row in found]


def _score(
    record: sqlite3.Connection, sha256: str, ahead: int, network: str, synthetic: int, kept: int, first: str, last: str
) -> NetworkScores:
    # The network's own longest: from an old last observation only its first hours were forecast afterwards.
    (lead,) = record.execute("SELECT MAX(lead_hours) FROM forecasts WHERE checkpoint_sha256 = ?", (sha256,)).fetchone()

    def grouped(label: str, judged: str = "") -> list[Figures]:
        rows = record.execute(
            f"SELECT {label}, {FIGURES} FROM scored WHERE checkpoint_sha256 = ? AND made_ahead = ? {judged} "  # noqa: S608
            "GROUP BY 1 ORDER BY 1",
            (sha256, ahead),
        )
        return [_figures(*row) for row in rows]

    at_the_lead = f"AND lead_hours = {lead:d}"
    judged = grouped(f"'{lead:d} h'", at_the_lead)
    return NetworkScores(
        network=network,
        checkpoint_sha256=sha256,
        kind="ahead" if ahead else "afterwards",
        synthetic=bool(synthetic),
        lead_hours=lead,
        forecasts=kept,
        first=first,
        last=last,
        judged=judged[0] if judged else _figures(f"{lead} h", 0, *[None] * (3 + len(ENDS))),
        by_lead=grouped("lead_hours"),
        by_month=grouped("SUBSTR(valid_at, 1, 7)", at_the_lead),
    )


def _figures(label: str | int, scored: int, mae_c: Any, baseline_mae_c: Any, bias_c: Any, *shares: Any) -> Figures:
    coverage = dict(zip(ENDS, shares, strict=True))
    return Figures(str(label), scored, mae_c, baseline_mae_c, bias_c, coverage)


@dataclass(frozen=True)
class Recent:
    """The last days of a record: one network's forecasts at the judged lead, in order of time, degC.

    Attributes:
        synthetic: whether the network was trained on a made-up series.
        valid_at: (forecasts,) datetime64[s].
        temperature_c, last_observed_c, truth_c: (forecasts,); NaN where the truth is not known.
        bands: the low and high ends of the intervals by their percentage, (forecasts,) each.
    """

    synthetic: bool
    valid_at: Times
    temperature_c: Floats
    last_observed_c: Floats
    truth_c: Floats
    bands: Bands


def recent(path: Path, scores: NetworkScores, days: int) -> Recent:
    """A network's forecasts for the last `days` that it forecast."""
    since = str(np.datetime64(scores.last, "s") - np.timedelta64(days, "D"))
    ends = [f"{end}_{name}_c" for name in ENDS for end in ("low", "high")]
    with open_record(path) as record:
        rows = record.execute(
            f"SELECT valid_at, temperature_c, last_observed_c, truth_c, {', '.join(ends)} FROM scored "  # noqa: S608
            "WHERE checkpoint_sha256 = ? AND made_ahead = ? AND lead_hours = ? AND valid_at > ? ORDER BY valid_at",
            (scores.checkpoint_sha256, int(scores.kind == "ahead"), scores.lead_hours, since),
        ).fetchall()
    times, *values = list(zip(*rows, strict=True)) or [()] * (4 + len(ends))
    figures = [np.array(column, np.float64) for column in values]  # None becomes NaN
    bands = {name: (figures[3 + 2 * place], figures[4 + 2 * place]) for place, name in enumerate(ENDS)}
    known = {name: band for name, band in bands.items() if np.isfinite(band[0]).any()}
    return Recent(scores.synthetic, np.array(times, "datetime64[s]"), figures[0], figures[1], figures[2], known)


def draw_recent(target: Path, shown: Recent, title: str = "") -> None:
    """Draw a network's last days, as a curve with its bands beside what came."""
    plots.forecasts(
        target,
        valid_at=shown.valid_at,
        forecast_c=shown.temperature_c,
        bands=shown.bands,
        baseline_c=shown.last_observed_c,
        measured_at=shown.valid_at,
        measured_c=shown.truth_c,
        title=title,
        synthetic=shown.synthetic,
    )


def write_record(path: Path, target: Path) -> None:
    """Write every kept hour beside its truth as CSV, in order of the time forecast for."""
    with open_record(path) as record:
        write_columns(target, _parts(record))


def _parts(record: sqlite3.Connection) -> Iterator[Mapping[str, Any]]:
    names = (*FORECAST, "truth_c")
    rows = record.execute(f"SELECT {', '.join(names)} FROM scored ORDER BY valid_at, last_observation")  # noqa: S608
    while part := rows.fetchmany(CHUNK):
        yield dict(zip(names, zip(*part, strict=True), strict=True))
