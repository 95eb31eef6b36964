"""Multi-head attention (Vaswani et al. 2017), with grouped key/value heads (Ainslie et al. 2023).

One module for self- and cross-attention. Its pieces (score, position, norms of queries and keys) arrive
built, so that a new one needs no change here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.flow import Flow, State
from partwise.interfaces import PositionEncoder, Score

from .core import attend, empty_cache, join_heads, remember, split_heads
from .masks import memory_visible, needs_no_mask, visible
from .projections import FusedLinear


class MultiHeadAttention(nn.Module):
    """x [B, T, C] to [B, T, C] by H heads of width D over K key/value heads.

        query, key, value = projections of x (self) or of x and the memory (cross)
        heads = softmax(score(query, key) + bias) value, per head
        y = output(heads side by side)

    Self-attention keeps one fused projection `project` (rows: query, key, value); cross-attention has
    `query` over x and `project` (rows: key, value) over the memory.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        score: Score,
        biased: frozenset[str],
        memory_width: int | None = None,
        causal: bool = True,
        window: int | None = None,
        position: PositionEncoder | None = None,
        norms: tuple[nn.Module, nn.Module] | None = None,
        norm_before_split: bool = False,
        soft_cap: float | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.head_width, self.groups = head_width, heads // kv_heads
        self.kv_heads = kv_heads
        self.causal, self.window = causal, window
        self.soft_cap, self.dropout = soft_cap, dropout
        self.reads_memory = memory_width is not None
        sizes = {"query": heads * head_width, "key": kv_heads * head_width, "value": kv_heads * head_width}
        if memory_width is None:
            self.project = FusedLinear(width, list(sizes.values()), [name in biased for name in sizes])
        else:
            self.query = nn.Linear(width, sizes["query"], bias="query" in biased)
            pair = ("key", "value")
            self.project = FusedLinear(memory_width, [sizes[n] for n in pair], [n in biased for n in pair])
        self.output = nn.Linear(sizes["query"], width, bias="output" in biased)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.score = score
        self.scale = score.scale
        self.fusible = score.scale is not None and soft_cap is None
        self.position = position
        self.query_norm = norms[0] if norms else None
        self.key_norm = norms[1] if norms else None
        self.norm_before_split = norm_before_split

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        if self.reads_memory:
            query = self._heads(self.query(x), self.query_norm)
            key, value = self._memory(flow, state)
            return self.output(join_heads(self._weigh(query, key, value, memory_visible(flow), None, False)))
        if self.position is not None:
            flow = flow.placed_by(self.position)
        queries, keys, values = self.project(x)
        query = flow.rotate(self._heads(queries, self.query_norm))
        key = flow.rotate(self._heads(keys, self.key_norm))
        key, value = remember(key, split_heads(values, self.head_width), flow, state)
        plain = needs_no_mask(flow, self.window)
        # One new token sees all there is; several from the start are the fused kernel's own causal case.
        fused_causal = plain and self.causal and flow.start == 0 and flow.length > 1
        open_to_all = plain and (not self.causal or flow.length == 1)
        if open_to_all or (fused_causal and flow.bias is None and self.fusible):
            mask = None
        else:
            mask, fused_causal = visible(flow, self.causal, self.window), False
        return self.output(join_heads(self._weigh(query, key, value, mask, flow.bias, fused_causal)))

    def _heads(self, x: Tensor, norm: nn.Module | None) -> Tensor:
        """[B, T, H * D] to normalised heads [B, H, T, D]."""
        if norm is None:
            return split_heads(x, self.head_width)
        if self.norm_before_split:
            return split_heads(norm(x), self.head_width)
        return norm(split_heads(x, self.head_width))

    def _memory(self, flow: Flow, state: State | None) -> tuple[Tensor, Tensor]:
        """Keys and values of the memory: projected once, at the first pass, where there is a state to keep them."""
        if state is not None and flow.start > 0:
            return state["keys"], state["values"]
        assert flow.memory is not None, "the decoder's flow carries the encoder's states"
        keys, values = self.project(flow.memory)
        key, value = self._heads(keys, self.key_norm), split_heads(values, self.head_width)
        if state is not None:
            state["keys"].copy_(key)
            state["values"].copy_(value)
        return key, value

    def _weigh(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, bias: Tensor | None, causal: bool
    ) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        if self.groups > 1:
            key, value = key.repeat_interleave(self.groups, 1), value.repeat_interleave(self.groups, 1)
        if not self.fusible:
            return attend(query, key, value, self.score, mask, bias, self.soft_cap, dropout)
        if bias is not None:
            bias = bias.to(query.dtype)
            mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
        if query.dtype == torch.bfloat16 and query.device.type == "cpu" and torch.is_grad_enabled():
            # PyTorch's fused backward pass in bfloat16 on a CPU is some seven times slower than in float32.
            with torch.autocast("cpu", enabled=False):
                mask = mask.float() if mask is not None and mask.is_floating_point() else mask
                return self._fused(query.float(), key.float(), value.float(), mask, dropout, causal).bfloat16()
        return self._fused(query, key, value, mask, dropout, causal)

    def _fused(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, causal: bool
    ) -> Tensor:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, is_causal=causal, scale=self.scale
        )

    def extra_repr(self) -> str:
        shape = f"heads={self.kv_heads * self.groups}, kv_heads={self.kv_heads}, head_width={self.head_width}"
        seen = "memory" if self.reads_memory else "causal" if self.causal else "bidirectional"
        return f"{shape}, {seen}{f', window={self.window}' if self.window else ''}"

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return empty_cache(batch, self.kv_heads, length, self.head_width, like)
