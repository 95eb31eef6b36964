"""Multi-head latent attention, MLA (DeepSeek-AI 2024): keys and values of all heads from one narrow latent.

Decoding keeps the latent and one rotated key per token, instead of keys and values of every head.

Shapes: B batch, T positions, S positions so far, H heads, R features of the latent, N and P features of a head's
queries and keys without and with a position, E of its values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from partwise.modules import CAUSAL, Bias, Flow, Mask, PositionEncoder, Shown, State, Visibility

from .attending import Attending
from .backends import AUTO, Weighing
from .core import join_heads, split_heads
from .projections import FusedLinear
from .scores import DotScore
from .weighing import SOFTMAX, Weigher


@dataclass(frozen=True)
class LatentShape:
    """How many heads there are, and how wide everything is."""

    heads: int
    """H."""
    latent: int
    """R, of keys and values."""
    plain: int
    """N, of queries and keys without position."""
    rotary: int
    """P, of queries and of the one key that turn with their position; 0 if nothing turns."""
    value: int
    """E."""

    @property
    def query(self) -> int:
        return self.plain + self.rotary


@dataclass(frozen=True)
class LatentNorms:
    """Norms of the latents."""

    key_value: nn.Module
    query: nn.Module | None = None
    """None: queries have no latent."""


class LatentAttention(Attending):
    """x [B, T, C] to [B, T, C].

        c, r = down(x)                    the latent, normalised, and the key that turns: all that a state keeps
        k_h, v_h = up_h(c)                keys and values of head h
        q_h, p_h = query_h(x)             or of a latent of x's own, of `query_rank` features
        score = scale (q_h . k_h + rotate(p_h) . rotate(r))

    DeepSeek-AI (2024, arXiv:2405.04434), section 2.1, equations 9 to 19. With one new token per row, `up` is worked
    into queries and outputs instead (section 2.1.2), so that heads read the latents as they are kept:

        q_h . k_h = (up_key_h^T q_h) . c        sum of weights * v_h = up_value_h (sum of weights * c)
    """

    def __init__(
        self,
        width: int,
        shape: LatentShape,
        norms: LatentNorms,
        query_rank: int | None = None,
        scale: float | None = None,
        bias: bool = False,
        memory_width: int | None = None,
        visibility: Visibility = CAUSAL,
        position: PositionEncoder | None = None,
        weighing: Weighing = AUTO,
        weigher: Weigher = SOFTMAX,
    ) -> None:
        super().__init__(DotScore(shape.query**-0.5 if scale is None else scale), weighing, weigher)
        self.shape, self.visibility, self.position = shape, visibility, position
        self.reads_memory = memory_width is not None
        self.query_down = None if query_rank is None else nn.Linear(width, query_rank, bias=bias)
        self.query_norm = norms.query
        self.query = nn.Linear(query_rank or width, shape.heads * shape.query, bias=False)
        sizes = [shape.latent, *([shape.rotary] if shape.rotary else [])]
        self.down = FusedLinear(memory_width or width, sizes, [bias] * len(sizes))
        self.norm = norms.key_value
        self.up = nn.Linear(shape.latent, shape.heads * (shape.plain + shape.value), bias=False)
        self.output = nn.Linear(shape.heads * shape.value, width, bias=bias)
        self.output.ends_residual_branch = True  # type: ignore[assignment]

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        return self._end(self._mixed(*self._readable(x, flow, state), state))

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        query, kept, mask, bias = self._readable(x, flow, None)
        return self.taken_apart(query, *self._key_value(kept), mask, bias, None, self._end)

    def _readable(self, x: Tensor, flow: Flow, state: State | None) -> tuple[Tensor, Tensor, Mask, Bias | None]:
        """Queries, what is kept for them to read, mask and bias."""
        if self.reads_memory:
            kept = self._memory(flow, state)
            return self._query(x, flow), kept, flow.memory_mask, None
        turning = (self.shape.heads, self.shape.rotary or self.shape.plain)
        placed = flow.for_heads(*turning) if self.position is None else flow.placed_by(self.position)
        kept = self._kept(self._entries(x, placed), flow, state)
        return self._query(x, placed), kept, flow.mask(self.visibility), placed.bias

    def _end(self, heads: Tensor) -> Tensor:
        y: Tensor = self.output(join_heads(heads))
        return y

    def _query(self, x: Tensor, flow: Flow) -> Tensor:
        """[B, H, T, N + P], the last P features rotated."""
        if self.query_down is not None and self.query_norm is not None:
            x = self.query_norm(self.query_down(x))
        heads = split_heads(self.query(x), self.shape.query)
        if not self.shape.rotary:
            return heads
        plain, turning = heads.split([self.shape.plain, self.shape.rotary], dim=-1)
        return torch.cat((plain, flow.rotate(turning)), dim=-1)

    def _entries(self, x: Tensor, flow: Flow) -> Tensor:
        """What a state keeps of each position: latent and rotated key side by side, [B, T, R + P]."""
        latent, *turning = self.down(x)
        if not turning:
            normed: Tensor = self.norm(latent)
            return normed
        return torch.cat((self.norm(latent), flow.rotate(turning[0].unsqueeze(1)).squeeze(1)), dim=-1)

    def _kept(self, entries: Tensor, flow: Flow, state: State | None) -> Tensor:
        """The entries of all tokens so far."""
        if state is None:
            return entries
        state["latents"][:, flow.start : flow.end] = entries
        kept: Tensor = state["latents"][:, : flow.end].to(entries.dtype)
        return kept

    def _memory(self, flow: Flow, state: State | None) -> Tensor:
        """The entries of the memory; with a state to keep them, they are made once, in the first pass."""
        if state is not None and flow.start > 0:
            kept: Tensor = state["latents"]
            return kept
        assert flow.memory is not None, "the decoder's flow carries the encoder's states"
        entries = self._entries(flow.memory, flow)
        if state is not None:
            state["latents"].copy_(entries)
        return entries

    def _mixed(self, query: Tensor, kept: Tensor, mask: Mask, bias: Bias | None, state: State | None) -> Tensor:
        """Queries [B, H, T, N + P] over what is kept, [B, S, R + P], to mixed values [B, H, T, E]."""
        if state is not None and query.shape[2] == 1:
            return self._absorbed(query, kept, mask, bias)
        key, value = self._key_value(kept)
        return self.weigh(query, key, value, mask, bias)

    def _key_value(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Keys [B, H, S, N + P] and values [B, H, S, E] of all heads."""
        latent, turning = kept.split([self.shape.latent, self.shape.rotary], dim=-1)
        heads = split_heads(self.up(latent), self.shape.plain + self.shape.value)
        key, value = heads.split([self.shape.plain, self.shape.value], dim=-1)
        if self.shape.rotary:
            key = torch.cat((key, turning.unsqueeze(1).expand(-1, self.shape.heads, -1, -1).to(key.dtype)), dim=-1)
        return key, value

    def _absorbed(self, query: Tensor, kept: Tensor, mask: Mask, bias: Bias | None) -> Tensor:
        """As `_mixed`: all heads share the kept entries as keys, and the latents among them as values."""
        shape = self.shape
        up = self.up.weight.view(shape.heads, shape.plain + shape.value, shape.latent)
        plain, turning = query.split([shape.plain, shape.rotary], dim=-1)
        query = torch.cat((plain @ up[:, : shape.plain], turning.to(plain.dtype)), dim=-1)
        entries = kept.unsqueeze(1)
        latents = self.weigh(query, entries, entries[..., : shape.latent], mask, bias)
        return latents @ up[:, shape.plain :].transpose(1, 2)

    def extra_repr(self) -> str:
        seen = "memory" if self.reads_memory else "causal" if self.visibility.causal else "bidirectional"
        return f"{self.shape}, {seen}{f', window={self.visibility.window}' if self.visibility.window else ''}"

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {"latents": like.new_zeros(batch, length, self.shape.latent + self.shape.rotary)}
