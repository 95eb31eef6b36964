"""What a recipe comes to before any memory is allocated for its model.

check     assembles all of its parts, without reading texts
prepare   reads and encodes its texts, and trains its tokenizer
inspect   the figures of its model, without texts

When a part does not fit its place, the error shows that place in the recipe's file.
"""

from __future__ import annotations

import copy
import glob
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from torch import nn

from partwise import assembly
from partwise.assembly.activations import TrainingCosts
from partwise.assembly.activations import training_costs as costs_of
from partwise.assembly.inspection import Inspection, batch_without_content, inspect_model
from partwise.data.batches import Batches
from partwise.data.cache import cache_directory, made_in_cache
from partwise.data.encoded import EncodedSplit, SplitFacts, data_hash
from partwise.data.encoding import encode, training_texts
from partwise.data.marks import marks_of
from partwise.data.mixed import members_of, split_of
from partwise.data.packing import Packing
from partwise.data.protocols import Data, Split, Tokenizer
from partwise.data.row_layout import refuse_layout
from partwise.data.specials import with_specials
from partwise.errors import PartError, PartwiseError
from partwise.modules.protocols import Model
from partwise.parts.kinds import DataPart
from partwise.parts.part import parts_within
from partwise.parts.sites import DataSite, ModelSite, TokenizerSite
from partwise.provenance.sources import source_hash
from partwise.recipe import LoadedRecipe, Recipe
from partwise.storage.atomic import read_json, write_json
from partwise.training.protocols import Tracker, Trainer
from partwise.wording import many

from .evaluations import Named, evaluations_of
from .placing import at
from .sites import model_site
from .starting import Beginning, beginning, learn, refuse_other_model, start_of

Say = Callable[[str], None]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
ASSUMED_VOCABULARY = 256
"""Stands for the size of a vocabulary that only the texts decide, where they are not read."""


@dataclass(frozen=True)
class Assembled:
    """A recipe's parts, assembled as far as that reads no text and takes no memory."""

    data: Data
    site: ModelSite
    model: Model
    """Built for `site`, on the meta device."""
    trainer: Trainer
    trackers: tuple[tuple[str, Tracker], ...]
    """With their names."""
    evaluations: tuple[Named, ...]
    start: Beginning | None = None
    """What the recipe starts from, if it does."""


@dataclass(frozen=True)
class Prepared:
    """A recipe with its texts read and encoded: all that comes before memory is allocated for a model."""

    loaded: LoadedRecipe
    data: Data
    tokenizer: Tokenizer
    batches: Batches

    @property
    def site(self) -> ModelSite:
        """Where the model is built."""
        return model_site(self.loaded, self.tokenizer, self.batches.encoded.get("train"))

    @property
    def data_hash(self) -> str:
        """A hash of all texts."""
        return data_hash(self.batches.encoded)

    @property
    def tokens_per_row(self) -> float:
        """Scored tokens that a row of a training batch has on average."""
        train, packing = self.batches.encoded["train"], self.batches.packing
        if packing is not None:
            return train.scored_tokens / packing.rows
        if train.form == "stream" or not isinstance(train, EncodedSplit) or train.bounds is None:
            return self.batches.tokens_per_row
        return train.scored_tokens / max(1, len(train.bounds) - 1)

    def skeleton(self) -> Model:
        """The model on the meta device, without adapters; a new one at each call, since filling a skeleton changes
        it."""
        return skeleton(self.loaded, self.site)

    def learning(self) -> Model:
        """The same with its adapters, and knowing which of its weights learn."""
        return _learning(self.loaded, self.skeleton())

    def for_recipe(self, loaded: LoadedRecipe) -> Prepared:
        """The same for another recipe with this data and this tokenizer; reads and encodes nothing.

        Raises:
            InputError: the data does not suit the model.
        """
        return replace(self, loaded=loaded, batches=batches_of(loaded, self.batches.encoded, self.tokenizer))


def check(loaded: LoadedRecipe, directory: Path | None = None) -> Assembled:
    """Assembles the recipe's model on the meta device, and its other parts as far as that reads no text.

    Args:
        directory: of the run that is to be trained.

    Raises:
        RecipeError: a part does not fit its place, or the recipe cannot start from what it says; the message shows
            where in the file.
    """
    start = beginning(loaded, directory)
    site = _planned_site(loaded) if start is None else model_site(loaded, start.tokenizer)
    data, model = data_of(loaded), skeleton(loaded, site)
    if start is not None:
        refuse_other_model(loaded, model, start)
    with at(loaded):
        recipe = loaded.recipe
        refuse_layout(recipe.rows, data.form, recipe.model.reads, bool(members_of(data)))
    learning = _learning(loaded, model)
    with at(loaded, "trainer"):
        trainer = loaded.recipe.trainer.assemble(None)
        loaded.recipe.trainer.suits(cast(nn.Module, learning))
    with at(loaded, "sampler"):
        loaded.recipe.sampler.assemble(None)
    return Assembled(data, site, model, trainer, tuple(_trackers(loaded)), evaluations_of(loaded, model), start)


