"""`jenacast baseline`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Json
from jenacast.cli.table import format_table

if TYPE_CHECKING:
    from jenacast.evaluation.baselines import Fitted
    from jenacast.evaluation.metrics import ErrorMetrics

NAMES = {"climatology": "climatology", "damped_anomaly": "damped anomaly", "ridge": "ridge"}


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
    from jenacast.evaluation.baselines import fit_baselines, measure_baseline, measure_fitted

    prepared = load_prepared(data_dir)
    manifest = prepared.manifest
    hours = {"history_hours": manifest.history_hours, "lead_hours": manifest.lead_hours}
    errors = measure_baseline(prepared, ("val", "test"), **hours)
    splits = {split: error.as_dict() for split, error in errors.items()}
    answer: dict[str, Any] = {"protocol": manifest.protocol, "synthetic": manifest.synthetic, "splits": splits}
    note = "  (synthetic series)" if manifest.synthetic else ""
    if fit_all:
        fitted = fit_baselines(prepared, **hours)
        measured = measure_fitted(prepared, fitted, ("val", "test"), **hours)
        answer["fitted"] = _as_dicts(fitted, measured, errors)
        text = f"{manifest.lead_hours} h ahead; protocol {manifest.protocol}{note}\n{_table(measured, errors)}"
    else:
        header = ["split", "windows", "MAE °C", "RMSE °C", "bias °C"]
        rows = [[split, *_cells(e)] for split, e in errors.items()]
        text = f"the same as {manifest.lead_hours} h before; protocol {manifest.protocol}{note}\n"
        text += format_table(header, rows)
    typer.echo(json.dumps(answer) if json_output else text)


def _as_dicts(
    fitted: "Fitted", measured: "dict[str, dict[Any, ErrorMetrics]]", same: "dict[Any, ErrorMetrics]"
) -> dict[str, Any]:
    from jenacast.evaluation.metrics import skill

    numbers = {"damped_anomaly": {"damping": fitted.damping}, "ridge": {"penalty": fitted.ridge.penalty}}
    return {
        name: {
            **numbers.get(name, {}),
            "splits": {
                split: error.as_dict() | {"skill": skill(error.mae_c, same[split].mae_c)}
                for split, error in errors.items()
            },
        }
        for name, errors in measured.items()
    }


def _table(measured: "dict[str, dict[Any, ErrorMetrics]]", same: "dict[Any, ErrorMetrics]") -> str:
    from jenacast.evaluation.metrics import skill

    rows = [
        [name, split, *_cells(error), f"{skill(error.mae_c, same[split].mae_c):.1%}"]
        for name, errors in [("the same as now", same), *((NAMES[key], errors) for key, errors in measured.items())]
        for split, error in errors.items()
    ]
    return format_table(["forecast", "split", "windows", "MAE °C", "RMSE °C", "bias °C", "skill"], rows)


def _cells(errors: "ErrorMetrics") -> list[str]:
    return [f"{errors.windows:,}", f"{errors.mae_c:.3f}", f"{errors.rmse_c:.3f}", f"{errors.bias_c:+.3f}"]
