"""What a sweep found, as files: a page, pictures, and the winner's settings."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

from jenacast.config import check_settings, dump_difference, kind_of
from jenacast.data import SAME_AS_NOW
from jenacast.errors import ExistsError, JenacastError
from jenacast.files import atomic_folder
from jenacast.network_file import network_of
from jenacast.report.page import Head, Part, Section, Tile, write_page
from jenacast.report.pictures import draw_picture
from jenacast.sweep import plots
from jenacast.sweep.results import LEAST_FOR_IMPORTANCE, State, SweepResult, TrialResult, read_result
from jenacast.sweep.trials import SETTINGS
from jenacast.tables import Column, Table, Value, columns
from jenacast.toml_files import up_to_date

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
        for name, draw in plots.drawable(result).items():
            draw(folder / f"{name}.png", result, title=result.name)
        _write_winner(study, result, folder)
    return out / WINNER


def _write_winner(study: "Study", result: SweepResult, folder: Path) -> None:
    """Write the settings of the best trial, and beside them the file of a network of the user's own."""
    best = result.complete[0]
    settings = up_to_date(study.get_trials(deepcopy=False)[best.number].user_attrs[SETTINGS])
    over = f", the mean over {', '.join(best.folds_c)}, each held out" if best.folds_c else ""
    about = {
        "name": f"{result.name}-best",
        "summary": f"the best of {len(result.complete)} complete trials: validation MAE {best.val_mae_c:.3f} °C{over}",
        "source": f"the sweep {result.name}, trial {best.number}",
    }
    network = network_of(settings, Path(best.run))
    config = check_settings({**settings, **about}, where=f"trial {best.number}", kind=kind_of(network))
    (folder / WINNER).write_text(dump_difference(config), encoding="utf-8")
    if network:
        (folder / network.code.path.name).write_bytes(network.code.content)


def write_sweep_page(result: SweepResult, out: Path) -> None:
    """Write `out`, an HTML page that needs no network, about a sweep. The same result gives the same page.

    Args:
        result: the sweep so far, with a complete trial; others may be running.
        out: the page.
    """
    head = Head(result.name, _summary(result), _tiles(result))
    search = Section("search", "Search", _pictures(result))
    sections = [search, Section("trials", "Trials", [_trials(result)])]
    write_page(out, Path(__file__).with_name("sweep.html.j2"), head, sections, synthetic=result.synthetic)


def _summary(result: SweepResult) -> str:
    best = result.complete[0]
    std = "" if best.val_mae_std_c is None else f" ± {best.val_mae_std_c:.3f} °C over {result.seeds} seeds"
    behind = " That is behind the baseline." if result.is_behind else ""
    return (
        f"The best of {len(result.complete)} complete trials is trial {best.number}, with a validation MAE of "
        f"{best.val_mae_c:.3f} °C{std}.{behind} The test split was not read. The best of many trials is also a lucky "
        "one, so its validation MAE is optimistic: judge its run with jenacast evaluate."
    )


def _tiles(result: SweepResult) -> list[Tile]:
    best, hours = result.complete[0], sum(trial.seconds or 0 for trial in result.trials) / 3600
    tiles = [Tile("best validation MAE", f"{best.val_mae_c:.3f} °C", f"trial {best.number}")]
    if result.baseline_mae_c is not None:
        tiles.append(Tile("baseline's validation MAE", f"{result.baseline_mae_c:.3f} °C", SAME_AS_NOW))
    states = ", ".join(f"{count} {state}" for state in get_args(State) if (count := result.count(state)))
    tiles.append(Tile("trials", f"{len(result.trials):,}", states))
    epochs = sum(trial.epochs for trial in result.trials)
    return [*tiles, Tile("epochs trained in all", f"{epochs:,}", f"in {hours:,.1f} h, summed over trials")]


def _pictures(result: SweepResult) -> list[Part]:
    best, worst = result.complete[0], result.complete[-1]
    first = min(result.complete, key=lambda trial: trial.number)
    setting, share = next(iter(result.importance.items()), ("", 0.0))
    order = (
        f"The first complete trial, {first.number}, has a validation MAE of {first.val_mae_c:.3f} °C; the best, "
        f"{best.number}, {best.val_mae_c:.3f} °C."
    )
    most = f"What tells the best trials from the others most is {setting}, with {100 * share:.1f} %."
    ends = f"{len(result.complete)} trials, from {best.val_mae_c:.3f} to {worst.val_mae_c:.3f} °C."
    parts, drawn = [], plots.drawable(result)
    for name, title, finding, needed in (
        ("history", "The trials in their order", order, ""),
        ("importance", "Which settings matter", most, f"{LEAST_FOR_IMPORTANCE} complete trials"),
        ("parallel", "Settings and errors", ends, "2 complete trials and a setting that is searched"),
    ):
        if name in drawn:
            parts.append(Part(title, pictures=[draw_picture(name, finding, drawn[name], result)]))
        else:
            so_far = f"the complete ones so far: {len(result.complete)}"
            parts.append(Part(title, [f"This picture takes {needed}; {so_far}."]))
    return parts


def _trials(result: SweepResult) -> Part:
    where = f"the held-out years {', '.join(map(str, result.years))}" if result.years else "the validation split"
    notes = f"Judged on {where}, protocol {result.protocol}, the best first. " + (
        f"The MAE is the mean over {result.seeds} seeds; differences within its deviation mean little."
        if result.seeds > 1
        else "Each trial has one seed: differences below a recipe's spread over seeds mean nothing. A sweep with "
        "--seeds 3 measures that spread."
    )
    settings = plots.searched(result.trials)
    errors = columns("validation MAE", "its deviation", form=".3f", unit="°C")
    heads = [
        *(*columns("trial", "state"), *errors, *columns(*settings, form=".5g")),
        *(*columns("machine", "run folder", "epochs"), Column("time", ".0f", "s"), Column("reason")),
    ]
    others = [trial for trial in result.trials if trial.state != "complete"]
    rows = [_row(trial, settings) for trial in [*result.complete, *others]]
    return Part("All trials", [notes], tables=[Table(heads, rows, "All trials")])


def _row(trial: TrialResult, settings: list[str]) -> list[Value]:
    chosen: list[Value] = [
        str(value).lower() if isinstance(value, bool) else value for value in map(trial.params.get, settings)
    ]
    return [
        *(trial.number, trial.state, trial.val_mae_c, trial.val_mae_std_c, *chosen),
        *(trial.host, trial.run, trial.epochs, trial.seconds, trial.reason),
    ]