def _learning(loaded: LoadedRecipe, model: Model) -> Model:
    """The model as it learns: itself or, with adapters or with weights that stay as they are, another like it."""
    if loaded.recipe.adapter is None and loaded.recipe.trainable is None:
        return model
    other = cast(nn.Module, copy.deepcopy(model))
    learn(other, loaded, None)
    return cast(Model, other)


def prepare(
    loaded: LoadedRecipe, say: Say = lambda line: None, tokenizer: Tokenizer | None = None, data: Data | None = None
) -> Prepared:
    """Reads the recipe's data, trains its tokenizer and encodes every split, or finds all that in the cache.

    Args:
        say: called with a line before anything that takes a while.
        tokenizer: taken instead of training the recipe's; a run's own. Unless given, a recipe with a start has that of
            its start.
        data: the recipe's data set, if it is already assembled.

    Raises:
        InputError: the data, or a part that reads it, is not as it must be.
    """
    data = data_of(loaded) if data is None else data
    if tokenizer is None and (start := beginning(loaded)) is not None:
        tokenizer = start.tokenizer
    if tokenizer is None:
        tokenizer = tokenizer_of(loaded, data, say)
    batches = batches_of(loaded, encoded_splits(loaded, data, tokenizer, say=say), tokenizer)
    for note in batches.notes():
        say(f"note: {note}")
    if batches.packing is not None:
        say(_packed(batches.packing, batches.context))
    return Prepared(loaded, data, tokenizer, batches)


def encoded_splits(
    loaded: LoadedRecipe,
    data: Data,
    tokenizer: Tokenizer,
    splits: Sequence[Split] = SPLITS,
    say: Say = lambda line: None,
) -> dict[Split, SplitFacts]:
    """Splits of the recipe's data as token ids: encoded now, or found in the cache; of a mixture, each member."""
    return {split: _encoded(loaded.recipe, data, tokenizer, split, say) for split in splits}


def _encoded(recipe: Recipe, data: Data, tokenizer: Tokenizer, split: Split, say: Say) -> SplitFacts:
    cache, code = cache_directory(), cache_key_of(recipe)

    def encoded(one: Data) -> SplitFacts:
        return encode(one, tokenizer, split, cache, code, say)

    return split_of(data, split, tokenizer, encoded)


def data_of(loaded: LoadedRecipe) -> Data:
    """The recipe's data set; its files have been found, and not yet read.

    Raises:
        InputError: a file is missing, or the part does not fit its place.
    """
    part = loaded.recipe.data if loaded.data_directory is None else _relative_names(loaded.recipe.data)
    with at(loaded, "data"):
        return part.assemble(DataSite(loaded.directory_of("data")))


