"""Loading: what holds, what is resolved, what extends what, and where files are found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partwise import PartError
from partwise.errors import RecipeError
from partwise.recipe import Recipe, load, locate

Write = Callable[[str, Any], Path]


def refused(source: Any, *options: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(source, options)
    return str(caught.value)


def test_a_resolved_recipe_has_every_default(base: dict[str, Any]) -> None:
    resolved = load(base).recipe.resolved()
    assert resolved["data"] == {"use": "lines", "path": "corpus.txt", "share": 1.0}
    assert resolved["sampler"] == {"use": "temperature", "temperature": 1.0}
    assert resolved["model"]["blocks"][0]["norm"] == {"use": "layer", "eps": 1e-5}
    assert resolved["trainer"]["betas"] == [0.9, 0.95]
    assert list(resolved)[:3] == ["partwise", "name", "about"]


def test_loading_a_dump_is_the_identity(base: dict[str, Any], write: Write) -> None:
    first = load(base).recipe
    again = load(write("dump.json", first.resolved())).recipe
    assert again == first
    assert again.resolved() == first.resolved()
    assert Recipe.model_validate(base | {"model": "stack"}).model == load(base | {"model": "stack"}).recipe.model


def test_the_fingerprint_is_that_of_what_is_trained(base: dict[str, Any]) -> None:
    first = load(base).recipe.fingerprint()
    assert len(first) == 10
    assert int(first, 16) >= 0
    same = [["name=other"], ["about=x"], ["seed=7"], ["sampler.temperature=2.0"], ["model.width=64"]]
    assert {load(base, options).recipe.fingerprint() for options in same} == {first}
    other = ["data.share=0.5", "tokenizer=chars", "model.width=65", "trainer.steps=101", "model.blocks.1.norm.eps=0.1"]
    assert len({first, *(load(base, [option]).recipe.fingerprint() for option in other)}) == 6


def test_the_fingerprint_ignores_the_order_of_keys_and_how_defaults_are_written(base: dict[str, Any]) -> None:
    backwards = json.loads(json.dumps(base), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert load(backwards).recipe.fingerprint() == load(base).recipe.fingerprint()
    assert load(load(base).recipe.resolved()).recipe.fingerprint() == load(base).recipe.fingerprint()


def test_the_fingerprint_is_pinned(base: dict[str, Any]) -> None:
    """It names run directories: it may not change from one version or process to the next."""
    assert load(base).recipe.fingerprint() == "0e1776f1da"


def test_a_loaded_recipe_knows_its_file_and_directory(base: dict[str, Any], write: Write) -> None:
    path = write("sub/mine.json", base)
    loaded = load("sub/mine.json", ["seed=3"])
    assert loaded.path is not None
    assert loaded.path.resolve() == path.resolve()
    assert loaded.directory.resolve() == path.parent.resolve()
    assert (loaded.overrides, loaded.recipe.seed) == (("seed=3",), 3)
    assert load(base).path is None
    assert load(base).directory.resolve() == Path.cwd().resolve()


def test_a_schema_address_is_allowed(base: dict[str, Any]) -> None:
    assert load({"$schema": "recipe.schema.json", **base}).recipe == load(base).recipe
    assert '"$schema" takes the address of a schema' in refused({"$schema": 3, **base})


def test_parts_made_in_python_may_stand_in_a_recipe(base: dict[str, Any]) -> None:
    recipe = load(base).recipe
    assert load(base | {"model": recipe.model}).recipe == recipe


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {("a",): 1}, {"a": 10**5000}])
def test_an_object_that_is_no_json_is_refused(value: Any) -> None:
    assert "cannot be written as JSON" in refused(value)


def test_an_object_with_nan_is_refused_at_its_place() -> None:
    told = refused({"a": float("nan")})
    assert told.startswith("<recipe>: NaN is not a number in JSON")
    assert told.endswith('\n    "a": NaN\n         ^')


def test_an_object_that_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["a"] = value
    assert "cannot be written as JSON" in refused(value)


@pytest.mark.parametrize("text", ["[]", "3", '"gpt"', "null"])
def test_a_recipe_is_an_object(text: str, write: Write) -> None:
    write("mine.json", text)
    assert 'mine.json:1:1: a recipe is an object: {"partwise": 1, "name": ...}' in refused("mine.json")


@pytest.mark.parametrize("version", [0, 2, True, "1"])
def test_another_version_is_refused(base: dict[str, Any], version: Any) -> None:
    assert "partwise: expected 1, got" in refused(base | {"partwise": version})


@pytest.mark.parametrize("name", ["", "a b", "../up", "-x", "a/b", "é", "a\n", "x" * 101])
def test_a_name_is_one_that_can_name_a_directory(base: dict[str, Any], name: str) -> None:
    assert "  at name\n" in refused(base | {"name": name})


# --- extends ------------------------------------------------------------------------------------------


def test_extends_a_file_relative_to_itself(base: dict[str, Any], write: Write) -> None:
    write("base.json", base)
    write("sub/mine.json", {"extends": "../base.json", "name": "mine", "model": {"position": "rope"}})
    write("sub/deeper/mine.json", {"extends": "../mine.json", "name": "deep", "model": {"position": {"base": 5.0}}})
    recipe = load("sub/deeper/mine.json").recipe
    assert recipe.name == "deep"
    assert recipe.resolved()["model"]["position"] == {"use": "rope", "base": 5.0}
    assert recipe.trainer == load("base.json").recipe.trainer


def test_extends_a_recipe_by_name(base: dict[str, Any], write: Write, acme_recipes: Path) -> None:
    (acme_recipes / "small.json").write_text(json.dumps(base))
    write("mine.json", {"extends": "acme/small", "name": "mine"})
    assert load("mine.json").recipe.name == "mine"
    assert load("acme/small").recipe.name == "base"


def test_a_recipe_that_extends_itself_is_shown_the_circle(write: Write) -> None:
    write("a.json", {"extends": "b.json"})
    write("b.json", {"extends": "sub/c.json"})
    write("sub/c.json", {"extends": "../a.json"})
    text = refused("a.json")
    assert (
        "sub/c.json:2:14: a recipe cannot extend itself: a.json extends b.json extends sub/c.json extends a.json"
        in text
    )
    write("self.json", {"extends": "./self.json"})
    assert "self.json extends self.json" in refused("self.json")


def test_a_circle_through_a_link_is_found(base: dict[str, Any], write: Write) -> None:
    path = write("a.json", {"extends": "b.json"})
    os.symlink(path, path.parent / "b.json")
    assert "a recipe cannot extend itself" in refused("a.json")


def test_a_missing_base_is_reported_where_it_is_asked_for(base: dict[str, Any], write: Write) -> None:
    write("base.json", base)
    write("mine.json", {"extends": "bse.json"})
    assert refused("mine.json").splitlines()[:3] == [
        "mine.json:2:14: bse.json: no such file, did you mean 'base.json'?",
        '    2 |   "extends": "bse.json"',
        "      |              ^",
    ]
    write("mine.json", {"extends": ["base.json"]})
    assert 'mine.json:2:14: "extends" takes the name of a recipe, or of a file' in refused("mine.json")
    write("mine.json", {"extends": "\0"})
    assert "no recipe of this name, and no file" in refused("mine.json")


def test_an_error_in_a_base_points_into_it(base: dict[str, Any], write: Write) -> None:
    base["model"]["position"] = "roppe"
    write("base.json", base)
    write("mine.json", {"extends": "base.json", "model": {"width": 0}})
    text = refused("mine.json")
    assert "base.json:26:17: unknown position 'roppe', did you mean 'rope'?" in text
    assert "  note: mine.json extends this file" in text
    assert "mine.json:4:14: width: must be greater than 0, got 0" in text


def test_an_unknown_part_is_shown_where_it_is_named(base: dict[str, Any], write: Write) -> None:
    write("base.json", base | {"tokenizer": {"use": "paris", "vocab_size": 512}})
    write("mine.json", {"extends": "base.json", "tokenizer": {"vocab_size": 1024}})
    assert "base.json:6:12: unknown tokenizer 'paris', did you mean 'pairs'?" in refused("mine.json")


# --- files --------------------------------------------------------------------------------------------


def test_a_missing_file_gets_the_nearest_name(base: dict[str, Any], write: Write, acme_recipes: Path) -> None:
    (acme_recipes / "small.json").write_text(json.dumps(base))
    write("sub/mine.json", base)
    assert "sub/mien.json: no such file, did you mean 'sub/mine.json'?" in refused("sub/mien.json")
    assert "acme/smal: no recipe of this name, and no file, did you mean 'acme/small'?" in refused("acme/smal")
    assert "an empty name: no recipe of this name" in refused("")
    assert "no recipe of this name" in refused("x" * 10_000)
    assert "no such file" in refused(Path("acme/small"))


def test_a_directory_is_not_a_recipe(write: Write) -> None:
    write("runs/x.json", {})
    assert "runs: this is a directory, not a recipe" in refused("runs")


def test_loading_imports_neither_torch_nor_click_nor_a_plugin_of_its_own_accord() -> None:
    code = (
        "import sys, partwise.recipe; "
        "found = [name for name in sys.modules if name.split('.')[0] in ('torch', 'click', 'numpy') "
        "or name.startswith('partwise_')]; print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- parts that fail while they are built ----------------------------------------------------------------


def test_locates_a_part_in_its_file(base: dict[str, Any], write: Write) -> None:
    write("mine.json", base)
    error = PartError("heads 4 does not divide width 63", ("model", "blocks", 0, "mixer"))
    assert str(locate(load("mine.json"), error)).splitlines() == [
        "mine.json:16:18: heads 4 does not divide width 63",
        "  at model.blocks.0.mixer",
        '    16 |           "use": "heads",',
        "       |                  ^",
    ]


def test_locates_a_default_at_the_nearest_place_that_is_written(base: dict[str, Any], write: Write) -> None:
    write("mine.json", base)
    text = str(locate(load("mine.json"), PartError("too small", ("model", "blocks", 0, "norm"))))
    assert text.splitlines()[:2] == ["mine.json:14:16: too small", "  at model.blocks.0.norm, which is a default"]


def test_says_which_changes_were_made_to_what_it_points_at(base: dict[str, Any], write: Write) -> None:
    write("base.json", base)
    write("mine.json", {"extends": "base.json"})
    loaded = load("mine.json", ["model.width=63"])
    text = str(locate(loaded, PartError("heads 4 does not divide width 63", ("model", "blocks", 0, "mixer"))))
    assert text.splitlines()[-2:] == [
        "  note: with --set model.width=63",
        "  note: mine.json extends this file",
    ]


def test_locates_what_has_no_path(base: dict[str, Any]) -> None:
    assert str(locate(load(base), PartError("no"))).startswith("<recipe>: no")
