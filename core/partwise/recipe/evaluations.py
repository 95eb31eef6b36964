"""A file of evaluations alone, to judge a run by afterwards: what a recipe has under "evaluations", or one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from .files import read
from .load import LoadedRecipe, from_object
from .reader.problems import Problem, RejectedError
from .reader.source import Node
from .recipe import Evaluations
from .validation import validate


class _Listed(BaseModel):
    """Evaluations, as a recipe has them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    evaluations: Evaluations


def with_evaluations(loaded: LoadedRecipe, source: Path | Mapping[str, Any]) -> LoadedRecipe:
    """The recipe with the evaluations in a file or an object, in place of its own.

    The object has each by its name, or is a recipe that has them, or is a single one, called by the name of the file.

    Raises:
        RecipeError: it cannot be read, or one of them is not valid.
    """
    path = source if isinstance(source, Path) else None
    node = read(source) if isinstance(source, Path) else from_object(source, "<evaluations>")
    members = node.members
    if "evaluations" in members:
        node = members["evaluations"]
    elif "use" in members:
        node = Node({"evaluation" if path is None else path.stem: node}, node.mark)
    if not isinstance(node.value, dict) or not node.members:
        message = 'here is no evaluation: {"name": {"use": "choices", "file": "questions.jsonl"}}'
        raise RejectedError([Problem(message, node.mark)])
    root = Node({"evaluations": node}, node.mark)
    found = validate(_Listed, root).evaluations
    return replace(
        loaded,
        recipe=loaded.recipe.model_copy(update={"evaluations": found}),
        node=root,
        path=path,
        directory=Path.cwd() if path is None else path.absolute().parent,
        overrides=(),
    )


__all__ = ["with_evaluations"]
