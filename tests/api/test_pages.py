"""What CONTRIBUTING and the pages beside it say of the source tree is so."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from public_names import TOP, public_names

CONTRIBUTING = (TOP / "CONTRIBUTING.md").read_text()
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "CHANGELOG.md", *sorted((TOP / "docs").rglob("*.md"))]
CORE = TOP / "core" / "partwise"
FREE_OF_TORCH = ("partwise", "partwise.parts", "partwise.parts.slots", "partwise.machine", "partwise.wording",
                 "partwise.storage", "partwise.studies")  # fmt: skip
"""Rooms all of whose names can be imported without torch."""


def words_of(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        assert there.exists(), target
        assert not anchor or anchor in words_of(there.read_text()), target


def test_the_map_names_every_room() -> None:
    shown = CONTRIBUTING.partition("## The map")[2].partition("## Writing a part")[0]
    rooms = {path.name for path in CORE.iterdir() if path.is_dir() and (path / "__init__.py").is_file()}
    modules = {path.name for path in CORE.glob("*.py")} - {"__init__.py"}
    assert not [room for room in rooms if f"  {room}/ " not in shown]
    assert not [module for module in modules if module not in shown]


def test_the_order_of_imports_shown_is_the_one_that_is_enforced() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [one["layers"] for one in contracts if "rooms of the core" in one["name"]]
    shown = CONTRIBUTING.partition("enforces this order:\n\n```\n")[2].partition("```")[0].splitlines()
    assert shown == [layer.replace("partwise.", "") for layer in layers]


def test_every_place_in_the_tree_that_is_named_exists() -> None:
    for place in re.findall(r"`((?:core|plugins|recipes|tools|tests|docs)/[\w/.-]+)`", CONTRIBUTING):
        assert (TOP / place).exists(), place


@pytest.mark.parametrize(
    "word", ["part", "kind", "slot", "site", "recipe", "run", "study", "flow", "identity", "mutant"]
)
def test_the_glossary_has_a_line_for_each_word(word: str) -> None:
    glossary = CONTRIBUTING.partition("## Words")[2].partition("\n## ")[0]
    assert re.search(rf"^\| {word} \| .+ \|$", glossary, re.MULTILINE)


def test_names_that_choose_and_describe_import_no_torch() -> None:
    """As `docs/plugins.md` says: listing and checking what is written stays fast."""
    names = public_names()
    program = "\n".join(f"from {room} import {', '.join(names[room])}" for room in FREE_OF_TORCH)
    program += """
import partwise, sys
partwise.change(partwise.load("gpt"), {"model.position": "rope"})
heavy = [one for one in ("torch", "numpy", "pandas", "scipy") if one in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
