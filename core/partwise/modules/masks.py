"""Which keys each query may see: rules, and the masks that attention kernels take.

`Flow.mask` makes each mask once per pass, and all layers of equal visibility share it. A mask offers the form that
a kernel wants: a rule for FlexAttention, a tensor of booleans for all others.

Shapes: B batch, T queries of this pass, S keys. The index of a query counts from the start of the pass, that of a
key from the start of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from .properties import cached_property

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

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


CAUSAL = Visibility()
"""A query sees itself and everything before it."""


@dataclass(frozen=True, eq=False)
class Mask:
    """A rule over T queries and S keys, and the forms in which kernels take it, each made at its first use."""

    rule: Rule
    hides: Literal["nothing", "future", "more"]
    """Whether this is "future" alone, for which fused kernels need no mask, anything "more", or "nothing"."""
    queries: int
    """T."""
    keys: int
    """S."""
    rows: int | None
    """B, or None if the mask is the same for all rows."""
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
