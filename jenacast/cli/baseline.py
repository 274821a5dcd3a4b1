"""`jenacast baseline`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jenacast.cli.app import DATA_DIR, DataDir, Json, echo
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.tables import SKILL, Column, Table, Value, columns

if TYPE_CHECKING:
    from jenacast.evaluation.baselines import Fitted

Figures = dict[str, dict[str, float]]  # by split, then by name


def baseline(
    fit_all: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Add three forecasts fitted on train: climatology (the mean by day of year and hour of day), damped "
            "anomaly (climatology and a share of the present departure from it), ridge (a linear regression on the "
            "window; its penalty is chosen on validation).",
        ),
    ] = False,
    data_dir: DataDir = DATA_DIR,
    json_output: Json = False,
) -> None:
    """Measure the common-sense guess, 'the same as now', on validation and test.

    Every network is judged against these errors. Needs `jenacast prepare`; takes a second.

    --all takes some seconds and needs two years of data. A network that errs more than its ridge is not worth
    the training.

    Example: jenacast baseline --all
    """
    from jenacast.data.prepared import load_prepared
    from jenacast.evaluation.baselines import fit_baselines, measure_baselines
    from jenacast.evaluation.metrics import skill

    prepared = load_prepared(data_dir)
    manifest = prepared.manifest
    hours = {"history_hours": manifest.history_hours, "lead_hours": manifest.lead_hours}
    fitted = fit_baselines(prepared, **hours) if fit_all else None
    errors = measure_baselines(prepared, ("val", "test"), fitted, **hours)
    same: Figures = {split: asdict(error) for split, error in errors["persistence"].items()}
    every: dict[str, Figures] = {}  # with the skill of each
    for name, by_split in errors.items() if fitted else ():
        skills = {split: skill(error.mae_c, same[split]["mae_c"]) for split, error in by_split.items()}
        every[name] = {split: asdict(error) | {"skill": skills[split]} for split, error in by_split.items()}
    if json_output:
        answer = {"protocol": manifest.protocol, "synthetic": manifest.synthetic, "splits": same}
        echo(json.dumps(answer | ({"fitted": _as_json(fitted, every)} if fitted else {})))
        return
    head = f"{manifest.lead_hours} h ahead" if fitted else f"the same as {manifest.lead_hours} h before"
    note = f"; {SYNTHETIC_WARNING}" if manifest.synthetic else ""
    echo(f"{head}; protocol {manifest.protocol}{note}\n{_table(same, every)}")


def _as_json(fitted: "Fitted", every: dict[str, Figures]) -> dict[str, Any]:
    numbers = {"damped_anomaly": {"damping": fitted.damping}, "ridge": {"penalty": fitted.ridge.penalty}}
    return {name: numbers.get(name, {}) | {"splits": every[name]} for name in every if name != "persistence"}


def _table(same: Figures, every: dict[str, Figures]) -> str:
    heads = [*columns("split", "windows", form=","), *columns("MAE", "RMSE", form=".3f", unit="°C")]
    heads.append(Column("bias", "+.3f", "°C"))
    if not every:
        return Table(heads, [[split, *figures.values()] for split, figures in same.items()]).as_text()
    labels = {name: SAME_AS_NOW if name == "persistence" else name.replace("_", " ") for name in every}
    rows: list[list[Value]] = [
        [labels[name], split, *of.values()] for name, by_split in every.items() for split, of in by_split.items()
    ]
    return Table([Column("forecast"), *heads, SKILL], rows).as_text()
