"""From a recipe to a trained model and back: what the command line and notebooks call.

train     prepare, assemble, fit; leaves a run directory
reopen    a run directory as recipe, tokenizer and model
evaluate  how good that model is
generate  what it writes

What needs no run (`prepare`, `check`, `inspect` ...) is in `preparation`, and can be called from here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import torch
from torch import nn

from . import assembly
from .decoding import generate_text
from .distributed import Processes, joined, own_device
from .encoding import data_hash
from .errors import InputError
from .evaluation import Metrics
from .evaluation import evaluate as evaluate_model
from .inspection import inspect_model
from .interfaces import Model, Progress, Split, Tokenizer, Training
from .kinds import SamplerPart
from .preparation import (
    Prepared,
    at,
    check,
    inspect,
    planned_vocabulary,
    prepare,
    restored,
    skeleton,
    trackers,
)
from .profiling import TRACE, profiled
from .provenance import changes, lock
from .recipe import LoadedRecipe, Recipe, load
from .run import Run, alone_in
from .sites import ModelSite
from .tracking import telling

Say = Callable[[str], None]
Weights = Literal["last", "best"]


def train(
    loaded: LoadedRecipe,
    out: Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    report: Callable[[Progress], None] = lambda progress: None,
    say: Say = lambda line: None,
    profile: int = 0,
) -> Run:
    """Trains a recipe, or continues where an interrupted training of it stopped, and returns its run.

    Called by several processes that `torchrun` has started, it trains together with the others; only the first of
    them reports and says something, and only its run may be read.

    Args:
        out: directory of the run; by default `default_directory`.
        seed: in place of the recipe's own.
        device: "cpu", "cuda", or "auto" for the best there is.
        report: called after every step.
        say: called with a line about what is going on before the first step.
        profile: steps of which to write a trace of the time spent, into the run's directory.

    Raises:
        PartwiseError: see its subclasses; what was trained before the failure is kept in the directory.
    """
    if seed is not None:
        loaded = replace(loaded, recipe=loaded.recipe.model_copy(update={"seed": seed}))
    chosen = own_device(torch_device(device))
    with joined(chosen) as together:
        if together.first:
            return _train(loaded, out, chosen, together, report, say, profile)
        return _train(loaded, out, chosen, together, lambda progress: None, lambda line: None, 0)


def _train(
    loaded: LoadedRecipe,
    out: Path | None,
    device: torch.device,
    together: Processes,
    report: Callable[[Progress], None],
    say: Say,
    profile: int,
) -> Run:
    recipe = loaded.recipe
    check(loaded)
    with together.first_before_others():  # who find in the cache what it made
        prepared = prepare(loaded, say)
    site = ModelSite(prepared.tokenizer.vocab_size, prepared.tokenizer.end)
    # Before the run has a directory: what does not fit the machine leaves none behind.
    model = skeleton(loaded, site)
    # Of several processes each may come to hold a share only; the trainer knows.
    first_device = device if together.count == 1 else torch.device("cpu")
    assembly.refuse_if_too_large(model, first_device)
    directory = default_directory(loaded) if out is None else out
    with _run_of(loaded, directory, prepared, together, say) as run:
        if together.from_first(together.first and run.finished):
            say("this run is finished; nothing is left to do")
            return run
        assembly.materialise(model, recipe.seed, first_device)
        told = trackers(loaded) if together.first else []
        with (
            at(loaded, "trainer"),
            telling(told, run, report, say) as reported,
            profiled(directory / TRACE, profile, say) as stepped,
        ):

            def heard(progress: Progress) -> None:
                reported(progress)
                stepped()

            def flops() -> float:
                return inspect_model(recipe.model, site).flops_per_token

            trainer = recipe.trainer.assemble(None)
            trainer.fit(Training(model, prepared.batches, run, recipe.seed, device, heard, flops))
    return run


@contextmanager
def _run_of(loaded: LoadedRecipe, directory: Path, prepared: Prepared, together: Processes, say: Say) -> Iterator[Run]:
    """The run to train, which no other process may train meanwhile; in processes but the first, no more than its name.

    Raises:
        InputError: it was started on other data, or is another recipe's.
        WorkError: another process is training it, or it cannot be written.
    """
    resolved, tokenizer, texts = (
        loaded.recipe.resolved(),
        prepared.tokenizer.to_json(),
        data_hash(prepared.batches.encoded),
    )
    if not together.first:
        yield Run(directory, resolved, tokenizer, {})
        return
    with alone_in(directory):
        now = lock(loaded, texts)
        run = Run.create(directory, resolved, tokenizer, now, say)
        for change in changes(run.lock, now):
            say(f"note: since this run was started, {change}")
        if run.lock.get("data") != texts:
            raise InputError(
                f"the data has changed since the run in {directory} was started; train into another directory (--out)"
            )
        yield run


def default_directory(loaded: LoadedRecipe, seed: int | None = None) -> Path:
    """Where a run is kept unless said otherwise: runs/NAME-FINGERPRINT-sSEED."""
    recipe = loaded.recipe
    return Path("runs") / f"{recipe.name}-{recipe.fingerprint()}-s{recipe.seed if seed is None else seed}"


@dataclass(frozen=True)
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


def torch_device(name: str) -> torch.device:
    """The device called "cpu", "cuda", "cuda:1" ..., or the best there is for "auto".

    Raises:
        InputError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":  # where tensors have no content
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device {name!r} here; use cpu or auto") from error
    return device


__all__ = [
    "Prepared",
    "Reopened",
    "check",
    "default_directory",
    "evaluate",
    "generate",
    "inspect",
    "planned_vocabulary",
    "prepare",
    "reopen",
    "torch_device",
    "train",
]
