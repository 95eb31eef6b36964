"""Experts by the hash of the token (Roller et al. 2021, arXiv:2106.04426)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from partwise.modules import Flow, Routing, exact_dtype

_WORD = 0xFFFFFFFF


class HashRouter(nn.Module):
    """One expert for each token id, drawn at random once and for all (random hash, section 3.1): nothing is learned.

    The draw is a mixing of the bits of id and salt, so that it needs no table as long as the vocabulary.

    Raises:
        ValueError: from `forward`, if the flow does not say what the tokens are.
    """

    def __init__(self, experts: int, salt: int) -> None:
        super().__init__()
        self.experts, self.salt = experts, salt

    def forward(self, x: Tensor, flow: Flow) -> Routing:
        if flow.tokens is None:
            raise ValueError("a hash router chooses by the ids of tokens, and this pass does not say them")
        experts = mixed(flow.tokens.to(torch.int64) + self.salt) % self.experts
        experts = experts.expand(x.shape[:2]).reshape(-1, 1)
        return Routing(experts, torch.ones_like(experts, dtype=exact_dtype(x.dtype)))

    def extra_repr(self) -> str:
        return f"experts={self.experts}"


def mixed(numbers: Tensor) -> Tensor:
    """Integers to integers of 32 bits in which every bit depends on every bit."""
    numbers = numbers & _WORD
    for _ in range(2):
        numbers = ((numbers ^ (numbers >> 16)) * 0x45D9F3B) & _WORD
    return numbers ^ (numbers >> 16)
