"""How scores become the weights of values: by a softmax, or otherwise."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Weigher(Protocol):
    """An `nn.Module` from scores [B, H, T, S], capped and biased, to weights of the same shape."""

    @property
    def fuses(self) -> bool:
        """Whether fused kernels can do its work: a softmax over the scores, and over `sinks` if there are any."""
        ...

    @property
    def sinks(self) -> Tensor | None:
        """[H] logits that join each head's softmax and have no value; None if there are none."""
        ...

    def __call__(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` is True where a query sees a key; elsewhere weights are 0."""
        ...


def softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """exp(s_ij) / sum_k exp(s_ik) over the keys k that query i sees; 0 everywhere for a query that sees none."""
    if mask is None:
        return scores.softmax(dim=-1)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights.masked_fill(~mask, 0.0)


class SoftmaxWeigher(nn.Module):
    """As `softmax`: weights are positive and add up to one."""

    fuses = True
    sinks = None

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return softmax(scores, mask)


SOFTMAX = SoftmaxWeigher()


class SinkWeigher(nn.Module):
    """exp(s_ij) / (exp(sink) + sum_k exp(s_ik)) with a learned sink per head, so that a head may look at nothing.

    Xiao et al. (2023, arXiv:2309.17453) found that heads with nothing to look at put their weight on the first tokens,
    which they call sinks. A logit without a key takes that weight instead, as in gpt-oss (OpenAI 2025,
    arXiv:2508.10925). Sinks begin at 0, where this is the softmax with one more in its denominator.
    """

    fuses = True

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.sinks = nn.Parameter(torch.empty(heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.sinks)

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        sinks = self.sinks.to(scores.dtype).view(-1, 1, 1).expand(*scores.shape[:-1], 1)
        seen = None if mask is None else nn.functional.pad(mask, (1, 0), value=True)
        return softmax(torch.cat((sinks, scores), dim=-1), seen)[..., 1:]


class SigmoidWeigher(nn.Module):
    """sigma(s_ij + b): each key is weighed by itself, and weights need not add up to one.

    Ramapuram et al. (2024, arXiv:2409.04431), section 2, with b = -log n for texts of n tokens.
    """

    fuses = False
    sinks = None

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        weights = torch.sigmoid(scores + self.bias)
        return weights if mask is None else weights.masked_fill(~mask, 0.0)

    def extra_repr(self) -> str:
        return f"bias={self.bias:g}"


class TalkingWeigher(nn.Module):
    """A softmax whose heads exchange scores before it and weights after it, by two learned matrices [H, H].

        weights = after softmax(before scores), at each pair of query and key

    Shazeer et al. (2020, arXiv:2003.02436). Both begin as the identity, where heads do not talk.
    """

    fuses = False
    sinks = None

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.before = nn.Parameter(torch.empty(heads, heads))
        self.after = nn.Parameter(torch.empty(heads, heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.eye_(self.before)
        nn.init.eye_(self.after)

    def forward(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        return _exchanged(self.after, softmax(_exchanged(self.before, scores), mask))


def _exchanged(matrix: Tensor, scores: Tensor) -> Tensor:
    """[G, H] and [B, H, T, S] to [B, G, T, S]."""
    return torch.einsum("gh,bhts->bgts", matrix.to(scores.dtype), scores)
