"""Studies are found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from partwise.errors import RecipeError
from partwise.studies.definition.locate import find_study, holds_study


def test_studies_are_found_by_name_with_or_without_their_folder(here: Path) -> None:
    assert find_study("positions") == find_study("studies/positions")
    assert holds_study("positions")
    assert not holds_study("gpt")
    with pytest.raises(RecipeError, match="did you mean 'positions'"):
        find_study("postions")
