"""Memories that are corrected: what a key holds is replaced by a share of the new value (the delta rule).

    S_t = alpha_t (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T,   o_t = S_t^T q_t

(Yang et al. 2024, arXiv:2406.06484, with alpha = 1; Yang et al. 2024, arXiv:2412.06464, equation 10). Written as

    S_t = alpha_t S_{t-1} + k_t u_t^T,   u_t = beta_t (v_t - alpha_t S_{t-1}^T k_t),

what is written in a chunk, U, solves a triangular system, (I + M) U = diag(beta) (V - diag(gamma) K S_before) with
M_ij = beta_i k_i^T k_j gamma_i / gamma_j for j < i and gamma_i = alpha_1 ... alpha_i (their WY form, sections 3.2 and
3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import LONG, Chunks, fade, states_before


class DeltaRule:
    """Tokens bring queries and keys [K], values [V], shares beta [1], and the logarithm of a decay alpha [1]."""

    def __init__(self, chunk: int = LONG) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, beta, decay = (chunks.cut(x) for x in brought)
        left = fade(decay, chunks.meeting())  # pairs are gamma_i / gamma_j, from_before is gamma_i
        matrix = (beta * k @ k.mT * left.pairs).tril(-1)
        wanted = torch.cat((beta * v, beta * left.from_before * k), -1)
        solved = torch.linalg.solve_triangular(matrix, wanted, upper=False, unitriangular=True)
        new, old = solved.split([v.shape[-1], k.shape[-1]], -1)  # U = new - old S_before
        k_end, identity = (left.to_end * k).mT, torch.eye(k.shape[-1], dtype=k.dtype, device=k.device)
        states = states_before(left.through * identity - k_end @ old, k_end @ new, first)
        before = states[:, :, :-1]
        o = left.from_before * q @ before + q @ k.mT * left.pairs @ (new - old @ before)
        return chunks.join(o), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, beta, decay = (x.unsqueeze(-2) for x in brought)
        state = state * decay.exp()
        state = state + k.mT * (beta * (v - k @ state))
        return (q @ state).squeeze(-2), state


def unit(x: Tensor) -> Tensor:
    """x with vectors [..., D] of length 1, in float32 or better; near 0 they stay short."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-6)
