"""One page about runs, complete in itself: what was trained on what, and what came of it."""

from collections.abc import Sequence
from pathlib import Path

from jenacast.experiments.held_out import read_summary
from jenacast.experiments.years import years_in
from jenacast.files import atomic_path, refuse_existing
from jenacast.report.data import describe_data
from jenacast.report.details import describe_run
from jenacast.report.page import HERE, write_page
from jenacast.report.result import describe_result
from jenacast.report.runs import gather


def write_report(paths: Sequence[Path], out: Path, *, force: bool = False) -> None:
    """Write `out`, an HTML page that needs no network, about the runs in `paths`.

    Runs are evaluated on the test split of the prepared data that they were trained on; if those are missing, the page
    says so and shows what the run folders hold. The same runs give the same page.

    Args:
        paths: run folders, folders of seeds, or of held-out years, whose errors on these are shown too.
        out: the page.
        force: overwrite it.

    Raises:
        ExistsError: `out` exists and `force` is not given.
        JenacastError: a path is no run folder, or a run is damaged.
    """
    refuse_existing(out, force=force)
    runs = gather(paths)
    years = [read_summary(path) for path in paths if years_in(path).exists]
    head, result = describe_result(runs, years)
    sections = [describe_run(run, f"run-{place}", is_folded=place > 1) for place, run in enumerate(runs, start=1)]
    synthetic = any(run.synthetic for run in runs)
    with atomic_path(out, force=force) as path:
        write_page(path, HERE / "report.html.j2", head, [result, *sections, describe_data(runs)], synthetic=synthetic)
