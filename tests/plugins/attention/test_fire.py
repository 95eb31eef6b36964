"""FIRE: one query and key after the other, and what attention promises wherever it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

import pytest
import torch
from torch import Tensor, nn

from partwise import PartError
from partwise.parts import HeadSite, LayerSite
from partwise.testing import checks_of, run_check
from partwise_attention.fire import InterpolatedScore
from partwise_attention.parts import Fire, MultiHead

B, H, T, D = 2, 3, 9, 4
SITE = HeadSite(heads=H, head_width=D, factor=0.5)
PADDED = torch.tensor([[0, 0, 0, 0, 1, 2, 3, 4, 5], list(range(9))])


def built(threshold: float) -> InterpolatedScore:
    module: InterpolatedScore = Fire(hidden=5, threshold=threshold).assemble(SITE).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def by_loops(module: InterpolatedScore, queries: Tensor, keys: Tensor, positions: Tensor) -> Tensor:
    """The equation of the paper, with the network written out."""
    c, reach = module.slope.item(), abs(module.threshold.item() * module.first_threshold)
    w, b = module.hidden.weight[:, 0].tolist(), module.hidden.bias.tolist()
    first = keys.shape[2] - queries.shape[2]
    scores = torch.zeros(B, H, queries.shape[2], keys.shape[2], dtype=torch.float64)
    for row in range(B):
        for t in range(queries.shape[2]):
            for s in range(first + t + 1):
                far = math.log(abs(c * (first + t - s)) + 1)
                share = far / (math.log(abs(c * max(reach, float(positions[row, t]))) + 1) + 1e-6)
                bent = [max(0.0, w[n] * share + b[n]) for n in range(len(w))]
                for h in range(H):
                    added = sum(module.output.weight[h, n].item() * bent[n] for n in range(len(w)))
                    product = float(queries[row, h, t] @ keys[row, h, s]) * D**-0.5 * 0.5
                    scores[row, h, t, s] = product + added + module.output.bias[h].item()
    return scores


@pytest.mark.parametrize("threshold", [3.0, 512.0])
@pytest.mark.parametrize("queries_read", [T, 2])
@torch.no_grad()
def test_it_is_its_equation_wherever_a_text_begins(threshold: float, queries_read: int) -> None:
    module = built(threshold)
    queries, keys = (torch.randn(B, H, T, D, dtype=torch.float64) for _ in range(2))
    queries, past = queries[:, :, -queries_read:], torch.ones(T, T, dtype=torch.bool).tril()[-queries_read:]
    for positions in (PADDED, torch.arange(T).expand(B, T)):
        expected = by_loops(module, queries, keys, positions[:, -queries_read:])
        torch.testing.assert_close(module(queries, keys, positions[:, -queries_read:])[..., past], expected[..., past])
    torch.testing.assert_close(module(queries, keys)[..., past], expected[..., past])


def test_up_to_its_threshold_it_depends_on_distances_alone_and_beyond_it_never_leaves_the_range_of_training() -> None:
    module = built(100.0)
    nn.init.ones_(module.threshold)
    zeros = torch.zeros(1, H, 400, D, dtype=torch.float64)
    bias = module(zeros, zeros)[0]
    torch.testing.assert_close(bias[:, 90, 80:91], bias[:, 20, 10:21])
    assert not torch.allclose(bias[:, 399, 389:400], bias[:, 20, 10:21])
    torch.testing.assert_close(bias[:, 399, 0], bias[:, 100, 0], atol=1e-5, rtol=1e-5)


def test_over_an_encoders_states_it_is_refused() -> None:
    site = LayerSite(width=16, memory_width=8).over_memory()
    with pytest.raises(PartError, match="score 'fire' counts from a query back to a key"):
        MultiHead.model_validate({"heads": 2, "score": "fire"}).assemble(site)


class Interpolated(MultiHead):
    """An attention with FIRE, to be checked as any attention is."""

    @classmethod
    def examples(cls) -> Iterable[Self]:
        score = {"use": "fire", "hidden": 4, "threshold": 3.0}
        yield cls.model_validate({"heads": 2, "kv_heads": 1, "score": score, "position": "none"})


CHECKS = [check for check in checks_of(Interpolated) if {"mixer", "attention"} & set(check.kinds)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_attention_with_it_passes_the_contract_of_mixers(check: object) -> None:
    result = run_check(Interpolated, check)  # type: ignore[arg-type]
    assert result.outcome in ("passed", "skipped"), f"{result.message}\n{result.details}"
