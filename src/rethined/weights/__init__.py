"""The shipped graphs and where they are."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
SHIPPED_NETWORK = FOLDER / "rethined.onnx"
SHIPPED_TENSORS = FOLDER / "rethined.safetensors"
"""The same weights for fine-tuning."""
RANKING_GRAPH = FOLDER / "ranking.onnx"
"""A matrix product and a top-k, without weights."""
