"""Tables of vectors, one row for each token: which rows lie near each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbours(table: Tensor, index: int, count: int) -> list[tuple[int, float]]:
    """The rows of table [V, C] that are most alike row `index`, by the cosine of the angle between them, nearest first.

    A row of zeros, which has no direction, has a cosine of 0 with every other.
    """
    units = unit_rows(table)
    return nearest(units @ units[index], {index}, count)


def analogy(table: Tensor, a: int, b: int, c: int, count: int) -> list[tuple[int, float]]:
    """The rows of table [V, C] that are to row `c` as row `b` is to row `a`, best first, by their cosine.

    The answer lies near b - a + c, of unit vectors; the three themselves are left out (Mikolov et al. 2013,
    arXiv:1301.3781, where it is king - man + woman; 3CosAdd of Levy and Goldberg 2014).
    """
    units = unit_rows(table)
    wanted = F.normalize(units[b] - units[a] + units[c], dim=0)
    return nearest(units @ wanted, {a, b, c}, count)


def unit_rows(table: Tensor) -> Tensor:
    """Each row in float32 and of length 1; a row of zeros stays."""
    return F.normalize(table.detach().float(), dim=1)


def nearest(cosines: Tensor, without: set[int], count: int) -> list[tuple[int, float]]:
    """The rows with the largest cosines [V], but for some."""
    # A few more than asked for, because some are left out.
    best = torch.topk(cosines, min(count + len(without), len(cosines)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(row, cosine) for row, cosine in pairs if row not in without][:count]


def principal_axes(table: Tensor) -> tuple[Tensor, float]:
    """Rows of [N, C] on the two directions in which they differ most, [N, 2], and the share of the variance there.

    The signs of directions are arbitrary: the row that is farthest from the middle is on the positive side.
    """
    centred = table.detach().double() - table.detach().double().mean(0)
    if centred.shape[1] < 2:
        centred = F.pad(centred, (0, 2 - centred.shape[1]))
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    places = centred @ directions[:2].T
    places = F.pad(places, (0, 2 - places.shape[1]))
    farthest = places.gather(0, places.abs().argmax(0, keepdim=True))
    total = float(sizes.square().sum())
    share = float(sizes[:2].square().sum()) / total if total > 0 else 0.0
    return (places * torch.where(farthest < 0, -1.0, 1.0)).float(), share
