"""What position encoders add to attention scores, in the forms that kernels take.

Shapes: B batch, H heads, T queries of this pass, S keys.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .masks import Mask
from .properties import cached_property


class Bias:
    """Numbers added to attention scores: one per head and offset from query to key."""

    def __init__(self, table: Tensor, queries: int) -> None:
        """
        Args:
            table: [H, S + T - 1], for the offsets from 1 - S to T - 1: all that occur between T queries and S keys,
                the last T of which stand where the queries stand.
            queries: T.
        """
        self.table = table
        self.queries = queries
        self._masked: dict[Mask, Tensor] = {}
        self._within: dict[int, Bias] = {}

    def as_found(self) -> Bias:
        """The same bias with the forms it has so far; what is made of it from now on is made twice."""
        found = Bias(self.table, self.queries)
        found._masked.update(self._masked)
        found._within.update({length: one.as_found() for length, one in self._within.items()})
        if "dense" in self.__dict__:
            found.__dict__["dense"] = self.dense
        return found

    def within(self, length: int) -> Bias:
        """The bias between the tokens of a document of that length, in a pass that has all of its tokens."""
        if length not in self._within:
            first = self.queries - length
            self._within[length] = Bias(self.table[:, first : first + 2 * length - 1], length)
        return self._within[length]

    @cached_property
    def dense(self) -> Tensor:
        """[H, T, S]."""
        query = torch.arange(self.queries, device=self.table.device)[:, None]
        key = torch.arange(self.table.shape[1] - self.queries + 1, device=self.table.device)
        columns = self._columns(query, key)
        return self.table.index_select(1, columns.flatten()).unflatten(1, columns.shape)

    def masked(self, mask: Mask) -> Tensor:
        """[H, T, S] or [B, H, T, S]: the bias where a query sees a key, minus infinity elsewhere."""
        if mask.dense is None:
            return self.dense
        if torch.compiler.is_compiling():  # the compiler merges repeated work; a dict would tie the graph to one mask
            return self.dense.masked_fill(~mask.dense, float("-inf"))
        if mask not in self._masked:
            self._masked[mask] = self.dense.masked_fill(~mask.dense, float("-inf"))
        return self._masked[mask]

    def at(self, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """The bias at indices of head, query and key, which broadcast: what FlexAttention's `score_mod` adds."""
        return self.table[head, self._columns(query, key)]

    def _columns(self, query: Tensor, key: Tensor) -> Tensor:
        return key - query + (self.queries - 1)
