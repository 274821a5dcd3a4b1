"""What a sweep found, as files: a page, pictures, and the winner's settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from jenacast.config import check_settings, dump_difference, without_retired
from jenacast.errors import ExistsError, JenacastError
from jenacast.files import atomic_folder
from jenacast.sweep import plots
from jenacast.sweep.page import write_sweep_page
from jenacast.sweep.results import SweepResult, read_result
from jenacast.sweep.trials import SETTINGS

if TYPE_CHECKING:
    from optuna.study import Study

PAGE, WINNER = "report.html", "winner.toml"


def write_report(study: "Study", out: Path, *, force: bool = False) -> Path:
    """Write the folder `out`; return the path of the winner's settings in it.

    Args:
        study: of a sweep, finished or not.
        out: made here, whole or not at all.
        force: replace it.

    Raises:
        ExistsError: `out` exists and `force` is not given.
        JenacastError: no trial is complete yet.
    """
    is_report = (out / PAGE).is_file()
    if out.exists() and not (force and is_report):
        remedy = "--force replaces it" if is_report else "it holds no sweep's report; choose another --output"
        raise ExistsError(f"{out} exists; {remedy}")
    result = read_result(study)
    if not result.complete:
        raise JenacastError(f"no trial of {result.name!r} is complete yet; wait for one, or continue the sweep")
    with atomic_folder(out) as folder:
        write_sweep_page(result, folder / PAGE)
        plots.sweep_history(folder / "history.png", result, title=result.name)
        if result.importance:
            plots.sweep_importance(folder / "importance.png", result, title=result.name)
        if len(result.complete) > 1 and plots.searched(result.complete):
            plots.sweep_parallel(folder / "parallel.png", result, title=result.name)
        (folder / WINNER).write_text(_winner(study, result), encoding="utf-8")
    return out / WINNER


def _winner(study: "Study", result: SweepResult) -> str:
    best = result.complete[0]
    settings = study.get_trials(deepcopy=False)[best.number].user_attrs[SETTINGS]
    about = {
        "name": f"{result.name}-best",
        "summary": f"the best of {len(result.complete)} complete trials: validation MAE {best.val_mae_c:.3f} °C",
        "source": f"the sweep {result.name}, trial {best.number}",
    }
    return dump_difference(check_settings({**without_retired(settings), **about}, where=f"trial {best.number}"))
