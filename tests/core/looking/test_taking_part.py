"""Mixers of others: one shows its weights, one shows nothing, and neither imports anything for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from partwise import WorkError
from partwise.looking.attention import mixing
from partwise.looking.facts import Mixing
from partwise.modules import Shown, Shows, ShowsGates, causal_flow


class Mean(nn.Module):
    """The mean of a position and all before it."""

    def forward(self, x: Any, flow: Any, state: Any = None) -> Any:
        return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]

    def empty_state(self, batch: int, length: int, like: Any) -> Any:
        return {}


class Telling(Mean):
    asked = 0

    def shown(self, x: Any, flow: Any) -> Shown:
        Telling.asked += 1
        T = x.shape[1]
        weights = (torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]).expand(1, 1, T, T)
        return Shown(weights, x.unsqueeze(1), lambda heads: heads.squeeze(1), adds_up=True)


def looked_at(mixer: nn.Module) -> Mixing:
    model = nn.ModuleDict({"mixer": mixer})
    batch = SimpleNamespace(source=None, tokens=torch.arange(4)[None])
    one: Any = SimpleNamespace(module=model, model=lambda batch: mixer(torch.rand(1, 4, 2), causal_flow(4)))
    return mixing(one, batch, {})  # type: ignore[arg-type]


def test_a_mixer_takes_part_by_having_the_method() -> None:
    assert isinstance(Telling(), Shows)
    assert not isinstance(Mean(), Shows | ShowsGates)
    (shown,) = looked_at(Telling()).maps
    assert shown.path == "mixer"
    assert shown.weights[0, 3].tolist() == [0.25] * 4
    (head,) = shown.heads
    assert head.entropy == pytest.approx(1.0)
    assert head.previous == pytest.approx((1 / 2 + 1 / 3 + 1 / 4) / 3)


def test_one_that_does_not_is_named() -> None:
    found = looked_at(Mean())
    assert [(one.path, one.module) for one in found.silent] == [("mixer", "Mean")]


def test_a_mixer_within_a_mixer_speaks_for_it() -> None:
    class Around(Mean):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Telling()

        def forward(self, x: Any, flow: Any, state: Any = None) -> Any:
            return self.inner(x, flow, state)

    found = looked_at(Around())
    assert [one.path for one in found.maps] == ["mixer.inner"]
    assert not found.silent


def test_nothing_is_asked_when_nobody_looks_and_no_hook_stays() -> None:
    mixer, before = Telling(), Telling.asked
    looked_at(mixer)
    assert Telling.asked == before + 1
    mixer(torch.rand(1, 4, 2), causal_flow(4))
    assert Telling.asked == before + 1
    assert not mixer._forward_hooks


def test_a_head_that_copies_what_followed_has_an_induction_score_of_one() -> None:
    class Induction(Telling):
        def shown(self, x: Any, flow: Any) -> Shown:
            weights = torch.eye(4)
            weights[2] = torch.tensor([0.0, 1.0, 0.0, 0.0])  # of a b a b, the second a looks at the first b
            weights[3] = torch.tensor([0.0, 0.0, 1.0, 0.0])
            return Shown(weights[None, None], x.unsqueeze(1), lambda heads: heads.squeeze(1), adds_up=True)

    mixer = Induction()
    model = nn.ModuleDict({"mixer": mixer})
    batch: Any = SimpleNamespace(source=None, tokens=torch.tensor([[7, 8, 7, 8]]))
    one: Any = SimpleNamespace(module=model, model=lambda batch: mixer(torch.rand(1, 4, 2), causal_flow(4)))
    assert mixing(one, batch, {}).maps[0].heads[0].induction == pytest.approx(1.0)


def test_a_mixer_whose_method_breaks_is_named_with_what_broke() -> None:
    class Broken(Telling):
        def shown(self, x: Any, flow: Any) -> Shown:
            raise RuntimeError("no weights today")

    with pytest.raises(WorkError, match=r"mixer \(Broken\).*no weights today"):
        looked_at(Broken())
