"""The model of a family's recipe, with the weights of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from partwise.errors import InputError, PartError, PartwiseError
from partwise.huggingface.convert import placed
from partwise.huggingface.facts import Facts
from partwise.huggingface.family import Family
from partwise.huggingface.filling import fill
from partwise.parts.sites import ModelSite
from partwise.recipe import LoadedRecipe

if TYPE_CHECKING:
    from torch import Tensor, nn

    from partwise.huggingface.weight_entry import Matched
    from partwise.modules import Model


@dataclass(frozen=True)
class Ours:
    """A model of ours in float32 and evaluation mode."""

    model: Model
    loaded: LoadedRecipe
    plan: list[Matched]
    """Which of its tensors are which of theirs."""

    @property
    def module(self) -> nn.Module:
        return cast("nn.Module", self.model)

    @property
    def causal(self) -> bool:
        """Whether it writes, one token after the other."""
        return self.reads_pairs or self.loaded.recipe.objective.causal

    @property
    def reads_pairs(self) -> bool:
        return self.loaded.recipe.model.reads == "pair"


def recipe_of(family: Family, config: Mapping[str, Any], place: str) -> LoadedRecipe:
    """The family's recipe with these settings; as it is, if the map has none for them.

    Raises:
        InputError: they are not in the map, or make no recipe; the message begins with `place`.
    """
    try:
        return family.changed_recipe() if family.config is None else family.recipe_for(config)
    except InputError as error:
        raise InputError(placed(place, error)) from error


def refuse_misfit(family: Family, config: Mapping[str, Any], place: str) -> None:
    """
    Raises:
        InputError: no model of ours has these settings; the message begins with `place`.
    """
    size = config.get("vocab_size")
    try:
        _skeleton(recipe_of(family, config, place), size if isinstance(size, int) and size > 0 else 2)
    except PartError as error:
        raise InputError(f"{place}: {error}") from error


def _skeleton(loaded: LoadedRecipe, vocabulary: int) -> Model:
    from partwise import assembly

    objective = loaded.recipe.objective
    site = ModelSite(vocabulary) if objective.causal else ModelSite(vocabulary, objective=objective)
    return assembly.skeleton(loaded.recipe.model, site)


def filled(family: Family, loaded: LoadedRecipe, vocabulary: int, tensors: Mapping[str, Tensor], place: Path) -> Ours:
    """
    Raises:
        InputError: the map does not fill this model from these tensors.
    """
    model = _skeleton(loaded, vocabulary)
    module = cast("nn.Module", model)
    try:
        plan = family.weights.plan(module, Facts.of(loaded))
        fill(family, model, loaded.recipe.seed, tensors, Facts.of(loaded))
    except PartwiseError as error:
        raise InputError(f"{place}: {error}") from error
    module.eval()
    return Ours(model, loaded, plan)
