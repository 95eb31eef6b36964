"""Memories that fade feature by feature and are corrected along a direction (Peng et al. 2025, arXiv:2503.14456).

    S_t = (diag(w_t) - b_t a_t^T) S_{t-1} + k_t v_t^T,   o_t = S_t^T q_t

Written as S_t = diag(w_t) S_{t-1} + b_t u_t^T + k_t v_t^T with u_t = -S_{t-1}^T a_t, what is corrected in a chunk, U,
solves a triangular system, as in the delta rule.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .chunks import LONG, Chunks, only, states_before

FASTEST = 0.6065306597126334
"""Most that the logarithm of a decay falls in one step, exp(-1/2)."""


class Evolving:
    """Tokens bring queries and keys [K], values [V], logarithms of decays w, directions a, and corrections b [K] each.

    A decay is exp(-FASTEST) or more. So the decay from one position to another is, without an overflow, a quotient of
    their decays from the beginning of the chunk, which are exp(-FASTEST * 64) or more, 1e-17.
    """

    def __init__(self, chunk: int = LONG) -> None:
        self.chunk = chunk

    def in_chunks(self, brought: tuple[Tensor, ...], chunks: Chunks, first: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, step, a, b = (chunks.cut(x) for x in brought)
        decay, meeting = step.cumsum(-2), chunks.meeting()
        reading, looking, end = q * decay.exp(), a * (decay - step).exp(), decay[..., -1:, :]
        writing = torch.cat((b * (-decay).exp(), k * (-decay).exp()), -2).mT
        corrected, added = (looking @ writing).chunk(2, -1)  # by j < i, where i looks
        from_corrected, from_added = (reading @ writing).chunk(2, -1)  # by j <= i, at i
        corrected, added = (only(pairs.tril(-1), meeting.pairs) for pairs in (corrected, added))
        from_corrected, from_added = (only(pairs.tril(), meeting.pairs) for pairs in (from_corrected, from_added))
        wanted = torch.cat((-added @ v, only(looking, meeting.sees_before)), -1)
        solved = torch.linalg.solve_triangular(corrected, wanted, upper=False, unitriangular=True)
        new, old = solved.split([v.shape[-1], k.shape[-1]], -1)  # U = new - old S_before
        to_end = only((end - decay).exp(), meeting.reaches_end)
        b_end, k_end = (b * to_end).mT, (k * to_end).mT
        passing = torch.diag_embed(only(end.exp(), meeting.passes).squeeze(-2))
        states = states_before(passing - b_end @ old, b_end @ new + k_end @ v, first)
        before = states[:, :, :-1]
        o = only(reading, meeting.sees_before) @ before
        return chunks.join(o + from_corrected @ (new - old @ before) + from_added @ v), states[:, :, -1]

    def step(self, brought: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v, decay, a, b = (x.unsqueeze(-2) for x in brought)
        state = state * decay.exp().mT - b.mT * (a @ state) + k.mT * v
        return (q @ state).squeeze(-2), state
