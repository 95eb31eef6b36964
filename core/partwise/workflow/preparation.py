"""What a recipe comes to before anything is trained: its data, tokenizer, encoded texts, model and trackers.

prepare   data, tokenizer and encoded texts
check     everything that can be wrong with a recipe, without data or memory
inspect   the figures of its model, likewise

A part that does not fit its place is told of with the place in the recipe's file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from partwise import assembly
from partwise.assembly.inspection import Inspection, inspect_model
from partwise.data.batches import Batches
from partwise.data.cache import cache_directory, made_in_cache
from partwise.data.encoding import encode, training_texts
from partwise.data.protocols import Data, Split, Tokenizer
from partwise.errors import PartError, PartwiseError, WorkError
from partwise.modules.protocols import Model
from partwise.parts.kinds import TokenizerPart
from partwise.parts.sites import DataSite, ModelSite, TokenizerSite
from partwise.provenance.sources import source_hash
from partwise.recipe import LoadedRecipe, Recipe, locate
from partwise.storage.atomic import read_json, write_json
from partwise.training.protocols import Tracker

Say = Callable[[str], None]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
ASSUMED_VOCABULARY = 256
"""For tokenizers that only the texts can tell the size of, where there is no need to read them."""


@dataclass(frozen=True)
class Prepared:
    """A recipe's data, ready to train on."""

    data: Data
    tokenizer: Tokenizer
    batches: Batches


def prepare(loaded: LoadedRecipe, say: Say = lambda line: None, tokenizer: Tokenizer | None = None) -> Prepared:
    """Reads the recipe's data, trains its tokenizer (unless one is given) and encodes every split, or finds
    all that in the cache.

    Raises:
        InputError: the data, or a part that reads it, is not as it must be.
    """
    recipe = loaded.recipe
    with at(loaded, "data"):
        data = recipe.data.assemble(DataSite(loaded.directory_of("data")))
    if tokenizer is None:
        with at(loaded, "tokenizer"):
            tokenizer = _tokenizer(loaded, data, say)
    cache, code = cache_directory(), _code(recipe)
    encoded = {split: encode(data, tokenizer, split, cache, code) for split in SPLITS}
    with at(loaded, "data"):
        batches = Batches(encoded, recipe.model.reads, recipe.model.context, tokenizer.end)
    return Prepared(data, tokenizer, batches)


def _tokenizer(loaded: LoadedRecipe, data: Data, say: Say) -> Tokenizer:
    """The tokenizer trained on the data, kept beside the encoded texts so that it is trained once."""
    part = loaded.recipe.tokenizer
    site = TokenizerSite(lambda: training_texts(data), loaded.directory_of("tokenizer"))
    if not part.learns():
        return part.assemble(site)
    key = json.dumps([_code(loaded.recipe), part.model_dump(mode="json"), data.identity()], sort_keys=True)
    kept = cache_directory() / "tokenizers" / f"{sha256(key.encode()).hexdigest()[:24]}.json"
    if kept.is_file():
        try:
            return part.restore(read_json(kept))
        except (PartwiseError, ValueError):
            kept.unlink(missing_ok=True)
    say(f"training the tokenizer ({part.name})")
    tokenizer = part.assemble(site)
    made_in_cache(kept.parent)
    write_json(kept, tokenizer.to_json())
    return tokenizer


def _code(recipe: Recipe) -> str:
    """Changes when the code that reads and encodes texts does."""
    return source_hash(type(recipe.data)) + source_hash(type(recipe.tokenizer))


def restored(part: TokenizerPart, content: dict[str, Any]) -> Tokenizer:
    """A tokenizer from what a run, maybe a stranger's, holds of it.

    Raises:
        PartwiseError: no tokenizer of this kind ever was like that.
    """
    try:
        return part.restore(content)
    except PartwiseError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise WorkError(
            f"the run's tokenizer.json is not that of a tokenizer {part.name!r}: {type(error).__name__}: {error}"
        ) from error


def skeleton(loaded: LoadedRecipe, site: ModelSite) -> Model:
    """The recipe's model on the meta device.

    Raises:
        RecipeError: a part does not fit its place; the message shows where in the file.
    """
    with at(loaded, "model"):
        return assembly.skeleton(loaded.recipe.model, site)


def trackers(loaded: LoadedRecipe) -> list[tuple[str, Tracker]]:
    """The recipe's trackers with their names.

    Raises:
        RecipeError: one of them does not fit its place.
    """
    made = []
    for index, part in enumerate(loaded.recipe.trackers):
        with at(loaded, "trackers", index):
            made.append((part.name, part.assemble(None)))
    return made


def planned_vocabulary(recipe: Recipe) -> tuple[int, bool]:
    """Most tokens the vocabulary can have, without reading any text; and whether that is known, or assumed."""
    planned = recipe.tokenizer.planned_vocabulary()
    return (ASSUMED_VOCABULARY, False) if planned is None else (planned, True)


def check(loaded: LoadedRecipe) -> None:
    """Assembles the recipe's model on the meta device, and its other parts as far as that reads no text.

    Raises:
        RecipeError: something does not fit its place.
    """
    vocabulary, _ = planned_vocabulary(loaded.recipe)
    with at(loaded, "data"):
        loaded.recipe.data.assemble(DataSite(loaded.directory_of("data")))
    skeleton(loaded, ModelSite(vocabulary))
    with at(loaded, "trainer"):
        loaded.recipe.trainer.assemble(None)
    with at(loaded, "sampler"):
        loaded.recipe.sampler.assemble(None)
    trackers(loaded)


def inspect(loaded: LoadedRecipe, vocabulary: int | None = None) -> Inspection:
    """The figures of a recipe's model, without allocating its weights.

    Raises:
        RecipeError: something does not fit its place.
    """
    with at(loaded, "model"):
        return inspect_model(loaded.recipe.model, ModelSite(vocabulary or planned_vocabulary(loaded.recipe)[0]))


@contextmanager
def at(loaded: LoadedRecipe, *place: str | int) -> Iterator[None]:
    """Turns the failure of a part assembled within into one that shows its place in the recipe's file."""
    try:
        yield
    except PartError as error:
        raise locate(loaded, PartError(error.message, (*place, *(error.path or ())))) from error


__all__ = [
    "ASSUMED_VOCABULARY",
    "SPLITS",
    "Prepared",
    "at",
    "check",
    "inspect",
    "planned_vocabulary",
    "prepare",
    "restored",
    "skeleton",
    "trackers",
]
