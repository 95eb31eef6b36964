"""Finds what a plugin imports from an earlier partwise, and says what to write instead.

The plugin's source is read, never imported or run. An import is old if partwise no longer offers what it names, so
names that have not moved need no entry here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

MOST = 18
"""Most imports that a plugin's `problem` lists, so that it fits on one screen; its `details` list all."""

_ROOMS = {
    "assembly": "assembly machine wording",
    "batches": "data",
    "encoding": "data",
    "distributed": "training",
    "evaluation": "training modules",
    "files": "storage",
    "flow": "modules data",
    "foreign": "modules",
    "inspection": "assembly",
    "interfaces": "data modules training decoding studies",
    "kinds": "parts studies",
    "lazily": "modules",
    "masks": "modules",
    "preparation": "workflow workflow.preparation",
    "profiling": "training",
    "recipe.diagnostics": "recipe.reader.problems",
    "rows": "runs",
    "run": "runs",
    "run_list": "runs",
    "saved": "runs",
    "sites": "parts",
    "slots": "parts.slots",
    "studies.jobs": "studies",
    "studies.processes": "machine studies",
    "testing.catalogue": "testing",
    "tracking": "training",
    "weights": "runs",
    "workflow": "machine",
}
MOVED = {
    "partwise.parts": ("partwise.parts", "partwise.wording"),
    "partwise.plugins": ("partwise",),
    **{f"partwise.{old}": tuple(f"partwise.{room}" for room in new.split()) for old, new in _ROOMS.items()},
}
"""Module of an earlier version -> the public modules that have its names now. A name that none of them offers is
looked up among the definitions of all modules."""

RENAMED = {
    "partwise.distributed.joined": "process_group",
    "partwise.distributed.launched": "launched_by_torchrun",
    "partwise.distributed.one_message": "one_error_message",
    "partwise.distributed.own_device": "local_device",
    "partwise.distributed.processes": "current_processes",
    "partwise.distributed.speaks": "speaks_to_user",
    "partwise.exchange.weight_map.Entry": "WeightEntry",
    "partwise.inspection.Row": "ModuleRow",
    "partwise.manifest.Entry": "FileEntry",
    "partwise.masks.Sight": "Visibility",
    "partwise.parts.fit_part": "resolve_part",
    "partwise.recipe.fit": "validate",
    "partwise.registry.Entry": "RegisteredPart",
    "partwise.rows.Row": "MetricsRow",
    "partwise.rows.Rows": "MetricsLog",
    "partwise.run.Saved": "Checkpoint",
    "partwise.saved.Saved": "Checkpoint",
    "partwise.studies.gathering.Book": "ResultsBook",
    "partwise.tracking.telling": "notifying",
}
"""Names that have changed besides moving."""


def old_imports(module: str) -> list[str]:
    """`parts.py:5  from partwise.parts import LayerSite`: file and line of each import in the package of `module` that
    partwise does not offer any more, and what to write there instead."""
    found: dict[str, list[str]] = {}
    for name, source in _sources(module.partition(".")[0]):
        for statement in _imports(source):
            if new := _rewritten(statement):
                found.setdefault(new, []).append(f"{name}:{statement.lineno}")
    width = max((len(", ".join(places)) for places in found.values()), default=0)
    return [f"{', '.join(places).ljust(min(width, 30))}  {new}" for new, places in found.items()]


def moved(error: BaseException, module: str) -> tuple[str, str] | None:
    """The message for a plugin that fails to import something from partwise: cut to one screen, and in full.

    None for any other error, or if nothing that the plugin imports has moved.
    """
    if not isinstance(error, ImportError) or (error.name or "").partition(".")[0] != "partwise":
        return None
    lines = old_imports(module)
    if not lines:
        return None
    package = module.partition(".")[0]
    head = f"it was written for an earlier partwise, and what it imports has moved\n  in {package}, write instead:"
    more = [f"and {len(lines) - MOST} more: partwise plugins --details"] if len(lines) > MOST else []
    return tuple("\n  ".join([head, *told]) for told in ([*lines[:MOST], *more], lines))  # type: ignore[return-value]


