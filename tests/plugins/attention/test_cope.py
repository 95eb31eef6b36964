"""Contextual positions: counts by loops, and what attention promises wherever it uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

import pytest
import torch
from torch import Tensor

from partwise.parts import HeadSite
from partwise.testing import checks_of, run_check
from partwise_attention.parts import Cope, MultiHead

B, H, T, D = 2, 2, 7, 4


def heads(length: int = T) -> Tensor:
    return torch.randn(B, H, length, D, dtype=torch.float64)


def counted(queries: Tensor, keys: Tensor, table: Tensor, scale: float) -> Tensor:
    """The paper's equations for one query and key after the other; queries are the last ones."""
    first = keys.shape[2] - queries.shape[2]
    scores = torch.zeros(B, H, queries.shape[2], keys.shape[2], dtype=torch.float64)
    for b in range(B):
        for h in range(H):
            for i, q in enumerate(queries[b, h]):
                for j in range(first + i + 1):
                    gates = [1 / (1 + math.exp(-scale * float(q @ keys[b, h, k]))) for k in range(j, first + i + 1)]
                    count = min(sum(gates), len(table) - 1)
                    below, above = math.floor(count), math.ceil(count)
                    position = (count - below) * (q @ table[above]) + (1 - count + below) * (q @ table[below])
                    scores[b, h, i, j] = scale * (q @ keys[b, h, j]) + position
    return scores


@pytest.mark.parametrize("positions", [1, 3, 64])
@pytest.mark.parametrize("scale", [None, 1.7])
def test_scores_are_products_and_positions_that_gates_count(positions: int, scale: float | None) -> None:
    module = Cope(positions=positions, scale=scale).assemble(HeadSite(heads=H, head_width=D)).double()
    torch.nn.init.normal_(module.weight)
    queries, keys = heads(), heads()
    past = torch.ones(T, T, dtype=torch.bool).tril()
    expected = counted(queries, keys, module.weight, scale or D**-0.5)
    torch.testing.assert_close(module(queries, keys)[..., past], expected[..., past], atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(module(queries[:, :, -2:], keys)[..., :6], expected[:, :, -2:, :6], atol=1e-9, rtol=1e-9)


def test_with_its_first_weights_it_is_the_scaled_product() -> None:
    queries, keys = heads(), heads()
    module = Cope().assemble(HeadSite(heads=H, head_width=D)).double()
    torch.testing.assert_close(module(queries, keys), queries @ keys.mT / 2)


def test_a_thousand_gates_are_counted_in_half_precision_too() -> None:
    module = Cope(positions=2000).assemble(HeadSite(heads=1, head_width=D)).bfloat16()
    with torch.no_grad():
        module.weight.copy_(torch.linspace(0, 1, 2000)[:, None].expand(-1, D))
    queries, keys = torch.ones(1, 1, 1, D).bfloat16(), torch.zeros(1, 1, 1500, D).bfloat16()
    scores = module(queries, keys)[0, 0, 0].float()
    expected = 4 * torch.arange(1500, 0, -1) / 2 / 1999
    torch.testing.assert_close(scores, expected, atol=0.02, rtol=0.02)


class Contextual(MultiHead):
    """An attention with contextual positions, to be checked as any attention is."""

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls.model_validate({"heads": 2, "score": {"use": "cope", "positions": 3}, "position": "none"})


CHECKS = [check for check in checks_of(Contextual) if {"mixer", "attention"} & set(check.kinds)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_attention_with_it_passes_the_contract_of_mixers(check: object) -> None:
    result = run_check(Contextual, check)  # type: ignore[arg-type]
    assert result.outcome in ("passed", "skipped"), f"{result.message}\n{result.details}"
