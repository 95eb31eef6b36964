"""What stands between a query and a key: which may be seen, and what is added to their score.

Both are said once per pass, by `Flow`, and shared by all layers that ask for the same. Each then comes in the form
that a kernel wants: short and closed for FlexAttention, written out as a tensor for all others.

Shapes: B batch, H heads, T queries of this pass, S keys. Index t of a query counts within the pass, index s of a
key from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from .caching import cached_property

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Indices of row, head, query and key, which broadcast, to True where the query sees the key: a `mask_mod`."""


@dataclass(frozen=True)
class Visibility:
    """How far a layer lets a query look, whatever the text; layers of equal visibility share one mask per pass."""

    causal: bool = True
    """Whether a query sees only itself and what came before."""
    window: int | None = None
    """Positions seen, the query's own included; without causality, as far to the right. None: all."""

    def rule(self, start: int, padding: Tensor | None, documents: Tensor | None) -> Rule:
        """What a query that stands `start` positions after its index sees, given padding and documents [B, S].

        A token of padding sees itself, so that no row is empty: its output is finite and unused.
        """

        def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            here = query + start
            conditions = [key <= here] if self.causal else [key >= 0]
            if self.window is not None:
                conditions += [key > here - self.window, key < here + self.window]
            if documents is not None:
                conditions += [documents[row, here] == documents[row, key]]
            if padding is None:
                return reduce(and_, conditions)
            return reduce(and_, [*conditions, padding[row, key]]) | (key == here)

        return sees


CAUSAL = Visibility()
"""Everything up to the query itself."""


@dataclass(frozen=True, eq=False)
class Mask:
    """A rule over T queries and S keys, and the forms that kernels take it in, each made when first asked for."""

    rule: Rule
    hides: Literal["nothing", "future", "more"]
    """"future": causality from the first position on is all there is, which fused kernels know by themselves."""
    queries: int
    """T."""
    keys: int
    """S."""
    rows: int | None
    """B, or None if it is the same for all rows."""
    device: torch.device

    @cached_property
    def dense(self) -> Tensor | None:
        """[T, S], or [B, 1, T, S] if rows differ: True where a query sees a key. None if nothing is hidden."""
        if self.hides == "nothing":
            return None
        row = torch.arange(self.rows or 1, device=self.device)[:, None, None, None]
        query = torch.arange(self.queries, device=self.device)[:, None]
        return self.rule(row, row, query, torch.arange(self.keys, device=self.device))

    @property
    def blocks(self) -> BlockMask | None:
        """FlexAttention's own form, which knows whole blocks that need not be looked at. None if nothing is hidden."""
        # A compiled graph cannot hand it out to be kept; what several layers in one graph make, they make once.
        return self._block_mask() if torch.compiler.is_compiling() else self._kept_blocks

    @cached_property
    def _kept_blocks(self) -> BlockMask | None:
        return self._block_mask()

    def _block_mask(self) -> BlockMask | None:
        from torch.nn.attention.flex_attention import create_block_mask

        if self.hides == "nothing":
            return None
        # Run as it is written, it would make B x T x S booleans on the way.
        make = _compiled_block_mask() if self.device.type == "cuda" else create_block_mask
        blocks: BlockMask = make(self.rule, self.rows, None, self.queries, self.keys, self.device)
        return blocks


@cache
def _compiled_block_mask() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import create_block_mask

    return torch.compile(create_block_mask)


class Bias:
    """What is added to the score of a query and a key: one number per head and offset from query to key.

    `table` [H, S + T - 1] holds the offsets from 1 - S to T - 1, all there can be between T queries and S keys of
    which the last T are the queries' own.
    """

    def __init__(self, table: Tensor, queries: int) -> None:
        self.table = table
        self.queries = queries
        self._masked: dict[Mask, Tensor] = {}

    @cached_property
    def dense(self) -> Tensor:
        """[H, T, S]."""
        query = torch.arange(self.queries, device=self.table.device)[:, None]
        key = torch.arange(self.table.shape[1] - self.queries + 1, device=self.table.device)
        columns = self._columns(query, key)
        return self.table.index_select(1, columns.flatten()).unflatten(1, columns.shape)

    def masked(self, mask: Mask) -> Tensor:
        """[H, T, S] or [B, H, T, S]: the bias where the mask lets a query see, elsewhere minus infinity."""
        if mask.dense is None:
            return self.dense
        if torch.compiler.is_compiling():  # which sees for itself what is computed twice, and keys a graph by the mask
            return self.dense.masked_fill(~mask.dense, float("-inf"))
        if mask not in self._masked:
            self._masked[mask] = self.dense.masked_fill(~mask.dense, float("-inf"))
        return self._masked[mask]

    def at(self, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """The number for indices of head, query and key, which broadcast: what a `score_mod` adds."""
        return self.table[head, self._columns(query, key)]

    def _columns(self, query: Tensor, key: Tensor) -> Tensor:
        return key - query + (self.queries - 1)
