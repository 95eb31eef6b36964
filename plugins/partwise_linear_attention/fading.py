"""Memories that fade, and to which each token adds.

    S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t

alpha is a number per head, as in retention (Sun et al. 2023, arXiv:2307.08621, equations 1 to 7), or one per feature of
the keys, as in gated linear attention (Yang et al. 2023, arXiv:2312.06635, section 4).

Decays are given as logarithms and summed, and only differences that are at most 0 are exponentiated: nothing overflows,
however strong a decay is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import LONG, SHORT, Chunks, kept, only, states_before

BLOCK = 8
"""Positions within which decays are written out for every pair; divides a chunk."""


class FadingByHead:
    """Tokens bring queries and keys [K], values [V], and the logarithm of one decay [1]."""

    def __init__(self, chunk: int = LONG) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, decay = (chunks.cut(x) for x in brought)
        decay, meeting = decay.cumsum(-2), chunks.meeting()
        end = decay[..., -1:, :]
        updates = only(k * (end - decay).exp(), meeting.reaches_end).mT @ v
        states = states_before(only(end.exp(), meeting.passes), updates, first)
        from_before = only(q * decay.exp(), meeting.sees_before) @ states[:, :, :-1]
        return chunks.join(from_before + q @ k.mT * kept(decay, meeting) @ v), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        return _step(brought, state)


class FadingByFeature:
    """Tokens bring queries and keys [K], values [V], and logarithms of decays [K]."""

    def __init__(self, chunk: int = SHORT) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, decay = (chunks.cut(x) for x in brought)
        decay, meeting = decay.cumsum(-2), chunks.meeting()
        end = decay[..., -1:, :]
        updates = only(k * (end - decay).exp(), meeting.reaches_end).mT @ v
        states = states_before(only(end.exp(), meeting.passes).mT, updates, first)
        from_before = only(q * decay.exp(), meeting.sees_before) @ states[:, :, :-1]
        return chunks.join(from_before + only(_pairs(q, k, decay), meeting.pairs) @ v), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        return _step(brought, state)


def _step(brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
    q, k, v, decay = (x.unsqueeze(-1) for x in brought)
    state = state * decay.exp() + k * v.mT
    return (q.mT @ state).squeeze(-2), state


def _pairs(q: Tensor, k: Tensor, decay: Tensor) -> Tensor:
    """Sum over features of q_i k_j exp(decay_i - decay_j), 0 where j > i: [B, H, N, L, L], from [B, H, N, L, K].

    A chunk is cut into M blocks of `BLOCK` positions. Between two blocks the decay is split where the later one begins,
    into two factors of at most 1, and the sum is a matrix product. Within a block, it is written out.
    """
    blocks = q.shape[-2] // BLOCK
    q_blocks, k_blocks, decay_blocks = (x.unflatten(-2, (blocks, BLOCK)) for x in (q, k, decay))
    start = torch.cat((torch.zeros_like(decay[..., None, :1, :]), decay_blocks[..., :-1, -1:, :]), -3)
    to_start = k.unsqueeze(-3) * (start - decay.unsqueeze(-3)).clamp(max=0).exp()  # [B, H, N, M, L, K]
    between = q_blocks * (decay_blocks - start).exp() @ to_start.mT  # [B, H, N, M, BLOCK, L]
    place = torch.arange(q.shape[-2], device=q.device)
    block = place // BLOCK
    between = only(between.flatten(-3, -2), block[:, None] > block)
    exponents = decay_blocks.unsqueeze(-2) - decay_blocks.unsqueeze(-3)
    hidden = place[:BLOCK, None] < place[:BLOCK]
    weights = exponents.masked_fill(hidden[..., None], float("-inf")).exp()  # [B, H, N, M, BLOCK, BLOCK, K]
    within = torch.einsum("...id,...ijd,...jd->...ij", q_blocks, weights, k_blocks)
    # Each block of `within` is put on the diagonal of a matrix of blocks.
    diagonal = torch.eye(blocks, dtype=q.dtype, device=q.device)[:, None, :, None]
    return between + (within.unsqueeze(-2) * diagonal).flatten(-2).flatten(-3, -2)
