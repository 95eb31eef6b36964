"""Several layers of one shape, computed together."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from partwise.modules import Groups

from .products import grouped_product


class GroupedLinear(nn.Linear):
    """`count` linear layers in one: rows [M, I], sorted by layer, to [M, O].

    It is a linear layer whose weight [count * O, I] holds theirs one after the other, and says so by `stacked`: an
    initializer draws each as a layer of its own. Weight maps see N of them by `alike`.
    """

    def __init__(self, like: nn.Linear, count: int) -> None:
        super().__init__(like.in_features, count * like.out_features, like.bias is not None)
        self.count = self.alike = count
        self.stacked = getattr(like, "stacked", [like.out_features]) * count
        if getattr(like, "ends_residual_branch", False):
            self.ends_residual_branch = True

    def forward(self, rows: Tensor, groups: Groups) -> Tensor:  # type: ignore[override]
        rows, weight, bias = _as_autocast(rows, self.weight, self.bias)
        result = grouped_product(rows, weight.unflatten(0, (self.count, -1)), groups.ends)
        return result if bias is None else result + bias.unflatten(0, (self.count, -1))[groups.layers]


class Separate(nn.Module):
    """Experts that cannot be computed together: each gets its own rows, in a loop."""

    def __init__(self, experts: list[nn.Module]) -> None:
        super().__init__()
        self.experts = nn.ModuleList(experts)

    def forward(self, rows: Tensor, groups: Groups) -> Tensor:
        # Even an expert without rows is called: several processes wait for the gradients of all weights.
        return torch.cat([expert(own) for expert, own in zip(self.experts, self._split(rows, groups), strict=True)])

    def _split(self, rows: Tensor, groups: Groups) -> list[Tensor]:
        count = len(self.experts)
        if rows.is_meta:  # which rows are whose is not known there; how many there are in all is
            return list(rows.tensor_split(count))
        return list(rows.tensor_split(groups.ends[:-1].tolist()))


def together(make: Any, count: int) -> nn.Module:
    """`count` layers as `make` makes them, as one module of rows sorted by layer, and their `Groups`."""
    first: nn.Module = make()
    if not getattr(first, "takes_groups", False):
        return Separate([first, *(make() for _ in range(count - 1))])
    for parent in list(first.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, GroupedLinear(child, count))
    return first


def _as_autocast(*tensors: Tensor | None) -> list[Any]:
    """As `torch.autocast` would cast them for a product, if it is on."""
    kind = cast(Tensor, tensors[0]).device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return list(tensors)
    dtype = torch.get_autocast_dtype(kind)
    return [one if one is None or one.dtype == torch.float64 else one.to(dtype) for one in tensors]
