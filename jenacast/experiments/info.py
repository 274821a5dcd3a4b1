"""What a checkpoint knows of itself, read without loading its network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jenacast.errors import CheckpointError
from jenacast.experiments.changed import changed_settings
from jenacast.files import file_sha256, read_regular
from jenacast.models.checkpoint import (
    BEST,
    MAX_MEMBER_BYTES,
    MEMBER,
    ZIP_MAGIC,
    Metadata,
    parse_metadata,
    read_metadata,
)
from jenacast.models.intervals import INTERVALS
from jenacast.models.structure import Structure, read_structure


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint as its file tells it.

    Attributes:
        path: of the file, or of an exported folder.
        sha256: of the file; None for a folder.
        structure: layers and parameters; None for a folder, which other programs describe.
        metadata: None for a network that was made elsewhere.
        settings: those that differ from the recipe of its name, such as "train.epochs=5", without the seed.
    """

    path: str
    sha256: str | None
    structure: Structure | None
    metadata: Metadata | None
    settings: list[str]


def read_info(path: Path) -> CheckpointInfo:
    """Read a `.keras` or HDF5 file, the best network of a run folder, or a folder that `export` wrote.

    Raises:
        CheckpointError: missing, damaged or hostile.
    """
    if (path / MEMBER).is_file() and not (path / BEST).is_file():
        metadata = parse_metadata(read_regular(path / MEMBER, MAX_MEMBER_BYTES), path)
        return CheckpointInfo(str(path), None, None, metadata, changed_settings(metadata.config))
    path = path / BEST if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(f"{path} not found; give a .keras file or a run folder (jenacast runs lists them)")
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    known = read_metadata(path) if is_zip else None
    settings = changed_settings(known.config) if known else []
    return CheckpointInfo(str(path), file_sha256(path), read_structure(path), known, settings)


def as_json(info: CheckpointInfo) -> dict[str, Any]:
    """All of it by name, with units in the keys; None where it is not known."""
    structure, known = info.structure, info.metadata
    about: dict[str, Any] = {
        "checkpoint": info.path,
        "checkpoint_sha256": info.sha256,
        "parameters": structure.parameters if structure else None,
        "layers": [vars(layer) for layer in structure.layers] if structure else None,
    }
    if known is None:
        return about | {"model": None}
    encoding = known.encoding
    return about | {
        "model": known.model,
        "recipe": known.config["name"],
        "summary": known.config.get("summary", ""),
        "settings": info.settings,
        "config": known.config,
        "seed": known.seed,
        "epoch": known.epoch,
        "val_mae_c": known.val_mae_c,
        "members": [member.model_dump(exclude={"config"}) for member in known.members],
        "columns": [{"name": column.name, "unit": column.unit} for column in encoding.columns],
        "history_hours": encoding.history_hours,
        "needed_hours": encoding.needed_hours,
        "lead_hours": encoding.lead_hours,
        "every_hour": encoding.every_hour,
        "target": encoding.target.kind,
        "warming_c_per_decade": encoding.warming_c_per_decade,
        "repairs": [repair.model_dump() for repair in encoding.repairs],
        "trained_on": known.trained_on,
        "protocol": known.protocol,
        "source_sha256": known.source_sha256,
        "synthetic": known.synthetic,
        "intervals_percent": [int(name) for name in INTERVALS] if known.calibration else [],
        "versions": known.versions,
    }
