"""From a recipe to a trained model, in three steps: prepare, open a run, fit."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import torch
from torch import nn

from partwise import assembly
from partwise.data.protocols import Tokenizer
from partwise.errors import InputError, PartwiseError, WorkError
from partwise.machine import torch_device
from partwise.provenance.lock import changes, lock
from partwise.recipe import LoadedRecipe, RejectedError
from partwise.runs.run import Run, alone_in
from partwise.storage.atomic import write_text
from partwise.training.decoration import Decoration
from partwise.training.distributed import Processes, local_device, process_group, processes_here
from partwise.training.profiling import TRACE, profiled
from partwise.training.protocols import Progress, Training
from partwise.training.tracking import notifying

from .evaluations import WhileTraining, reader_of
from .mixtures import in_words, mixture_plan
from .placing import at
from .preparation import Assembled, Prepared, check, data_of, inspect, prepare
from .starting import Beginning, begin, begin_by_parts, tell

Report = Callable[[Progress], None]
Say = Callable[[str], None]
FLOPS = "the model's FLOPs"


def train(
    loaded: LoadedRecipe,
    out: Path | None = None,
    seed: int | None = None,
    device: str = "auto",
    report: Report = lambda progress: None,
    say: Say = lambda line: None,
    profile: int = 0,
    until: int | None = None,
) -> Run:
    """Trains a recipe, or continues where an interrupted training of it stopped, and returns its run.

    Called by several processes that `torchrun` has started, it trains together with the others; only the first of
    them calls `report` and `say`, and only its run may be read.

    Args:
        out: directory of the run; by default `default_directory`.
        seed: in place of the recipe's own.
        device: "cpu", "cuda", or "auto" for the best there is.
        report: called after every step.
        say: called with a line about what is going on before the first step.
        profile: steps of which to write a trace of the time spent, into the run's directory.
        until: updates after which to stop with a checkpoint, from which the next call goes on.

    Raises:
        PartwiseError: see its subclasses; what was trained before the failure is kept in the directory.
        KeyboardInterrupt: it was interrupted, or has made as many updates as it was to make; see `Run.step`.
    """
    if seed is not None:
        loaded = replace(loaded, recipe=loaded.recipe.model_copy(update={"seed": seed}))
    directory = default_directory(loaded) if out is None else out
    chosen = local_device(torch_device(device))
    with process_group(chosen) as processes:
        return train_together(loaded, directory, processes, Watching(chosen, report, say, profile, until))


@dataclass(frozen=True)
class Watching:
    """Where a training computes, and who follows it."""

    device: torch.device
    report: Report = lambda progress: None
    say: Say = lambda line: None
    profile: int = 0
    """Steps of which to write a trace."""
    until: int | None = None
    """Updates after which to stop."""


def train_together(
    loaded: LoadedRecipe, directory: Path, processes: Processes, watching: Watching, tokenizer: Tokenizer | None = None
) -> Run:
    """`train`, by processes that are there already.

    Args:
        tokenizer: in place of the recipe's: that of the run, which goes on.
    """
    watching = watching if processes.first else Watching(watching.device, until=watching.until)
    chosen, say = watching.device, watching.say
    if (done := _done_without_data(loaded, directory, processes, say)) is not None:
        return done
    with at(loaded, "trainer"):
        loaded.recipe.trainer.runs_on(chosen.type, processes.count)
    # Of several processes each may come to hold only a share of the model: the trainer moves it.
    first_device = chosen if processes.count == 1 else torch.device("cpu")
    shared = loaded.recipe.trainer.shares_weights(processes.count)
    assembled, prepared = _prepare(loaded, directory, first_device, processes, say, tokenizer)
    with _opened(prepared, assembled.start, directory, processes, say) as run:
        if processes.from_first(processes.first and run.finished):
            say("this run is finished; nothing is left to do")
        else:
            say(f"training {loaded.recipe.name} in {directory}")
            if shared:
                _refuse_other_disk(directory, processes)
                first_weights = begin_by_parts(assembled.model, loaded, assembled.start)
            else:
                begin(assembled.model, loaded, assembled.start, first_device)
            _fit(assembled, prepared, run, watching, first_weights if shared else None)
    return run


def _done_without_data(loaded: LoadedRecipe, directory: Path, processes: Processes, say: Say) -> Run | None:
    """The run, if it is finished and its data are no longer there: nothing is left to do that would need them.

    Raises:
        RecipeError: the data of a run that is not finished are not there; says how to name their new place.
        InputError: it is the run of another recipe.
    """
    try:
        run = Run.open(directory)
    except PartwiseError:
        return None
    try:
        data_of(loaded)
    except RejectedError as error:
        if not run.finished:
            note = "note: if the files have moved, name the directory that these names are relative to now: --data DIR"
            raise RejectedError([replace(one, notes=(*one.notes, note)) for one in error.problems]) from None
        reason = error.problems[0].message
    else:
        return None
    if processes.first:
        with alone_in(directory):
            run = Run.create(directory, loaded.recipe.resolved(), run.tokenizer, run.lock, say)
    say(f"this run is finished; nothing is left to do (its data cannot be found now: {reason})")
    return run


def _prepare(
    loaded: LoadedRecipe,
    directory: Path,
    device: torch.device,
    processes: Processes,
    say: Say,
    tokenizer: Tokenizer | None,
) -> tuple[Assembled, Prepared]:
    """Finds all that is wrong with a recipe, quick checks first, and leaves no directory behind.

    Raises:
        PartwiseError: a part does not fit its place, the data is not as it must be, or the model is too large.
    """
    assembled = check(loaded, directory)
    if assembled.start is not None:
        tokenizer = assembled.start.tokenizer
        tell(loaded, assembled.start, say)
    with processes.first_before_others():  # the others find in the cache what it made
        prepared = prepare(loaded, say, tokenizer, assembled.data)
    prepared.batches.evaluation("valid", 1)  # raises if there is nothing to choose by
    if plan := mixture_plan(prepared):
        say(in_words(plan))
    # Now that the texts have been read, it is known how many words there are, and how often each stands in them.
    assembled = replace(assembled, site=prepared.site, model=prepared.skeleton())
    share = 1.0
    if loaded.recipe.trainer.shares_weights(processes.count):  # those of all processes of this machine lie here
        share = processes_here() / processes.count
    assembly.refuse_if_too_large(assembled.model, device, share)
    return (assembled if processes.first else replace(assembled, trackers=())), prepared


@contextmanager
def _opened(
    prepared: Prepared, start: Beginning | None, directory: Path, processes: Processes, say: Say
) -> Iterator[Run]:
    """The run to train, new or continued; no other command can train it meanwhile. In processes other than the first
    it only names the directory.

    Raises:
        InputError: the run was started on other data, or is of another recipe.
        WorkError: another process is training it, or it cannot be written.
    """
    loaded, data_hash = prepared.loaded, prepared.data_hash
    recipe, tokenizer = loaded.recipe.resolved(), prepared.tokenizer.to_json()
    if not processes.first:
        there = Run(directory, recipe, tokenizer, {})
        lock_there, segments = processes.from_first((there.lock, there.segments))
        yield Run(directory, recipe, tokenizer, lock_there, segments=segments)
        return
    with alone_in(directory):
        now = lock(loaded, data_hash, directory)
        if start is not None and start.taken is not None:
            now["start"] |= {"recipe": start.recipe.recipe.name, "step": start.taken.step}
        run = Run.create(directory, recipe, tokenizer, now, say)
        for change in changes(run.lock, now):
            say(f"note: since this run was started, {change}")
        if run.lock.get("data") != data_hash:
            raise InputError(
                f"the data has changed since the run in {directory} was started; train into another directory (--out)"
            )
        processes.from_first((run.lock, run.segments))
        yield run


def _refuse_other_disk(directory: Path, processes: Processes) -> None:
    """
    Raises:
        WorkError: some processes do not see the run's directory, where each is to write its shares.
    """
    mark = processes.from_first(f".seen-by-all.{uuid4().hex}.partial")
    if processes.first:
        write_text(directory / mark, "")
    processes.from_first(None)
    seen = processes.from_each((platform.node(), (directory / mark).exists()))
    if processes.first:
        (directory / mark).unlink(missing_ok=True)
    if blind := dict.fromkeys(host for host, there in seen if not there):
        raise WorkError(
            f"the processes on {', '.join(blind)} do not see {directory} as the first process does, where each has to "
            "write its share of the weights; train into a directory that all machines share (--out), or let each "
            "process hold the whole model: trainer.parallel=ddp"
        )


def _fit(
    assembled: Assembled,
    prepared: Prepared,
    run: Run,
    watching: Watching,
    first_weights: Callable[[nn.Module], None] | None,
) -> None:
    """Trains the model, from wherever the run stands."""
    device, say = watching.device, watching.say
    model, seed, decoration = assembled.model, prepared.loaded.recipe.seed, Decoration(say)
    reader = reader_of(prepared.loaded.recipe, model, prepared.tokenizer, device)
    evaluations = WhileTraining(assembled.evaluations, reader, decoration, say)
    with (
        at(prepared.loaded, "trainer"),
        notifying(assembled.trackers, run, watching.report, say) as notify,
        profiled(run.directory / TRACE, watching.profile, say) as profiler_step,
    ):

        def after_step(progress: Progress) -> None:
            notify(progress)
            profiler_step()

        def flops_per_token() -> float | None:
            found = decoration(FLOPS, lambda: inspect(prepared.loaded, prepared.tokenizer.vocab_size))
            if found is not None and found.flops_per_token is None:
                say(f"{FLOPS} cannot be counted, so no utilisation is shown: {found.uncounted[0]}")
            return None if found is None else found.flops_per_token

        assembled.trainer.fit(
            Training(
                model, prepared.batches, run, seed, device, after_step, flops_per_token, decoration, evaluations,
                watching.until, first_weights,
            )
        )  # fmt: skip


def default_directory(loaded: LoadedRecipe, seed: int | None = None) -> Path:
    """Where a run is kept unless said otherwise: runs/NAME-FINGERPRINT-sSEED."""
    recipe = loaded.recipe
    return Path("runs") / f"{recipe.name}-{recipe.fingerprint()}-s{recipe.seed if seed is None else seed}"
