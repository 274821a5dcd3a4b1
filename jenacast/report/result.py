"""The first section of a report: the runs beside the baseline, and beside each other."""

import statistics
from collections.abc import Sequence

from jenacast.data import SAME_AS_NOW
from jenacast.evaluation.bootstrap import Interval
from jenacast.evaluation.evaluate import Scores
from jenacast.evaluation.metrics import std
from jenacast.experiments import plots
from jenacast.experiments.compare import recipe_of
from jenacast.report.page import Head, Part, Picture, Section, Tile, digits, span
from jenacast.report.pictures import draw_picture
from jenacast.report.runs import ReportedRun, are_comparable
from jenacast.tables import Column, Table, Value, columns

TOGETHER = (
    "Each run is compared with {}, the best on validation, window by window: what makes a day hard for both cancels. "
    "An interval that holds 0 may be chance; none of them says what other seeds would give."
)


def describe_result(runs: Sequence[ReportedRun]) -> tuple[Head, Section]:
    """The head of the page, and its first section: the runs beside the baseline, and beside each other."""
    first, recipes, title = runs[0], _by_recipe(runs), runs[0].label
    missing = [f"{run.label} is not judged on the test split here." for run in runs if run.scores is None]
    parts = [Part("Beside the baseline", missing, _pictures(runs), [_errors(runs)])]
    if len(recipes) < len(runs):
        parts.append(Part("Seeds of one recipe", tables=[_seeds(recipes)]))
    if len(runs) > 1:
        title = f"{first.config.name}, {len(runs)} seeds" if len(recipes) == 1 else f"{len(runs)} runs"
        parts.append(Part("Beside each other", [TOGETHER.format(first.label)], tables=[_against_first(runs)]))
    who = title if len(runs) == 1 else f"{first.label}, the best on validation,"
    forecasts = f"{who} forecasts the temperature {first.config.data.lead_hours} hours ahead"
    if first.scores is None:
        head = Head(title, f"{forecasts}. It is not judged on the test split here.", [])
    else:
        head = Head(title, forecasts + _judgement(first.scores), _tiles(first.scores))
    return head, Section("result", "Result", parts)


def verdict(difference_c: float, ends: Interval | None, other: str) -> str:
    """Whether one forecast is better than another, as far as the days of the split can tell."""
    if ends is None:
        return f"too few days to tell it from {other}"
    if ends[0] <= 0 <= ends[1]:
        return f"not to be told from {other}"
    return f"{'better' if difference_c < 0 else 'worse'} than {other}"


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
    """The runs in groups that differ in their seed alone, and learnt from the same series."""
    found: dict[tuple[object, ...], list[ReportedRun]] = {}
    for run in runs:
        found.setdefault((*run.series, recipe_of(run.config)), []).append(run)
    return list(found.values())


def _seeds(recipes: Sequence[Sequence[ReportedRun]]) -> Table:
    rows: list[list[Value]] = []
    for group in recipes:
        val = [run.outcome.val_mae_c for run in group if run.outcome.val_mae_c is not None]
        test = [run.scores.mae_c for run in group if run.scores]
        seeds = ", ".join(map(str, sorted(run.config.train.seed for run in group)))
        means = [statistics.mean(maes_c) if maes_c else None for maes_c in (val, test)]
        rows.append([group[0].config.name, seeds, means[0], std(val), means[1], std(test)])
    errors = columns("validation MAE", "its deviation", "test MAE", "its deviation", form=".3f", unit="°C")
    caption = "Mean and standard deviation over seeds; differences within them mean nothing"
    return Table([*columns("recipe", "seeds"), *errors], rows, caption)


def _errors(runs: Sequence[ReportedRun]) -> Table:
    rows: list[list[Value]] = []
    baselines: dict[tuple[float, int], list[Value]] = {}  # one for each choice of windows
    for run in runs:
        errors: list[Value] = [None] * 7
        if scores := run.scores:
            errors = [scores.mae_c, scores.mae_ci95_c, scores.difference_c, scores.difference_ci95_c]
            errors += [scores.skill, scores.rmse_c, scores.bias_c]
            baseline: list[Value] = [run.outcome.val_baseline_mae_c, scores.baseline_mae_c, scores.baseline_mae_ci95_c]
            baseline = [f"baseline: {SAME_AS_NOW}", *baseline, 0, None, 0, scores.baseline_rmse_c, None]
            baselines[scores.baseline_mae_c, scores.windows] = baseline
        rows.append([run.label, run.outcome.val_mae_c, *errors])
    windows = " or ".join(f"{count:,}" for count in sorted({count for _, count in baselines})) or "no"
    heads = [Column("forecast"), *columns("validation MAE", "test MAE", "95 % interval", form=".3f", unit="°C")]
    heads += columns("less baseline's", "its 95 % interval", form="+.3f", unit="°C")
    heads += [Column("skill", ".1%"), Column("RMSE", ".3f", "°C"), Column("bias", "+.3f", "°C")]
    caption = f"Errors on {windows} windows of the test split, and the baseline's on the same"
    return Table(heads, [*rows, *baselines.values()], caption)


def _pictures(runs: Sequence[ReportedRun]) -> list[Picture]:
    labels = [run.label for run in runs if run.scores]
    differences = [(run.scores.difference_c, run.scores.difference_ci95_c) for run in runs if run.scores]
    if len(labels) < 2:
        return []
    better = sum(verdict(*difference, "it") == "better than it" for difference in differences)
    finding = f"{better} of {len(labels)} runs are better than the baseline on test, beyond chance of the days."
    figures = zip(*differences, strict=True)
    synthetic = any(run.synthetic for run in runs)
    return [draw_picture("runs", finding, plots.differences, labels, *figures, synthetic=synthetic)]


def _against_first(runs: Sequence[ReportedRun]) -> Table:
    rows: list[list[Value]] = []
    for run in runs[1:]:
        difference, ends = None, None
        reading = "not measured here" if are_comparable(run, runs[0]) else "another task, or other data"
        if run.scores and run.scores.difference_to_against_c is not None:
            difference, ends = run.scores.difference_to_against_c, run.scores.difference_to_against_ci95_c
            reading = verdict(difference, ends, "it")
        rows.append([run.label, difference, ends, reading])
    heads = [Column("run"), *columns("difference", "95 % interval", form="+.3f", unit="°C"), Column("reading")]
    return Table(heads, rows, f"Test MAE less that of {runs[0].label}")
