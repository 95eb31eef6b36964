"""What is said of a study that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise.errors import RecipeError
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants


def refused(path: Path, assemble: bool = True) -> str:
    with pytest.raises(RecipeError) as caught:
        variants(load_study(path), assemble)
    return str(caught.value)


def points_at(text: str, message: str, path: Path) -> str:
    """What stands in the file where the problem with this message is said to be."""
    head = next(line for line in text.splitlines() if message in line)
    line, column = map(int, head.split(":")[1:3])
    return path.read_text().splitlines()[line - 1][column - 1 :]