def _relative_names(part: DataPart) -> DataPart:
    """The part, and those within it, with absolute names of files cut to what is below the directory that they have in
    common, since that is what moves with them."""
    absolute = [name for name in _names(part) if _is_file_name(name)]
    if not absolute:
        return part
    common = os.path.commonpath([os.path.dirname(name) for name in absolute])
    while glob.has_magic(common):
        common = os.path.dirname(common)

    def moved(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        if isinstance(value, dict):
            return {key: moved(one) for key, one in value.items()}
        if isinstance(value, DataPart):
            knobs = {name: getattr(value, name) for name in type(value).model_fields}
            return value.model_copy(update={name: moved(one) for name, one in knobs.items()})
        return os.path.relpath(value, common) if isinstance(value, str) and _is_file_name(value) else value

    found: DataPart = moved(part)
    return found


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _names(one)
    elif isinstance(value, dict):
        yield from _names(tuple(value.values()))
    elif isinstance(value, DataPart):
        yield from _names(tuple(getattr(value, name) for name in type(value).model_fields))


def _is_file_name(text: str) -> bool:
    return os.path.isabs(text) and os.path.basename(text) != ""


def batches_of(loaded: LoadedRecipe, encoded: Mapping[Split, SplitFacts], tokenizer: Tokenizer) -> Batches:
    """Batches for the recipe's model.

    Raises:
        InputError: the data does not suit the model.
    """
    recipe = loaded.recipe
    with at(loaded, "data"):
        if "train" in encoded and not encoded["train"].scored_tokens:
            raise PartError("nothing of the train split is scored, so that nothing can be learned from it")
        marks, per_update = marks_of(tokenizer), recipe.trainer.rows_per_update()
        return Batches(encoded, recipe.model.reads, recipe.model.context, marks, recipe.rows, per_update)


def _packed(packing: Packing, context: int) -> str:
    examples, rows = many(len(packing.members), "example"), many(packing.rows, "row")
    return f"packed {examples} into {rows} of at most {context} tokens, of which {packing.padding:.1%} is padding"


def tokenizer_of(loaded: LoadedRecipe, data: Data, say: Say) -> Tokenizer:
    """The recipe's tokenizer, trained on its data or found in the cache, with the special tokens that the data name.

    Raises:
        RecipeError: the part does not fit its place; the message shows where in the file.
    """
    with at(loaded, "tokenizer"):
        found = _tokenizer(loaded, data, say)
    with at(loaded, "data"):
        return with_specials(found, loaded.recipe.data.specials())


def _tokenizer(loaded: LoadedRecipe, data: Data, say: Say) -> Tokenizer:
    """The tokenizer trained on the data, or found in the cache, where it is kept so that it is trained once."""
    part = loaded.recipe.tokenizer
    site = TokenizerSite(lambda: training_texts(data), loaded.directory_of("tokenizer"), say)
    if not part.learns():
        return part.assemble(site)
    kept = _kept(loaded, data)
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


def _kept(loaded: LoadedRecipe, data: Data) -> Path:
    """Where the cache keeps the tokenizer that is trained on the data."""
    part = loaded.recipe.tokenizer
    key = json.dumps([cache_key_of(loaded.recipe), part.model_dump(mode="json"), data.identity()], sort_keys=True)
    return cache_directory() / "tokenizers" / f"{sha256(key.encode()).hexdigest()[:24]}.json"


def tokenizer_before(loaded: LoadedRecipe, data: Data) -> Tokenizer | None:
    """The recipe's tokenizer, if no text is read for it: that of its start, one that does not learn, or one that was
    trained on the data before."""
    start = beginning(loaded)
    if start is not None:
        return start.tokenizer
    if loaded.recipe.tokenizer.learns() and not _kept(loaded, data).is_file():
        return None
    return tokenizer_of(loaded, data, lambda line: None)


def cache_key_of(recipe: Recipe) -> str:
    """A hash that changes with the code that reads and encodes texts."""
    within = {source_hash(type(part)) for _, part in parts_within(recipe.data)}
    return "".join(sorted({source_hash(type(recipe.data)), *within})) + source_hash(type(recipe.tokenizer))


def skeleton(loaded: LoadedRecipe, site: ModelSite) -> Model:
    """The recipe's model on the meta device.

    Raises:
        RecipeError: a part does not fit its place; the message shows where in the file.
    """
    with at(loaded, "model"):
        return assembly.skeleton(loaded.recipe.model, site)


def _planned_site(loaded: LoadedRecipe, vocabulary: int | None = None) -> ModelSite:
    """The same, before there is a tokenizer."""
    objective, planned = loaded.recipe.objective, vocabulary or planned_vocabulary(loaded.recipe)[0]
    return ModelSite(planned + len(objective.reserves()), objective=objective)


def _trackers(loaded: LoadedRecipe) -> Iterator[tuple[str, Tracker]]:
    for index, part in enumerate(loaded.recipe.trackers):
        with at(loaded, "trackers", index):
            yield part.name, part.assemble(None)


def planned_vocabulary(recipe: Recipe) -> tuple[int, bool]:
    """Most tokens that the vocabulary can have, and whether that is known rather than assumed; reads no text."""
    planned = recipe.tokenizer.planned_vocabulary()
    return (ASSUMED_VOCABULARY, False) if planned is None else (planned + len(recipe.data.specials()), True)


def inspect(loaded: LoadedRecipe, vocabulary: int | None = None) -> Inspection:
    """The figures of a recipe's model, without allocating its weights.

    Raises:
        RecipeError: a part does not fit its place.
    """
    model, site = _without_weights(loaded, vocabulary)
    return inspect_model(loaded.recipe.model, site, model)


def training_costs(loaded: LoadedRecipe, vocabulary: int | None = None) -> TrainingCosts | None:
    """What training of a recipe's model takes for each row; None if its work depends on the data.

    Raises:
        RecipeError: a part does not fit its place.
    """
    model, _ = _without_weights(loaded, vocabulary)
    return costs_of(model, batch_without_content(loaded.recipe.model, model.context))


def _without_weights(loaded: LoadedRecipe, vocabulary: int | None) -> tuple[Model, ModelSite]:
    start = start_of(loaded) if vocabulary is None else None
    site = _planned_site(loaded, vocabulary) if start is None else model_site(loaded, start.tokenizer)
    model = skeleton(loaded, site)
    learn(cast(nn.Module, model), loaded, None)
    return model, site
