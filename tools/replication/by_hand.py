"""nanoGPT written by hand, the model and the loop, in plain PyTorch: what partwise's figures are compared with.

The setting is that of nanoGPT's README for a CPU: 4 layers, 4 heads, width 128, context 64, batches of 12, no biases,
no dropout, the head tied to the embedding. Nothing of partwise is used but the windows that are handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, LAYERS, CONTEXT = 128, 4, 4, 64
RATE, LEAST_RATE, DECAY, CLIP = 1e-3, 1e-4, 0.1, 1.0
Windows = tuple[Tensor, Tensor]
"""Tokens [B, T], and the tokens that follow them."""


class Block(nn.Module):
    """One layer: attention, then a feed-forward, each after a norm and added."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.norm_1 = nn.LayerNorm(WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)
        self.norm_2 = nn.LayerNorm(WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        heads = (one.view(B, T, HEADS, C // HEADS).transpose(1, 2) for one in self.qkv(self.norm_1(x)).split(C, 2))
        y = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(B, T, C))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class NanoGPT(nn.Module):
    """Logits [B, T, V] of tokens [B, T]."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                ends_branch = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if ends_branch else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def train(model: NanoGPT, steps: int, windows: Callable[[int], Windows]) -> Iterator[float]:
    """Updates a model `steps` times, the i-th on `windows(i)`; yields the loss of each, before it."""
    matrices = [one for one in model.parameters() if one.dim() > 1]
    vectors = [one for one in model.parameters() if one.dim() == 1]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        tokens, targets = windows(step)
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        yield loss.item()


def rate(step: int, steps: int) -> float:
    """nanoGPT's learning rate: a linear warm-up over a tenth of the steps, then a cosine.

    In its warm-up of n updates the i-th, from 0, has the share (i + 1) / (n + 1), and the one after them the whole
    rate: a warm-up of n + 1 updates. The cosine begins there.
    """
    warmup = steps // 10 + 1
    if step < warmup:
        return RATE * (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    return LEAST_RATE + 0.5 * (1 + math.cos(math.pi * share)) * (RATE - LEAST_RATE)


@torch.no_grad()
def loss(model: NanoGPT, windows: Iterable[Windows]) -> float:
    """Mean loss of all targets that are not negative."""
    total, count = 0.0, 0
    for tokens, targets in windows:
        logits, scored = model(tokens).flatten(0, 1), targets.flatten()
        total += F.cross_entropy(logits, scored, ignore_index=-100, reduction="sum").item()
        count += int((scored >= 0).sum())
    return total / count
