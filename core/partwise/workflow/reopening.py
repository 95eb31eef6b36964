"""A finished run opened again: its model evaluated, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn

from partwise import assembly
from partwise.data.encoded import data_hash
from partwise.data.protocols import Split, Tokenizer
from partwise.decoding.generate import generate_text
from partwise.errors import InputError
from partwise.machine import torch_device
from partwise.modules.protocols import Model
from partwise.parts.kinds import SamplerPart
from partwise.parts.sites import ModelSite
from partwise.provenance.lock import changes, lock
from partwise.recipe import LoadedRecipe, Recipe, load
from partwise.runs.run import Run
from partwise.training.evaluation import Metrics
from partwise.training.evaluation import evaluate as evaluate_model

from .preparation import at, prepare, restored, skeleton

Weights = Literal["last", "best"]


@dataclass(frozen=True, repr=False)
class Reopened:
    """A run with its model in memory."""

    run: Run
    loaded: LoadedRecipe
    tokenizer: Tokenizer
    model: Model
    device: torch.device

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    def __repr__(self) -> str:
        parameters = sum(parameter.numel() for parameter in cast(nn.Module, self.model).parameters())
        return f"<run {self.run.directory}: {parameters:,} parameters, {self.run.state}>"

    def changes(self) -> list[str]:
        """What is not as it was when the run was started, the code of its parts above all; in words."""
        return changes(self.run.lock, lock(self.loaded, None))


def reopen(directory: Path, device: str = "auto", weights: Weights = "last") -> Reopened:
    """A trained run, ready to write or to be evaluated.

    Args:
        weights: the last ones, or those of the checkpoint with the lowest validation loss (of any run that has one).

    Raises:
        InputError: the directory holds no run, or one that is not finished.
        WorkError: a file of it is damaged.
    """
    run = Run.open(directory)
    if not run.finished and weights == "last":
        raise InputError(f"{directory} is not finished; the command that started it continues it")
    loaded = load(run.recipe)
    loaded = replace(loaded, directory=Path(str(run.lock.get("directory", "."))))
    chosen = torch_device(device)
    with at(loaded, "tokenizer"):
        tokenizer = restored(loaded.recipe.tokenizer, run.tokenizer)
    model = skeleton(loaded, ModelSite(tokenizer.vocab_size, tokenizer.end))
    assembly.make_room(model, loaded.recipe.seed, chosen)
    run.load_weights(cast(nn.Module, model), best=weights == "best")
    model.eval()
    return Reopened(run, loaded, tokenizer, model, chosen)


def evaluate(
    reopened: Reopened,
    split: Split = "valid",
    limit: int | None = None,
    context: int | None = None,
    accuracy: bool | None = None,
) -> Metrics:
    """Loss, perplexity and bits per byte of a run's model on a split; on `limit` batches at most, spread over it.

    With a `context`, on sequences of that length, which may be longer than those it was trained on. With the
    accuracy as well if that is asked for, or (None) if the data are examples and not running text.

    Raises:
        InputError: the data is no longer what the run was trained on.
    """
    prepared = prepare(reopened.loaded, tokenizer=reopened.tokenizer)
    batches = prepared.batches
    if context is not None:
        batches = batches.of_length(context)
    # An imported run was trained on texts that nobody here has.
    if reopened.run.lock.get("data") not in (None, data_hash(batches.encoded)):
        raise InputError(
            f"the data has changed since the run in {reopened.run.directory} was trained, so that its figures could "
            "not be compared with the run's own; restore the data, or train again"
        )
    size = reopened.recipe.trainer.batch_size
    counted = prepared.data.form == "examples" if accuracy is None else accuracy
    return evaluate_model(reopened.model, batches, split, size, limit, reopened.device, accuracy=counted)


def generate(
    reopened: Reopened, prompt: str, limit: int, seed: int = 0, sampler: SamplerPart | None = None
) -> Iterator[str]:
    """Text that a run's model writes after `prompt` (or, for a seq2seq model, in answer to it), as it comes."""
    chosen = (sampler or reopened.recipe.sampler).assemble(None)
    pairs = reopened.recipe.model.reads == "pair"
    return generate_text(reopened.model, reopened.tokenizer, prompt, chosen, limit, seed, pairs, reopened.device)
