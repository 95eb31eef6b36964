"""Multi-head attention (Vaswani et al. 2017), with grouped key/value heads (Ainslie et al. 2023).

One module for self- and cross-attention. Its pieces (score, weigher, position, norms of queries and keys) arrive
built, so that a new one needs no change here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from partwise.modules import CAUSAL, Bias, Flow, Mask, Mixer, PositionEncoder, Score, Shown, State, Visibility

from .attending import Attending
from .backends import AUTO, Weighing
from .core import empty_cache, join_heads, remember, split_heads
from .projections import FusedLinear
from .weighing import SOFTMAX, Weigher

Weighable = tuple[Tensor, Tensor, Tensor, Mask, Bias | None, Tensor | None]
"""Queries, keys and values, mask and bias, and the positions of the queries."""


@dataclass(frozen=True)
class Heads:
    """How many heads there are, and how wide."""

    query: int
    """H."""
    key_value: int
    """K, a divisor of H: each key and value head serves H / K query heads."""
    width: int
    """D."""


@dataclass(frozen=True)
class QueryKeyNorms:
    """Norms of queries and keys, over each head's features or over those of all heads together."""

    query: nn.Module
    key: nn.Module
    over_all_heads: bool = False
    after_rotation: bool = False
    """Whether they act on queries and keys that are already rotated."""


class MultiHeadAttention(Attending):
    """x [B, T, C] to [B, T, C] by H heads of width D over K key/value heads.

        query, key, value = projections of x (self) or of x and the memory (cross)
        heads = weigher(score(query, key) + bias) value, per head; the weigher is a softmax unless another is given
        y = output(heads side by side)

    If given, `projected` is a mixer of queries, keys and values side by side, whose output is added to them; `values`
    changes the values by what else the pass carries, and `gate` scales the heads by what x asks for.

    Self-attention keeps one fused projection `project` (rows: query, key, value); cross-attention, chosen
    by a `memory_width`, has `query` over x and `project` (rows: key, value) over the memory. `biased` names the
    projections that have a bias: query, key, value, output.
    """

    def __init__(
        self,
        width: int,
        heads: Heads,
        score: Score,
        biased: frozenset[str],
        memory_width: int | None = None,
        visibility: Visibility = CAUSAL,
        position: PositionEncoder | None = None,
        norms: QueryKeyNorms | None = None,
        weighing: Weighing = AUTO,
        weigher: Weigher = SOFTMAX,
        gate: nn.Module | None = None,
        values: nn.Module | None = None,
        projected: Mixer | None = None,
    ) -> None:
        super().__init__(score, weighing, weigher)
        self.heads, self.visibility = heads, visibility
        self.reads_memory = memory_width is not None
        key_value = heads.key_value * heads.width
        sizes = {"query": heads.query * heads.width, "key": key_value, "value": key_value}
        if memory_width is None:
            self.project = FusedLinear(width, list(sizes.values()), [name in biased for name in sizes])
        else:
            self.query = nn.Linear(width, sizes["query"], bias="query" in biased)
            pair = ("key", "value")
            self.project = FusedLinear(memory_width, [sizes[n] for n in pair], [n in biased for n in pair])
        self.output = nn.Linear(sizes["query"], width, bias="output" in biased)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.position = position
        self.query_norm = norms.query if norms else None
        self.key_norm = norms.key if norms else None
        self.norm_over_all_heads = norms is not None and norms.over_all_heads
        self.norm_after_rotation = norms is not None and norms.after_rotation
        self.gate, self.values, self.projected = gate, values, projected

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        return self._end(self.weigh(*self._weighable(x, flow, state)), x)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        return self.taken_apart(*self._weighable(x, flow, None), lambda heads: self._end(heads, x))

    def _weighable(self, x: Tensor, flow: Flow, state: State | None) -> Weighable:
        """What `weigh` takes."""
        if self.reads_memory:
            query = self._normed(split_heads(self.query(x), self.heads.width), self.query_norm)
            key, value = self._memory(flow, state)
            return query, key, value, flow.memory_mask, None, None
        shape = (self.heads.query, self.heads.width)
        placed = flow.for_heads(*shape) if self.position is None else flow.placed_by(self.position)
        queries, keys, values = (split_heads(part, self.heads.width) for part in self._projections(x, flow, state))
        if self.values is not None:
            values = self.values(values, flow)
        query, key = self._placed(queries, self.query_norm, placed), self._placed(keys, self.key_norm, placed)
        key, value = remember(key, values, flow, state)
        return query, key, value, flow.mask(self.visibility), placed.bias, flow.positions

    def _projections(self, x: Tensor, flow: Flow, state: State | None) -> Sequence[Tensor]:
        parts: Sequence[Tensor] = self.project(x)
        if self.projected is None:
            return parts
        together = torch.cat(list(parts), dim=-1)
        mixed = together + self.projected(together, flow, state and state["projected"])
        return mixed.split_with_sizes([part.shape[-1] for part in parts], dim=-1)

    def _placed(self, heads: Tensor, norm: nn.Module | None, flow: Flow) -> Tensor:
        """Queries or keys [B, H, T, D], normalised and rotated."""
        if self.norm_after_rotation:
            return self._normed(flow.rotate(heads), norm)
        return flow.rotate(self._normed(heads, norm))

    def _normed(self, heads: Tensor, norm: nn.Module | None) -> Tensor:
        if norm is None:
            return heads
        if self.norm_over_all_heads:
            return split_heads(norm(join_heads(heads)), self.heads.width)
        normed: Tensor = norm(heads)
        return normed

    def _end(self, heads: Tensor, x: Tensor) -> Tensor:
        """Mixed values [B, H, T, D] to [B, T, C]."""
        gated = heads if self.gate is None else self.gate(heads, x)
        y: Tensor = self.output(join_heads(gated))
        return y

    def _memory(self, flow: Flow, state: State | None) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory; with a state to keep them, they are projected once, in the first pass."""
        if state is not None and flow.start > 0:
            return state["keys"], state["values"]
        assert flow.memory is not None, "the decoder's flow carries the encoder's states"
        keys, values = self.project(flow.memory)
        key, value = (split_heads(part, self.heads.width) for part in (keys, values))
        key = self._normed(key, self.key_norm)
        if state is not None:
            state["keys"].copy_(key)
            state["values"].copy_(value)
        return key, value

    def extra_repr(self) -> str:
        heads, visibility = self.heads, self.visibility
        shape = f"heads={heads.query}, kv_heads={heads.key_value}, head_width={heads.width}"
        seen = "memory" if self.reads_memory else "causal" if visibility.causal else "bidirectional"
        return f"{shape}, {seen}{f', window={visibility.window}' if visibility.window else ''}"

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        cache = empty_cache(batch, self.heads.key_value, length, self.heads.width, like)
        if self.projected is not None:
            cache["projected"] = self.projected.empty_state(batch, length, like)
        return cache
