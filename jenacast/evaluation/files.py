"""What an evaluation leaves: the answer as JSON, pictures, and every forecast as CSV."""

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jenacast.evaluation import plots
from jenacast.evaluation.evaluate import Evaluation
from jenacast.evaluation.groups import By, Group, errors_by
from jenacast.files import atomic_path, write_json
from jenacast.models.checkpoint import BEST
from jenacast.models.intervals import ENDS, LEVELS
from jenacast.plotting import Format

Groups = dict[By, list[Group]]
AXES: dict[By, str] = {
    "month": "month",
    "season": "season",
    "hour": "hour of the day (station's clock)",
    "year": "year",
    "change": "size of the change of temperature",
}


def group_errors(evaluation: Evaluation, by: Sequence[By]) -> Groups:
    """The errors of each group of each kind that is asked for."""
    return {each: errors_by(evaluation.leads, each) for each in by}


def as_json(evaluation: Evaluation, groups: Groups) -> dict[str, Any]:
    """The scores by name, as JSON takes them, and the errors of the groups under `by`."""
    by = {each: [asdict(group) for group in found] for each, found in groups.items()}
    return asdict(evaluation.scores) | ({"by": by} if by else {})


def evaluation_stem(checkpoint: Path, split: str) -> str:
    """Name, less the suffix, of an evaluation's files; those of the best network are the run's own."""
    which = "" if checkpoint.name == BEST else f"{checkpoint.stem}-"
    return f"evaluation-{which}{split}"


def write_evaluation(
    evaluation: Evaluation, folder: Path, groups: Groups | None = None, *, form: Format = "png"
) -> list[Path]:
    """Write the answer as JSON and the pictures in format `form` into `folder`, under the names of a run folder."""
    scores, groups = evaluation.scores, groups or {}
    stem = folder / evaluation_stem(Path(scores.checkpoint), scores.split)
    title, synthetic = f"{scores.model} on {scores.split}", scores.synthetic
    files = [Path(f"{stem}.json"), Path(f"{stem}.{form}")]
    write_json(files[0], as_json(evaluation, groups))
    plots.evaluation(
        files[1],
        valid_at=evaluation.valid_at,
        forecast_c=evaluation.forecast_c,
        truth_c=evaluation.truth_c,
        baseline_c=evaluation.baseline_c,
        title=f"{title}: MAE {scores.mae_c:.3f} °C, baseline {scores.baseline_mae_c:.3f} °C",
        synthetic=synthetic,
    )
    if scores.intervals:
        files.append(Path(f"{stem}-reliability.{form}"))
        plots.reliability(files[-1], LEVELS, scores.intervals.reliability, title=title, synthetic=synthetic)
    for by, found in groups.items():
        files.append(Path(f"{stem}-by-{by}.{form}"))
        _draw(files[-1], by, found, title=title, synthetic=synthetic)
    return files


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write `valid_at, forecast_c, truth_c, baseline_c` as CSV, one line a window, and the intervals' ends if any."""
    columns = {"forecast_c": evaluation.forecast_c, "truth_c": evaluation.truth_c, "baseline_c": evaluation.baseline_c}
    quantiles_c = evaluation.quantiles_c  # worked out each time it is asked for
    if quantiles_c is not None:
        for name, (low, high) in ENDS.items():
            columns[f"low_{name}_c"], columns[f"high_{name}_c"] = quantiles_c[:, (low, high)].T
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["valid_at", *columns])
        for time, *values in zip(evaluation.valid_at, *columns.values(), strict=True):
            writer.writerow([str(time), *(f"{value:.4f}" for value in values)])


def lead_figures(groups: Sequence[Group]) -> dict[str, Any]:
    """What `plots.leads` takes of groups by lead."""
    shares = [group.coverage for group in groups if group.coverage]
    return {
        "lead_hours": [int(group.label.removesuffix(" h")) for group in groups],
        "mae_c": [group.mae_c for group in groups],
        "baseline_mae_c": [group.baseline_mae_c for group in groups],
        "coverage": {name: [share[name] for share in shares] for name in ENDS} if shares else None,
    }


def group_figures(groups: Sequence[Group], by: By) -> dict[str, Any]:
    """What `plots.groups` takes of groups of another kind."""
    return {
        "labels": [group.label for group in groups],
        "mae_c": [group.mae_c for group in groups],
        "ci95_c": [group.mae_ci95_c for group in groups],
        "baseline_mae_c": [group.baseline_mae_c for group in groups],
        "bias_c": [group.bias_c for group in groups],
        "by": AXES[by],
    }


def _draw(path: Path, by: By, groups: list[Group], *, title: str, synthetic: bool) -> None:
    if by == "lead":
        plots.leads(path, **lead_figures(groups), title=title, synthetic=synthetic)
    else:
        plots.groups(path, **group_figures(groups, by), title=title, synthetic=synthetic)
