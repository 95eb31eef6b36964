"""Checks many parts at once: their checks are distributed over processes, the slow ones first."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import torch

from partwise.machine import cores
from partwise.parts.part import Part
from partwise.parts.registry import RegisteredPart

from .cases import find
from .contract import checks_of
from .registering import Check, as_check
from .verifying import Result, declarations, run_check


@dataclass(frozen=True)
class Job:
    """One check of one part, by name: what is sent to a process."""

    kind: str
    part: str
    check: str
    seed: int


def contract_of(part: type[Part]) -> tuple[Check, ...]:
    """The checks of a part, including the one of its own declarations."""
    return (as_check(declarations, per="part"), *checks_of(part))


def verify_parts(entries: Sequence[RegisteredPart], seed: int = 0, jobs: int | None = None) -> Iterator[Result]:
    """Runs the contracts of registered parts; yields results as they come.

    Args:
        seed: of the random inputs and weights.
        jobs: number of processes; None for one per core.
    """
    checks = [(entry, check) for entry in entries for check in contract_of(entry.part)]
    checks.sort(key=lambda pair: not pair[1].slow)
    count = min(jobs or cores(), len(checks))
    if count <= 1:
        for entry, check in checks:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = run_check(entry.part, check, seed)
            yield result
        return
    todo = [Job(entry.part.kind, entry.name, check.name, seed) for entry, check in checks]
    while todo:
        left: list[Job] = []
        yield from _in_processes(todo, count, left)
        if left and count == 1:
            yield _died(left.pop(0))
        todo, count = left, 1  # a process died, and with it the pool; what is left is done one by one


def _in_processes(todo: Sequence[Job], count: int, left: list[Job]) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")  # threads of PyTorch's do not survive a fork
    with ProcessPoolExecutor(count, context, _prepare) as pool:
        futures: dict[Future[Result], Job] = {}
        try:
            futures = {pool.submit(run, job): job for job in todo}
            for future in as_completed(futures):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    left.append(futures[future])
        finally:
            pool.shutdown(cancel_futures=True)
    left.sort(key=todo.index)


def _prepare() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def run(job: Job) -> Result:
    """Runs one job, in a process of the pool."""
    part = find(job.part, job.kind).part
    check = next(one for one in contract_of(part) if one.name == job.check)
    return run_check(part, check, job.seed)


def _died(job: Job) -> Result:
    part = find(job.part, job.kind).part
    about = next(one.about for one in contract_of(part) if one.name == job.check)
    message = "the process died: out of memory, or a fault in compiled code"
    return Result(job.kind, job.part, job.check, about, "failed", message, 0, 0.0)
