"""What a recipe says, where a weight map asks: sizes, and whether an entry applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partwise.errors import InputError
from partwise.recipe import LoadedRecipe
from partwise.recipe.paths import values_at

from .arithmetic import computed
from .config_map import is_like, shown


@dataclass(frozen=True)
class Facts:
    """A resolved recipe."""

    resolved: Mapping[str, Any]

    @classmethod
    def of(cls, loaded: LoadedRecipe) -> Facts:
        return cls(loaded.recipe.resolved())

    def number(self, size: int | str, least: int = 1) -> int:
        """A size: a number, the one at a path, or what is computed from those at several.

        Raises:
            InputError: what is computed is no whole number, or less than `least`.
        """
        if isinstance(size, int):
            return size
        try:
            value = computed(size, self._at)
        except ValueError as error:
            raise InputError(f"the weight map has the size {size}, but {error}") from None
        if value != int(value):
            raise InputError(f"the weight map has the size {size}, which is {value:g} in this recipe: no whole number")
        if value < least:
            raise InputError(
                f"the weight map has the size {size}, which is {value:g} in this recipe: less than {least}"
            )
        return int(value)

    def numbers(self, sizes: Sequence[int | str]) -> list[int]:
        """Several sizes."""
        return [self.number(size) for size in sizes]

    def holds(self, when: Mapping[str, Any]) -> bool:
        """Whether the recipe has these values at these paths."""
        return all(
            any(is_like(value, wanted) for value in values_at(self.resolved, path)) for path, wanted in when.items()
        )

    def _at(self, path: str) -> int | float:
        value = next(values_at(self.resolved, path), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            told = "is not in this recipe" if value is None else f"is {shown(value)} in this recipe, and no number"
            raise ValueError(f"{path} {told}; write it in the recipe")
        return value


__all__ = ["Facts"]
