"""A checkpoint: a `.keras` file with one more member, `jenacast.json`, which says how to use it.

Networks made elsewhere after the book's recipe load as well, as a `.keras` zip or as HDF5, told apart by
their first bytes. Keras' safe mode is never switched off.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from jenacast.errors import CheckpointError
from jenacast.features.encoding import Encoding
from jenacast.files import atomic_path
from jenacast.models.guards import keras_reason, refuse_hostile_members
from jenacast.models.intervals import CALENDAR_TERMS, Calibration
from jenacast.models.own import register_layers, unknown_layer_remedy
from jenacast.records import Record, check_record
from jenacast.runtime import load_tensorflow
from jenacast.settings import MAX_NAME, NAME_PATTERN, FitSplit
from jenacast.toml_files import up_to_date

FORMAT = 1
MEMBER = "jenacast.json"
BEST = "best.keras"  # of a run folder: the lowest validation MAE; where there is no validation, the last
MAX_MEMBER_BYTES = 10_000_000
ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Member(Record):
    """A network within an ensemble: its share of the forecast, and the run it is from."""

    weight: float = Field(ge=0, le=1)
    model: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME)
    seed: int
    epoch: int
    val_mae_c: float | None
    config: dict[str, Any]


class HeldOut(Record):
    """How networks of the same settings forecast a year that they have not seen, in degC.

    `coverage` is how often intervals of so many percent held the truth, calibrated on the other years alone.
    """

    year: int
    windows: int
    mae_c: float
    baseline_mae_c: float
    bias_c: float
    coverage: dict[str, float]


class Metadata(Record):
    """What `jenacast.json` holds.

    `config` is the run's complete settings; `encoding` everything between degC and the network;
    `protocol`, `source_sha256`, `synthetic` and `trained_on` say which data trained it. In an ensemble `config`, `seed`
    and `epoch` are the first member's.
    """

    format: int
    model: str = Field(pattern=NAME_PATTERN, max_length=MAX_NAME)  # the recipe's: it is printed, in titles too
    config: dict[str, Any]
    encoding: Encoding
    protocol: str
    source_sha256: str
    synthetic: bool
    seed: int
    epoch: int
    val_mae_c: float | None  # None where validation was trained on too
    versions: dict[str, str]
    trained_on: FitSplit = "train"
    members: tuple[Member, ...] = ()
    calibration: Calibration | None = None  # None until a training ends, and where nothing was held out
    held_out: tuple[HeldOut, ...] = ()  # where networks that left a year out calibrated this one, which has seen all

    @property
    def trained_years(self) -> tuple[int, ...]:
        """The years that it was trained on where those were all; none where splits alone are known."""
        return tuple(year.year for year in self.held_out) if "test" in self.trained_on else ()

    @model_validator(mode="before")
    @classmethod
    def _named_as_today(cls, content: Any) -> Any:
        """A recipe that has another name now goes by that; a name of the user's own stays."""
        if not (isinstance(content, dict) and isinstance(content.get("config"), dict)):
            return content  # to be refused
        config = up_to_date(content["config"])
        is_recipe = content.get("model") == content["config"].get("name")
        return {**content, "config": config, **({"model": config["name"]} if is_recipe else {})}

    @model_validator(mode="after")
    def _calibrated_throughout(self) -> "Metadata":
        leads, outputs = self.calibration.leads if self.calibration else (), len(self.encoding.leads)
        if leads and len(leads) != outputs:
            raise ValueError(f"{len(leads)} calibrated outputs, expected {outputs}")
        terms = CALENDAR_TERMS + len(self.encoding.columns)
        if any(len(lead.coefficients) != terms for lead in leads):
            raise ValueError(f"a calibration of other columns, expected {terms} coefficients")
        return self


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network; `metadata` is None where it was made elsewhere."""

    path: Path
    model: Any
    metadata: Metadata | None


def save_checkpoint(model: Any, metadata: Metadata, path: Path) -> None:
    """Write `model` and `metadata` as one file, whole or not at all."""
    with atomic_path(path, make_folder=False) as temporary:
        try:
            model.save(temporary)
        except RuntimeError as error:  # what h5py makes of a full disk
            raise OSError(" ".join(str(error).split())) from error
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, metadata.model_dump_json(indent=2))


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a network from a file, or the best one of a run folder.

    Raises:
        CheckpointError: missing, damaged, of a newer format, hostile, or not a Keras model.
    """
    if path.is_dir():
        path = path / BEST
    if not path.is_file():
        raise CheckpointError(f"{path} not found; give a .keras file or a run folder (jenacast train makes one)")
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(ZIP_MAGIC):
        metadata = read_metadata(path)
        with _named(path, ".keras") as copy:
            model = _load(copy, path, metadata)
    elif magic == HDF5_MAGIC:
        metadata = None
        with _named(path, ".h5", always_copy=True) as copy:
            _forget_time_major(copy, path)
            model = _load(copy, path, None)
    else:
        raise CheckpointError(
            f"{path} begins with {magic!r}, which is neither a .keras zip nor HDF5; give a Keras model file"
        )
    return Checkpoint(path, model, metadata)


