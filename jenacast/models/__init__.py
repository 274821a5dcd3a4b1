"""What a network is: architectures, checkpoints, inference, intervals."""

from typing import Literal

ExportFormat = Literal["keras", "json+weights", "savedmodel", "onnx"]
