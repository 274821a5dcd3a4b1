"""What a network looks at: how much worse it forecasts where a part of what it sees is shuffled.

Permutation importance (Breiman 2001; "model reliance" of Fisher, Rudin & Dominici 2019), with whole histories of the
same season and hours as what takes the place of a part (`features/shuffle.py`). It says what this network uses, not
what the weather depends on: of columns that say the same a network needs one, and which is chance.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jenacast.columns import TARGET, measured_columns
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.data.prepared import Prepared, Split, load_prepared
from jenacast.data.series import Floats, Rows, Series
from jenacast.errors import DataError, command
from jenacast.evaluation.bootstrap import Interval, mean_interval
from jenacast.evaluation.hindcast import Hindcast, open_hindcast
from jenacast.evaluation.metrics import absolute_errors, measure
from jenacast.features.datasets import Samples, is_whole
from jenacast.features.shuffle import Kind, Part, cut_stretches, draw_donors, draw_turns, parts_of
from jenacast.files import file_sha256
from jenacast.models import packaged_name
from jenacast.models.checkpoint import BEST
from jenacast.models.inference import forecast_leads_c
from jenacast.records import read_record
from jenacast.runtime import load_tensorflow
from jenacast.tables import Column, Table, wrapped

REPEATS = 3
HEADS: dict[Kind, str] = {"group": "group of columns", "column": "column", "hours": "hours of the history"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Effect:
    """How much worse the forecast is with one part shuffled, in degC: the MAE then less the MAE as it is.

    `difference_ci95_c` is its 95 % interval over days, None where there are too few; `repeats_c` are the differences of
    each shuffle, of which it is the mean. `columns` are the measured ones that were shuffled, and the cycles of the
    calendar; `hours` of the history, counted back from now, first to last + 1, where it was not all of it.
    """

    part: str
    kind: Kind
    columns: list[str]
    hours: tuple[int, int] | None
    difference_c: float
    difference_ci95_c: Interval | None
    repeats_c: list[float]


@dataclass(frozen=True)
class Explanation:
    """The effects of all parts on the forecasts of a split, the largest of each kind first; hours in their order."""

    checkpoint: str
    checkpoint_sha256: str | None
    model: str
    split: str
    protocol: str
    synthetic: bool
    windows: int
    repeats: int
    mae_c: float
    baseline_mae_c: float
    effects: list[Effect]

    @property
    def label(self) -> str:
        """What tables and pictures call the network."""
        return packaged_name(self.checkpoint) or self.model

    def of_kind(self, kind: Kind) -> list[Effect]:
        """The effects of one kind."""
        return [effect for effect in self.effects if effect.kind == kind]


def explain(
    path: Path, *, data_dir: Path, split: Split = "val", repeats: int = REPEATS, trust_saved_model: bool = False
) -> Explanation:
    """Shuffle each part of what a network sees, several times, and measure how much worse it forecasts a split.

    Of a series with several rows an hour one window an hour is taken.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DataError: no prepared data, or no window that has another to be shuffled with.
    """
    hindcast = open_hindcast(path, data_dir, split, trust_saved_model=trust_saved_model)
    encoding, (seen, samples) = hindcast.encoding, _seen(hindcast, load_prepared(data_dir), split)
    parts, random = parts_of(encoding), np.random.default_rng(0)
    apart_hours, back = encoding.needed_hours + encoding.lead_hours, encoding.needed_hours - encoding.history_hours
    judged = draw_donors(samples.now, apart_hours=apart_hours, random=random) >= 0
    kept = samples.pick(judged)
    if not len(kept):
        raise DataError(
            f"none of the {len(samples):,} windows of {split} has another of its calendar month that lies "
            f"{apart_hours} h off, to be shuffled with; use a longer series"
        )
    if len(kept) < len(samples):
        logger.info("%d of %s windows have none to be shuffled with", len(samples) - len(kept), f"{len(samples):,}")
    forecast_c, truth_c = _forecast_c(hindcast.checkpoint.forward, hindcast, kept), kept.truth_c[:, -1]
    own, differences_c = measure(forecast_c, truth_c), np.zeros((repeats, len(parts), len(kept)))
    errors_c = absolute_errors(forecast_c, truth_c)
    for repeat in range(repeats):
        donors = draw_donors(samples.now, apart_hours=apart_hours, random=random)[judged]
        stretches = cut_stretches(kept, samples.starts[donors], back=back)
        turns = draw_turns(len(stretches), random)
        for number, part in enumerate(parts):
            inputs = stretches.inputs(encoding, seen, kept.inputs, part, turns)
            shuffled_c = _shuffled_c(hindcast, replace(kept, starts=stretches.starts), part, stretches.own, inputs)
            differences_c[repeat, number] = absolute_errors(shuffled_c, truth_c) - errors_c
        logger.info("shuffled %d parts: %d of %d times", len(parts), repeat + 1, repeats)
    return Explanation(
        checkpoint=str(hindcast.checkpoint.path),
        checkpoint_sha256=hindcast.checkpoint.sha256,
        model=hindcast.checkpoint.model,
        split=split,
        protocol=hindcast.protocol,
        synthetic=hindcast.synthetic,
        windows=len(kept),
        repeats=repeats,
        mae_c=own.mae_c,
        baseline_mae_c=measure(kept.last_observed_c, truth_c).mae_c,
        effects=_sorted([_effect(part, differences_c[:, number], kept) for number, part in enumerate(parts)]),
    )


def explanation_file(checkpoint: Path, split: str) -> Path:
    """Where a run folder keeps the effects on a split, beside the checkpoint."""
    which = "" if checkpoint.name == BEST else f"{checkpoint.stem}-"
    return checkpoint.parent / f"explain-{which}{split}.json"


def stored_explanation(run_dir: Path) -> Explanation | None:
    """What a run folder keeps of its best network, on validation or else on test; None where that is of other weights.

    Raises:
        JenacastError: it is damaged.
    """
    best = run_dir / BEST
    found = [path for split in ("val", "test") if (path := explanation_file(best, split)).is_file()]
    if not found or not best.is_file():
        return None
    again = f"run: {command('jenacast', 'explain', run_dir)}"
    explanation = read_record(found[0], Explanation, missing=again, damaged=again)
    return explanation if explanation.checkpoint_sha256 == file_sha256(best) else None


def effects_table(effects: Sequence[Effect]) -> Table:
    """How much worse the forecast is without each of the parts."""
    figures = [Column("MAE", "+.3f", "°C"), Column("95 % interval", "+.3f")]
    rows = [[effect.part, effect.difference_c, effect.difference_ci95_c] for effect in effects]
    return Table([Column(HEADS[effects[0].kind]), *figures], rows, "How much the MAE rises where it is shuffled")


def describe(explanation: Explanation) -> str:
    """The effects as short tables."""
    head = (
        f"{explanation.label} on {explanation.split}: {explanation.windows:,} windows, MAE {explanation.mae_c:.3f} °C; "
        f"{SAME_AS_NOW} {explanation.baseline_mae_c:.3f} °C. How much the MAE rises where a part of what the network "
        f"sees comes from another time of the same season and hour, mean of {explanation.repeats}:"
    )
    found = [explanation.of_kind(kind) for kind in HEADS]
    tables = [effects_table(effects).as_text() for effects in found if effects]
    heads = [wrapped(head), *([SYNTHETIC_WARNING] if explanation.synthetic else [])]
    return "\n\n".join(["\n".join(heads), *tables])


def _seen(hindcast: Hindcast, prepared: Prepared, split: Split) -> tuple[Series, Samples]:
    """The rows in the order of `Samples.inputs`, as the columns are worked out of them, and the windows to shuffle."""
    encoding, samples = hindcast.encoding, hindcast.samples
    hours = {"history_hours": encoding.needed_hours, "lead_hours": encoding.lead_hours}
    windows = prepared.windows(split, **hours)
    seen = encoding.seen(prepared.series.pick(windows.lanes))
    samples = samples.pick(slice(None, None, prepared.manifest.rows_per_hour))
    # Optional columns may lack values where no column that is worked out of them does.
    values = np.column_stack([seen.column(name) for name in measured_columns(encoding.names) or [TARGET]])
    begins = samples.starts + encoding.history_hours - encoding.needed_hours
    return seen, samples.pick(is_whole(values, replace(windows, starts=begins)))


def _shuffled_c(hindcast: Hindcast, samples: Samples, part: Part, own: Rows, inputs: Floats) -> Floats:
    """(windows,) degC: what the network says of `inputs`, in hours that the part leaves out of its `own` rows."""
    forward = hindcast.checkpoint.forward
    if not part.hours:
        return _forecast_c(forward, hindcast, replace(samples, inputs=inputs))
    tf, steps, columns = load_tensorflow(), part.steps(samples.history), inputs.shape[1]

    def mixed(both: Any) -> Any:
        return forward(tf.where(steps, both[..., columns:], both[..., :columns]))

    return _forecast_c(mixed, hindcast, replace(samples, inputs=np.hstack([hindcast.samples.inputs[own], inputs])))


def _forecast_c(forward: Callable[[Any], Any], hindcast: Hindcast, samples: Samples) -> Floats:
    """(windows,) degC: the forecast of the hour that is judged."""
    return forecast_leads_c(forward, samples, hindcast.encoding)[:, -1]


def _effect(part: Part, differences_c: Floats, samples: Samples) -> Effect:
    """The effect of a part, from (repeats, windows) differences of absolute errors."""
    mean_c = differences_c.mean(axis=0)
    return Effect(
        part=part.name,
        kind=part.kind,
        columns=[*part.sources, *part.cycles],
        hours=part.hours,
        difference_c=float(mean_c.mean()),
        difference_ci95_c=mean_interval(mean_c, samples.valid_at),
        repeats_c=differences_c.mean(axis=1).tolist(),
    )


def _sorted(effects: Sequence[Effect]) -> list[Effect]:
    kinds = list(HEADS)
    return sorted(effects, key=lambda each: (kinds.index(each.kind), 0 if each.hours else -each.difference_c))
