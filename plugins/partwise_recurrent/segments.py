"""Reading tokens only, without padding: moves each segment of a batch to a row of its own, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from partwise.modules import Flow


ALIKE = 3.0
"""How many times as long as the shortest the longest of segments may be that are read together: the positions of those
that are read apart are read one after the other."""


@dataclass(frozen=True)
class Segments:
    """Where the tokens of a pass stand.

    A segment is the tokens of one row, possibly none; with documents, those of one document in one row.
    """

    present: Tensor
    """[B, T] bool, True where there is a token."""
    lengths: Tensor
    """[N] tokens in each segment, in reading order."""
    places: Tensor
    """[N, L] bool, where tokens stand once each segment has a row of its own: from its beginning on."""

    @classmethod
    def of(cls, x: Tensor, flow: Flow) -> Segments | None:
        """Those of x [B, T, C]; None if every row is one segment without gaps, and so can be read as it is."""
        batch, length = x.shape[:2]
        present = None if flow.padding is None else flow.padding[:, -length:]
        if flow.documents is None and (present is None or bool(present.all())):
            return None
        if present is None:
            present = torch.ones(batch, length, dtype=torch.bool, device=x.device)
        documents = None if flow.documents is None else flow.documents[:, -length:]
        lengths = _lengths(present, documents)
        longest = max(1, int(lengths.max()))
        return cls(present, lengths, torch.arange(longest, device=x.device) < lengths[:, None])

    def alike(self) -> Iterator[tuple[Tensor, int]]:
        """Segments of about one length: which they are, and the length of the longest, the longest first."""
        order = self.lengths.argsort(descending=True, stable=True)
        lengths, first = self.lengths[order].tolist(), 0
        while first < len(lengths):
            longest = max(1, lengths[first])
            end = next((at for at in range(first + 1, len(lengths)) if lengths[at] * ALIKE < longest), len(lengths))
            yield order[first:end], longest
            first = end

    def to_rows(self, x: Tensor) -> Tensor:
        """Inputs [B, T, C] to rows [N, L, C], 0 after each row's end. Nothing of the padding gets in, not even NaN."""
        rows = x.new_zeros(*self.places.shape, x.shape[-1])
        rows[self.places] = x[self.present]
        return rows

    def to_batch(self, rows: Tensor) -> Tensor:
        """Outputs [N, L, C] back to [B, T, C], 0 where there is padding."""
        y = rows.new_zeros(*self.present.shape, rows.shape[-1])
        y[self.present] = rows[self.places]
        return y


def _lengths(present: Tensor, documents: Tensor | None) -> Tensor:
    if documents is None:
        return present.sum(1)
    row = torch.arange(present.shape[0], device=present.device)[:, None].expand_as(present)[present]
    begins = (row.diff() != 0) | (documents[present].diff() != 0)
    segment = torch.cat((begins.new_zeros(min(1, len(row))), begins)).cumsum(0)
    return segment.bincount(minlength=1)
