"""A checkpoint: a `.keras` file with one more member, `jenacast.json`, which says how to use it.

Networks made elsewhere after the book's recipe load as well, as a `.keras` zip or as HDF5, told apart by
their first bytes. Keras' safe mode is never switched off.
"""

import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from jenacast.encoding import Encoding
from jenacast.errors import CheckpointError
from jenacast.files import atomic_path
from jenacast.runtime import load_tensorflow

FORMAT = 1
MEMBER = "jenacast.json"
MAX_MEMBER_BYTES = 10_000_000
ZIP_MAGIC = b"PK\x03\x04"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Metadata(BaseModel):
    """What `jenacast.json` holds.

    `config` is the run's complete settings; `encoding` everything between degC and the network;
    `protocol`, `source_sha256` and `synthetic` say which data trained it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    model: str
    config: dict[str, Any]
    encoding: Encoding
    protocol: str
    source_sha256: str
    synthetic: bool
    seed: int
    epoch: int
    val_mae_c: float
    versions: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    """A loaded network; `metadata` is None where it was made elsewhere."""

    path: Path
    model: Any
    metadata: Metadata | None


def save_checkpoint(model: Any, metadata: Metadata, path: Path) -> None:
    """Write `model` and `metadata` as one file, whole or not at all."""
    with atomic_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, metadata.model_dump_json(indent=2))


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a network from a file, or the best one of a run folder.

    Raises:
        CheckpointError: absent, damaged, of a newer format, hostile, or not a Keras model.
    """
    if path.is_dir():
        path = path / "best.keras"
    if not path.is_file():
        raise CheckpointError(f"{path} not found; give a .keras file or a run folder (jenacast train makes one)")
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(ZIP_MAGIC):
        metadata = read_metadata(path)
        with _named(path, ".keras") as copy:
            model = _load(copy, path)
    elif magic == HDF5_MAGIC:
        metadata = None
        with _named(path, ".h5", always_copy=True) as copy:
            _forget_time_major(copy, path)
            model = _load(copy, path)
    else:
        raise CheckpointError(
            f"{path} begins with {magic!r}, which is neither a .keras zip nor HDF5; give a Keras model file"
        )
    return Checkpoint(path, model, metadata)


def read_metadata(path: Path) -> Metadata | None:
    """The metadata of a `.keras` file, without loading the network; None where it has none.

    Raises:
        CheckpointError: the zip is damaged or hostile, or the metadata cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_escapes(archive, path)
            if MEMBER not in archive.namelist():
                return None
            if archive.getinfo(MEMBER).file_size > MAX_MEMBER_BYTES:
                raise CheckpointError(f"{path}: {MEMBER} is larger than {MAX_MEMBER_BYTES:,} bytes; refused")
            content = archive.read(MEMBER)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again or restore a copy") from None
    return parse_metadata(content, path)


def parse_metadata(text: bytes, path: Path) -> Metadata:
    """Check the content of a `jenacast.json`; `path` says whose it is.

    Raises:
        CheckpointError: it is not JSON, of another format, or breaks a rule.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: {MEMBER} is damaged ({error}); train again or restore a copy") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: {MEMBER} has format {found!r}, this version reads {FORMAT}; use the jenacast that wrote it"
        )
    try:
        return Metadata.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise CheckpointError(
            f"{path}: {MEMBER} breaks its rules ({problems}); train again or restore a copy"
        ) from None


def _refuse_escapes(archive: zipfile.ZipFile, path: Path) -> None:
    for name in archive.namelist():
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
            raise CheckpointError(f"{path} has a member named {name!r}, which leads out of it; refused")


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


def _load(path: Path, shown: Path) -> Any:
    load_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises every kind for a file that it cannot or will not load
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"{shown} was not loaded, with Keras' safe mode on: {reason}") from error


def _forget_time_major(path: Path, shown: Path) -> None:
    """Drop `time_major: false`, which Keras 2 wrote into recurrent layers and Keras 3 refuses."""
    import h5py

    try:
        with h5py.File(path, "r+") as file:
            text = file.attrs.get("model_config")
            if text is None:
                raise CheckpointError(f"{shown} holds weights without a model; save the whole model instead")
            config = json.loads(text)
            _drop_time_major(config, shown)
            file.attrs["model_config"] = json.dumps(config)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{shown} is damaged ({error}); restore a copy") from None


def _drop_time_major(node: Any, shown: Path) -> None:
    if isinstance(node, dict):
        if node.pop("time_major", False):
            raise CheckpointError(f"{shown} was built with time_major=True; only (windows, steps, columns) is read")
        for value in node.values():
            _drop_time_major(value, shown)
    elif isinstance(node, list):
        for value in node:
            _drop_time_major(value, shown)