def read_metadata(path: Path) -> Metadata | None:
    """The metadata of a `.keras` file, without loading the network; None where it has none.

    A CheckpointError says that the zip is damaged or hostile, or that the metadata break a rule.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_hostile_members(archive, path)
            if MEMBER not in archive.namelist():
                return None
            if archive.getinfo(MEMBER).file_size > MAX_MEMBER_BYTES:
                raise CheckpointError(f"{path}: {MEMBER} is larger than {MAX_MEMBER_BYTES:,} bytes; refused")
            content = archive.read(MEMBER)
    except CheckpointError:
        raise
    except Exception as error:  # zipfile and the codecs below it have a dozen ways to say that a file is damaged
        raise CheckpointError(f"{path} is damaged ({error}); train again or restore a copy") from None
    return parse_metadata(content, path)


def parse_metadata(text: bytes, path: Path) -> Metadata:
    """Check the content of the `jenacast.json` of `path`; a CheckpointError names the rule that it breaks."""
    where, damaged = f"{path}: {MEMBER}", "train again or restore a copy"
    return check_record(text, Metadata, where, damaged=damaged, error=CheckpointError, format=FORMAT)


@contextmanager
def _named(path: Path, suffix: str, *, always_copy: bool = False) -> Iterator[Path]:
    """`path`, or a temporary copy of it, under a name from which Keras reads the right format."""
    if path.suffix == suffix and not always_copy:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="jenacast-") as folder:
        copy = Path(folder) / f"model{suffix}"
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        yield copy


def _load(path: Path, shown: Path, metadata: Metadata | None) -> Any:
    load_tensorflow()
    import keras

    register_layers(*configs_of(metadata))
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises every kind for a file that it cannot or will not load
        raise not_loaded(shown, error, metadata) from error


def not_loaded(path: Path, error: Exception, metadata: Metadata | None) -> CheckpointError:
    """The error of a network that Keras did not load, with its remedy."""
    remedy = "give a network that jenacast train made"
    if "Could not locate" in str(error):
        remedy = unknown_layer_remedy(path, *configs_of(metadata))
    return CheckpointError(f"{path} was not loaded, with Keras' safe mode on: {keras_reason(error)}; {remedy}")


def configs_of(metadata: Metadata | None) -> list[dict[str, Any]]:
    """The settings of a network and of its members."""
    return [metadata.config, *(member.config for member in metadata.members)] if metadata else []


def _forget_time_major(path: Path, shown: Path) -> None:
    """Drop `time_major: false`, which Keras 2 wrote into recurrent layers and Keras 3 refuses."""
    import h5py

    def dropped(node: dict[str, Any]) -> dict[str, Any]:
        if node.pop("time_major", False):
            raise CheckpointError(f"{shown} was built with time_major=True; only (windows, steps, columns) is read")
        return node

    try:
        with h5py.File(path, "r+") as file:
            text = file.attrs.get("model_config")
            if text is None:
                raise CheckpointError(f"{shown} holds weights without a model; save the whole model instead")
            file.attrs["model_config"] = json.dumps(json.loads(text, object_hook=dropped))
    except CheckpointError:
        raise
    except Exception as error:  # h5py and json raise every kind for a damaged file
        raise CheckpointError(f"{shown} is damaged ({error}); restore a copy") from None
