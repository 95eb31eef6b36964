"""Kernels of fla-core (Yang & Zhang 2024, github.com/fla-org/flash-linear-attention) in place of our chunks, on a GPU.

They compute what our rules do, and take queries and keys [B, T, H, K], values [B, T, H, V] and first states
[N, H, K, V]. Several documents of a row are sequences of their own, all in one row, with their borders in `cu_seqlens`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from partwise import InputError

from .chunks import Chunks
from .memory import Rule


@dataclass(frozen=True)
class Kernel:
    """A function of fla-core, and how it is called."""

    module: str
    function: str
    takes: tuple[str | None, ...]
    """The names of what a token brings besides query, key and value; None for what it has no use for."""
    by_head: bool = True
    """Whether these are numbers per head, [B, T, H]; if not, they have features [B, T, H, K]."""
    half: bool = False
    """Whether queries, keys and values must be of half precision."""
    widest: int | None = None
    """Most features of a key."""

    def load(self) -> Callable[..., tuple[Tensor, Tensor]]:
        function: Callable[..., tuple[Tensor, Tensor]] = getattr(import_module(self.module), self.function)
        return function


GATED_LINEAR_ATTENTION = Kernel("fla.ops.gla", "chunk_gla", ("g",), by_head=False)
RETENTION = Kernel("fla.ops.simple_gla", "chunk_simple_gla", ("g",))
DELTA = Kernel("fla.ops.delta_rule", "chunk_delta_rule", ("beta", None), half=True, widest=256)
GATED_DELTA = Kernel("fla.ops.gated_delta_rule", "chunk_gated_delta_rule", ("beta", "g"), half=True, widest=256)


def installed() -> bool:
    """Whether there is a package `fla`."""
    return find_spec("fla") is not None


def rule_for(backend: str, rule: Rule, kernel: Kernel) -> Rule:
    """The rule itself for the backend "torch", else one that takes the kernel: always ("fla"), or where it can."""
    return rule if backend == "torch" else ByKernel(rule, kernel, always=backend == "fla")


class ByKernel:
    """A rule whose chunks are computed by a kernel; single steps, and what is only counted, are the rule's own."""

    def __init__(self, rule: Rule, kernel: Kernel, always: bool) -> None:
        """`always`: whether it is an error that the kernel cannot compute something."""
        self.rule, self.kernel, self.always, self.chunk = rule, kernel, always, rule.chunk

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        return self.rule.step(brought, state)

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        obstacle = self._obstacle(brought[1])
        if obstacle and self.always and not brought[1].is_meta:
            raise InputError(f'backend "fla" cannot compute this: {obstacle}; use "auto", or "torch"')
        if obstacle:
            return self.rule.in_chunks(brought, chunks, first)
        return by_kernel(self.kernel, brought, chunks, first)

    def _obstacle(self, key: Tensor) -> str | None:
        """Why the kernel cannot compute what such keys are part of."""
        if not key.is_cuda:
            return f"its kernels run on a GPU, and these tensors are on the device {key.device.type!r}"
        if key.dtype == torch.float64:
            return "its kernels have no float64"
        if self.kernel.widest is not None and key.shape[-1] > self.kernel.widest:
            return f"a key has {key.shape[-1]} features, and its kernels take {self.kernel.widest} at most"
        return None if installed() else "the package fla-core is not installed (pip install fla-core)"


def by_kernel(kernel: Kernel, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
    """As `Rule.in_chunks`: from the first state, outputs [B, H, T, V] and the last state [B, H, K, V]."""
    q, k, v, *others = (x.transpose(1, 2) for x in brought)
    if kernel.half:
        q, k, v = (x.bfloat16() for x in (q, k, v))
    named = {
        name: x.squeeze(-1) if kernel.by_head else x
        for name, x in zip(kernel.takes, others, strict=True)
        if name is not None
    }
    inputs: dict[str, Any] = {"q": q, "k": k, "v": v, **named}
    sequences = None if chunks.begins is None else _Sequences(chunks.begins)
    if sequences is not None:
        inputs = {name: x.flatten(0, 1).unsqueeze(0) for name, x in inputs.items()}
        inputs["cu_seqlens"] = sequences.borders
        first = sequences.states(first)
    o, last = kernel.load()(**inputs, scale=1.0, initial_state=first, output_final_state=True)
    if sequences is not None:
        o, last = o.view(v.shape), last[sequences.last]
    return o.to(brought[2].dtype).transpose(1, 2), last.to(brought[2].dtype)


class _Sequences:
    """The documents of all rows, each a sequence, from where they begin, [B, T] bool."""

    def __init__(self, begins: Tensor) -> None:
        rows, length = begins.shape
        starts = begins.clone()
        starts[:, 0] = True
        self.borders = F.pad(starts.flatten().nonzero().squeeze(1), (0, 1), value=rows * length)
        """[N + 1]."""
        self.last = starts.sum(1).cumsum(0) - 1
        """[B], the sequence that ends each row."""
        self.goes_on = ~begins[:, 0]
        """[B], whether a row's first sequence goes on from the state."""

    def states(self, first: Tensor) -> Tensor:
        """The state before each sequence, [N, H, K, V], from that before each row."""
        states = first.new_zeros(len(self.borders) - 1, *first.shape[1:])
        heads = F.pad(self.last[:-1] + 1, (1, 0))
        return states.index_copy(0, heads, first * self.goes_on.view(-1, 1, 1, 1).to(first.dtype))
