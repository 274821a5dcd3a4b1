"""What an evaluation leaves: the answer as JSON, pictures, and every forecast as CSV."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jenacast.evaluation import plots
from jenacast.evaluation.daily import FORMAT, DailyErrors
from jenacast.evaluation.evaluate import Evaluation
from jenacast.evaluation.groups import By, Group, Lead
from jenacast.files import file_sha256, write_columns, write_json
from jenacast.models.checkpoint import BEST
from jenacast.models.intervals import ENDS, LEVELS
from jenacast.plotting import Format
from jenacast.records import read_record

logger = logging.getLogger(__name__)

EVALUATE = "run: jenacast evaluate RUN"
Groups = dict[By, list[Group]]


@dataclass(frozen=True)
class _Scored:
    """The part of an evaluation that says what it is of."""

    checkpoint_sha256: str | None = None


def as_json(evaluation: Evaluation, groups: Groups) -> dict[str, Any]:
    """The scores by name, as JSON takes them, and the errors of the groups under `by`."""
    by = {each: [asdict(group) for group in found] for each, found in groups.items()}
    return asdict(evaluation.scores) | ({"by": by} if by else {})


def evaluation_stem(checkpoint: Path, split: str) -> str:
    """Name, less the suffix, of an evaluation's files; those of the best network are the run's own."""
    which = "" if checkpoint.name == BEST else f"{checkpoint.stem}-"
    return f"evaluation-{which}{split}"


def stored_scores(run_dir: Path) -> Path | None:
    """The file with a run's scores on test; None where it is missing, or says the hash of other weights, or none.

    Raises:
        JenacastError: it is damaged.
    """
    best = run_dir / BEST
    path = run_dir / f"{evaluation_stem(best, 'test')}.json"
    if not path.is_file():
        return None
    scored = read_record(path, _Scored, missing=EVALUATE, damaged=EVALUATE)
    if best.is_file() and scored.checkpoint_sha256 != file_sha256(best):
        logger.info("%s is not of the weights that %s has now, and is left out; %s", path, best, EVALUATE)
        return None
    return path


def stored_days(run_dir: Path) -> DailyErrors | None:
    """The errors by day of a run on test; None where they are missing, as of earlier versions, or of other weights.

    Raises:
        JenacastError: they are damaged.
    """
    best = run_dir / BEST
    path = days_file(run_dir / evaluation_stem(best, "test"))
    if not path.is_file():
        return None
    days = read_record(path, DailyErrors, missing=EVALUATE, damaged=EVALUATE, format=FORMAT)
    return days if not best.is_file() or days.checkpoint_sha256 == file_sha256(best) else None


def days_file(stem: Path) -> Path:
    """The file beside an evaluation, which has its errors by day."""
    return Path(f"{stem}-days.json")


def write_evaluation(
    evaluation: Evaluation, folder: Path, groups: Groups | None = None, *, form: Format = "png"
) -> list[Path]:
    """Write answer, errors by day, and pictures in format `form` into `folder`, under the names of a run folder."""
    scores, groups = evaluation.scores, groups or {}
    stem = folder / evaluation_stem(Path(scores.checkpoint), scores.split)
    title, synthetic = f"{scores.label} on {scores.split}", scores.synthetic
    files = [Path(f"{stem}.json"), days_file(stem), Path(f"{stem}.{form}")]
    write_json(days_file(stem), evaluation.daily.model_dump())
    write_json(files[0], as_json(evaluation, groups))
    errors = f"MAE {scores.mae_c:.3f} °C, baseline {scores.baseline_mae_c:.3f} °C"
    plots.evaluation(files[-1], evaluation.judged, title=f"{title}: {errors}", synthetic=synthetic)
    if scores.intervals:
        files.append(Path(f"{stem}-reliability.{form}"))
        plots.reliability(files[-1], LEVELS, scores.intervals.reliability, title=title, synthetic=synthetic)
    for by, found in groups.items():
        files.append(Path(f"{stem}-by-{by}.{form}"))
        plots.groups(files[-1], found, by, title=title, synthetic=synthetic)
    return files


def write_predictions(judged: Lead, path: Path) -> None:
    """Write `valid_at, forecast_c, truth_c, baseline_c` as CSV, one line a window, and the intervals' ends if any."""
    columns = {name: getattr(judged, name) for name in ("valid_at", "forecast_c", "truth_c", "baseline_c")}
    if judged.quantiles_c is not None:
        for name, (low, high) in ENDS.items():
            columns[f"low_{name}_c"], columns[f"high_{name}_c"] = judged.quantiles_c[:, (low, high)].T
    write_columns(path, [columns])
