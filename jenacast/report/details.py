"""The section of a report about one run: how it was trained, where it errs, how sure it is."""

from jenacast.config import dump_config
from jenacast.evaluation import plots
from jenacast.evaluation.coverage import IntervalScores, intervals_table
from jenacast.evaluation.evaluate import Evaluation
from jenacast.evaluation.explain import HEADS, effects_table, stored_explanation
from jenacast.evaluation.groups import By, Lead, errors_by, group_table
from jenacast.evaluation.metrics import absolute_errors
from jenacast.forecasting.plots import forecasts
from jenacast.models.intervals import ENDS, LEVELS
from jenacast.report.page import Part, Section
from jenacast.report.pictures import draw_picture
from jenacast.report.runs import ReportedRun
from jenacast.report.weeks import chosen_weeks
from jenacast.tables import Column, Table, Value, columns
from jenacast.training.curves import learning_curves

WHEN: dict[By, str] = {"month": "in {}", "hour": "at {}:00", "change": "where it changes by {}"}


def describe_run(run: ReportedRun, anchor: str, *, is_folded: bool) -> Section:
    """How a run was trained, where it errs, how sure it is; `anchor` is the section's id, and its pictures' prefix."""
    parts = [_training(run), _curves(run, anchor)]
    if run.evaluation is None:
        parts.append(Part("Forecasts", [f"There are no forecasts to show: {run.trouble}"]))
    else:
        parts += [_groups(run, run.evaluation, by, anchor) for by in WHEN]
        parts += _leads(run, run.evaluation, anchor)
        parts.append(_weeks(run, run.evaluation.judged, anchor))
    if run.scores and run.scores.intervals:
        parts.append(_intervals(run, run.scores.intervals, anchor))
    parts += _explained(run, anchor)
    return Section(anchor, run.label, parts, dump_config(run.config), is_folded)


def _training(run: ReportedRun) -> Part:
    record, outcome = run.record, run.outcome
    facts = {
        "recipe": f"{run.config.name}: {run.config.summary}" if run.config.summary else run.config.name,
        "network": f"{run.config.model.architecture}, {outcome.parameters:,} parameters",
        "history and lead": f"{run.config.data.history_hours} h, {run.config.data.lead_hours} h",
        "columns": ", ".join(run.config.data.columns),
        "target": run.config.data.target,
        "seed": outcome.seed,
        "epochs": f"{outcome.epochs}, the best {outcome.best_epoch}" + ("" if outcome.finished else "; not finished"),
        "fitted on": f"{run.config.data.fit_on}, {record.train_windows:,} windows",
        "repaired": ", ".join(f"{each.step_c:+.2f} °C until {each.until}" for each in record.repairs) or "nothing",
        "time": f"{outcome.seconds:.0f} s for {outcome.steps:,} steps",
        "device": outcome.device,
        "kernel": record.kernel,
        "begun": record.started,
        "commit": record.commit,
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "data": record.data_dir,
        "run folder": run.folder,
    }
    rows = [[name, str(fact)] for name, fact in facts.items()]
    table = Table(columns("what", "which"), rows, "What was trained, on what, with what")
    return Part("How it was trained", tables=[table])


def _curves(run: ReportedRun, anchor: str) -> Part:
    outcome, baseline_mae_c = run.outcome, run.outcome.val_baseline_mae_c
    finding = f"{outcome.epochs} epochs on train and validation together; no validation chose among them."
    if outcome.val_mae_c is not None and baseline_mae_c is not None:
        finding = (
            f"The MAE on validation is lowest after epoch {outcome.best_epoch} of {outcome.epochs}: "
            f"{outcome.val_mae_c:.3f} °C, beside the baseline's {baseline_mae_c:.3f} °C."
        )
    fields = {
        "epoch": Column("epoch"),
        "train_mae_c": Column("train MAE", ".3f", "°C"),
        "val_mae_c": Column("validation MAE", ".3f", "°C"),
        "learning_rate": Column("learning rate", ".2e"),
        "seconds": Column("since the start", ".1f", "s"),
    }
    rows: list[list[Value]] = [[record.get(key) for key in fields] for record in run.history]
    figures = {"history": run.history, "baseline_mae_c": baseline_mae_c, "synthetic": run.synthetic}
    figures["dropout"] = run.config.model.has_dropout
    curves = draw_picture(f"{anchor}-curves", finding, learning_curves, **figures)
    return Part("Learning curves", pictures=[curves], folded=[Table(list(fields.values()), rows, "The epochs")])


