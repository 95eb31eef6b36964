"""Memories that fade, and to which each token adds.

    S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t

alpha is a number per head, as in retention (Sun et al. 2023, arXiv:2307.08621, equations 1 to 7), or one per feature of
the keys, as in gated linear attention (Yang et al. 2023, arXiv:2312.06635, section 4).

Decays are given as logarithms, and only sums that are at most 0 are exponentiated: nothing overflows, however strong a
decay is. They are sums of what lies between two positions, never differences of longer ones, which would be off after a
step that has cleared nearly all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import LONG, SHORT, Chunks, fade, only, states_before

BLOCK = 8
"""Positions within which decays are written out for every pair; divides a chunk."""


class FadingByHead:
    """Tokens bring queries and keys [K], values [V], and the logarithm of one decay [1]."""

    def __init__(self, chunk: int = LONG) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, decay = (chunks.cut(x) for x in brought)
        left = fade(decay, chunks.meeting())
        states = states_before(left.through, (left.to_end * k).mT @ v, first)
        o = left.from_before * q @ states[:, :, :-1] + q @ k.mT * left.pairs @ v
        return chunks.join(o), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        return _step(brought, state)


class FadingByFeature:
    """Tokens bring queries and keys [K], values [V], and logarithms of decays [K].

    A chunk is cut into M blocks of `BLOCK` positions. Between two blocks, the decay is split where the later one
    begins, into two factors of at most 1, so that a matrix product sums over features. Within a block it is written
    out.
    """

    def __init__(self, chunk: int = SHORT) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, decay = (chunks.cut(x) for x in brought)
        meeting, blocks = chunks.meeting(), decay.unflatten(-2, (-1, BLOCK))
        to_start, to_end = _to_starts(blocks)
        states = states_before(
            only(decay.sum(-2, keepdim=True).exp(), meeting.passes).mT,
            only(k * to_end.exp(), meeting.reaches_end).mT @ v,
            first,
        )
        q_blocks, k_blocks = q.unflatten(-2, (-1, BLOCK)), k.unflatten(-2, (-1, BLOCK))
        earlier = q_blocks * blocks.cumsum(-2).exp() @ (k.unsqueeze(-3) * to_start.exp()).mT  # [.., M, BLOCK, L]
        pairs = earlier.flatten(-3, -2) + _on_diagonal(_within(q_blocks, k_blocks, blocks))
        o = only(q * decay.cumsum(-2).exp(), meeting.sees_before) @ states[:, :, :-1]
        return chunks.join(o + only(pairs, meeting.pairs) @ v), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        return _step(brought, state)


def _step(brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
    q, k, v, decay = (x.unsqueeze(-1) for x in brought)
    state = state * decay.exp() + k * v.mT
    return (q.mT @ state).squeeze(-2), state


def _to_starts(log_decay: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of decays after each position, up to where each block begins, and up to the chunk's end.

    From [.., M, BLOCK, K] to [.., M, L, K], -inf where a position is not before the block, and [.., L, K].
    """
    from_here = log_decay.flip(-2).cumsum(-2).flip(-2)
    to_block_end = torch.cat((from_here[..., 1:, :], torch.zeros_like(from_here[..., :1, :])), -2)
    block = torch.arange(log_decay.shape[-3], device=log_decay.device)
    later = (block > block[:, None])[..., None]  # [block, later block, 1]
    whole = from_here[..., 0, :].unsqueeze(-3)  # [.., 1, M, K]
    over = only(whole.expand(*whole.shape[:-3], len(block), -1, -1), later).cumsum(-2).transpose(-2, -3)
    sums = over.unsqueeze(-2) + to_block_end.unsqueeze(-4)  # up to the end of a block: [.., M, M, BLOCK, K]
    to_start = torch.cat((torch.zeros_like(sums[..., :1, :, :, :]), sums[..., :-1, :, :, :]), -4)
    to_start = to_start.masked_fill(~later.transpose(0, 1)[..., None], float("-inf"))
    return to_start.flatten(-3, -2), sums[..., -1, :, :, :].flatten(-3, -2)


def _within(q: Tensor, k: Tensor, log_decay: Tensor) -> Tensor:
    """Sum over features of q_i k_j exp(sum of decays after j up to i), 0 where j > i: [.., S, S], from [.., S, K]."""
    place = torch.arange(q.shape[-2], device=q.device)
    later, sooner = (place[:, None] > place)[..., None], (place[:, None] < place)[..., None]
    steps = log_decay.unsqueeze(-2).expand(*log_decay.shape[:-1], len(place), -1)
    weights = only(steps, later).cumsum(-3).masked_fill(sooner, float("-inf")).exp()
    return torch.einsum("...id,...ijd,...jd->...ij", q, weights, k)


def _on_diagonal(blocks: Tensor) -> Tensor:
    """[.., M, S, S] to matrices [.., M S, M S] with these on the diagonal."""
    identity = torch.eye(blocks.shape[-3], dtype=blocks.dtype, device=blocks.device)[:, None, :, None]
    return (blocks.unsqueeze(-2) * identity).flatten(-2).flatten(-3, -2)
