"""Packed documents as rows of their own, in which attention needs no mask of B x T x S.

Documents of about one length share a tensor: the shorter ones repeat their last token, which only a layer that looks
ahead must be kept from seeing.

Shapes: B batch, T positions, N documents of about one length, L the longest of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .properties import cached_property

ALIKE = 1.5
"""How many times as long as the shortest the longest document of a tensor may be."""
SHORT = 16
"""Tokens up to which documents count as alike in any case: there are many of them, and they cost little."""


@dataclass(frozen=True, eq=False)
class Alike:
    """Documents of about one length."""

    places: Tensor
    """[N * L], which of the B * T tokens stands there."""
    kept: Tensor
    """[tokens of these documents], which of the N * L are not repeated."""
    length: int
    """L."""
    present: Tensor | None
    """[N, L] bool, True where tokens are not repeated; None if none is."""


@dataclass(frozen=True, eq=False)
class Apart:
    """The documents of a pass, each token in one of them."""

    alike: tuple[Alike, ...]

    @cached_property
    def back(self) -> Tensor:
        """[B * T], where among the results of all groups, one after the other, that of each token stands."""
        order = torch.cat([one.places[one.kept] for one in self.alike])
        return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))

    def split(self, heads: Tensor) -> Iterator[Tensor]:
        """[B, H, T, D] as [N, H, L, D], for each group."""
        flat = heads.transpose(1, 2).flatten(2).flatten(0, 1)
        for one in self.alike:
            rows = flat.index_select(0, one.places).view(-1, one.length, *heads.shape[1:4:2])
            yield rows.transpose(1, 2)

    def numbers(self, x: Tensor, batch: int) -> Iterator[Tensor]:
        """[T] or [B, T] as [N, L], for each group."""
        flat = x.expand(batch, -1).flatten()
        return (flat[one.places].view(-1, one.length) for one in self.alike)

    def joined(self, groups: Sequence[Tensor], batch: int) -> Tensor:
        """[N, H, L, E] of each group, again as [B, H, T, E]."""
        flat = [
            group.transpose(1, 2).flatten(2).flatten(0, 1).index_select(0, one.kept)
            for one, group in zip(self.alike, groups, strict=True)
        ]
        rows = torch.cat(flat).index_select(0, self.back)
        return rows.view(batch, -1, *groups[0].shape[1:4:2]).transpose(1, 2)


def apart(documents: Tensor, padding: Tensor | None) -> Apart:
    """The documents [B, T] of a pass that has all of its tokens; each place of padding is by itself."""
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    if padding is not None:
        begins |= ~padding
        begins[:, 1:] |= ~padding[:, :-1]
    starts = begins.flatten().nonzero()[:, 0]
    lengths = torch.diff(starts, append=torch.tensor([documents.numel()]))
    lengths, order = lengths.sort(descending=True, stable=True)
    starts = starts[order]
    groups, first, sizes = [], 0, lengths.tolist()
    while first < len(sizes):
        longest, end = sizes[first], first
        while end < len(sizes) and (longest <= SHORT or sizes[end] * ALIKE >= longest):
            end += 1
        groups.append(_alike(starts[first:end], lengths[first:end], longest))
        first = end
    return Apart(tuple(groups))


def _alike(starts: Tensor, lengths: Tensor, longest: int) -> Alike:
    offsets = torch.arange(longest)
    places = starts[:, None] + torch.minimum(offsets, lengths[:, None] - 1)
    real = offsets < lengths[:, None]
    present = None if bool(real.all()) else real
    return Alike(places.flatten(), real.flatten().nonzero()[:, 0], longest, present)
