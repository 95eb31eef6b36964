"""What the README shows is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from partwise.recipe import load
from partwise.studies.definition.reading import load_study
from partwise.studies.definition.variants import variants
from partwise.workflow import check

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"```json\n(.*?)```", README, re.DOTALL)


def test_the_recipe_shown_is_the_one_that_ships() -> None:
    assert json.loads(BLOCKS[0]) == json.loads((TOP / "recipes" / "gpt.json").read_text())


@pytest.mark.parametrize("block", [block for block in BLOCKS if "factors" not in block])
def test_every_recipe_shown_assembles(block: str) -> None:
    check(load(json.loads(block)))


def test_the_study_shown_is_one(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if "factors" in block]
    (tmp_path / "mine.json").write_text(block)
    study = load_study(tmp_path / "mine.json")
    assert len(variants(study).candidates) == 5


def test_every_command_shown_is_one() -> None:
    import click

    from partwise_cli.main import cli

    shown = set(re.findall(r"^partwise ([a-z]+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(cli.list_commands(click.Context(cli)))


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README
