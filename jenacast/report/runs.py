"""The runs of a report: what their folders hold, and their forecasts of the test split."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jenacast.config import Config
from jenacast.data.prepared import Manifest, load_prepared
from jenacast.errors import DataError, JenacastError
from jenacast.evaluation.daily import DailyErrors
from jenacast.evaluation.evaluate import Evaluation, Scores, evaluate
from jenacast.evaluation.files import stored_days, stored_scores
from jenacast.experiments.seeds import run_folders
from jenacast.experiments.years import runs_of, years_in
from jenacast.training import run_folder
from jenacast.training.history import read_history

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportedRun:
    """One run folder, and what can be said about it.

    `manifest` and `evaluation` are None where the prepared data are not available, which `trouble` then explains;
    `scores` and `days` may come from the run folder all the same.
    """

    folder: Path
    config: Config
    record: run_folder.RunRecord
    outcome: run_folder.Outcome
    history: list[dict[str, Any]]
    manifest: Manifest | None
    trouble: str | None
    label: str = ""
    scores: Scores | None = None
    days: DailyErrors | None = None
    evaluation: Evaluation | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the series is made up."""
        return self.outcome.synthetic or bool(self.manifest and self.manifest.synthetic)

    @property
    def series(self) -> tuple[str, str, str]:
        """What tells its data from others'."""
        return (self.record.data_dir, self.record.source_sha256, self.record.protocol)


def gather(paths: Sequence[Path]) -> list[ReportedRun]:
    """Read the runs and evaluate them on the test split, the best by validation MAE first.

    The others are measured against that one too, where both forecast the same hours of the same series.

    Raises:
        JenacastError: a path is no run folder, a run is damaged, or its checkpoint cannot be used.
    """
    folders = dict.fromkeys(folder for path in paths for folder in _run_folders(path))
    runs = sorted(map(_read, folders), key=lambda run: (run.outcome.val_mae_c is None, run.outcome.val_mae_c))
    parts = [(run.config.name, f"seed {run.config.train.seed}", run.record.fold) for run in runs]
    names = [", ".join(filter(None, each)) for each in parts]
    judged = []
    for run, name in zip(runs, names, strict=True):
        label = name if names.count(name) == 1 else f"{name} ({run.folder})"
        printable = "".join(sign if sign.isprintable() else "?" for sign in label)  # no picture can show the others
        judged.append(_judge(replace(run, label=printable), runs[0]))
    return judged


def are_comparable(one: ReportedRun, other: ReportedRun) -> bool:
    """Whether both forecast the same hours of the same series."""
    return one.series == other.series and one.config.data.lead_hours == other.config.data.lead_hours


def _run_folders(path: Path) -> list[Path]:
    """The runs of a folder: of seeds, of held-out years, or itself."""
    years = years_in(path)
    return [run for _, _, run in runs_of(years.read_plan(), path)] if years.exists else run_folders(path)


def _read(folder: Path) -> ReportedRun:
    if not run_folder.is_run_dir(folder):
        raise JenacastError(f"{folder} is not a run folder; give one that `jenacast train` made, or a folder of seeds")
    record, outcome = run_folder.read_record(folder), run_folder.read_outcome(folder)
    manifest, trouble = _open_data(record)
    config, history = run_folder.read_config(folder), read_history(folder)
    return ReportedRun(folder, config, record, outcome, history, manifest, trouble)


def _open_data(record: run_folder.RunRecord) -> tuple[Manifest | None, str | None]:
    """The manifest of the data that a run was trained on, or why it is not available."""
    data_dir = Path(record.data_dir)
    try:
        manifest = load_prepared(data_dir).manifest
    except (DataError, OSError) as error:
        return None, str(error)
    began_with = (record.source_sha256, record.protocol, record.fold)
    if (manifest.source_sha256, manifest.protocol, manifest.fold) != began_with:
        return None, f"{data_dir} now holds another series, protocol or fold than the run was trained on"
    return manifest, None


def _judge(run: ReportedRun, first: ReportedRun) -> ReportedRun:
    if run.manifest is None:
        return _with_stored(run)
    against = first.folder if run.folder != first.folder and are_comparable(run, first) else None
    logger.info("evaluating %s", run.label)
    try:
        evaluation = evaluate(run.folder, data_dir=Path(run.record.data_dir), against=against)
    except DataError as error:
        return _with_stored(replace(run, trouble=str(error)))
    return replace(run, scores=evaluation.scores, days=evaluation.daily, evaluation=evaluation)


def _with_stored(run: ReportedRun) -> ReportedRun:
    """The run with what its folder holds of an evaluation, if that is whole."""
    try:
        path, days = stored_scores(run.folder), stored_days(run.folder)
        scores = run_folder.read_as(Scores, path) if path else None
    except JenacastError:
        return run
    return replace(run, scores=scores, days=days if scores else None)
