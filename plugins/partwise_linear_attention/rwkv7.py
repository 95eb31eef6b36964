"""The time mixing of RWKV-7, "Goose" (Peng et al. 2025, arXiv:2503.14456, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .evolving import FASTEST, Evolving
from .memory import empty_matrix, exact, implied, remember
from .shape import Heads

if TYPE_CHECKING:
    from partwise.modules import Flow, Shown, State

SHIFTS = {"receptance": 0.2, "decay": 0.9, "key": 0.7, "value": 0.7, "rate": 0.9, "gate": 0.2}
"""What is mixed with the token before, and how steeply the shares of that begin to fall over the features."""


class LowRank(nn.Sequential):
    """f(x A) B, with `rank` features between."""

    def __init__(self, width: int, rank: int, features: int, function: nn.Module) -> None:
        super().__init__(nn.Linear(width, rank, bias=False), function, nn.Linear(rank, features, bias=False))


class Rwkv7(nn.Module):
    """x [B, T, C] to [B, T, C] by H matrices S [K, V], which fade and are corrected feature by feature.

        x^n_t = x_t + mu_n * (x_{t-1} - x_t), for each n of receptance r, decay d, key k, value v, rate a and gate g
        r_t, k_t, v_t = linear maps of x^r_t, x^k_t and x^v_t
        w_t = exp(-exp(-1/2) * sigmoid(tanh(x^d_t D_1) D_2 + d_0)),   a_t = sigmoid(x^a_t A_1 A_2 + a_0)
        c_t = k_t * xi, divided by its length,   k'_t = k_t * (1 + (a_t - 1) * eta)
        S_t = (diag(w_t) - (a_t * c_t) c_t^T) S_{t-1} + k'_t v_t^T
        p_t = norm(S_t^T r_t) + (sum of r_t * rho * k'_t) v_t, per head
        y_t = W_o (p_t * sigmoid(x^g_t G_1) G_2)

    `norm` acts on each head, [.., V]. `above` is the share of the stack that this layer and those after it make up, on
    which the first values of mu depend.
    """

    def __init__(self, width: int, heads: Heads, ranks: dict[str, int], norm: nn.Module, above: float = 1.0) -> None:
        super().__init__()
        self.heads, self.above = heads, above
        self.shares = nn.Parameter(torch.empty(len(SHIFTS), width))
        self.receptance = nn.Linear(width, heads.keys, bias=False)
        self.key = nn.Linear(width, heads.keys, bias=False)
        self.value = nn.Linear(width, heads.values, bias=False)
        self.decay = LowRank(width, ranks["decay"], heads.keys, nn.Tanh())
        self.rate = LowRank(width, ranks["rate"], heads.keys, nn.Identity())
        self.gate = LowRank(width, ranks["gate"], heads.values, nn.Sigmoid())
        self.decay_offset = nn.Parameter(torch.empty(heads.keys))
        self.rate_offset = nn.Parameter(torch.empty(heads.keys))
        self.direction = nn.Parameter(torch.empty(heads.keys))
        self.replacement = nn.Parameter(torch.empty(heads.keys))
        self.bonus = nn.Parameter(torch.empty(heads.keys))
        self.norm = norm
        self.output = nn.Linear(heads.values, width, bias=False)
        self.output.ends_residual_branch = True  # type: ignore[assignment]
        self.rule = Evolving()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """About as the authors begin: features differ in how much they see of the token before, and in their decay."""
        with torch.no_grad():
            for share, steepness in zip(self.shares, SHIFTS.values(), strict=True):
                share.copy_(1 - _rising(share) ** (steepness * self.above))
            self.decay_offset.copy_(5 * _rising(self.decay_offset) ** 0.85 - 6.5)
            for parameter, value in (
                (self.rate_offset, 0.0),
                (self.direction, 0.85),
                (self.replacement, 1.0),
                (self.bonus, 0.0),
            ):
                parameter.fill_(value)

    def forward(self, x: Tensor, flow: Flow, state: State | None = None) -> Tensor:
        brought, mixed = self._brought(flow.clear_padding(x), flow, state)
        return self._end(remember(self.rule, brought, flow, state), brought, mixed)

    def shown(self, x: Tensor, flow: Flow) -> Shown:
        brought, mixed = self._brought(flow.clear_padding(x), flow, None)
        return implied(self.rule, brought, flow, lambda o: self._end(o, brought, mixed))

    def _brought(self, x: Tensor, flow: Flow, state: State | None) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """What tokens bring, and what each is mixed to with the token before."""
        back = _token_before(x, flow, state) - x
        mixed = {name: x + share * back for name, share in zip(SHIFTS, self.shares, strict=True)}
        heads, dtype = self.heads.split, exact(x)
        r, v = heads(self.receptance(mixed["receptance"])).to(dtype), heads(self.value(mixed["value"])).to(dtype)
        key = self.key(mixed["key"]).to(dtype)
        rate = torch.sigmoid(self.rate(mixed["rate"]).to(dtype) + self.rate_offset)
        log_decay = -FASTEST * torch.sigmoid(self.decay(mixed["decay"]).to(dtype) + self.decay_offset)
        direction = F.normalize(heads(key * self.direction), dim=-1, eps=1e-6)
        k = heads(key * (1 + (rate - 1) * self.replacement))
        k, log_decay, direction = (flow.clear_padding(one) for one in (k, heads(log_decay), direction))
        return (r, k, v, log_decay, direction, direction * heads(rate)), mixed

    def _end(self, o: Tensor, brought: tuple[Tensor, ...], mixed: dict[str, Tensor]) -> Tensor:
        r, k, v, *_ = brought
        dtype, bonus = mixed["gate"].dtype, self.heads.split(self.bonus)
        o = self.norm(o.to(dtype)) + ((r * bonus * k).sum(-1, keepdim=True) * v).to(dtype)
        return self.output(o.flatten(-2) * self.gate(mixed["gate"]))

    def empty_state(self, batch: int, length: int, like: Tensor) -> State:
        return {**empty_matrix(batch, self.heads, like), "token": like.new_zeros(batch, self.key.in_features)}

    def extra_repr(self) -> str:
        return str(self.heads)


def _token_before(x: Tensor, flow: Flow, state: State | None) -> Tensor:
    """x_{t-1}, of the same document; zeros before the first. The state keeps the last."""
    first = torch.zeros_like(x[:, 0]) if state is None else state["token"].to(x.dtype)
    before = torch.cat((first[:, None], x[:, :-1]), 1)
    if state is not None:
        state["token"].copy_(x[:, -1])
    return before if flow.begins is None else before.masked_fill(flow.begins[..., None], 0)


def _rising(like: Tensor) -> Tensor:
    """From 0 towards 1 over the features."""
    return torch.arange(len(like), dtype=like.dtype, device=like.device) / len(like)
