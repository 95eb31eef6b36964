"""What several tokenizers refer to."""

from __future__ import annotations

from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"
"""Small files for trying the parts that read files."""
NO_TEXT = "there is no text to train on: the training split is empty"
