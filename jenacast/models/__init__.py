"""What a network is: architectures, checkpoints, inference, intervals."""

from pathlib import Path
from typing import Literal

PRETRAINED = Path(__file__).parent / "pretrained" / "best.keras"  # the network that the package brings along
ExportFormat = Literal["keras", "json+weights", "savedmodel", "onnx"]
