"""Recipes found by name, whatever lies in their directories."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from partwise.recipe import load, read, recipes, shipped, studies


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "own"
    directory.mkdir()
    monkeypatch.setattr(shipped, "own_directory", lambda: directory)
    return directory


def put(directory: Path, name: str, content: Any) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_names_are_paths_without_the_ending(own: Path, acme_recipes: Path) -> None:
    put(own, "gpt.json", {"about": "Model 5."})
    put(own, "families/llama-3.1.json", {})
    put(acme_recipes, "small.json", {"about": "Tiny."})
    put(acme_recipes, "gpt.json", {})
    found = {one.name: one for one in recipes()}
    assert list(found) == ["gpt", "families/llama-3.1", "acme/gpt", "acme/small"]
    assert (found["gpt"].about, found["gpt"].source) == ("Model 5.", "partwise")
    assert (found["acme/small"].about, found["acme/small"].source) == ("Tiny.", "acme (acme-sinks 0.3.1)")
    assert found["families/llama-3.1"].path == own / "families" / "llama-3.1.json"


def test_studies_are_kept_apart(own: Path, acme_recipes: Path) -> None:
    put(own, "studies/positions.json", {"about": "Which position?"})
    put(own, "studies.json", {})
    put(acme_recipes, "studies/x.json", {})
    assert [one.name for one in recipes()] == ["studies"]
    assert [one.name for one in studies()] == ["studies/positions", "acme/studies/x"]
    assert shipped.path_of("studies/positions") == own / "studies" / "positions.json"


def test_whatever_lies_there_does_not_break_the_listing(own: Path, acme_recipes: Path) -> None:
    put(own, "broken.json", "{")
    put(own, "list.json", "[]")
    put(own, "odd.json", {"about": 3})
    put(own, ".hidden.json", {})
    put(own, ".git/x.json", {})
    put(own, "notes.txt", "")
    (own / "directory.json").mkdir()
    os.symlink(own / "nowhere.json", own / "dangling.json")
    os.symlink(own, own / "circle")
    acme_recipes.rmdir()
    assert {one.name: one.about for one in recipes()} == {"broken": "", "dangling": "", "list": "", "odd": ""}


def test_no_directory_at_all_means_no_recipes(own: Path) -> None:
    own.rmdir()
    assert recipes() == []


def test_a_name_leads_nowhere_else(own: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret.json", {})
    for name in ("../secret", "secret", "", ".", "/", "gpt.json", "GPT"):
        assert shipped.path_of(name) is None


def test_a_shipped_name_is_loaded_and_a_file_is_one_by_its_ending(
    own: Path, base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(own, "gpt.json", base)
    put(tmp_path, "gpt", base | {"name": "a-file"})
    put(tmp_path, "gpt.json", base | {"name": "another-file"})
    assert load("gpt").recipe.name == "base"
    assert load("./gpt").recipe.name == "a-file"
    assert load("gpt.json").recipe.name == "another-file"
    assert load(Path("gpt")).recipe.name == "a-file"


def test_finds_the_recipes_of_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    directory = shipped.own_directory()
    assert directory.name in ("recipes", "shipped_recipes")
    assert read(directory / "gpt.json").members["name"].value == "gpt"


def test_finds_the_recipes_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    package = tmp_path / "site-packages" / "partwise"
    (package / "shipped_recipes").mkdir(parents=True)
    monkeypatch.setattr(shipped, "__file__", str(package / "recipe" / "shipped.py"))
    assert shipped.own_directory() == package / "shipped_recipes"
