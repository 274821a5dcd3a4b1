"""Recipes compared on held-out years: each year is a pair, so what makes a year hard for all cancels."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jenacast.errors import JenacastError
from jenacast.evaluation.metrics import std, with_std
from jenacast.experiments.changed import changed_settings
from jenacast.experiments.held_out import read_summary
from jenacast.experiments.years import years_in
from jenacast.tables import SKILL, Column, Table
from jenacast.training import run_folder


@dataclass(frozen=True)
class YearsRow:
    """A recipe's errors on the held-out years, means over its seeds, degC.

    Attributes:
        val_mae_c: the mean over the years.
        val_mae_std_c: the deviation over the years.
        maes_c: of each year.
        difference_c: `val_mae_c` less that of the best; None for the best itself.
        difference_std_c: the deviation over the years of the difference in each.
        years_behind: in how many years it errs more than the best.
        settings: those that differ from the shipped recipe of this name, without the seed.
    """

    model: str
    seeds: list[int]
    years: list[int]
    val_mae_c: float
    val_mae_std_c: float | None
    baseline_mae_c: float
    skill: float
    maes_c: list[float]
    folder: str
    settings: list[str]
    difference_c: float | None = None
    difference_std_c: float | None = None
    years_behind: int | None = None


def compare_years(folders: Sequence[Path]) -> list[YearsRow]:
    """The errors of each folder of `train --folds`, the best first, and how far the others are behind in each year.

    Raises:
        JenacastError: a folder of something else, an unfinished or damaged one, or other series, protocols, years or
            leads than in the others.
    """
    kinds: dict[tuple[str, ...], list[str]] = {}
    rows = []
    for folder in {path.resolve(): path for path in folders}.values():
        if not years_in(folder).exists:
            raise JenacastError(f"{folder} holds no held-out years, and others do; compare each kind by itself")
        plan, summary = years_in(folder).read_plan(), read_summary(folder)
        config = run_folder.read_config(folder)
        years = ", ".join(map(str, plan.years))
        kind = (f"series {plan.source_sha256[:12]}", f"protocol {plan.protocol}", f"years {years}")
        kinds.setdefault((*kind, f"{config.data.lead_hours} h of lead"), []).append(str(folder))
        rows.append(
            YearsRow(
                model=summary.model,
                seeds=plan.seeds,
                years=plan.years,
                val_mae_c=summary.val_mae_c,
                val_mae_std_c=summary.val_mae_std_c,
                baseline_mae_c=summary.baseline_mae_c,
                skill=summary.skill,
                maes_c=[year.val_mae_c for year in summary.years],
                folder=str(folder),
                settings=changed_settings(config.model_dump()),
            )
        )
    if len(kinds) > 1:
        lines = "\n  ".join(f"{'; '.join(kind)}: {', '.join(paths)}" for kind, paths in kinds.items())
        raise JenacastError(f"these were not measured alike; compare each group by itself:\n  {lines}")
    best, *others = sorted(rows, key=lambda row: row.val_mae_c)
    return [best, *(_against(row, best) for row in others)]


def years_comparison_table(rows: Sequence[YearsRow]) -> Table:
    """The mean over the years, and the difference to the best, which is paired by year."""
    heads = [Column("seeds"), Column("MAE °C"), SKILL, Column("less the best's °C")]
    which = [Column("behind in"), Column("folder", is_left=True), Column("settings", is_left=True)]
    return Table(
        [Column("model"), *heads, *which],
        [
            [
                *(row.model, ",".join(map(str, row.seeds)), with_std(row.val_mae_c, row.val_mae_std_c), row.skill),
                "" if row.difference_c is None else f"+{with_std(row.difference_c, row.difference_std_c)}",
                "" if row.years_behind is None else f"{row.years_behind} of {len(row.years)}",
                *(row.folder, "; ".join(row.settings)),
            ]
            for row in rows
        ],
    )


def _against(row: YearsRow, best: YearsRow) -> YearsRow:
    differences_c = [mae_c - best_c for mae_c, best_c in zip(row.maes_c, best.maes_c, strict=True)]
    return replace(
        row,
        difference_c=statistics.mean(differences_c),
        difference_std_c=std(differences_c),
        years_behind=sum(difference_c > 0 for difference_c in differences_c),
    )
