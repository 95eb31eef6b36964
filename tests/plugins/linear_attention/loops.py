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


def delta_net(
    w: Weights, x: Tensor, heads: int, keys: int, values: int, largest: float = 1.0, gated: bool = False
) -> Tensor:
    """Yang et al. 2024: S_t = S_{t-1} (alpha_t (I - beta_t k_t k_t^T)) + beta_t v_t k_t^T, o_t = S_t q_t."""
    memories, outputs = torch.zeros(heads, values, keys, dtype=x.dtype), []
    projected, identity = x @ w["inputs.project.weight"].T, torch.eye(keys, dtype=x.dtype)
    for t, now in enumerate(x):
        mixed = projected[t]
        if "inputs.convolution.weight" in w:
            taps = w["inputs.convolution.weight"][:, 0]
            mixed = sum(taps[:, -1 - back] * projected[t - back] for back in range(min(t + 1, taps.shape[1])))
        query, key, value = silu(mixed).split([heads * keys, heads * keys, heads * values])
        beta = largest * torch.sigmoid(w["beta.weight"] @ now)
        alpha = torch.ones(heads, dtype=x.dtype)
        if gated:
            step = torch.log(1 + torch.exp(w["alpha.weight"] @ now + w["offset"]))
            alpha = torch.exp(-w["log_rate"].exp() * step)
        read = []
        for h in range(heads):
            q, k = (side[h * keys : (h + 1) * keys] for side in (query, key))
            q, k = (vector / (vector @ vector + 1e-6).sqrt() for vector in (q, k))
            v = value[h * values : (h + 1) * values]
            erased = memories[h] @ (alpha[h] * (identity - beta[h] * torch.outer(k, k)))
            memories[h] = erased + beta[h] * torch.outer(v, k)
            read.append(rms(memories[h] @ q, w["norm.weight"]))
        o = torch.cat(read)
        outputs.append(w["output.weight"] @ (silu(w["gate.weight"] @ now) * o if gated else o))
    return torch.stack(outputs)


def rwkv7(w: Weights, x: Tensor, heads: int, keys: int, values: int) -> Tensor:
    """Peng et al. 2025, equations 3 to 16: wkv_t = wkv_{t-1} (diag(w_t) - c_t^T (a_t * c_t)) + v_t^T k_t."""
    memories, outputs, before = torch.zeros(heads, values, keys, dtype=x.dtype), [], torch.zeros_like(x[0])
    for now in x:
        r, d, k, v, a, g = (now + (before - now) * share for share in w["shares"])
        receptance, key, value = w["receptance.weight"] @ r, w["key.weight"] @ k, w["value.weight"] @ v
        rate = torch.sigmoid(w["rate.2.weight"] @ (w["rate.0.weight"] @ a) + w["rate_offset"])
        logit = w["decay.2.weight"] @ torch.tanh(w["decay.0.weight"] @ d) + w["decay_offset"]
        decay = torch.exp(-torch.exp(torch.tensor(-0.5, dtype=x.dtype)) * torch.sigmoid(logit))
        gate = w["gate.2.weight"] @ torch.sigmoid(w["gate.0.weight"] @ g)
        replacement = key * (1 + (rate - 1) * w["replacement"])
        read = []
        for h in range(heads):
            K, V = slice(h * keys, (h + 1) * keys), slice(h * values, (h + 1) * values)
            removed = (key * w["direction"])[K]
            removed = removed / removed.norm()
            kept = torch.diag(decay[K]) - torch.outer(removed, rate[K] * removed)
            memories[h] = memories[h] @ kept + torch.outer(value[V], replacement[K])
            bonus = (receptance[K] * w["bonus"][K] * replacement[K]).sum() * value[V]
            read.append(layer_norm(memories[h] @ receptance[K], w["norm.weight"], w["norm.bias"]) + bonus)
        outputs.append(w["output.weight"] @ (torch.cat(read) * gate))
        before = now
    return torch.stack(outputs)


Loop = Callable[[Weights, Tensor], Tensor]
