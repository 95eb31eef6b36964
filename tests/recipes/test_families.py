"""Public families by recipe and map alone: what Hugging Face's classes compute, in and out again.

Nothing is shared with the other side but the checkpoint that transformers has written.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from families.__main__ import PAGE, facts
from families.parity import compared, parameters
from families.reduced import FAMILIES, Reduced
from partwise.huggingface.families import files

NAMES = [reduced.recipe for reduced in FAMILIES]
ROUNDED = 1e-6  # eight digits of what goes into logits of size 1, through a few layers
EXACT = 1e-12  # sixteen digits, and some hundred additions


@pytest.mark.parametrize("reduced", FAMILIES, ids=NAMES)
def test_a_reduced_checkpoint_is_computed_and_given_back_as_transformers_does(reduced: Reduced, tmp_path: Path) -> None:
    parity = compared(reduced, tmp_path)
    assert parity.spread > 0.1
    assert parity.float32 < 2e-5
    assert max(parity.float64, parity.padded) < (ROUNDED if reduced.rounded else EXACT)
    assert parity.same_text is (None if reduced.form == "masked" else True)
    assert parity.same_tensors
    assert parity.same_reloaded
    assert parity.off > 1e-4, "a wrong knob changes nothing: what does this compare?"


@pytest.mark.parametrize("reduced", FAMILIES, ids=NAMES)
def test_the_full_size_recipe_has_the_published_number_of_parameters(reduced: Reduced) -> None:
    assert parameters(reduced.recipe) == reduced.parameters


def test_every_map_that_ships_is_compared_and_stands_on_the_page() -> None:
    assert {reduced.map for reduced in FAMILIES} == set(files())
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    assert rows[1:] == [facts(reduced) for reduced in FAMILIES], "run: make families"
