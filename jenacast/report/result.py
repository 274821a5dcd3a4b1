"""The first section of a report: the runs beside the baseline, and beside each other."""

import statistics
from collections.abc import Sequence

from jenacast.data import SAME_AS_NOW
from jenacast.evaluation.bootstrap import Interval
from jenacast.evaluation.evaluate import Scores
from jenacast.evaluation.metrics import std
from jenacast.experiments import plots
from jenacast.experiments.compare import recipe_of
from jenacast.report.parts import Head, Part, Picture, Section, Tile, digits, span
from jenacast.report.pictures import inline_svg
from jenacast.report.runs import ReportedRun, are_comparable
from jenacast.tables import Column, Table, Value, columns


def describe_result(runs: Sequence[ReportedRun]) -> tuple[Head, Section]:
    """What the page begins with, and its first section: the runs beside the baseline, and beside each other."""
    first = runs[0]
    recipes = _by_recipe(runs)
    parts = [Part("Beside the baseline", _missing(runs), _pictures(runs), [_table(runs)])]
    if len(recipes) < len(runs):
        parts.append(Part("Seeds of one recipe", tables=[_seeds(recipes)]))
    if len(runs) > 1:
        parts.append(Part("Beside each other", [_together(first)], tables=[_against_first(runs)]))
    tiles = _tiles(first.scores) if first.scores else []
    title = f"{first.config.name}, {len(runs)} seeds" if len(recipes) == 1 else f"{len(runs)} runs"
    head = Head(first.label if len(runs) == 1 else title, _summary(first, len(runs)), tiles)
    return head, Section("result", "Result", parts)


def verdict(difference_c: float, ends: Interval | None, other: str) -> str:
    """Whether one forecast is better than another, as far as the days of the split can tell."""
    if ends is None:
        return f"too few days to tell it from {other}"
    if ends[0] <= 0 <= ends[1]:
        return f"not to be told from {other}"
    return f"{'better' if difference_c < 0 else 'worse'} than {other}"


def _summary(run: ReportedRun, runs: int) -> str:
    scores, hours = run.scores, run.config.data.lead_hours
    who = run.label if runs == 1 else f"{run.label}, the best on validation,"
    if scores is None:
        return f"{who} forecasts the temperature {hours} hours ahead. It is not judged on the test split here."
    sure = f" (95 % interval {span(scores.mae_ci95_c, '.2f')} °C)" if scores.mae_ci95_c else ""
    better = f"{abs(scores.skill):.1%}".replace("%", " %")
    text = (
        f"{who} forecasts the temperature {hours} hours ahead with a mean absolute error of {scores.mae_c:.3f} °C"
        f"{sure} on the test split. The guess “{SAME_AS_NOW}” errs by {scores.baseline_mae_c:.3f} °C: the network's "
        f"error is {better} {'smaller' if scores.skill >= 0 else 'larger'}"
    )
    ends = scores.difference_ci95_c
    if ends is None:
        return f"{text}. There are too few days to say how sure that is."
    holds = "holds 0: it may be chance" if ends[0] <= 0 <= ends[1] else "leaves out 0"
    return f"{text}. The 95 % interval of the difference, {span(ends, '+.2f')} °C, {holds}."


def _tiles(scores: Scores) -> list[Tile]:
    sure = f"95 % interval {span(scores.mae_ci95_c, '.2f')}" if scores.mae_ci95_c else "no interval: too few days"
    tiles = [
        Tile("test MAE", f"{scores.mae_c:.3f} °C", sure),
        Tile("baseline's MAE", f"{scores.baseline_mae_c:.3f} °C", SAME_AS_NOW),
        Tile("skill", f"{digits(100 * scores.skill, '.1f')} %", "1 − MAE / baseline's MAE"),
    ]
    if scores.intervals:
        inside = scores.intervals.coverage["90"]
        width = f"its mean width: {scores.intervals.width_c['90']:.1f} °C"
        tiles.append(Tile("truths in the 90 % interval", f"{100 * inside:.1f} %", width))
    return tiles