def _groups(run: ReportedRun, evaluation: Evaluation, by: By, anchor: str) -> Part:
    found = errors_by(evaluation.leads, by)
    worst, best = max(found, key=lambda group: group.mae_c), min(found, key=lambda group: group.mae_c)
    worst_at, best_at = (WHEN[by].format(group.label) for group in (worst, best))
    better = sum(group.mae_c < group.baseline_mae_c for group in found)
    finding = (
        f"The MAE is largest {worst_at} ({worst.mae_c:.2f} °C) and smallest {best_at} ({best.mae_c:.2f} °C); it is "
        f"below the baseline's in {better} of {len(found)} {by}s."
    )
    picture = draw_picture(f"{anchor}-{by}", finding, plots.groups, found, by, synthetic=run.synthetic)
    return Part(f"Errors by {by}", pictures=[picture], folded=[group_table(by, found)])


def _leads(run: ReportedRun, evaluation: Evaluation, anchor: str) -> list[Part]:
    """Nothing for a network that says one hour alone."""
    found = errors_by(evaluation.leads, "lead")
    if len(found) < 2:
        return []
    first, last = found[0], found[-1]
    finding = (
        f"The MAE goes from {first.mae_c:.2f} °C after {first.label} to {last.mae_c:.2f} °C after {last.label}; the "
        f"baseline's, the present temperature, from {first.baseline_mae_c:.2f} to {last.baseline_mae_c:.2f} °C."
    )
    picture = draw_picture(f"{anchor}-leads", finding, plots.groups, found, "lead", synthetic=run.synthetic)
    return [Part("Errors over the lead", pictures=[picture], folded=[group_table("lead", found)])]


def _intervals(run: ReportedRun, scores: IntervalScores, anchor: str) -> Part:
    shares = ", ".join(f"{100 * share:.1f} % inside the {name} % interval" for name, share in scores.coverage.items())
    figures = {"levels": LEVELS, "observed": scores.reliability, "synthetic": run.synthetic}
    picture = draw_picture(f"{anchor}-reliability", f"Of the truths, {shares}.", plots.reliability, **figures)
    return Part("How sure it is", pictures=[picture], tables=[intervals_table(scores)])


def _explained(run: ReportedRun, anchor: str) -> list[Part]:
    """Nothing where `jenacast explain` was not run."""
    explanation = stored_explanation(run.folder)
    if explanation is None:
        return []
    found = {head: effects for kind, head in HEADS.items() if (effects := explanation.of_kind(kind))}
    largest = next(iter(found.values()))[0]
    finding = (
        f"The MAE on {explanation.split} rises most, by {largest.difference_c:.2f} °C, with shuffled {largest.part}: "
        "taken from another time of the same season and hour."
    )
    picture = draw_picture(f"{anchor}-explain", finding, plots.effects, found, synthetic=run.synthetic)
    return [Part("What it looks at", pictures=[picture], folded=[effects_table(each) for each in found.values()])]


def _weeks(run: ReportedRun, judged: Lead, anchor: str) -> Part:
    errors_c = absolute_errors(judged.forecast_c, judged.truth_c)
    baseline_errors_c = absolute_errors(judged.baseline_c, judged.truth_c)
    quantiles_c, pictures = judged.quantiles_c, []
    for place, (name, shown) in enumerate(chosen_weeks(judged.valid_at, errors_c).items()):
        bands = {}
        if quantiles_c is not None:
            bands = {level: tuple(quantiles_c[shown][:, ends].T) for level, ends in ENDS.items()}
        finding = (
            f"{name}, from {str(judged.valid_at[shown][0])[:10]}: MAE {errors_c[shown].mean():.2f} °C, the "
            f"baseline's {baseline_errors_c[shown].mean():.2f} °C."
        )
        picture = draw_picture(
            *(f"{anchor}-week-{place}", finding, forecasts),
            valid_at=judged.valid_at[shown],
            forecast_c=judged.forecast_c[shown],
            baseline_c=judged.baseline_c[shown],
            bands=bands,
            measured_at=judged.valid_at[shown],
            measured_c=judged.truth_c[shown],
            synthetic=run.synthetic,
        )
        pictures.append(picture)
    note = (
        f"Every point was forecast {run.config.data.lead_hours} hours before. Typical is the week whose MAE is the "
        "median of its season's."
    )
    return Part("Forecasts against the truth", [note], pictures)