def _sources(package: str) -> Iterator[tuple[str, str]]:
    """The Python files of a package, or the one of a module, by their names in it."""
    try:
        found = find_spec(package)  # imports nothing: the name has no dot
    except (ImportError, ValueError):
        found = None
    roots = [Path(place) for place in (found and found.submodule_search_locations) or ()]
    files = [(root, path) for root in roots for path in sorted(root.rglob("*.py"))]
    if found and found.origin and not roots:
        files = [(Path(found.origin).parent, Path(found.origin))]
    for root, path in files:
        try:
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue


def _imports(source: str) -> Iterable[ast.ImportFrom | ast.Import]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]
    return sorted(nodes, key=lambda node: node.lineno)


def _rewritten(statement: ast.ImportFrom | ast.Import) -> str | None:
    """What to write in place of an import; None if it still holds."""
    if isinstance(statement, ast.Import):
        old = [alias for alias in statement.names if alias.name.startswith("partwise.") and not _file(alias.name)]
        return "; ".join(f"import {_candidates(alias.name)}" for alias in old) or None
    module = statement.module or ""
    if statement.level or module.partition(".")[0] != "partwise":
        return None
    if all(_offers(module, alias.name) for alias in statement.names):
        return None
    rooms: dict[str, list[str]] = {}
    for alias in statement.names:
        room, name = _home(module, alias.name)
        known_as = alias.asname or alias.name
        rooms.setdefault(room, []).append(name if name == known_as else f"{name} as {known_as}")
    return "; ".join(
        f"from {room} import {', '.join(names)}" if room else f"({module}.{', '.join(names)} is gone)"
        for room, names in rooms.items()
    )


def _home(module: str, name: str) -> tuple[str, str]:
    """Where a name is now, and what it is called there; no place if it is gone."""
    if _offers(module, name):
        return module, name
    new = RENAMED.get(f"{module}.{name}", name)
    for room in MOVED.get(module, (module,)):
        if _offers(room, new):
            return room, new
    if as_module := MOVED.get(f"{module}.{name}"):
        room, _, last = as_module[0].rpartition(".")
        return room, last
    makers = _makers().get(new, [])
    return (makers[0], new) if len(makers) == 1 else ("", name)


def _candidates(module: str) -> str:
    return " or ".join(MOVED.get(module, ())) or f"... ({module} is gone)"


def _offers(module: str, name: str) -> bool:
    return (
        (name == "*" and _file(module) is not None) or name in _names(module) or _file(f"{module}.{name}") is not None
    )


def _file(module: str) -> Path | None:
    """The file of one of partwise's own modules; for a package that offers its names lazily, that which lists them."""
    _, *names = module.split(".")
    place = Path(__file__).parents[1].joinpath(*names)
    choices: Sequence[Path] = (place / "__init__.pyi", place / "__init__.py", place.with_suffix(".py"))
    return next((path for path in choices if path.is_file()), None)


@cache
def _makers() -> dict[str, list[str]]:
    """The modules of partwise that define each name."""
    found: dict[str, list[str]] = {}
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        module = ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in _defined(node):
                found.setdefault(name, []).append(module)
    return found


@cache
def _names(module: str) -> frozenset[str]:
    """What a module of partwise's own has at its top, read off its source: importing it could import torch."""
    file = _file(module)
    nodes = ast.parse(file.read_text(encoding="utf-8")).body if file else []
    imported = [node for node in nodes if isinstance(node, ast.ImportFrom | ast.Import)]
    names = {alias.asname or alias.name for node in imported for alias in node.names}
    return frozenset(names.union(*map(_defined, nodes)))


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


__all__ = ["MOVED", "RENAMED", "moved", "old_imports"]
