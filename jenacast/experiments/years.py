"""Calendar years that are held out in turn: which, and a data folder for each, in which it is the validation split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jenacast.config import Config, differences
from jenacast.data.prepare import prepare_fold
from jenacast.data.prepared import FOLDER, Prepared, load_prepared
from jenacast.data.windows import Borders, find_windows
from jenacast.errors import ConfigError, DataError, JenacastError, command
from jenacast.evaluation.bootstrap import LEAST_DAYS
from jenacast.experiments.folds import first_row_from, load_series
from jenacast.experiments.run_set import RunSet
from jenacast.settings import DataSettings
from jenacast.training import run_folder

PLAN = "years.json"
FULL_DAYS = 330  # a year with windows on so many days counts as a full one
MOST_YEARS = 6  # before the test split
MAY_DIFFER = ("data.fit_on", "train.stop_epoch", "train.seed", "train.deterministic", "train.save_every_seconds")


@dataclass(frozen=True)
class YearsPlan:
    """Which years of which series are held out, and the seeds of each; `years.json`.

    With `all_years` those of the test split are among them, and nothing is left to test on.
    """

    data_dir: str
    source_sha256: str
    protocol: str
    years: list[int]
    all_years: bool
    seeds: list[int]
    require_cudnn: bool = False
    tensorboard: bool = False


def years_in(folder: Path) -> RunSet[YearsPlan]:
    """The held-out years of a folder, which need not exist."""
    return RunSet(folder, PLAN, YearsPlan, "held-out years", command="jenacast train")


def plan_years(
    config: Config, data_dir: Path, seeds: Sequence[int], *, all_years: bool = False, **flags: bool
) -> YearsPlan:
    """Which years of the series prepared in `data_dir` are held out; see `find_years`. `flags` are those of the plan.

    Raises:
        ConfigError: settings that leave no validation.
        DataError: no prepared data, or fewer than two years.
    """
    if config.data.fit_on != "train":
        raise ConfigError(f"data.fit_on={config.data.fit_on}: a held-out year is not trained on; expected train")
    prepared = load_prepared(data_dir)
    years, manifest = find_years(prepared, config.data, all_years=all_years), prepared.manifest
    return YearsPlan(
        data_dir=str(data_dir.resolve()),
        source_sha256=manifest.source_sha256,
        protocol=manifest.protocol,
        years=years,
        all_years=all_years,
        seeds=list(seeds),
        **flags,
    )


def find_years(prepared: Prepared, data: DataSettings, *, all_years: bool = False) -> list[int]:
    """The years to hold out: the last `MOST_YEARS` full ones before the test split; with `all_years` all there are.

    A full year has windows on `FULL_DAYS` days; of all years those count that have windows on `LEAST_DAYS`.

    Raises:
        DataError: fewer than two.
    """
    times, stop = prepared.series.times, _stop(prepared, all_years)
    protocol, hours = prepared.manifest.protocol, {"history_hours": data.history_hours, "lead_hours": data.lead_hours}
    targets = find_windows(prepared.series, protocol, 0, stop, **hours, reach_back=False).targets
    days = np.unique(times[targets[targets < stop]].astype("datetime64[D]"))
    found, counts = np.unique(days.astype("datetime64[Y]").astype(int) + 1970, return_counts=True)
    least = LEAST_DAYS if all_years else FULL_DAYS
    years = [int(year) for year in found[counts >= least]]
    if len(years) < 2:
        where = "" if all_years else f" before the test split, which begins on {times[stop]}"
        counted = ", ".join(f"{year} ({count} days)" for year, count in zip(found, counts, strict=True)) or "none"
        raise DataError(
            f"fewer than two years can be held out: a year needs windows on {least} days{where}. There are: {counted}; "
            "prepare a longer series" + ("" if all_years else ", or hold out every year with --all-years")
        )
    return years if all_years else years[-MOST_YEARS:]


def year_borders(prepared: Prepared, year: int, *, all_years: bool) -> Borders:
    """Rows [start, stop) of the splits that hold a year out: it is val, inside of train, which leaves its rows out.

    Test is as it was, and train all before it; with `all_years` train is all there is, and test is empty.
    """
    stop = _stop(prepared, all_years)
    first, after = (
        min(stop, first_row_from(prepared.series.times, np.datetime64(f"{each:04}-01-01"))) for each in (year, year + 1)
    )
    return {"train": (0, stop), "val": (first, after), "test": (stop, max(stop, prepared.borders["test"][1]))}


def _stop(prepared: Prepared, all_years: bool) -> int:
    """The row after the last that may be trained on."""
    return len(prepared.series.times) if all_years else prepared.borders["test"][0]


def runs_of(plan: YearsPlan, folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Each year and seed, and its run folder; all years of a seed before those of the next."""
    return ((year, seed, folder / str(year) / f"seed-{seed}") for seed in plan.seeds for year in plan.years)


def finished_runs(folder: Path) -> list[Path]:
    """The runs of a folder of held-out years.

    Raises:
        JenacastError: an unfinished or damaged one.
    """
    runs = [run for _, _, run in runs_of(years_in(folder).read_plan(), folder)]
    for run in runs:
        if not ((run / run_folder.METRICS).is_file() and run_folder.read_outcome(run).finished):
            raise JenacastError(
                f"{run} is not finished; run: {command('jenacast', 'train', *run_folder.resume_words(folder))}"
            )
    return runs


def calibrating_runs(folder: Path, config: Config, data_dir: Path) -> list[Path]:
    """The runs of a folder of held-out years that calibrate a network of `config`, which is trained on all years.

    Raises:
        ConfigError: other settings than theirs, but for what it is trained on and how long; or a seed of none of them.
        DataError: another series or protocol.
        JenacastError: an unfinished or damaged run.
    """
    plan, seed = years_in(folder).read_plan(), config.train.seed
    theirs = run_folder.read_config(folder).model_dump()
    changed = [line for line in differences(config, theirs) if line.partition(":")[0] not in MAY_DIFFER]
    if changed:
        raise ConfigError(f"{folder} was trained with other settings; a refit keeps them:\n  " + "\n  ".join(changed))
    if seed not in plan.seeds:
        raise ConfigError(
            f"{folder} has no networks of seed {seed}, only of {', '.join(map(str, plan.seeds))}; choose with --seed "
            "and --seeds among these"
        )
    load_series(data_dir, plan.source_sha256, plan.protocol)
    finished_runs(folder)
    return [run for _, each, run in runs_of(plan, folder) if each == seed]


def prepare_years(plan: YearsPlan, folder: Path) -> None:
    """Cut the series for every year, before the first network is trained: errors are found at once.

    Raises:
        DataError: other data than the plan's, or a split that holds no window.
    """
    missing = [year for year in plan.years if not (folder / str(year) / FOLDER).is_dir()]
    if missing:
        prepared = load_series(Path(plan.data_dir), plan.source_sha256, plan.protocol)
    for year in missing:
        borders = year_borders(prepared, year, all_years=plan.all_years)
        prepare_fold(prepared, borders, folder / str(year), fold=f"without {year}")
