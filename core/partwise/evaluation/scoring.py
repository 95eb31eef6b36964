"""How likely a model holds the tokens of rows, each read whole; rows of similar length are read together.

Shapes: B rows, T positions, N scored tokens, C width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from partwise.data.batch import IGNORED, Batch
from partwise.modules.cross_entropy import MOST_LOGITS
from partwise.modules.hidden import Hidden
from partwise.modules.protocols import Model

from .rows import Row


@dataclass(frozen=True, eq=False)
class Scored:
    """The scored tokens of one row, on the CPU."""

    nats: Tensor
    """[N] float64."""
    right: Tensor
    """[N] bool, whether the token is the one held most likely."""


def score(model: Model, rows: Iterable[Row], size: int, device: torch.device, fill: int) -> dict[Row, Scored]:
    """The scored tokens of each row, `size` rows at a time, the longest first.

    Args:
        fill: the token that stands where there is none.
    """
    ordered = sorted(rows, key=lambda row: (-len(row.read), -len(row.source)))
    found: dict[Row, Scored] = {}
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        batch = as_batch(some, fill).to(device)
        found |= zip(some, _scored(model.hidden(batch), batch), strict=True)
    return found


def as_batch(rows: Sequence[Row], fill: int) -> Batch:
    """Rows padded on the right, as in training."""
    tokens, padding = padded_right([row.read for row in rows], fill)
    targets = torch.full_like(tokens, IGNORED)
    for index, row in enumerate(rows):
        targets[index, len(row.before) - 1 : len(row.read)] = torch.tensor(row.targets)
    source, source_padding = padded_right([row.source for row in rows], fill) if rows[0].source else (None, None)
    return Batch(tokens, targets, padding, source=source, source_padding=source_padding)


def padded_right(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor | None]:
    """Ids [B, T] and where they stand [B, T]; None if all rows are of one length."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[fill] * (longest - len(row))] for row in rows])
    lengths = torch.tensor([[len(row)] for row in rows])
    there = torch.arange(longest) < lengths
    return ids, None if bool(there.all()) else there


def _scored(hidden: Hidden, batch: Batch) -> list[Scored]:
    at = batch.targets != IGNORED
    vectors, targets = hidden.states[at], batch.targets[at]
    most = max(1, MOST_LOGITS // len(hidden.head.weight))
    parts = [
        of_logits(hidden.head.logits(some), wanted)
        for some, wanted in zip(vectors.split(most), targets.split(most), strict=True)
    ]
    nats, right = (torch.cat(parts).cpu() for parts in zip(*parts, strict=True))
    counts = at.sum(1).tolist()
    return [Scored(*both) for both in zip(nats.split(counts), right.split(counts), strict=True)]


def of_logits(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Nats, float64 [N], of targets [N] by logits [N, V], and whether each is the likeliest."""
    logits = logits.double()
    nats = logits.logsumexp(-1) - logits.gather(-1, targets[:, None])[:, 0]
    return nats, logits.argmax(-1) == targets


__all__ = ["Scored", "as_batch", "of_logits", "padded_right", "score"]
