"""`jenacast info`."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jenacast.cli.app import Json, complete_checkpoint, echo
from jenacast.models import checkpoint_path
from jenacast.tables import Column, Table, Value, wrapped

if TYPE_CHECKING:
    from jenacast.experiments.info import CheckpointInfo
    from jenacast.models.checkpoint import Metadata
    from jenacast.models.structure import Structure

WIDTH = 16  # characters of the names on the left


def info(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CKPT",
            parser=checkpoint_path,
            autocompletion=complete_checkpoint,
            help="A .keras file, a run folder, a folder that `export` wrote, `pretrained` or `pretrained-all`.",
        ),
    ],
    json_output: Json = False,
) -> None:
    """Print what a checkpoint knows of itself: settings, columns, data, errors, layers.

    Everything is read from the file; its network is not loaded. Settings are those that differ from the recipe of its
    name; `--json` has all of them. The training data are known by the SHA-256 of the series, its protocol and the
    splits. A network made elsewhere has layers and parameters alone.

    Example: jenacast info pretrained
    """
    from jenacast.experiments.info import as_json, read_info

    found = read_info(checkpoint)
    echo(json.dumps(as_json(found)) if json_output else _describe(found))


def _describe(info: "CheckpointInfo") -> str:
    from jenacast.evaluation.coverage import held_out_table

    known = info.metadata
    lines = {"checkpoint": info.path, "SHA-256": info.sha256}
    if known is None:
        lines["network"] = "made elsewhere: nothing says its columns and its target"
        return _lines(lines | _network(info.structure))
    lines |= _training(known, info.settings) | _data(known) | _forecast(known) | _network(info.structure)
    lines["versions"] = ", ".join(f"{name} {version}" for name, version in known.versions.items())
    parts = [_lines(lines)]
    if known.members:
        heads = [Column("member"), Column("weight", ".3f"), Column("seed"), Column("epoch")]
        rows: list[list[Value]] = [
            [each.model, each.weight, each.seed, each.epoch, each.val_mae_c] for each in known.members
        ]
        parts.append(Table([*heads, Column("validation MAE", ".3f", "°C")], rows).as_text())
    if known.held_out:
        parts.append(held_out_table(known.held_out).as_text())
    columns: list[list[Value]] = [[each.name, each.unit, each.mean, each.deviation] for each in known.encoding.columns]
    heads = [Column("column"), Column("unit"), Column("mean", ".4g"), Column("deviation", ".4g")]
    return "\n\n".join([*parts, Table(heads, columns).as_text()])


def _training(known: "Metadata", settings: list[str]) -> dict[str, str | None]:
    from jenacast.evaluation.metrics import with_std

    recipe, summary = known.config["name"], known.config.get("summary")
    return {
        "network": known.model,
        "recipe": f"{recipe}: {summary}" if summary else recipe,
        "differs in": "; ".join(settings),
        "seed": None if known.members else str(known.seed),
        "epoch": None if known.members else str(known.epoch),
        "validation MAE": None if known.val_mae_c is None else f"{with_std(known.val_mae_c, None)} °C",
    }


def _data(known: "Metadata") -> dict[str, str | None]:
    from jenacast.data import SYNTHETIC_WARNING

    repairs = [f"{repair.step_c:+.2f} °C up to {repair.until}" for repair in known.encoding.repairs]
    warming = known.encoding.warming_c_per_decade
    return {
        "trained on": f"{known.trained_on}, protocol {known.protocol}",
        "series": f"SHA-256 {known.source_sha256}" + (f"; {SYNTHETIC_WARNING}" if known.synthetic else ""),
        "repairs": "; ".join(repairs),
        "warming": f"{warming:g} °C a decade, taken off what it sees" if warming else None,
    }


def _forecast(known: "Metadata") -> dict[str, str | None]:
    from jenacast.models.intervals import INTERVALS

    encoding = known.encoding
    lead = f"every hour up to {encoding.lead_hours} h" if encoding.every_hour else f"{encoding.lead_hours} h"
    where = "years that networks of the same settings left out" if known.held_out else "validation"
    levels = f"{', '.join(INTERVALS)} %, calibrated on {where}"
    return {
        "history": f"{encoding.history_hours} h; a forecast needs {encoding.needed_hours} h of observations",
        "lead": lead,
        "target": encoding.target.kind,
        "intervals": levels if known.calibration else "none: it was not calibrated",
    }


def _network(structure: "Structure | None") -> dict[str, str | None]:
    if structure is None:
        return {}
    kinds = Counter(layer.kind for layer in structure.layers)
    layers = ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in kinds.items())
    return {"parameters": f"{structure.parameters:,}", "layers": layers}


def _lines(lines: dict[str, str | None]) -> str:
    """Names and texts in two columns; nothing for what is not known."""
    return "\n".join(wrapped(f"{name:{WIDTH}}{text}", " " * WIDTH) for name, text in lines.items() if text)
