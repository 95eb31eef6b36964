"""A trained run opened again, to evaluate its model or to generate text with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn

from partwise import assembly
from partwise.data.chat_template import ChatTemplate
from partwise.data.protocols import Data, Split, Tokenizer
from partwise.decoding.generate import generate_text
from partwise.decoding.speculative import refuse_draft
from partwise.decoding.writing import Draft, Writing
from partwise.errors import InputError, PartwiseError
from partwise.machine import torch_device
from partwise.modules.protocols import Model
from partwise.parts.kinds import SamplerPart
from partwise.parts.sites import DataSite
from partwise.provenance.lock import changes, data_places, evaluation_places, lock, start_places
from partwise.recipe import LoadedRecipe, Recipe, RejectedError, load
from partwise.runs.layout import RECIPE
from partwise.runs.run import Run
from partwise.training.evaluation import Metrics
from partwise.training.evaluation import evaluate as evaluate_model

from .placing import at
from .preparation import Prepared, data_of, prepare, skeleton
from .sites import model_site, restored
from .starting import with_adapters

Weights = Literal["last", "best"]


@dataclass(frozen=True, repr=False)
class Reopened:
    """A run with its model in memory."""

    run: Run
    loaded: LoadedRecipe
    tokenizer: Tokenizer
    model: Model
    device: torch.device
    places: tuple[Path, ...] = ()
    """Directories in which the data may be, likeliest first; without any, that of the recipe."""

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    def __repr__(self) -> str:
        parameters = sum(parameter.numel() for parameter in cast(nn.Module, self.model).parameters())
        return f"<run {self.run.directory}: {parameters:,} parameters, {self.run.state}>"

    def changes(self) -> list[str]:
        """What has changed since the run was started, such as the code of its parts; a sentence for each."""
        return changes(self.run.lock, lock(self.loaded, None))

    def data(self) -> Data:
        """The data set of the run's recipe, not yet read.

        Raises:
            InputError: its files are not there; says how to name their new place.
        """
        return data_of(self._with_data())

    def prepare(self) -> Prepared:
        """The recipe's texts, encoded by the run's own tokenizer, or found in the cache.

        Raises:
            InputError: its files are not there; says how to name their new place.
        """
        return prepare(self._with_data(), tokenizer=self.tokenizer)

    def chat_template(self) -> ChatTemplate | None:
        """How the conversations were written out that it was trained on; None if it was trained on none.

        Raises:
            InputError: the file of the template is not there.
        """
        problem: PartwiseError | None = None
        for loaded in self._candidates():
            try:
                return loaded.recipe.data.chat_template(DataSite(loaded.directory_of("data")))
            except PartwiseError as error:
                problem = problem or error
        raise InputError(
            f"cannot find the chat template of the run in {self.run.directory}: {problem}\n"
            "  if its file has moved, name it: --template FILE"
        ) from problem

    def _candidates(self) -> list[LoadedRecipe]:
        return [replace(self.loaded, directory=place) for place in self.places] or [self.loaded]

    def _with_data(self) -> LoadedRecipe:
        """The recipe, with the first directory that has its data."""
        problem: PartwiseError | None = None
        for loaded in self._candidates():
            try:
                data_of(loaded)
            except PartwiseError as error:
                problem = problem or error
            else:
                return loaded
        assert problem is not None, "there is a candidate"
        what = problem.problems[0].message if isinstance(problem, RejectedError) else str(problem)
        raise InputError(
            f"cannot find the data of the run in {self.run.directory}: {what}\n"
            "  if they have moved, name the directory that their names are relative to now: --data DIR"
        ) from problem


def recipe_of(run: Run, data: Path | None = None) -> LoadedRecipe:
    """The recipe of a run, with what it reads where that is now.

    Args:
        data: the directory that names of data files are relative to now.
    """
    loaded = load(run.recipe, name=str(run.directory / RECIPE))
    judges = {
        name: next((place for place in places if place.is_dir()), places[0])
        for name in loaded.recipe.evaluations
        if (places := evaluation_places(run.lock, run.directory, name))
    }
    starts = start_places(run.lock, run.directory)
    if loaded.recipe.start is not None and starts:
        there = next((place for place in starts if place.is_dir()), starts[0])
        start = loaded.recipe.start.model_copy(update={"run": str(there)})
        loaded = replace(loaded, recipe=loaded.recipe.model_copy(update={"start": start}))
    candidates = [replace(loaded, directory=place, judges=judges) for place in data_places(run.lock, run.directory)]
    chosen = next((one for one in candidates if data is None and _has_data(one)), candidates[0])
    return chosen.with_data_in(data)


def _has_data(loaded: LoadedRecipe) -> bool:
    try:
        data_of(loaded)
    except PartwiseError:
        return False
    return True


def reopen(
    directory: Path, device: str = "auto", weights: Weights | Literal["newest"] = "last", data: Path | None = None
) -> Reopened:
    """A trained run, ready to generate text or to be evaluated.

    Args:
        data: the directory that names of data files are relative to now; unless given, as when it was trained, or as
            far from the run as then.
        weights: "last", or "best" for those of the checkpoint with the lowest validation loss, which an unfinished
            run may have, too; or "newest", of a run that has only stopped for now, for those of its newest checkpoint.

    Raises:
        InputError: the directory holds no run, or one that is not finished.
        WorkError: a file of it is damaged.
    """
    run = Run.open(directory)
    if not run.finished and weights == "last":
        raise InputError(f"{directory} is not finished; the command that started it continues it")
    places = tuple(data_places(run.lock, directory))
    loaded = replace(load(run.recipe), directory=places[0]).with_data_in(data)
    chosen = torch_device(device)
    with at(loaded, "tokenizer"):
        tokenizer = restored(loaded.recipe.tokenizer, run.tokenizer)
    model = skeleton(loaded, model_site(loaded, tokenizer))
    assembly.make_room(model, loaded.recipe.seed, chosen)
    with_adapters(cast(nn.Module, model), loaded, None)
    run.load_weights(cast(nn.Module, model), best=weights == "best")
    model.eval()
    return Reopened(run, loaded, tokenizer, model, chosen, places)


def evaluate(
    reopened: Reopened,
    split: Split = "valid",
    limit: int | None = None,
    context: int | None = None,
    accuracy: bool | None = None,
) -> Metrics:
    """Loss, perplexity and bits per byte of a run's model on a split.

    Args:
        limit: batches at most, spread over the split; all of them unless given.
        context: length of the sequences, which may be longer than those the model was trained on.
        accuracy: whether to measure the accuracy as well; unless given, if the data are examples, not running text.

    Raises:
        InputError: the data is no longer what the run was trained on.
    """
    prepared = reopened.prepare()
    # An imported run was trained elsewhere, on texts that are not here.
    if reopened.run.lock.get("data") not in (None, prepared.data_hash):
        raise InputError(
            f"the data has changed since the run in {reopened.run.directory} was trained, so its figures could not be "
            "compared with the run's own; restore the data, name the directory they are in now (--data DIR), or train "
            "again"
        )
    batches = prepared.batches if context is None else prepared.batches.of_length(context)
    size = reopened.recipe.trainer.batch_size
    accuracy = prepared.data.form == "examples" if accuracy is None else accuracy
    return evaluate_model(reopened.model, batches, split, size, limit, reopened.device, accuracy=accuracy)


def writing_of(
    reopened: Reopened,
    limit: int,
    sampler: SamplerPart | None = None,
    stop: Sequence[str] = (),
    special: bool = False,
    draft: Draft | None = None,
) -> Writing:
    """How a run's model writes: by its recipe's sampler, unless told otherwise, and as its model reads.

    Args:
        limit, stop, special, draft: as in `Writing`.

    Raises:
        InputError: the model was trained to see both ways, and cannot write; or not with this draft.
    """
    objective = reopened.recipe.objective
    if not objective.causal:
        raise InputError(
            f"this model cannot write: its objective {objective.name!r} taught it to fill in tokens from both sides, "
            "and not to continue a text"
        )
    chosen = (sampler or reopened.recipe.sampler).assemble(None)
    if draft is not None:
        refuse_draft(reopened.model, draft, chosen)
    pairs = reopened.recipe.model.reads == "pair"
    return Writing(chosen, limit, stop, pairs=pairs, special=special, draft=draft)


def generate(reopened: Reopened, prompt: str, writing: Writing, seed: int = 0) -> Iterator[str]:
    """Text that a run's model writes, piece by piece: it continues `prompt`; a seq2seq model answers it.

    Raises:
        InputError: the prompt cannot be answered; a stop string is empty.
    """
    return generate_text(reopened.model, reopened.tokenizer, prompt, writing, seed)
