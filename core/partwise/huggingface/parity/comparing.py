"""Compares a checkpoint's model, built by a family's map and recipe, with that of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partwise.errors import InputError, WorkError
from partwise.huggingface.checkpoint import CONFIG, read_config
from partwise.huggingface.families import chosen
from partwise.huggingface.family import Family
from partwise.huggingface.map_rules import refuse_broken

if TYPE_CHECKING:
    from .both import Check
    from .locating import Compared, FirstDifference


@dataclass(frozen=True)
class Parity:
    """What a comparison found."""

    family: Family
    config: Mapping[str, Any]
    """The settings of the models compared: those of the checkpoint, or reduced."""
    reduced: bool
    parameters: int
    transformers: str
    checks: tuple[Check, ...]
    modules: tuple[Compared, ...]
    """Every pair of modules, in the order of the pass."""
    first: FirstDifference | None

    @property
    def equal(self) -> bool:
        """Whether nothing differs that could be compared."""
        return all(check.equal is not False for check in self.checks)


def compare(
    directory: Path, recipe: str | None = None, map_file: Path | None = None, reduce: bool = False, seed: int = 0
) -> Parity:
    """
    Args:
        directory: a checkpoint directory; one with a config.json alone is compared at reduced sizes.
        recipe: in place of the family's; a name or a file.
        map_file: the family's map; by default that of the shipped family with this `model_type`.
        reduce: whether to leave the weights that there are, and compare at reduced sizes.

    Raises:
        InputError: the two cannot be compared.
    """
    try:
        return _compared(directory, recipe, map_file, reduce, seed)
    except WorkError as error:  # a damaged file, too little memory
        raise InputError(str(error)) from error


def _compared(directory: Path, recipe: str | None, map_file: Path | None, reduce: bool, seed: int) -> Parity:
    from . import ours as our_side
    from . import theirs as their_side
    from .both import answers
    from .passes import drawn

    library = their_side.library()
    config = read_config(directory)
    family = _family(config, recipe, map_file)
    reduce = reduce or not their_side.has_weights(directory)
    place = str(directory / CONFIG)
    if reduce and family.config is None:
        raise InputError(
            f'{family.place} has no "config", so that no recipe can be made for reduced sizes; give a directory that '
            "has weights, or say in the map what the keys of config.json mean"
        )
    our_side.recipe_of(family, config, place)  # what the settings say is refused before any work
    with their_side.quiet():
        reduced_place = f"{place} at reduced sizes" if reduce else place
        theirs = their_side.made(
            family, config, directory, reduce, seed, lambda sizes: our_side.refuse_misfit(family, sizes, reduced_place)
        )
        vocabulary = theirs.model.get_input_embeddings().num_embeddings
        loaded = our_side.recipe_of(family, theirs.config, reduced_place)
        ours = our_side.filled(family, loaded, vocabulary, theirs.tensors, directory)
        whole = theirs.model.config.to_dict()
        asked = drawn(whole, vocabulary, ours.model.context, ours.reads_pairs, ours.causal, seed)
        parameters = sum(parameter.numel() for parameter in ours.module.parameters())
        found = answers(theirs, ours, asked)
    return Parity(
        family,
        theirs.config,
        theirs.reduced,
        parameters,
        library.__version__,
        tuple(found.checks),
        tuple(found.modules),
        found.first,
    )


def _family(config: Mapping[str, Any], recipe: str | None, map_file: Path | None) -> Family:
    family = chosen(map_file, config)
    if recipe is not None:
        given = str(Path(recipe).absolute()) if Path(recipe).is_file() else recipe
        family = family.model_copy(update={"recipe": given})
    refuse_broken(family)
    return family
