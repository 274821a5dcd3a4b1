"""`jenacast baseline`."""

import json

import typer

from jenacast.cli.app import DEFAULT_DATA_DIR, DataDir, Json
from jenacast.cli.table import format_table


def baseline(data_dir: DataDir = DEFAULT_DATA_DIR, json_output: Json = False) -> None:
    """Measure the common-sense guess, 'the same as now', on validation and test.

    Every network is judged against these errors. Needs `jenacast prepare`; takes a second.
    """
    from jenacast.baselines import measure_baseline
    from jenacast.prepared import load_prepared

    prepared = load_prepared(data_dir)
    manifest = prepared.manifest
    errors = measure_baseline(
        prepared, ("val", "test"), history_hours=manifest.history_hours, lead_hours=manifest.lead_hours
    )
    if json_output:
        splits = {split: error.as_dict() for split, error in errors.items()}
        answer = {"protocol": manifest.protocol, "synthetic": manifest.synthetic, "splits": splits}
        typer.echo(json.dumps(answer))
        return
    rows = [
        [split, f"{e.windows:,}", f"{e.mae_c:.3f}", f"{e.rmse_c:.3f}", f"{e.bias_c:+.3f}"]
        for split, e in errors.items()
    ]
    note = "  (synthetic series)" if manifest.synthetic else ""
    typer.echo(f"the same as {manifest.lead_hours} h before; protocol {manifest.protocol}{note}")
    typer.echo(format_table(["split", "windows", "MAE °C", "RMSE °C", "bias °C"], rows))
