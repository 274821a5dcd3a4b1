"""The book's recipes, trained here and held against what was published: the ledger."""

import logging
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jenacast.config import load_recipe, with_train
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.data.prepared import load_prepared
from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import with_std
from jenacast.experiments.compare import Row, compare
from jenacast.experiments.published import OPTIMIZERS, PUBLISHED, Published
from jenacast.training import run_folder
from jenacast.training.run import train

logger = logging.getLogger(__name__)

# Two-sided 95 % quantiles of Student's t by degrees of freedom, for the few seeds that anyone trains
STUDENT_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
NORMAL = 1.96


@dataclass(frozen=True)
class Entry:
    """One recipe: what was measured, what was published, and whether they agree."""

    measured: Row
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
) -> list[Entry]:
    """Train each recipe with each seed under `book`, and compare with the published figures.

    A run that already stands finished in `runs_dir` with these settings is not trained again.

    Args:
        names: recipes; those in `published.PUBLISHED`, all of them where empty.
        data_dir: where `prepared/` lies, prepared under `book`.
        runs_dir: the runs are kept here.
        edition: of the book; 2 trains with rmsprop, 3 with adam.
        seeds: 0, 1, ... so many of them.
        epochs: fewer or more than the recipe's.

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
            "run: jenacast prepare --protocol book --force (or into another --data-dir)"
        )
    entries = []
    for name in names or PUBLISHED:
        paths = [_trained(name, seed, data_dir, runs_dir, edition, epochs) for seed in range(seeds)]
        entries.append(_judge(compare(paths)[0], PUBLISHED[name]))
    return entries


def tolerance(deviation_c: float | None, seeds: int) -> float | None:
    """How far a further execution may lie from the mean of `seeds`: the 95 % prediction interval.

    t * s * sqrt(1 + 1/n), from the spread s over n seeds; None for one seed, which has no spread.
    """
    if deviation_c is None or seeds < 2:
        return None
    return STUDENT_T.get(seeds - 1, NORMAL) * deviation_c * math.sqrt(1 + 1 / seeds)


def _trained(name: str, seed: int, data_dir: Path, runs_dir: Path, edition: int, epochs: int | None) -> Path:
    path = runs_dir / f"{name}-edition{edition}-seed{seed}"
    config = with_train(load_recipe(name), seed=seed, optimizer=OPTIMIZERS[edition], epochs=epochs)
    if run_folder.holds_finished(path, config):
        logger.info("%s is finished already", path)
    else:
        logger.info("training %s, seed %d", name, seed)
        train(config, data_dir=data_dir, run_dir=path, force=path.exists())
    return path


def _judge(row: Row, published: Published) -> Entry:
    allowed = tolerance(row.test_mae_spread_c, len(row.seeds))
    figures = published.test_figures_c
    if not figures:
        return Entry(row, published, allowed, "nothing published")
    if allowed is None:
        return Entry(row, published, None, "one seed: no tolerance, no verdict")
    inside = [figure for figure in figures if abs(figure - row.test_mae_c) <= allowed]
    counted = f"{len(inside)} of {len(figures)} published test figures within {allowed:.2f}"
    if 2 * len(inside) >= len(figures):
        return Entry(row, published, allowed, f"agrees: {counted}")
    better = row.test_mae_c < sum(figures) / len(figures)
    return Entry(row, published, allowed, f"{'better' if better else 'worse'} than published: {counted}")


def ledger(entries: Sequence[Entry], *, data_dir: Path, command: str, edition: int) -> str:
    """The entries as a Markdown page: command, commit, data, hardware, measured, published, verdict."""
    manifest = load_prepared(data_dir).manifest
    train_windows = manifest.splits["train"].windows
    lines = [
        "# Ledger: the book's recipes, measured against what was published",
        "",
        f"- command: `{command}`",
        f"- commit: {', '.join(sorted({commit for entry in entries for commit in entry.measured.commits}))}",
        f"- series: SHA-256 `{manifest.source_sha256}`, {manifest.rows:,} rows, {manifest.rows_per_hour} an hour; "
        f"protocol `{manifest.protocol}`, {train_windows:,} train windows"
        + (f"; {SYNTHETIC_WARNING}" if manifest.synthetic else ""),
        f"- hardware: {entries[0].measured.device} ({platform.machine()})",
        f"- edition {edition} of the book: {OPTIMIZERS[edition]}, mean squared error, best epoch by validation MAE",
        "",
        "MAE in °C, mean ± standard deviation over seeds. The tolerance is the 95 % prediction interval for one more "
        "execution, from that deviation.",
        "",
        "| model | seeds | epochs | steps | s/epoch | validation | test | published: validation, test | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        row = entry.measured
        lines.append(
            f"| {row.model} | {', '.join(map(str, row.seeds))} | {row.epochs:g} | {row.steps:,.0f} "
            f"| {row.seconds_per_epoch:.1f} | {with_std(row.val_mae_c, row.val_mae_spread_c)} "
            f"| {with_std(row.test_mae_c, row.test_mae_spread_c)} | {_figures(entry.published)} | {entry.verdict} |"
        )
    lines += ["", f"The baseline, {SAME_AS_NOW}: {entries[0].measured.baseline_mae_c:.3f} on test.", ""]
    rows = {entry.measured.model: entry.measured for entry in entries}
    if {"lstm", "gru"} <= set(rows):
        lines += [_lstm_against_gru(rows["lstm"], rows["gru"]), ""]
    if manifest.rows_per_hour < 6:
        share = 6 // manifest.rows_per_hour
        lines += [
            f"The published runs used 10-minute rows: {share} times the windows, and so {share} times the steps an "
            "epoch (819 batches of 256). An epoch here is a smaller step on the way, and neighbouring windows "
            "overlap less; with the same epochs these networks have seen "
            f"one {'sixth' if share == 6 else 'part'} of the updates, so compare steps, not epochs.",
            "",
        ]
    return "\n".join(lines)


def _lstm_against_gru(lstm: Row, gru: Row) -> str:
    """The exercise of the texts on deep recurrent networks, answered from the runs."""
    told = [
        f"{row.model} ({row.parameters:,} parameters) {with_std(row.test_mae_c, row.test_mae_spread_c)} °C on test "
        f"at {row.seconds_per_epoch:.1f} s an epoch"
        for row in (lstm, gru)
    ]
    if lstm.test_mae_spread_c is None or gru.test_mae_spread_c is None:
        verdict = "With one seed each, neither can be called more accurate."
    else:
        spread_c = math.hypot(lstm.test_mae_spread_c, gru.test_mae_spread_c)
        difference_c = lstm.test_mae_c - gru.test_mae_c
        winner = "The GRU" if difference_c > 0 else "The LSTM"
        verdict = (
            f"The difference of {abs(difference_c):.3f} °C is within two deviations ({2 * spread_c:.3f}): no winner."
            if abs(difference_c) <= 2 * spread_c
            else f"{winner} is ahead by {abs(difference_c):.3f} °C, more than two deviations ({2 * spread_c:.3f})."
        )
    return f"LSTM against GRU: {told[0]}; {told[1]}. {verdict}"


def _figures(published: Published) -> str:
    val = "" if published.val_mae_c is None else f"{published.val_mae_c:g}"
    test = ", ".join(f"{figure:.2f}" for figure in published.test_figures_c)
    return f"{val or '—'}; {test or '—'}"
