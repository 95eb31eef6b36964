"""What every part of the kind `weighing` must do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from partwise.testing import close, numbers, require, shaken

B, T, S = 2, 5, 7


def hidden_keys_weigh_nothing(part: Any, site: Any) -> None:
    """A key that a query does not see has the weight 0 and changes no other weight, whatever its score."""
    module, scores = shaken(part, site), numbers(B, site.heads, T, S)
    mask = _mask()
    weights = module(scores, mask)
    require(bool((weights.masked_select(~mask) == 0).all()), "a hidden key has a weight other than 0")
    other = module(torch.where(mask, scores, 100.0), mask)
    close(other, weights, "with other scores of hidden keys, the weights", 1e-5, 1e-6)
    require(bool(weights.isfinite().all()), "a query that sees nothing has weights that are not finite")


def queries_are_weighed_apart(part: Any, site: Any) -> None:
    """The weights of a query depend on its own scores only."""
    module, scores = shaken(part, site), numbers(B, site.heads, T, S)
    whole = module(scores, None)
    for t in range(T):
        close(module(scores[:, :, t : t + 1], None), whole[:, :, t : t + 1], f"query {t} alone", 1e-5, 1e-6)


def fused_kernels_may_do_its_work(part: Any, site: Any) -> None:
    """If it `fuses`, its weights are those of a softmax over the scores and its `sinks`."""
    module, scores, mask = shaken(part, site), numbers(B, site.heads, T, S), _mask()
    if not module.fuses:
        require(module.sinks is None, "kernels do not do its work, and so it has no sinks for them")
        return
    exponentials = scores.exp() * mask
    total = exponentials.sum(-1, keepdim=True)
    if module.sinks is not None:
        total = total + module.sinks.exp()[:, None, None]
    expected = torch.where(total > 0, exponentials / total, 0.0)
    close(module(scores, mask), expected, "the weights, and those of a softmax over scores and sinks", 1e-4, 1e-5)


def _mask() -> Tensor:
    """[B, 1, T, S] in which query 1 of the first row sees nothing."""
    mask = numbers(B, 1, T, S, seed=5) > 0
    mask[..., 0] = True
    mask[0, :, 1] = False
    return mask


ALL = (hidden_keys_weigh_nothing, queries_are_weighed_apart, fused_kernels_may_do_its_work)
