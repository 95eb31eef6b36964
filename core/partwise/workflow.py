"""From a recipe to a trained model and back: what the command line and notebooks call.

prepare   data, tokenizer and encoded texts
train     prepare, assemble, fit; leaves a run directory
reopen    a run directory as recipe, tokenizer and model
check     everything that can be wrong with a recipe, without data or memory
inspect   the figures of its model, likewise
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from . import assembly
from .batches import Batches
from .decoding import generate_text
from .distributed import Processes, joined, own_device
from .encoding import cache_directory, data_hash, encode, made_in_cache, training_texts
from .errors import InputError, PartError, PartwiseError, WorkError
from .evaluation import Metrics
from .evaluation import evaluate as evaluate_model
from .files import read_json, write_json
from .inspection import Inspection, inspect_model
from .interfaces import Data, Model, Progress, Split, Tokenizer, Tracker, Training
from .kinds import SamplerPart, TokenizerPart
from .profiling import TRACE, profiled
from .provenance import changes, lock, source_hash
from .recipe import LoadedRecipe, Recipe, load, locate
from .run import Run, alone_in
from .sites import DataSite, ModelSite, TokenizerSite
from .tracking import telling

if TYPE_CHECKING:
    pass

Say = Callable[[str], None]
Weights = Literal["last", "best"]
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
    with _at(loaded, "data"):
        data = recipe.data.assemble(DataSite(loaded.directory_of("data")))
    if tokenizer is None:
        with _at(loaded, "tokenizer"):
            tokenizer = _tokenizer(loaded, data, say)
    cache, code = cache_directory(), _code(recipe)
    encoded = {split: encode(data, tokenizer, split, cache, code) for split in SPLITS}
    with _at(loaded, "data"):
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


def assemble_model(loaded: LoadedRecipe, site: ModelSite, seed: int, device: torch.device) -> Model:
    """The recipe's model with its first weights.

    Raises:
        RecipeError: a part does not fit its place; the message shows where in the file.
    """
    return assembly.materialise(_skeleton(loaded, site), seed, device)


def _skeleton(loaded: LoadedRecipe, site: ModelSite) -> Model:
    with _at(loaded, "model"):
        return assembly.skeleton(loaded.recipe.model, site)


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
    model = _skeleton(loaded, site)
    # Of several processes each may come to hold a share only; the trainer knows.
    first_device = device if together.count == 1 else torch.device("cpu")
    assembly.refuse_if_too_large(model, first_device)
    directory = default_directory(loaded) if out is None else out
    with _run_of(loaded, directory, prepared, together, say) as run:
        if together.from_first(together.first and run.finished):
            say("this run is finished; nothing is left to do")
            return run
        assembly.materialise(model, recipe.seed, first_device)
        trackers = _trackers(loaded) if together.first else []
        with (
            _at(loaded, "trainer"),
            telling(trackers, run, report, say) as reported,
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


def _trackers(loaded: LoadedRecipe) -> list[tuple[str, Tracker]]:
    trackers = []
    for index, part in enumerate(loaded.recipe.trackers):
        with _at(loaded, "trackers", index):
            trackers.append((part.name, part.assemble(None)))
    return trackers


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
    with _at(loaded, "tokenizer"):
        tokenizer = restored(loaded.recipe.tokenizer, run.tokenizer)
    model = assemble_model(loaded, ModelSite(tokenizer.vocab_size, tokenizer.end), loaded.recipe.seed, chosen)
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
        batches = Batches(batches.encoded, reopened.recipe.model.reads, context, reopened.tokenizer.end)
    # An imported run was trained on texts that nobody here has.
    if reopened.run.lock.get("data") not in (None, data_hash(batches.encoded)):
        raise InputError(
            f"the data has changed since the run in {reopened.run.directory} was trained, so that its figures could "
            "not be compared with the run's own; restore the data, or train again"
        )
    size = reopened.recipe.trainer.batch_size
    counted = prepared.data.form == "examples" if accuracy is None else accuracy
    return evaluate_model(reopened.model, batches, split, size, limit, reopened.device, accuracy=counted)


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


def generate(
    reopened: Reopened, prompt: str, limit: int, seed: int = 0, sampler: SamplerPart | None = None
) -> Iterator[str]:
    """Text that a run's model writes after `prompt` (or, for a seq2seq model, in answer to it), as it comes."""
    chosen = (sampler or reopened.recipe.sampler).assemble(None)
    pairs = reopened.recipe.model.reads == "pair"
    return generate_text(reopened.model, reopened.tokenizer, prompt, chosen, limit, seed, pairs, reopened.device)


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
    with _at(loaded, "data"):
        loaded.recipe.data.assemble(DataSite(loaded.directory_of("data")))
    _skeleton(loaded, ModelSite(vocabulary))
    with _at(loaded, "trainer"):
        loaded.recipe.trainer.assemble(None)
    with _at(loaded, "sampler"):
        loaded.recipe.sampler.assemble(None)
    _trackers(loaded)


def inspect(loaded: LoadedRecipe, vocabulary: int | None = None) -> Inspection:
    """The figures of a recipe's model, without allocating its weights.

    Raises:
        RecipeError: something does not fit its place.
    """
    with _at(loaded, "model"):
        return inspect_model(loaded.recipe.model, ModelSite(vocabulary or planned_vocabulary(loaded.recipe)[0]))


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


@contextmanager
def _at(loaded: LoadedRecipe, *place: str | int) -> Iterator[None]:
    """Turns the failure of a part assembled within into one that shows its place in the recipe's file."""
    try:
        yield
    except PartError as error:
        raise locate(loaded, PartError(error.message, (*place, *(error.path or ())))) from error


__all__ = [
    "Prepared",
    "Reopened",
    "assemble_model",
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
