"""Which keys each query may see: rules, and the masks that attention kernels take.

`Flow.mask` makes each mask once per pass, and all layers of equal visibility share it. A mask offers the form that
a kernel wants: a rule for FlexAttention, a tensor of booleans for all others. Long texts of several documents, on a
CPU, are `apart`: each document is a row of its own, and only what a layer hides within one is left to a mask.

Shapes: B batch, T queries of this pass, S keys. The index of a query counts from the start of the pass, that of a
key from the start of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from .apart import Alike, Apart
from .properties import cached_property

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

Hides = Literal["nothing", "future", "more"]
Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From indices of row, head, query and key, which broadcast, to True where the query sees the key. FlexAttention calls
it a `mask_mod`."""


@dataclass(frozen=True)
class Visibility:
    """What a layer lets a query see, independent of the text. Layers of equal visibility share one mask per pass."""

    causal: bool = True
    """Whether a query sees only itself and the tokens before it."""
    window: int | None = None
    """Number of positions seen, the query's own included; if not causal, as many to the right. None: all."""

    def rule(self, start: int, padding: Tensor | None, documents: Tensor | None) -> Rule:
        """The rule for queries that stand `start` positions after their index, given padding and documents [B, S].

        A query always sees itself, even if it is padding: a softmax over no key would be NaN.
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

    def hides(self, tokens: int) -> Hides:
        """What of a text of so many tokens a query does not see, without padding, documents or earlier tokens."""
        if self.window is not None and self.window < tokens:
            return "more"
        return "future" if self.causal and tokens > 1 else "nothing"

    def mask_within(self, texts: Alike) -> Mask:
        """The mask of documents that are rows of their own."""
        length, unseen = texts.length, None if self.causal else texts.present
        hides: Hides = self.hides(length) if unseen is None else "more"
        rows = None if unseen is None else len(unseen)
        return Mask(self.rule(0, unseen, None), hides, length, length, rows, texts.places.device)


CAUSAL = Visibility()
"""A query sees itself and everything before it."""


@dataclass(frozen=True, eq=False)
class Mask:
    """A rule over T queries and S keys, and the forms in which kernels take it, each made at its first use."""

    rule: Rule
    hides: Hides
    """Whether this is "future" alone, for which fused kernels need no mask, anything "more", or "nothing"."""
    queries: int
    """T."""
    keys: int
    """S."""
    rows: int | None
    """B, or None if the mask is the same for all rows."""
    device: torch.device
    visibility: Visibility | None = None
    """What the layer lets a query see, where the mask follows from that."""
    apart: Apart | None = None
    """The documents as rows of their own, where attention over these is cheaper than over the whole text; else None."""
    _within: dict[Alike, Mask] = field(default_factory=dict, init=False, repr=False)

    def within(self, texts: Alike) -> Mask:
        """The mask of documents that are `apart`."""
        assert self.visibility is not None, "only the mask of a pass has documents"
        if texts not in self._within:
            self._within[texts] = self.visibility.mask_within(texts)
        return self._within[texts]

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
        """The form of FlexAttention, which skips whole blocks that no query sees. None if nothing is hidden."""
        # A compiled graph cannot return it to be kept, and merges what several of its layers make.
        return self._block_mask() if torch.compiler.is_compiling() else self._kept_blocks

    @cached_property
    def _kept_blocks(self) -> BlockMask | None:
        return self._block_mask()

    def _block_mask(self) -> BlockMask | None:
        from torch.nn.attention.flex_attention import create_block_mask

        if self.hides == "nothing":
            return None
        # Without compilation, it would make B x T x S booleans on the way.
        make = _compiled_block_mask() if self.device.type == "cuda" else create_block_mask
        blocks: BlockMask = make(self.rule, self.rows, None, self.queries, self.keys, self.device)
        return blocks


@cache
def _compiled_block_mask() -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import create_block_mask

    return torch.compile(create_block_mask)
