"""The book's recipes, trained here and held against what was published: the ledger."""

import logging
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jenacast.config import load_recipe, with_train
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.data.prepared import load_prepared, remedy
from jenacast.errors import JenacastError
from jenacast.experiments.compare import RecipeScores, compare
from jenacast.experiments.published import OPTIMIZERS, PUBLISHED, Published
from jenacast.models.recurrent import KERAS
from jenacast.tables import Column, Table, Value, columns
from jenacast.training import run_folder
from jenacast.training.run import train

logger = logging.getLogger(__name__)

# Two-sided 95 % quantiles of Student's t by degrees of freedom, for the few seeds that anyone trains
STUDENT_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
NORMAL = 1.96


@dataclass(frozen=True)
class LedgerEntry:
    """One recipe: what was measured, what was published, and whether they agree."""

    measured: RecipeScores
    published: Published
    tolerance_c: float | None
    verdict: str


def reproduce(
    names: Sequence[str],
    *,
    data_dir: Path,
    runs_dir: Path,
    edition: int = 2,
    seeds: int = 3,
    epochs: int | None = None,
) -> list[LedgerEntry]:
    """Train each recipe with each seed under `book`, and compare with the published figures.

    A finished run with these settings in `runs_dir` is not trained again. `names` are recipes of `PUBLISHED`, all of
    them where empty; edition 2 of the book trains with rmsprop, 3 with adam; the seeds are 0, 1, ... The layers are
    Keras' own, as in the book: other engines drop states in another way.

    Raises:
        JenacastError: an unknown name, data prepared under another protocol, or a failed training.
    """
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown:
        raise JenacastError(f"{', '.join(unknown)}: not one of the book's recipes; choose from {', '.join(PUBLISHED)}")
    protocol = load_prepared(data_dir).manifest.protocol
    if protocol != "book":
        raise JenacastError(
            f"{data_dir} is prepared under {protocol}, the published figures are under book; "
            f"{remedy('prepare', data_dir, '--protocol', 'book')} (the present result is kept beside it)"
        )
    entries = []
    for name in names or PUBLISHED:
        paths = [_trained(name, seed, data_dir, runs_dir, edition, epochs) for seed in range(seeds)]
        measured, published = compare(paths)[0], PUBLISHED[name]
        allowed_c = tolerance(measured.test_mae_spread_c, seeds)
        entries.append(LedgerEntry(measured, published, allowed_c, _verdict(measured, published, allowed_c)))
    return entries


def tolerance(std_c: float | None, seeds: int) -> float | None:
    """How far a further execution may lie from the mean of `seeds`, in degC: the 95 % prediction interval.

    t * s * sqrt(1 + 1/n), from the standard deviation s over n seeds; None for one seed, which has none.
    """
    if std_c is None or seeds < 2:
        return None
    return STUDENT_T.get(seeds - 1, NORMAL) * std_c * math.sqrt(1 + 1 / seeds)


def _trained(name: str, seed: int, data_dir: Path, runs_dir: Path, edition: int, epochs: int | None) -> Path:
    path = runs_dir / f"{name}-edition{edition}-seed{seed}"
    recipe = load_recipe(name, [f"model.engine={KERAS}"])
    config = with_train(recipe, seed=seed, optimizer=OPTIMIZERS[edition], epochs=epochs)
    if run_folder.holds_finished(path, config):
        logger.info("%s is finished already", path)
    else:
        logger.info("training %s, seed %d", name, seed)
        train(config, data_dir=data_dir, run_dir=path, force=path.exists())
    return path


def _verdict(measured: RecipeScores, published: Published, allowed_c: float | None) -> str:
    figures_c = published.test_figures_c
    if not figures_c:
        return "nothing published"
    if allowed_c is None:
        return "one seed: no tolerance, no verdict"
    inside = sum(abs(figure_c - measured.test_mae_c) <= allowed_c for figure_c in figures_c)
    counted = f"{inside} of {len(figures_c)} published test figures within {allowed_c:.2f}"
    if 2 * inside >= len(figures_c):
        return f"agrees: {counted}"
    is_better = measured.test_mae_c < sum(figures_c) / len(figures_c)
    return f"{'better' if is_better else 'worse'} than published: {counted}"


