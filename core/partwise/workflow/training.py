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
from dataclasses import replace
from pathlib import Path

import torch

from partwise import assembly
from partwise.assembly.inspection import inspect_model
from partwise.data.encoded import data_hash
from partwise.errors import InputError
from partwise.machine import torch_device
from partwise.parts.sites import ModelSite
from partwise.provenance.lock import changes, lock
from partwise.recipe import LoadedRecipe
from partwise.runs.run import Run, alone_in
from partwise.training.distributed import Processes, joined, own_device
from partwise.training.profiling import TRACE, profiled
from partwise.training.protocols import Progress, Training
from partwise.training.tracking import notifying

from .preparation import Prepared, at, check, prepare, skeleton, trackers

Say = Callable[[str], None]


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
            notifying(told, run, report, say) as reported,
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


__all__ = ["default_directory", "train"]
