"""What `docs/maps.md` shows of maps can be read as one."""

from __future__ import annotations

import json
import re

import pytest

from partwise.huggingface.family import Family
from public_names import TOP

PAGE = (TOP / "docs" / "maps.md").read_text()
BLOCKS = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BASE = {"partwise_weights": 1, "about": "", "model_type": "x", "architecture": "X", "recipe": "gpt", "tensors": []}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_part_of_a_map(block: str) -> None:
    Family.model_validate({**BASE, **json.loads("{" + block + "}")})


def test_every_key_of_a_map_and_of_a_line_of_it_is_on_the_page() -> None:
    entries = Family.model_fields["tensors"].annotation.__args__[0]  # type: ignore[union-attr]
    shown = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r'"(\w+)":', PAGE))
    assert not {*Family.model_fields, *entries.model_fields} - shown
