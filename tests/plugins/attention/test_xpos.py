"""xPos, the decay and the rotation together: the paper's sum over pairs, and what attention promises with it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

import pytest
import torch

from partwise import PartError
from partwise.parts import HeadSite, LayerSite
from partwise.testing import checks_of, run_check
from partwise_attention.parts import MultiHead, Xpos

B, H, T, D = 2, 2, 9, 8


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("base", [512.0, 6.0])
def test_with_rope_scores_are_the_papers_sum_over_pairs(layout: Any, base: float) -> None:
    """Pairs as complex numbers: Re sum of q k* zeta^((n - m) / base) e^(i theta (n - m))."""
    part = MultiHead.model_validate(
        {
            "heads": H,
            "score": {"use": "xpos", "base": base, "layout": layout},
            "position": {"use": "rope", "layout": layout, "base": 100.0},
        }
    )
    attention: Any = part.assemble(LayerSite(width=H * D, context=T)).double().eval()
    encoder, score = attention.position, attention.score
    queries, keys = (torch.randn(B, H, T, D, dtype=torch.float64) for _ in range(2))
    angles = tuple(angle.double() for angle in encoder.angles(torch.arange(T)))
    scores = score(encoder.rotate(queries, angles), encoder.rotate(keys, angles))
    pairs = [(i, i + D // 2) if layout == "half" else (2 * i, 2 * i + 1) for i in range(D // 2)]
    for n in range(T):
        for m in range(n + 1):
            expected = torch.zeros(B, H, dtype=torch.float64)
            for i, (a, b) in enumerate(pairs):
                zeta = (i / (D / 2) + 0.4) / 1.4
                q, k = (
                    torch.complex(queries[..., n, a], queries[..., n, b]),
                    torch.complex(keys[..., m, a], keys[..., m, b]),
                )
                turn = complex(math.cos(100.0 ** (-2 * i / D) * (n - m)), math.sin(100.0 ** (-2 * i / D) * (n - m)))
                expected += (q * k.conj() * turn).real * zeta ** ((n - m) / base)
            torch.testing.assert_close(scores[..., n, m], expected / math.sqrt(D), atol=1e-6, rtol=1e-6)


def test_a_pair_of_the_same_decays_with_distance_alone() -> None:
    score = Xpos(base=4.0).assemble(HeadSite(heads=1, head_width=D))
    queries, keys = torch.randn(1, 1, 1, D).expand(-1, -1, 30, -1), torch.randn(1, 1, 1, D).expand(-1, -1, 30, -1)
    scores = score(queries, keys)[0, 0]
    for distance in (0, 1, 7):
        along = scores.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(score(queries[:, :, -3:], keys)[0, 0], scores[-3:], atol=1e-5, rtol=1e-4)


def test_far_away_nothing_overflows() -> None:
    score = Xpos().assemble(HeadSite(heads=1, head_width=D))
    scores = score(torch.ones(1, 1, 4, D), torch.ones(1, 1, 40_000, D))
    assert scores.isfinite().all()
    assert scores[0, 0, 0, 0] < 0.5 < scores[0, 0, 0, 39_990]


def test_a_head_of_an_odd_width_is_refused() -> None:
    with pytest.raises(PartError, match="a head has 5"):
        Xpos().assemble(HeadSite(heads=2, head_width=5))


class Decaying(MultiHead):
    """An attention with xPos, to be checked as any attention is."""

    @classmethod
    def examples(cls) -> Iterable[Self]:
        yield cls.model_validate({"heads": 2, "score": {"use": "xpos", "base": 8.0}, "position": "rope"})


CHECKS = [check for check in checks_of(Decaying) if {"mixer", "attention"} & set(check.kinds)]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_attention_with_it_passes_the_contract_of_mixers(check: object) -> None:
    result = run_check(Decaying, check)  # type: ignore[arg-type]
    assert result.outcome in ("passed", "skipped"), f"{result.message}\n{result.details}"
