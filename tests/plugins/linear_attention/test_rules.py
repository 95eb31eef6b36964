"""The rules by which memories change: chunks beside steps where that is hard, what they can do, and what they cost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from partwise.modules import Flow, causal_flow
from partwise.parts import LayerSite, MixerPart
from partwise_linear_attention.chunks import Chunks
from partwise_linear_attention.delta import DeltaRule, unit
from partwise_linear_attention.evolving import FASTEST, Evolving
from partwise_linear_attention.fading import FadingByFeature, FadingByHead
from partwise_linear_attention.memory import Rule
from partwise_linear_attention.parts import PARTS, DeltaNet, Retention

B, H, T, K, V = 2, 2, 150, 4, 6


def brought(rule: Rule, log_decay: Tensor) -> tuple[Tensor, ...]:
    """What tokens bring to a rule, [B, H, T, ..], with the logarithms of decays [B, H, T, K]."""
    q, k, v = torch.randn(B, H, T, K), unit(torch.randn(B, H, T, K)), torch.randn(B, H, T, V)
    match rule:
        case FadingByHead():
            return q, k, v, log_decay[..., :1]
        case FadingByFeature():
            return q, k, v, log_decay
        case DeltaRule():
            return q, k, v, 2 * torch.rand(B, H, T, 1), log_decay[..., :1]
    return q, k, v, log_decay.clamp(min=-FASTEST), k, torch.rand(B, H, T, K) * k


def step_by_step(rule: Rule, tokens: tuple[Tensor, ...], state: Tensor) -> tuple[Tensor, Tensor]:
    outputs = []
    for t in range(tokens[0].shape[2]):
        output, state = rule.step(tuple(x[:, :, t] for x in tokens), state)
        outputs.append(output)
    return torch.stack(outputs, 2), state


@pytest.mark.parametrize("kind", [FadingByHead, FadingByFeature, DeltaRule, Evolving])
@pytest.mark.parametrize("size", [8, 16, 64])
def test_after_a_step_that_clears_all_float32_is_exact_and_nothing_overflows(kind: type[Rule], size: int) -> None:
    rule: Rule = kind()
    cleared = torch.rand(B, H, T, K) < 0.1
    tokens = brought(rule, torch.where(cleared, -3e4, -0.01 * torch.rand(B, H, T, K)))
    first = torch.randn(B, H, K, V)
    by_chunks = rule.in_chunks(tokens, Chunks(T, size), first)
    exact = step_by_step(rule, tuple(x.double() for x in tokens), first.double())
    for one, other in zip(by_chunks, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=2e-5)


def test_turning_a_memory_around_counts_parity_and_shrinking_it_cannot() -> None:
    bits = torch.randint(2, (1, 1, T, 1)).double()
    key, nothing = torch.tensor([1.0, 0.0]).double().expand(1, 1, T, 2), torch.zeros(1, 1, T, 1).double()
    first = torch.tensor([[1.0], [0.0]]).double().expand(1, 1, 2, 1)
    parity = 1 - 2 * (bits.cumsum(2) % 2)
    read, _ = DeltaRule().in_chunks((key, key, nothing, 2 * bits, nothing), Chunks(T, 64), first)
    torch.testing.assert_close(read, parity)
    read, _ = DeltaRule().in_chunks((key, key, nothing, bits, nothing), Chunks(T, 64), first)
    assert (read >= 0).all()


@pytest.mark.parametrize("part", [pytest.param(next(iter(part.examples())), id=part.name) for part in PARTS])
def test_memories_are_in_float32_under_autocast_and_in_bfloat16(part: MixerPart) -> None:
    module, x = part.build(LayerSite(16)), torch.randn(2, 1000, 16)
    states = {kind: module.empty_state(2, 1000, torch.zeros(1, dtype=kind)) for kind in (torch.float32, torch.bfloat16)}
    with torch.no_grad():
        exact = module.empty_state(2, 1000, x)
        module(x, causal_flow(1000), exact)
        with torch.autocast("cpu", torch.bfloat16):
            for start in (0, 999):
                flow = Flow(torch.arange(start, 999 + start // 999), start)
                module(x[:, start : flow.end], flow, states[torch.float32])
        module.bfloat16()(x.bfloat16(), causal_flow(1000), states[torch.bfloat16])
    for state in states.values():
        assert state["matrix"].dtype == torch.float32
        assert not state["matrix"].equal(state["matrix"].bfloat16().float())
        off = (state["matrix"] - exact["matrix"]).norm() / exact["matrix"].norm()
        assert off < 0.05


def flops(part: MixerPart, width: int, length: int) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        part.build(LayerSite(width))(torch.empty(1, length, width), causal_flow(length, "meta"))
    return counter.get_total_flops()


def test_matrix_products_are_counted() -> None:
    """Two operations for each number of each product, over two chunks of 64."""
    length, keys, values = 64, 4, 8  # two heads of each
    maps = 128 * 16 * (8 + 8 + 16 + 16 + 16)
    chunk = 2 * (keys * length * values + length * keys * values + length * length * keys + length * length * values)
    assert flops(Retention(heads=2, key_ratio=0.5, value_ratio=1.0), 16, 128) == 2 * (maps + 2 * chunk)
    maps = 64 * 16 * (8 + 8 + 16 + 2 + 16)
    written = length * length * keys + keys * length * keys + keys * length * values
    read = length * keys * values * 2 + length * length * keys + length * length * values
    last = keys * keys * values
    assert flops(DeltaNet(heads=2, key_ratio=0.5), 16, 64) == 2 * (maps + 2 * (written + read + last))


@pytest.mark.parametrize("part", [pytest.param(part(), id=part.name) for part in PARTS])
def test_a_state_does_not_grow_with_the_text(part: MixerPart) -> None:
    module, like = part.build(LayerSite(64)), torch.zeros(1)
    short, long = (module.empty_state(3, length, like) for length in (1, 10_000))
    assert short["matrix"].shape == long["matrix"].shape
    assert short["matrix"].numel() == 3 * 64 * part.key_ratio * 64 * part.value_ratio / part.heads
