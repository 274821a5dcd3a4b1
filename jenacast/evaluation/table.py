"""An evaluation as the table that people read."""

from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.evaluation.bootstrap import LEAST_DAYS, Interval
from jenacast.evaluation.coverage import held_out_table, intervals_table
from jenacast.evaluation.evaluate import Scores
from jenacast.models import packaged_name
from jenacast.models.checkpoint import HeldOut
from jenacast.tables import SKILL, Column, Table, Value, wrapped

HELD_OUT = (
    "What to expect of it: years forecast by networks of the same settings that had not seen them, with intervals that "
    "the other years calibrated"
)


def describe(scores: Scores, why_no_intervals: str | None = None) -> str:
    """The scores as short tables; `why_no_intervals` says why the checkpoint gives none, where the caller knows."""
    trained = scores.trained_protocol or "unknown"
    head = f"{scores.label} on {scores.split}: {scores.windows:,} windows; protocol {scores.protocol}, trained under "
    if scores.trained_on not in (None, "train"):
        trained += f" on {scores.trained_on}"
    lines = [wrapped(head + trained)]
    if scores.windows_dropped:
        lines.append(f"{scores.windows_dropped:,} windows lack hours of the {scores.needed_hours} needed")
    if scores.has_seen:
        lines.append("it was trained on these windows, so its errors on them say little about others")
    if scores.synthetic:
        lines.append(SYNTHETIC_WARNING)
    mine, baseline = _interval(scores.mae_ci95_c), _interval(scores.baseline_mae_ci95_c)
    name = scores.label if scores.against is None or scores.members else _named(scores.checkpoint)
    rows: list[list[Value]] = [
        [name, scores.mae_c, mine, scores.rmse_c, f"{scores.bias_c:+.3f}", scores.skill],
        [SAME_AS_NOW, scores.baseline_mae_c, baseline, scores.baseline_rmse_c, "", 0.0],
        _difference(scores.difference_c, scores.difference_ci95_c),
    ]
    if scores.against is not None and scores.difference_to_against_c is not None:
        theirs, bias = _interval(scores.against_mae_ci95_c), f"{scores.against_bias_c:+.3f}"
        figures = [scores.against_mae_c, theirs, scores.against_rmse_c, bias, scores.against_skill]
        rows.append([_named(scores.against), *figures])
        rows.append(_difference(scores.difference_to_against_c, scores.difference_to_against_ci95_c))
    errors = [Column("MAE", ".3f", "°C"), Column("95 % interval"), Column("RMSE", ".3f", "°C"), Column("bias °C")]
    lines.append(Table([Column("forecast"), *errors, SKILL], rows).as_text())
    if scores.bias_ci95_c:
        theirs = f"; of the other {_interval(scores.against_bias_ci95_c, '+')} °C" if scores.against_bias_ci95_c else ""
        lines.append(wrapped(f"95 % interval of the bias: {_interval(scores.bias_ci95_c, '+')} °C{theirs}"))
    else:
        lines.append(f"no 95 % intervals: they need windows on {LEAST_DAYS} days or more")
    if scores.intervals:
        table = intervals_table(scores.intervals).as_text()
        lines += ["", f"{table}\nCRPS {scores.intervals.crps_c:.3f} °C"]
    else:
        lines.append(wrapped(f"no intervals of 50, 80 and 90 %: {why_no_intervals or _why_no_intervals(scores)}"))
    if scores.held_out:
        years = held_out_table([HeldOut(**year) for year in scores.held_out]).as_text()
        lines += ["", wrapped(HELD_OUT), years]
    return "\n".join(lines)


def _why_no_intervals(scores: Scores) -> str:
    if scores.members or scores.offset_c:
        return "a mean of networks has none; `jenacast ensemble` makes one network of them, which has"
    if scores.trained_on is None:
        return "the network was made elsewhere"
    if scores.trained_on != "train":
        return "it was trained on validation too, and nothing was left to calibrate them on"
    return "they are in the best network of a finished run, if validation holds enough windows"


def _named(checkpoint: str) -> str:
    return packaged_name(checkpoint) or checkpoint


def _difference(difference_c: float, interval: Interval | None) -> list[Value]:
    """The row below another forecast's: the checkpoint's MAE less that one's."""
    return ["difference to it", f"{difference_c:+.3f}", _interval(interval, "+"), "", "", ""]


def _interval(interval: Interval | None, sign: str = "") -> str:
    """Its ends, or a dash where there are too few days for one."""
    return " .. ".join(f"{end:{sign}.3f}" for end in interval) if interval else "-"
