"""The public names are announced and described, and they are all that documentation, templates and plugins import."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from textwrap import dedent

import pytest

from partwise.scaffold import PARTS
from public_names import CHANGES, PAGE, ROOMS, TOP, announced, missing, page, public_names

NAMES = public_names()
TEMPLATES = TOP / "core" / "partwise" / "scaffold" / "templates"
WORDS = {"name": "acme", "module": "acme", "kind": "norm", "part": "mean_norm", "partwise": "1"}


def blocks(path: Path) -> str:
    """The Python in a page; of an example with a prompt, the lines behind `>>>`."""
    text = "\n".join(map(dedent, re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)))
    return "\n".join(line[4:] if line.startswith((">>> ", "... ")) else line for line in without_output(text))


def without_output(text: str) -> Iterator[str]:
    shown = False
    for line in text.splitlines():
        shown = line.startswith(">>> ") or (shown and line.strip() != "")
        if not shown or line.startswith((">>> ", "... ")):
            yield line


def python() -> dict[str, str]:
    """Where authors look how it is done -> the Python that stands there."""
    pages = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("*.md"))]
    found = {str(path.relative_to(TOP)): blocks(path) for path in pages}
    for path in sorted(TEMPLATES.rglob("*.py.txt")):
        found[str(path.relative_to(TEMPLATES))] = Template(path.read_text()).substitute(WORDS)
    for path in sorted((TOP / "plugins").rglob("*.py")):
        found[str(path.relative_to(TOP))] = path.read_text()
    return {name: text for name, text in found.items() if text}


SOURCES = python()


def imports(text: str) -> Iterator[tuple[str, str]]:
    """Module and name of everything of partwise's that is imported, or called as `partwise.name`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and not node.level and str(node.module).split(".")[0] == "partwise":
            yield from ((str(node.module), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "partwise")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "partwise":
            yield "partwise", node.attr


def is_public(module: str, name: str) -> bool:
    return f"{module}.{name}" in ROOMS or (module in ROOMS and (not name or name in NAMES[module]))


def test_every_public_name_is_announced_in_the_changelog() -> None:
    lines = missing(CHANGES.read_text())
    assert not lines, f"add to the newest list of public names in {CHANGES.name}:\n" + "\n".join(lines)


def test_the_changelog_is_replayed_from_its_end() -> None:
    text = "```diff\n- a: Old\n+ a.b: New,\n  Newer\n```\n\n## 0.1\n\n```diff\n+ a: Old, Kept\n```\n"
    assert announced(text) == {"a.Kept", "a.b.New", "a.b.Newer"}


def test_a_name_that_appears_or_goes_is_told_with_the_line_to_add() -> None:
    text = CHANGES.read_text()
    assert missing(text.replace("+ partwise.machine: cores, ", "+ partwise.machine: ")) == ["+ partwise.machine: cores"]
    assert missing(f"```diff\n+ partwise.foreign: fillable, held\n```\n{text}") == [
        "- partwise.foreign: fillable, held"
    ]


def test_the_page_of_public_names_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python tools/public_names.py"


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_there(room: str) -> None:
    module = importlib.import_module(room)
    assert not [name for name in NAMES[room] if not hasattr(module, name)]
    if hasattr(module, "__all__"):
        assert sorted(module.__all__) == NAMES[room]


@pytest.mark.parametrize("name", SOURCES)
def test_only_public_names_are_imported(name: str) -> None:
    others = [f"{module}.{imported}" for module, imported in imports(SOURCES[name]) if not is_public(module, imported)]
    assert not others, "not public; see docs/api.md"


def test_templates_of_every_kind_are_among_what_is_looked_at() -> None:
    assert {f"{kind}/parts.py.txt" for kind in PARTS} <= set(SOURCES)
    assert any("fillable" in SOURCES[name] for name in SOURCES if name.startswith("docs"))