def ledger(entries: Sequence[LedgerEntry], *, data_dir: Path, command: str, edition: int) -> str:
    """The entries as a Markdown page: command, commit, data, hardware, measured, published, verdict."""
    manifest, first = load_prepared(data_dir).manifest, entries[0].measured
    commits = sorted({commit for entry in entries for commit in entry.measured.commits})
    synthetic = f"; {SYNTHETIC_WARNING}" if manifest.synthetic else ""
    parts = [
        "# Ledger: the book's recipes, measured against what was published",
        f"""- command: `{command}`
- commit: {", ".join(commits)}
- series: SHA-256 `{manifest.source_sha256}`, {manifest.rows:,} rows, {manifest.rows_per_hour} an hour; protocol \
`{manifest.protocol}`, {manifest.splits["train"].windows:,} train windows{synthetic}
- hardware: {first.device} ({platform.machine()})
- edition {edition} of the book: {OPTIMIZERS[edition]}, mean squared error, best epoch by validation MAE
- engine: `{KERAS}`, Keras' own layers""",
        "MAE in °C, mean ± standard deviation over seeds. The tolerance is the 95 % prediction interval for one more "
        "execution, from that deviation.",
        _table(entries).as_markdown(),
        f"The baseline, {SAME_AS_NOW}: {first.baseline_mae_c:.3f} on test.",
    ]
    recipes = {entry.measured.model: entry.measured for entry in entries}
    if {"lstm", "gru"} <= set(recipes):
        parts.append(_lstm_against_gru(recipes["lstm"], recipes["gru"]))
    if manifest.rows_per_hour < 6:
        share = 6 // manifest.rows_per_hour
        parts.append(
            f"The published runs used 10-minute rows: {share} times the windows, and so {share} times the steps an "
            "epoch (819 batches of 256). An epoch here is a smaller step on the way, and neighbouring windows overlap "
            f"less; with the same epochs these networks have seen one {'sixth' if share == 6 else 'part'} of the "
            "updates, so compare steps, not epochs."
        )
    return "\n\n".join(parts) + "\n"


def _table(entries: Sequence[LedgerEntry]) -> Table:
    effort = [Column("epochs", "g"), Column("steps", ",.0f"), Column("s/epoch", ".1f")]
    results = columns("validation", "test", "published: validation, test", "verdict")
    rows: list[list[Value]] = [
        [
            *(recipe.model, ", ".join(map(str, recipe.seeds)), recipe.epochs, recipe.steps, recipe.seconds_per_epoch),
            *(recipe.val_text, recipe.test_text, _figures(entry.published), entry.verdict),
        ]
        for entry in entries
        for recipe in [entry.measured]
    ]
    return Table([*columns("model", "seeds"), *effort, *results], rows)


def _figures(published: Published) -> str:
    val = "" if published.val_mae_c is None else f"{published.val_mae_c:g}"
    test = ", ".join(f"{figure_c:.2f}" for figure_c in published.test_figures_c)
    return f"{val or '—'}; {test or '—'}"


def _lstm_against_gru(lstm: RecipeScores, gru: RecipeScores) -> str:
    """The exercise of the texts on deep recurrent networks, answered from the runs."""
    results = "; ".join(
        f"{recipe.model} ({recipe.parameters:,} parameters) {recipe.test_text} °C on test at "
        f"{recipe.seconds_per_epoch:.1f} s an epoch"
        for recipe in (lstm, gru)
    )
    if lstm.test_mae_spread_c is None or gru.test_mae_spread_c is None:
        return f"LSTM against GRU: {results}. With one seed each, neither can be called more accurate."
    difference_c = lstm.test_mae_c - gru.test_mae_c
    two_std_c = 2 * math.hypot(lstm.test_mae_spread_c, gru.test_mae_spread_c)
    if abs(difference_c) <= two_std_c:
        verdict = f"The difference of {abs(difference_c):.3f} °C is within two deviations ({two_std_c:.3f}): no winner."
    else:
        winner = "The GRU" if difference_c > 0 else "The LSTM"
        verdict = f"{winner} is ahead by {abs(difference_c):.3f} °C, more than two deviations ({two_std_c:.3f})."
    return f"LSTM against GRU: {results}. {verdict}"
