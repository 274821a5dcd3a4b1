"""What a network is: architectures, checkpoints, inference, intervals."""

from pathlib import Path
from typing import Literal

_FOLDER = Path(__file__).parent / "pretrained"
PACKAGED = {name: _FOLDER / f"{name}.keras" for name in ("pretrained", "pretrained-all")}  # in the package, by name
FOR_TOMORROW = "pretrained-all"  # what `forecast` takes: trained on every year, so no year is left to judge it by
ExportFormat = Literal["keras", "json+weights", "savedmodel", "onnx"]


def checkpoint_path(text: str) -> Path:
    """The file or folder that a user names: `pretrained` is a network of the package, ./pretrained a path."""
    return PACKAGED.get(text, Path(text))


def packaged_name(path: Path | str) -> str | None:
    """The name of a network of the package; None for any other."""
    return next((name for name, each in PACKAGED.items() if str(each) == str(path)), None)
