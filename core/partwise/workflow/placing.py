"""Where in a recipe's file a part stands that cannot be built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from partwise.errors import BuildError, PartError
from partwise.recipe import LoadedRecipe, locate


@contextmanager
def at(loaded: LoadedRecipe, *place: str | int) -> Iterator[None]:
    """Turns the error of a part that is assembled in the block into one that shows its place in the recipe's file."""
    try:
        yield
    except (PartError, BuildError) as error:
        path = [*place]
        for step in error.path or ():  # an objective is assembled with the model, and stands beside it
            if step == "..":
                path.pop()
            else:
                path.append(step)
        raise locate(loaded, PartError(error.message, tuple(path))) from error
