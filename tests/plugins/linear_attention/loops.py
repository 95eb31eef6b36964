"""Each mixer over one text, one position after another, written from the equations of its paper."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Weights = dict[str, Tensor]


def weights_of(module: nn.Module) -> Weights:
    return {name: value.detach() for name, value in module.named_parameters()}


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def rms(x: Tensor, gain: Tensor, eps: float = 1e-6) -> Tensor:
    return x / (x.square().mean() + eps).sqrt() * gain


def layer_norm(x: Tensor, gain: Tensor, offset: Tensor, eps: float = 1e-5) -> Tensor:
    centred = x - x.mean()
    return centred / (centred.square().mean() + eps).sqrt() * gain + offset


def turned(x: Tensor, position: int) -> Tensor:
    """Features i and i + D/2 as a complex number, times exp(i position / 10000^(2 i / D))."""
    half = len(x) // 2
    angle = position * 10_000.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    number = torch.complex(x[:half], x[half:]) * torch.complex(angle.cos(), angle.sin())
    return torch.cat((number.real, number.imag))


def gated_linear_attention(w: Weights, x: Tensor, heads: int, keys: int, values: int, divisor: float) -> Tensor:
    """Yang et al. 2023, section 4: S_t = (alpha_t^T 1) * S_{t-1} + k_t^T v_t, o_t = q_t S_t."""
    memories, outputs = torch.zeros(heads, keys, values, dtype=x.dtype), []
    for now in x:
        query, key, value = (w["project.weight"] @ now).split([heads * keys, heads * keys, heads * values])
        logit = w["decay.1.weight"] @ (w["decay.0.weight"] @ now) + w["decay.1.bias"]
        alpha = torch.sigmoid(logit) ** (1 / divisor)
        read = []
        for h in range(heads):
            k, v = slice(h * keys, (h + 1) * keys), slice(h * values, (h + 1) * values)
            memories[h] = alpha[k, None] * memories[h] + torch.outer(key[k], value[v])
            read.append(layer_norm(query[k] @ memories[h] / keys**0.5, w["norm.weight"], w["norm.bias"]))
        gate = silu(w["gate.weight"] @ now + w["gate.bias"])
        outputs.append(w["output.weight"] @ (gate * torch.cat(read)))
    return torch.stack(outputs)


def retention(w: Weights, x: Tensor, heads: int, keys: int, values: int, turning: bool = True) -> Tensor:
    """Sun et al. 2023, in the parallel form of equation 5: (Q K^T * D) V with D[n, m] = gamma^(n - m)."""
    sizes = [heads * keys, heads * keys, heads * values, heads * values]
    query, key, value, gate = (x @ w["project.weight"].T).split(sizes, -1)
    distance = torch.arange(len(x))[:, None] - torch.arange(len(x))
    outputs = []
    for h in range(heads):
        k, v = slice(h * keys, (h + 1) * keys), slice(h * values, (h + 1) * values)
        q_turned, k_turned = (
            torch.stack([turned(row, n * turning) for n, row in enumerate(side[:, k])]) for side in (query, key)
        )
        fading = torch.where(distance >= 0, (1 - 2.0 ** (-5 - h)) ** distance.to(x.dtype), 0.0)
        read = (q_turned @ k_turned.T / keys**0.5 * fading) @ value[:, v]
        normed = torch.stack([layer_norm(row, w["norm.weight"], w["norm.bias"]) for row in read])
        outputs.append(silu(gate[:, v]) * normed)
    return torch.cat(outputs, 1) @ w["output.weight"].T


Loop = Callable[[Weights, Tensor], Tensor]
