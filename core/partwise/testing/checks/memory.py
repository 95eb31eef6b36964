"""What a module may keep: nothing that grows with every decoded token, or with every training pass."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from partwise.parts.part import Part
from partwise.testing.probes import flow_of, model_batch, numbers, probe, prompt_of, shaken
from partwise.testing.registering import MODULE, check
from partwise.testing.violation import require

from .mixers import empty_state, memory_of, only_if_it_decodes

STEPS = 4
"""Tokens, or passes, after which what is alive is counted; and again after as many."""


class _Made(TorchDispatchMode):
    """Remembers, weakly, the tensors that are made within it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tensors: list[weakref.ref[Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, Tensor):
                self.tensors.append(weakref.ref(one))
        return result

    def alive(self) -> tuple[int, int]:
        """How many of them still live, and their bytes."""
        found = {id(tensor): tensor for one in self.tensors if (tensor := one()) is not None}
        memory = {store.data_ptr(): store.nbytes() for tensor in found.values() if (store := tensor.untyped_storage())}
        return len(found), sum(memory.values())


def grows(act: Callable[[int], object]) -> str:
    """Does something STEPS times and again; in words, by how much more is alive in the end, or nothing."""
    made = _Made()
    with made:
        for index in range(STEPS):
            act(index)
        before = made.alive()
        for index in range(STEPS, 2 * STEPS):
            act(index)
    if made.alive() == before:
        return ""
    gc.collect()  # a circle of references is no memory that is kept
    after = made.alive()
    more = [(now - then) / STEPS for now, then in zip(after, before, strict=True)]
    return f"{more[0]:.2g} tensors and {more[1]:.0f} bytes" if max(more) > 0 else ""


@check("mixer", "block")
def decoding_keeps_nothing_but_its_state(part: Part, site: Any) -> None:
    """While it decodes, nothing is left alive with every token but what the state has room for from the beginning."""
    only_if_it_decodes(site)
    module, x, memory = shaken(part, site), numbers(2, 2 * STEPS, site.width), memory_of(site, 2)
    with torch.no_grad():
        state = empty_state(part, module, site, 2, 2 * STEPS)
        more = grows(lambda t: module(x[:, t : t + 1], flow_of(t, t + 1, memory), state))
    require(not more, f"with every decoded token {more} more stay in memory")


@check(MODULE, per="place")
def training_keeps_nothing(part: Part, site: Any) -> None:
    """After a training pass and its backward pass nothing stays alive: no list of losses or outputs grows."""
    module, call = shaken(part, site).train(), probe(part, site, rows=2, length=3)

    def update(index: int) -> None:
        output = call(module)
        if output.requires_grad:
            output.sum().backward()
        module.zero_grad()

    more = grows(update)
    require(not more, f"with every training pass {more} more stay in memory")


@check("model")
def a_model_keeps_nothing_but_its_states(part: Any, site: Any) -> None:
    """While a model writes, nothing is left alive with every token but what its states have room for."""
    model, batch = shaken(part, site), model_batch(part, site, 2, 2 * STEPS + 1)
    with torch.no_grad():
        _, decoding = model.begin(prompt_of(batch, 1), 2 * STEPS + 1)
        more = grows(lambda t: model.step(batch.tokens[:, t + 1], decoding))
    require(not more, f"with every token written {more} more stay in memory")
