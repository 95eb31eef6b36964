"""Recipes in Python: load, change, check and inspect them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import RecipeError
from partwise.recipe import LoadedRecipe, override_all
from partwise.recipe import Recipe as _Recipe
from partwise.recipe import load as _load
from partwise.recipe.load import as_json, validated

if TYPE_CHECKING:
    from partwise.assembly import Inspection

AnyRecipe = LoadedRecipe | str | Path | Mapping[str, Any]
"""A recipe in any form: loaded already, the name of one that ships, a file, or a dict."""


def load(recipe: AnyRecipe) -> LoadedRecipe:
    """A recipe by its name, from a file or from a dict, validated.

    The settings are in `.recipe`, with every default.

    Raises:
        RecipeError: everything that is wrong with it.

    >>> gpt = partwise.load("gpt")
    >>> gpt
    <recipe gpt-...: bpe, language_model, standard>
    >>> gpt.recipe.model.width
    192

    A mistake is shown with its place, the nearest name and what there is to choose from; a dict has no lines, so the
    place is the path in it:

    >>> partwise.load({"extends": "gpt", "name": "mine", "model": {"position": "ropee"}})
    Traceback (most recent call last):
        ...
    partwise.recipe.reader.problems.RejectedError: <recipe>: unknown position 'ropee', did you mean 'rope'?
      at model.position
        "position": "ropee"
                    ^
      installed: rope, kerple, none, learned, hard_alibi, sinusoidal, abacus, alibi, t5_bias
    """
    return recipe if isinstance(recipe, LoadedRecipe) else _load(recipe)


def change(recipe: AnyRecipe, changes: Mapping[str, Any]) -> LoadedRecipe:
    """The recipe with other values at some paths; the recipe that was given stays as it is.

    A path is names, indexes and `*` for every element, joined by dots. A value is what would stand in the file: a
    part's name, a number, a dict. Where it is a dict for the part that is there, it changes only the knobs it names.

    Raises:
        RecipeError: a path leads nowhere, or a value does not fit; all mistakes at once.

    >>> rotary = partwise.change("gpt", {"name": "rotary", "model.position": "rope", "model.blocks.*.norm": "rms_norm"})
    >>> rotary.recipe.model.position
    Rope(base=10000.0, ...)
    """
    loaded = load(recipe)
    written = [f"{path}={_json(path, value)}" for path, value in changes.items()]
    node = override_all(loaded.node, written, _Recipe, label="")
    found = validated(node, loaded.path, loaded.directory, (*loaded.overrides, *written))
    return replace(found, data_directory=loaded.data_directory)


def check(recipe: AnyRecipe) -> None:
    """Checks that everything in a recipe fits together. Reads no data and needs no memory for weights.

    Raises:
        RecipeError: something does not fit.

    >>> partwise.check("gpt")
    >>> partwise.check(partwise.change("gpt", {"model.blocks.0.mixer.heads": 5}))
    Traceback (most recent call last):
        ...
    partwise.recipe.reader.problems.RejectedError: ...gpt.json:9:53: heads 5 does not divide width 192; ...
      at model.blocks.0.mixer
    ...
      note: with --set model.blocks.0.mixer.heads=5
    """
    from partwise import workflow

    workflow.check(load(recipe))


def inspect(recipe: AnyRecipe, vocabulary: int | None = None) -> Inspection:
    """What a recipe's model is made of and what it costs, without memory for its weights.

    Args:
        vocabulary: number of tokens, in place of the tokenizer's.

    Raises:
        RecipeError: something does not fit.

    >>> figures = partwise.inspect("gpt")
    >>> figures
    <model: 2,197,632 parameters, 2,048 tokens, context 128, 4.72e+06 FLOPs per token>
    >>> figures.rows[2].path, figures.rows[2].weights
    ('input.embedding', {'weight': (2048, 192)})

    `pandas.DataFrame(figures.rows)` is its table of modules.
    """
    from partwise import workflow

    return workflow.inspect(load(recipe), vocabulary)


def _json(path: str, value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=as_json)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: this cannot be written as JSON: {error}") from error


__all__ = ["AnyRecipe", "change", "check", "inspect", "load"]
