"""Recipes found by name: those that come with partwise, and those of plugins (`namespace/name`).

A name is the file's path in its directory without `.json`: `gpt`, `families/gpt2-small`. A file in a folder
`studies` is a study, not a recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from partwise.parts.registry import registry

STUDIES = "studies"


def names() -> list[str]:
    """The names of all recipes and studies, without reading any."""
    return [name for name, _, _ in _files()]


def paths() -> dict[str, Path]:
    """Every recipe and study by its name, without reading any."""
    return {name: path for name, path, _ in _files()}


def path_of(name: str) -> Path | None:
    """The file that a name means, a recipe or a study; None if there is none."""
    return next((path for known, path, _ in _files() if known == name), None)


def own_directory() -> Path:
    """The directory of partwise's own recipes: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "shipped_recipes"
    return installed if installed.is_dir() else package.parent.parent / "recipes"


def is_study(name: str) -> bool:
    """Whether a name is that of a study."""
    return STUDIES in name.split("/")[:-1]


def _files() -> Iterator[tuple[str, Path, str]]:
    """Name, file and source; the first file with a name hides later ones."""
    seen = set()
    places = [(own_directory(), "", "partwise")]
    for directory, plugin in registry().recipe_directories:
        places.append((directory, "" if plugin.builtin else f"{plugin.namespace}/", str(plugin)))
    for directory, prefix, source in places:
        for path in _json_files(directory):
            name = prefix + path.relative_to(directory).with_suffix("").as_posix()
            if name not in seen:
                seen.add(name)
                yield name, path, source


def _json_files(directory: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(folder, name) for name in files if _is_recipe(name)]
    return sorted(found, key=lambda path: (len(path.relative_to(directory).parts), path))


def _is_recipe(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".") and not name.endswith(".weights.json")
