"""The public names of partwise: what plugins, notebooks and the documentation import.

    python tools/public_names.py

writes `docs/api.md`, one line for each name, taken from its docstring, and shows the lines that `CHANGELOG.md` lacks.
A room that offers its names in an `__init__.pyi` or an `__init__.py` offers exactly those; any other module offers
what it defines without an underscore. Everything is read from the source; nothing is imported.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs" / "api.md"
CHANGES = TOP / "CHANGELOG.md"

ROOMS: Mapping[str, str] = {
    "partwise": "What a notebook calls, and what every plugin begins with.",
    "partwise.parts": "Kinds of parts, and the sites that they are built at. Imports no torch.",
    "partwise.parts.slots": 'Annotations for fields that hold a part: `norm: slots.Norm = use("layer_norm")`.',
    "partwise.modules": "What modules promise each other, and what passes through a model.",
    "partwise.data": "Texts, tokens and batches.",
    "partwise.decoding": "How a model writes.",
    "partwise.evaluation": "What evaluations are handed, and what they give.",
    "partwise.looking": "What a model does with one text; which of its vectors lie near each other.",
    "partwise.training": "What trainers, schedules and trackers promise and receive.",
    "partwise.runs": "A run's directory: checkpoints, metrics, weights.",
    "partwise.assembly": "From a part to a model in memory.",
    "partwise.storage": "Files that are replaced whole.",
    "partwise.machine": "Devices, memory, cores.",
    "partwise.metric_names": "Names of the figures that training reports.",
    "partwise.wording": "Words that messages share.",
    "partwise.studies": "What engines, which do the runs of a study, promise and receive.",
    "partwise.testing": "The contract suite, for tests of your own and for new kinds.",
}
"""Public modules, each with what it is for. All others may change without notice."""

HEAD = """# Public names

What plugins and notebooks may import. A change of any of these is announced in the [changelog](../CHANGELOG.md);
everything else may move or go without notice. The [glossary](../CONTRIBUTING.md#words) explains the words, and
[plugins.md](plugins.md) shows how to write a part.

This page is written by `python tools/public_names.py` from the docstrings.
"""


def public_names() -> dict[str, list[str]]:
    """Room -> its public names, sorted."""
    return {room: sorted(_offered(room)) for room in ROOMS}


def page() -> str:
    """The text of `docs/api.md`."""
    parts = [HEAD]
    for room, names in public_names().items():
        lines = [f"| `{name}` | {_in_a_cell(line_about(room, name))} |" for name in names]
        parts.append("\n".join([f"## {room}", "", ROOMS[room], "", "| name | |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def announced(changelog: str) -> set[str]:
    """The names that there should be: every `+ ROOM: NAME, NAME` and `- ROOM: NAME` of the changelog, oldest first."""
    names: set[str] = set()
    for block in reversed(re.findall(r"```diff\n(.*?)```", changelog, re.DOTALL)):
        for sign, room, listed in re.findall(r"^([+-]) ([\w.]+): (.*(?:\n  .*)*)", block, re.MULTILINE):
            found = {f"{room}.{name}" for name in re.findall(r"\w+", listed)}
            names = names | found if sign == "+" else names - found
    return names


def missing(changelog: str) -> list[str]:
    """The lines to add to the changelog's newest list of public names; none if it is complete."""
    known = announced(changelog)
    there = {f"{room}.{name}" for room, names in public_names().items() for name in names}
    return [*_lines("+", there - known), *_lines("-", known - there)]


def line_about(room: str, name: str) -> str:
    """The first sentence of a name's docstring.

    Raises:
        LookupError: it has none.
    """
    text = _docstring(room, name)
    if not text:
        raise LookupError(f"{room}.{name} has no docstring; give it one, whose first sentence says what it is")
    first = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z(])", first)[0].removesuffix(":")


def _lines(sign: str, names: set[str]) -> list[str]:
    rooms = sorted({name.rpartition(".")[0] for name in names})
    return [
        f"{sign} {room}: {', '.join(sorted(n.rpartition('.')[2] for n in names if n.rpartition('.')[0] == room))}"
        for room in rooms
    ]


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|")


@cache
def _body(module: str) -> list[ast.stmt]:
    """The statements of a module; of a package that offers its names lazily, of the stub that lists them."""
    place = TOP.joinpath("core", *module.split("."))
    choices = (place / "__init__.pyi", place / "__init__.py", place.with_suffix(".py"))
    path = next(path for path in choices if path.is_file())
    return ast.parse(path.read_text(encoding="utf-8")).body


def _is_package(module: str) -> bool:
    return TOP.joinpath("core", *module.split(".")).is_dir()


def _offered(room: str) -> Iterator[str]:
    for node in _body(room):
        if isinstance(node, ast.ImportFrom) and node.level and _is_package(room):
            yield from (alias.asname or alias.name for alias in node.names)
        elif not _is_package(room):
            yield from (name for name in _defined(node) if not name.startswith("_"))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name) and target.id != "__all__"]


def _docstring(module: str, name: str) -> str:
    """What a name's own docstring says, wherever it is defined."""
    body = _body(module)
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _docstring(_source(module, node), alias.name)
        elif name in _defined(node):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                return ast.get_docstring(node) or ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return str(after.value.value)
            slot = re.search(r"Annotated\[(?:kinds\.)?(\w+), Slot\(\)\]", ast.unparse(node))
            return f"A field that holds any `{slot[1]}`." if slot else ""
    raise LookupError(f"{module} has no {name}")


def _source(module: str, node: ast.ImportFrom) -> str:
    """The module that an import names."""
    if not node.level:
        return str(node.module)
    package = module if _is_package(module) else module.rpartition(".")[0]
    return f"{package}.{node.module}"


def main() -> int:
    """Writes the page; 1 if the changelog lacks lines."""
    PAGE.write_text(page(), encoding="utf-8")
    lines = missing(CHANGES.read_text(encoding="utf-8"))
    if lines:
        print(f"add to the list of public names at the top of {CHANGES.name}:\n")
        print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