def _by_recipe(runs: Sequence[ReportedRun]) -> list[list[ReportedRun]]:
    """The runs that differ in their seed alone, and learnt from the same series, together."""
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
        rows.append([group[0].config.name, seeds, *_mean_and_std(val), *_mean_and_std(test)])
    errors = columns("validation MAE", "its deviation", "test MAE", "its deviation", form=".3f", unit="°C")
    caption = "Mean and standard deviation over seeds; differences within them mean nothing"
    return Table([*columns("recipe", "seeds"), *errors], rows, caption)


def _mean_and_std(maes_c: Sequence[float]) -> list[Value]:
    mean_c = statistics.mean(maes_c) if maes_c else None
    return [mean_c, std(maes_c)]


def _missing(runs: Sequence[ReportedRun]) -> list[str]:
    return [f"{run.label} is not judged on the test split here." for run in runs if run.scores is None]


def _table(runs: Sequence[ReportedRun]) -> Table:
    measured = [run.scores for run in runs if run.scores]
    rows = [_row(run.label, run.outcome.val_mae_c, run.scores) for run in runs]
    for baseline in {(scores.baseline_mae_c, scores.windows): scores for scores in measured}.values():
        val = next((run.outcome.val_baseline_mae_c for run in runs if run.scores is baseline), None)
        errors: list[Value] = [val, baseline.baseline_mae_c, baseline.baseline_mae_ci95_c]
        rows.append([f"baseline: {SAME_AS_NOW}", *errors, 0.0, None, 0.0, baseline.baseline_rmse_c, None])
    windows = " or ".join(f"{count:,}" for count in sorted({scores.windows for scores in measured}))
    caption = f"Errors on {windows or 'no'} windows of the test split, and the baseline's on the same"
    heads = [Column("forecast"), *columns("validation MAE", "test MAE", "95 % interval", form=".3f", unit="°C")]
    heads += columns("less baseline's", "its 95 % interval", form="+.3f", unit="°C")
    heads += [Column("skill", ".1%"), Column("RMSE", ".3f", "°C"), Column("bias", "+.3f", "°C")]
    return Table(heads, rows, caption)


def _row(label: str, val_mae_c: float | None, scores: Scores | None) -> list[Value]:
    if scores is None:
        return [label, val_mae_c, *[None] * 7]
    return [
        *(label, val_mae_c, scores.mae_c, scores.mae_ci95_c, scores.difference_c, scores.difference_ci95_c),
        *(scores.skill, scores.rmse_c, scores.bias_c),
    ]


def _pictures(runs: Sequence[ReportedRun]) -> list[Picture]:
    judged = [(run, run.scores) for run in runs if run.scores]
    if len(judged) < 2:
        return []
    verdicts = [verdict(scores.difference_c, scores.difference_ci95_c, "the baseline") for _, scores in judged]
    better = verdicts.count("better than the baseline")
    finding = (
        f"{better} of {len(judged)} runs are better than the baseline on the test split, beyond chance of the days."
    )
    svg = inline_svg(
        lambda path: plots.differences(
            path,
            [run.label for run, _ in judged],
            [scores.difference_c for _, scores in judged],
            [scores.difference_ci95_c for _, scores in judged],
            title="",
            synthetic=any(run.synthetic for run, _ in judged),
        ),
        "runs",
    )
    return [Picture("runs", svg, finding)]


def _together(first: ReportedRun) -> str:
    return (
        f"Each run is held against {first.label}, the best on validation, window by window: what makes a day hard for "
        "both cancels. An interval that holds 0 may be chance; none of them says what other seeds would give."
    )


def _against_first(runs: Sequence[ReportedRun]) -> Table:
    rows: list[list[Value]] = []
    for run in runs[1:]:
        scores = run.scores
        difference = scores.difference_to_against_c if scores else None
        ends = scores.difference_to_against_ci95_c if scores else None
        reading = "not measured here" if are_comparable(run, runs[0]) else "another task, or other data"
        if difference is not None:
            reading = verdict(difference, ends, "it")
        rows.append([run.label, difference, ends, reading])
    heads = [Column("run"), *columns("difference", "95 % interval", form="+.3f", unit="°C"), Column("reading")]
    return Table(heads, rows, f"Test MAE less that of {runs[0].label}")
