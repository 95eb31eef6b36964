"""Learned and sinusoidal positions, which are added to the embedding."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

from partwise.parts import PositionSite
from partwise_positions.parts import Learned, Sinusoidal


def waves(length: int, width: int, base: float) -> Tensor:
    """The paper's formula, one number at a time, in double precision."""
    table = torch.empty(length, width, dtype=torch.float64)
    for position in range(length):
        for feature in range(width):
            angle = position / base ** (2 * (feature // 2) / width)
            table[position, feature] = math.sin(angle) if feature % 2 == 0 else math.cos(angle)
    return table.float()


def test_rows_before_the_first_position_are_kept_and_never_read() -> None:
    encoder = Learned(offset=2).assemble(PositionSite(width=3, context=5))
    assert encoder.weight.shape == (7, 3)
    assert encoder.max_positions == 5
    x, positions = torch.randn(2, 4, 3), torch.tensor([[0, 0, 1, 2], [1, 2, 3, 4]])
    expected = torch.stack([x[b, t] + encoder.weight[positions[b, t] + 2] for b in range(2) for t in range(4)])
    assert encoder.embed(x, positions).equal(expected.view(2, 4, 3))
    with pytest.raises(ValueError, match="position 5 lies beyond the 5 positions"):
        encoder.embed(torch.zeros(1, 1, 3), torch.tensor([5]))


@pytest.mark.parametrize("base", [10_000.0, 50.0])
@pytest.mark.parametrize("width", [8, 7, 1])
def test_sinusoidal_follows_the_paper_in_even_and_odd_widths_and_beyond_the_context(width: int, base: float) -> None:
    encoder = Sinusoidal(base=base).assemble(PositionSite(width=width, context=8))
    x = torch.randn(2, 50, width)
    expected = x + waves(50, width, base)
    torch.testing.assert_close(encoder.embed(x, torch.arange(50)), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("width", [8, 7, 1])
def test_halves_have_the_same_waves_in_another_order(width: int) -> None:
    site, positions = PositionSite(width=width, context=8), torch.arange(20)
    order = [*range(0, width, 2), *range(1, width, 2)]
    interleaved, half = (Sinusoidal(layout=layout).assemble(site) for layout in ("interleaved", "half"))
    x = torch.zeros(1, 20, width)
    assert torch.equal(half.embed(x, positions), interleaved.embed(x, positions)[..., order])


@pytest.mark.parametrize("width", [8, 9])
def test_halves_equal_hugging_face_marian(width: int) -> None:
    theirs = MarianSinusoidalPositionalEmbedding(30, width)
    encoder = Sinusoidal(layout="half").assemble(PositionSite(width=width, context=8))
    expected = theirs.create_weight()
    torch.testing.assert_close(encoder.embed(torch.zeros(30, width), torch.arange(30)), expected, atol=1e-6, rtol=0)


def test_an_offset_and_inclusive_wavelengths_equal_hugging_face_m2m100() -> None:
    encoder = Sinusoidal(layout="half", offset=2, inclusive=True).assemble(PositionSite(width=8, context=8))
    expected = M2M100SinusoidalPositionalEmbedding(30, 8, padding_idx=1)(torch.full((1, 30), 5))
    torch.testing.assert_close(encoder.embed(torch.zeros(1, 30, 8), torch.arange(30)), expected, atol=1e-6, rtol=0)


def test_a_single_pair_has_one_wavelength_inclusive_or_not() -> None:
    ones, others = (Sinusoidal(inclusive=how).assemble(PositionSite(width=2, context=8)) for how in (True, False))
    x = torch.zeros(1, 5, 2)
    assert torch.equal(ones.embed(x, torch.arange(5)), others.embed(x, torch.arange(5)))


def test_sinusoidal_keeps_the_dtype_of_embeddings_and_its_own_precision() -> None:
    encoder = Sinusoidal().assemble(PositionSite(width=64, context=8))
    exact = encoder.embed(torch.zeros(1, 4096, 64), torch.arange(4096))
    rounded = encoder.bfloat16().embed(torch.zeros(1, 4096, 64, dtype=torch.bfloat16), torch.arange(4096))
    assert torch.equal(rounded, exact.bfloat16())


@pytest.mark.parametrize("part", [Learned(), Sinusoidal()])
def test_an_offset_of_k_equals_the_slice_from_k(part: Learned | Sinusoidal) -> None:
    encoder = part.assemble(PositionSite(width=6, context=12))
    x = torch.randn(2, 12, 6)
    whole = encoder.embed(x, torch.arange(12))
    assert torch.equal(encoder.embed(x[:, 5:], torch.arange(5, 12)), whole[:, 5:])
    assert not torch.allclose(encoder.embed(x[:, 5:], torch.arange(7)), whole[:, 5:])


@pytest.mark.parametrize("part", [Learned(), Sinusoidal()])
def test_rows_may_have_positions_of_their_own(part: Learned | Sinusoidal) -> None:
    encoder = part.assemble(PositionSite(width=6, context=12))
    x = torch.randn(2, 4, 6)
    positions = torch.tensor([[0, 1, 2, 3], [8, 9, 10, 11]])
    y = encoder.embed(x, positions)
    for row in range(2):
        assert torch.equal(y[row], encoder.embed(x[row], positions[row]))


def test_learned_adds_the_row_of_its_table() -> None:
    encoder = Learned().assemble(PositionSite(width=4, context=6))
    assert encoder.weight.shape == (6, 4)
    assert encoder.max_positions == 6
    y = encoder.embed(torch.zeros(1, 3, 4), torch.tensor([5, 0, 2]))
    assert torch.equal(y[0], encoder.weight[[5, 0, 2]])


def test_learned_positions_begin_small() -> None:
    weight = Learned().assemble(PositionSite(width=128, context=128)).weight
    assert abs(weight.std().item() - 0.02) < 1e-3
    assert abs(weight.mean().item()) < 1e-3


@pytest.mark.parametrize("positions", [torch.arange(7), torch.tensor([6]), torch.tensor([[0, 1], [5, 6]])])
def test_learned_says_so_when_a_position_lies_beyond_its_table(positions: Tensor) -> None:
    encoder = Learned().assemble(PositionSite(width=4, context=6))
    with pytest.raises(ValueError, match="position 6 lies beyond the 6 positions learned"):
        encoder.embed(torch.zeros(2, positions.shape[-1], 4), positions)


def test_only_positions_that_were_read_get_a_gradient() -> None:
    encoder = Learned().assemble(PositionSite(width=4, context=6))
    encoder.embed(torch.zeros(2, 3, 4), torch.arange(3)).sum().backward()
    assert encoder.weight.grad is not None
    assert torch.equal(encoder.weight.grad[:, 0], torch.tensor([2.0, 2.0, 2.0, 0.0, 0.0, 0.0]))
