"""The layers and the size of a network, from its file alone: neither Keras nor TensorFlow is loaded."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jenacast.errors import CheckpointError
from jenacast.models.guards import refuse_hostile_members

ARCHITECTURE, WEIGHTS = "config.json", "model.weights.h5"  # members of a `.keras` zip
MOST_BYTES = 50_000_000  # of the description; thousands of layers have less


@dataclass(frozen=True)
class Layer:
    """A layer by its name, within that of the network that it is a part of, and its kind: the class of Keras."""

    name: str
    kind: str


@dataclass(frozen=True)
class Structure:
    """The layers of a network in their order, and how many numbers it has learnt."""

    layers: list[Layer]
    parameters: int


def read_structure(path: Path) -> Structure:
    """Read the structure of a `.keras` or HDF5 file.

    Raises:
        CheckpointError: it is damaged or hostile, or no network of Keras.
    """
    import h5py

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                refuse_hostile_members(archive, path)
                if archive.getinfo(ARCHITECTURE).file_size > MOST_BYTES:
                    raise CheckpointError(f"{path}: {ARCHITECTURE} is larger than {MOST_BYTES:,} bytes; refused")
                described = archive.read(ARCHITECTURE)
                with archive.open(WEIGHTS) as weights, h5py.File(weights, "r") as file:
                    count = _count(file)
        else:
            with h5py.File(path, "r") as file:
                described, count = file.attrs["model_config"], _count(file["model_weights"])
        return Structure(list(_layers(json.loads(described))), count)
    except CheckpointError:
        raise
    except Exception as error:  # zipfile, h5py and json raise every kind for a damaged file
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{path} is damaged, or no network of Keras ({reason}); restore a copy") from None


def _layers(node: dict[str, Any], within: str = "") -> Iterator[Layer]:
    """The layers of a described network; one that is a network itself gives its own."""
    for each in node["config"]["layers"]:
        name, kind = f"{within}{each['config'].get('name', '')}", str(each["class_name"])
        if "layers" in each["config"]:
            yield from _layers(each, f"{name}/")
        elif kind != "InputLayer":
            yield Layer(name, kind)


def _count(group: Any) -> int:
    """Numbers of all weights; neither those of an optimiser nor a layer's random seeds, which are integers."""
    import h5py

    found = 0
    for name, each in group.items():
        if isinstance(each, h5py.Dataset):
            found += each.size if each.dtype.kind == "f" else 0
        elif name not in ("optimizer", "optimizer_weights"):
            found += _count(each)
    return found
