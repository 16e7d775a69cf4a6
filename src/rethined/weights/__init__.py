"""The shipped network and how to find it."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
SHIPPED_NETWORK = FOLDER / "rethined.onnx"
SHIPPED_TENSORS = FOLDER / "rethined.safetensors"
"""The same weights for fine-tuning."""
