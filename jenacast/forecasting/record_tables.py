"""The tables of a record: its networks, and the newest one's errors by lead and by month."""

from collections import Counter
from collections.abc import Sequence

from jenacast.data import SAME_AS_NOW
from jenacast.forecasting.record_scores import Figures, NetworkScores
from jenacast.tables import SKILL, Column, Table, Value, columns, wrapped

STEP_HOURS = 3
HASH_DIGITS = 6
MEANING = wrapped(
    f"Baseline: {SAME_AS_NOW}. 50, 80, 90 %: the share of truths inside the interval. Ahead: made before the time "
    "forecast for; afterwards: made when it was past, from older files."
)


def record_tables(scores: Sequence[NetworkScores]) -> list[Table]:
    """Every network; then, where some truth is known, the newest one by lead and by month."""
    newest = scores[0]
    how = f"{newest.network}, made {newest.kind}"
    by_lead = [each for each in newest.by_lead if each.label == "1" or int(each.label) % STEP_HOURS == 0]
    tables = [_networks(scores)]
    if newest.judged.scored:
        tables.append(_by("lead (h)", by_lead, how))
        tables.append(_by("month", newest.by_month, f"{how}, {newest.lead_hours} h ahead"))
    return tables


def _networks(scores: Sequence[NetworkScores]) -> Table:
    files = Counter(network for network, _ in {(each.network, each.checkpoint_sha256) for each in scores})
    rows: list[list[Value]] = []
    for each in scores:
        digits = each.checkpoint_sha256[:HASH_DIGITS] if files[each.network] > 1 else ""  # where the name does not do
        rows.append([f"{each.network} {digits}".strip(), each.kind, each.forecasts, *_values(each.judged)])
    first, last = min(each.first for each in scores), max(each.last for each in scores)
    caption = f"{scores[0].lead_hours} h ahead, for {first[:16]} to {last[:16]}".replace("T", " ")
    return Table([Column("network"), Column("made"), Column("kept", ","), *_figures()], rows, caption)


def _by(label: str, found: Sequence[Figures], caption: str) -> Table:
    return Table([Column(label), *_figures()], [[each.label, *_values(each)] for each in found], caption)


def _figures() -> list[Column]:
    errors = [*columns("MAE", "baseline", form=".2f"), SKILL, Column("bias", "+.2f")]
    return [Column("scored", ","), *errors, *columns("50 %", "80 %", "90 %", form=".0%")]


def _values(figures: Figures) -> list[Value]:
    errors = [figures.mae_c, figures.baseline_mae_c, figures.skill, figures.bias_c]
    return [figures.scored, *errors, *figures.coverage.values()]
