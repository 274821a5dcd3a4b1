"""`jenacast baseline`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Json
from jenacast.data import SAME_AS_NOW, SYNTHETIC_WARNING
from jenacast.tables import Column, Table, Value, columns

if TYPE_CHECKING:
    from jenacast.data.prepared import Split
    from jenacast.evaluation.baselines import Fitted
    from jenacast.evaluation.metrics import ErrorMetrics


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
    data_dir: DataDir = DEFAULT_DATA_DIR,
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

    prepared = load_prepared(data_dir)
    manifest = prepared.manifest
    hours = {"history_hours": manifest.history_hours, "lead_hours": manifest.lead_hours}
    fitted = fit_baselines(prepared, **hours) if fit_all else None
    errors = measure_baselines(prepared, ("val", "test"), fitted, **hours)
    if json_output:
        splits = {split: error.as_dict() for split, error in errors["persistence"].items()}
        answer: dict[str, Any] = {"protocol": manifest.protocol, "synthetic": manifest.synthetic, "splits": splits}
        typer.echo(json.dumps(answer | ({"fitted": _as_json(fitted, errors)} if fitted else {})))
        return
    head = f"{manifest.lead_hours} h ahead" if fitted else f"the same as {manifest.lead_hours} h before"
    note = f"; {SYNTHETIC_WARNING}" if manifest.synthetic else ""
    typer.echo(f"{head}; protocol {manifest.protocol}{note}\n{_table(errors)}")


def _as_json(fitted: "Fitted", errors: "dict[str, dict[Split, ErrorMetrics]]") -> dict[str, Any]:
    numbers = {"damped_anomaly": {"damping": fitted.damping}, "ridge": {"penalty": fitted.ridge.penalty}}
    return {
        name: {
            **numbers.get(name, {}),
            "splits": {
                split: error.as_dict() | {"skill": _skill(error, errors, split)}
                for split, error in errors[name].items()
            },
        }
        for name in errors
        if name != "persistence"
    }


def _table(errors: "dict[str, dict[Split, ErrorMetrics]]") -> str:
    several = len(errors) > 1
    heads = [*columns("split", "windows", form=","), *columns("MAE", "RMSE", form=".3f", unit="°C")]
    heads.append(Column("bias", "+.3f", "°C"))
    rows: list[list[Value]] = []
    for name, by_split in errors.items():
        label = SAME_AS_NOW if name == "persistence" else name.replace("_", " ")
        for split, error in by_split.items():
            row: list[Value] = [split, error.windows, error.mae_c, error.rmse_c, error.bias_c]
            rows.append([label, *row, _skill(error, errors, split)] if several else row)
    return Table([Column("forecast"), *heads, Column("skill", ".1%")] if several else heads, rows).as_text()


def _skill(error: "ErrorMetrics", errors: "dict[str, dict[Split, ErrorMetrics]]", split: "Split") -> float:
    from jenacast.evaluation.metrics import skill

    return skill(error.mae_c, errors["persistence"][split].mae_c)
