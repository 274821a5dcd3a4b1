"""The first section of a report: the runs beside the baseline, and beside each other."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from jenacast.data import SAME_AS_NOW
from jenacast.evaluation.daily import Paired, pair, verdict
from jenacast.evaluation.evaluate import Scores
from jenacast.evaluation.metrics import std
from jenacast.experiments import plots
from jenacast.experiments.compare import recipe_of
from jenacast.experiments.held_out import YearsSummary, years_table
from jenacast.report.page import Head, Part, Picture, Section, Tile, digits, span
from jenacast.report.pictures import draw_picture
from jenacast.report.runs import ReportedRun, are_comparable
from jenacast.tables import SKILL, Column, Table, Value, columns

TOGETHER = (
    "Each run is compared with {}, the best on validation, window by window: what makes a day hard for both cancels. "
    "An interval that holds 0 may be chance; none of them says what other seeds would give."
)
HELD_OUT = (
    "Each year is forecast by networks that were trained on all other rows before the test split, or on all others "
    "where there is none; it chose their best epoch. The mean counts every year once."
)
OF_RECIPES = (
    "Recipes are compared with the first, the best on validation, by the mean of their seeds' errors on each day. The "
    "intervals are over days alone; the deviation is that of seeds."
)


def describe_result(runs: Sequence[ReportedRun], years: Sequence[YearsSummary] = ()) -> tuple[Head, Section]:
    """The head of the page, and its first section: the runs beside the baseline, and beside each other.

    `years` are what trainings with held-out years gave.
    """
    first, recipes, title = runs[0], _by_recipe(runs), runs[0].label
    missing = [f"{run.label} is not judged on the test split here." for run in runs if run.scores is None]
    parts = [Part(f"{each.model}, years held out", [HELD_OUT], tables=[years_table(each)]) for each in years]
    parts.append(Part("Beside the baseline", missing, _pictures(runs), _errors(runs)))
    if len(recipes) < len(runs):
        parts.append(Part("Seeds of one recipe", [OF_RECIPES] * (len(recipes) > 1), tables=_seeds(recipes)))
    if len(runs) > 1:
        title = f"{first.config.name}, {len(runs)} seeds" if len(recipes) == 1 else f"{len(runs)} runs"
        if not years:  # validation was of another year for each of theirs
            parts.append(_beside_each_other(runs))
    who = title if len(runs) == 1 else f"{first.label}," if years else f"{first.label}, the best on validation,"
    forecasts = f"{who} forecasts the temperature {first.config.data.lead_hours} hours ahead"
    if first.scores is None:
        head = Head(title, f"{forecasts}. It is not judged on the test split here.", [])
    else:
        head = Head(title, forecasts + _judgement(first.scores), _tiles(first.scores))
    return head, Section("result", "Result", parts)


def _judgement(scores: Scores) -> str:
    interval = f" (95 % interval {span(scores.mae_ci95_c, '.2f')} °C)" if scores.mae_ci95_c else ""
    text = (
        f" with a mean absolute error of {scores.mae_c:.3f} °C{interval} on the test split, "
        f"{100 * abs(scores.skill):.1f} % {'smaller' if scores.skill >= 0 else 'larger'} than the "
        f"{scores.baseline_mae_c:.3f} °C of the guess “{SAME_AS_NOW}”."
    )
    ends = scores.difference_ci95_c
    if ends is None:
        return f"{text} There are too few days to say how sure that is."
    holds = "holds 0: it may be chance" if ends[0] <= 0 <= ends[1] else "leaves out 0"
    return f"{text} The 95 % interval of the difference, {span(ends, '+.2f')} °C, {holds}."


def _tiles(scores: Scores) -> list[Tile]:
    interval = f"95 % interval {span(scores.mae_ci95_c, '.2f')}" if scores.mae_ci95_c else "no interval: too few days"
    tiles = [
        Tile("test MAE", f"{scores.mae_c:.3f} °C", interval),
        Tile("baseline's MAE", f"{scores.baseline_mae_c:.3f} °C", SAME_AS_NOW),
        Tile("skill", f"{digits(100 * scores.skill, '.1f')} %", "1 − MAE / baseline's MAE"),
    ]
    if scores.intervals:
        width = f"its mean width: {scores.intervals.width_c['90']:.1f} °C"
        tiles.append(Tile("truths in the 90 % interval", f"{100 * scores.intervals.coverage['90']:.1f} %", width))
    return tiles


def _by_recipe(runs: Sequence[ReportedRun]) -> list[list[ReportedRun]]:
    """The runs in groups that differ in their seed alone and learnt from one series, the best on validation first."""
    found: dict[tuple[object, ...], list[ReportedRun]] = {}
    for run in runs:
        found.setdefault((*run.series, recipe_of(run.config)), []).append(run)
    return sorted(found.values(), key=lambda group: _mean_val_c(group) or math.inf)


def _mean_val_c(group: Sequence[ReportedRun]) -> float | None:
    known = [run.outcome.val_mae_c for run in group if run.outcome.val_mae_c is not None]
    return statistics.mean(known) if known else None


def _seeds(recipes: Sequence[Sequence[ReportedRun]]) -> list[Table]:
    rows: list[list[Value]] = []
    differences: list[list[Value]] = []
    for group in recipes:
        val = [run.outcome.val_mae_c for run in group if run.outcome.val_mae_c is not None]
        test = [run.scores.mae_c for run in group if run.scores]
        name, seeds = group[0].config.name, ", ".join(map(str, sorted(run.config.train.seed for run in group)))
        test_mae_c = statistics.mean(test) if test else None
        rows.append([name, seeds, _mean_val_c(group), std(val), test_mae_c, std(test)])
        if group is not recipes[0]:
            paired = pair([run.days for run in group], [run.days for run in recipes[0]])
            differences.append([name, seeds, paired.difference_c, paired.ci95_c, paired.reading])
    which = columns("recipe", "seeds")
    errors = columns("validation MAE", "its deviation", "test MAE", "its deviation", form=".3f", unit="°C")
    caption = "Mean and standard deviation over seeds; differences within them mean nothing"
    tables = [Table([*which, *errors], rows, caption)]
    if differences:
        heads = [*which, *columns("difference", "95 % interval", form="+.3f", unit="°C"), Column("reading")]
        tables.append(Table(heads, differences, "Test MAE less that of the first recipe"))
    return tables


def _errors(runs: Sequence[ReportedRun]) -> list[Table]:
    """The errors in two tables, each as wide as the page."""
    rows: list[list[Value]] = []
    baselines: dict[tuple[float, int], list[Value]] = {}  # one for each choice of windows
    for run in runs:
        errors: list[Value] = [None] * 8
        if scores := run.scores:
            errors = [scores.mae_c, scores.mae_ci95_c, scores.difference_c, scores.difference_ci95_c]
            errors += [scores.skill, scores.rmse_c, scores.bias_c, scores.bias_ci95_c]
            baseline: list[Value] = [run.outcome.val_baseline_mae_c, scores.baseline_mae_c, scores.baseline_mae_ci95_c]
            baseline = [f"baseline: {SAME_AS_NOW}", *baseline, 0, None, 0, scores.baseline_rmse_c, None, None]
            baselines[scores.baseline_mae_c, scores.windows] = baseline
        rows.append([run.label, run.outcome.val_mae_c, *errors])
    windows = " or ".join(f"{count:,}" for count in sorted({count for _, count in baselines})) or "no"
    heads = [Column("forecast"), *columns("validation MAE", "test MAE", "95 % interval", form=".3f", unit="°C")]
    heads += columns("less baseline's", "its 95 % interval", form="+.3f", unit="°C")
    heads += [SKILL, Column("RMSE", ".3f", "°C")]
    heads += columns("bias", "interval of the bias", form="+.3f", unit="°C")
    caption = f"Errors on {windows} windows of the test split, and the baseline's on the same"
    whole = Table(heads, [*rows, *baselines.values()], caption)
    other = ("forecast", "RMSE", "bias", "interval of the bias")
    first = [head.name for head in heads if head.name not in other[1:]]
    return [whole.pick(*first), replace(whole.pick(*other), caption="RMSE and bias on the same windows")]


def _pictures(runs: Sequence[ReportedRun]) -> list[Picture]:
    labels = [run.label for run in runs if run.scores]
    figures = [(run.scores.difference_c, run.scores.difference_ci95_c) for run in runs if run.scores]
    if len(labels) < 2:
        return []
    better = sum(verdict(*each) == "better" for each in figures)
    finding = f"{better} of {len(labels)} runs are better than the baseline on test, beyond chance of the days."
    look = {"other": None, "synthetic": any(run.synthetic for run in runs)}
    return [draw_picture("runs", finding, plots.differences, labels, figures, **look)]


def _beside_each_other(runs: Sequence[ReportedRun]) -> Part:
    first, *others = runs
    paired = [_pair(run, first) for run in others]
    rows: list[list[Value]] = [
        [run.label, each.difference_c, each.ci95_c, each.reading] for run, each in zip(others, paired, strict=True)
    ]
    heads = [Column("run"), *columns("difference", "95 % interval", form="+.3f", unit="°C"), Column("reading")]
    table = Table(heads, rows, f"Test MAE less that of {first.label}")
    figures = [(each.difference_c, each.ci95_c) for each in paired if each.difference_c is not None]
    pictures = []
    if figures:
        labels = [run.label for run, each in zip(others, paired, strict=True) if each.difference_c is not None]
        worse, better = (sum(each.reading == word for each in paired) for word in ("worse", "better"))
        finding = (
            f"Of {len(figures)} runs {worse} are worse and {better} better than {first.label} on test, beyond chance "
            "of the days."
        )
        look = {"other": first.label, "synthetic": any(run.synthetic for run in runs)}
        pictures = [draw_picture("beside", finding, plots.differences, labels, figures, **look)]
    return Part("Beside each other", [TOGETHER.format(first.label)], pictures, [table])


def _pair(run: ReportedRun, first: ReportedRun) -> Paired:
    """A run beside the first: on the windows of both where they were forecast here, else by the errors they keep."""
    if not are_comparable(run, first):
        return Paired(None, None, "another task, or other data")
    scores = run.scores
    if run.evaluation and scores and scores.difference_to_against_c is not None:
        difference_c, interval = scores.difference_to_against_c, scores.difference_to_against_ci95_c
        return Paired(difference_c, interval, verdict(difference_c, interval))
    if not (scores and first.scores):
        return Paired(None, None, "not measured here")
    return pair([run.days], [first.days])
