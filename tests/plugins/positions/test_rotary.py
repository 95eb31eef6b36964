"""Rotary positions against Hugging Face, against complex numbers, and against what they promise."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig
from transformers.models.gptj.modeling_gptj import apply_rotary_pos_emb as rotate_gptj
from transformers.models.gptj.modeling_gptj import create_sinusoidal_positions
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

from partwise import PartError
from partwise.parts import PositionSite
from partwise_positions.parts import LinearRope, Llama3Rope, Rope

SITE = PositionSite(width=64, context=32, heads=2, head_width=16)
LAYOUTS = ("half", "interleaved")


def heads(length: int = 10, batch: int = 2) -> Tensor:
    return torch.randn(batch, 2, length, 16)


def turned(part: Rope, x: Tensor, positions: Tensor) -> Tensor:
    encoder = part.assemble(SITE)
    angles = encoder.angles(positions)
    return encoder.rotate(x, angles)


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        (Rope(), {"rope_type": "default", "rope_theta": 10_000.0}),
        (Rope(base=500_000.0), {"rope_type": "default", "rope_theta": 500_000.0}),
        (
            Rope(scaling=LinearRope(factor=4.0)),
            {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0},
        ),
        (
            Rope(base=500.0, scaling=Llama3Rope(original_context=64, high_frequency_factor=5.0)),
            {
                "rope_type": "llama3",
                "rope_theta": 500.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 5.0,
                "original_max_position_embeddings": 64,
            },
        ),
    ],
)
def test_queries_turn_as_in_hugging_face_llama(part: Rope, parameters: dict[str, object]) -> None:
    config = LlamaConfig(
        hidden_size=32, num_attention_heads=2, head_dim=16, max_position_embeddings=512, rope_parameters=parameters
    )
    positions = torch.arange(300)
    x = heads(300)
    cos, sin = LlamaRotaryEmbedding(config)(x, positions[None])
    expected, _ = apply_rotary_pos_emb(x, x, cos, sin)
    torch.testing.assert_close(turned(part, x, positions), expected, atol=2e-5, rtol=0)


def test_llama3_scaling_has_pairs_of_all_three_sorts() -> None:
    plain = Rope(base=500.0).assemble(SITE).frequencies.values
    scaled = Rope(base=500.0, scaling=Llama3Rope(original_context=64)).assemble(SITE).frequencies.values
    ratio = (plain / scaled).tolist()
    assert ratio[0] == 1.0
    assert ratio[-1] == 8.0
    assert any(1.5 < between < 7.5 for between in ratio)


def test_queries_turn_as_in_hugging_face_gptj_when_interleaved() -> None:
    x = heads(40)
    sin, cos = create_sinusoidal_positions(40, 16)[None].chunk(2, dim=-1)
    expected = rotate_gptj(x.transpose(1, 2), sin, cos).transpose(1, 2)
    torch.testing.assert_close(turned(Rope(layout="interleaved"), x, torch.arange(40)), expected, atol=1e-5, rtol=0)


def test_interleaved_pairs_are_complex_numbers_times_a_phase() -> None:
    x = heads()
    frequencies = torch.tensor([100.0 ** (-2 * i / 16) for i in range(8)])
    phase = torch.exp(1j * torch.arange(10)[:, None] * frequencies)
    expected = torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (8, 2))) * phase).flatten(-2)
    part = Rope(base=100.0, layout="interleaved")
    torch.testing.assert_close(turned(part, x, torch.arange(10)), expected, atol=1e-5, rtol=0)


def test_the_two_layouts_differ_by_the_order_of_features_only() -> None:
    x = heads()
    order = torch.arange(16).reshape(2, 8).t().flatten()
    half = turned(Rope(), x, torch.arange(10))
    torch.testing.assert_close(turned(Rope(layout="interleaved"), x[..., order], torch.arange(10)), half[..., order])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lengths_are_kept(layout: str) -> None:
    x = heads()
    y = turned(Rope(layout=layout), x, torch.arange(10) * 37)
    assert not torch.allclose(x, y)
    torch.testing.assert_close(y.norm(dim=-1), x.norm(dim=-1))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fraction", [1.0, 0.25])
def test_products_depend_on_distance_only(layout: str, fraction: float) -> None:
    q, k = heads(), heads()
    part = Rope(layout=layout, fraction=fraction)

    def products(positions: Tensor) -> Tensor:
        return turned(part, q, positions) @ turned(part, k, positions).transpose(-1, -2)

    near, far = products(torch.arange(10)), products(torch.arange(10) + 1000)
    torch.testing.assert_close(far, near, atol=2e-3, rtol=0)
    assert (near - q @ k.transpose(-1, -2)).abs().max() > 0.1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fraction_turns_as_a_narrower_head_would_and_leaves_the_rest(layout: str) -> None:
    x = heads()
    y = turned(Rope(layout=layout, fraction=0.25), x, torch.arange(10))
    narrow = Rope(layout=layout).assemble(PositionSite(width=64, context=32, heads=2, head_width=4))
    expected = narrow.rotate(x[..., :4], narrow.angles(torch.arange(10)))
    assert torch.equal(y[..., :4], expected)
    assert torch.equal(y[..., 4:], x[..., 4:])


def test_an_offset_of_k_equals_the_slice_from_k() -> None:
    x = heads()
    whole = turned(Rope(), x, torch.arange(10))
    assert torch.equal(turned(Rope(), x[:, :, 6:], torch.arange(6, 10)), whole[:, :, 6:])


def test_rows_may_have_positions_of_their_own() -> None:
    x = heads()
    positions = torch.stack((torch.arange(10), torch.arange(10) + 5))
    y = turned(Rope(), x, positions)
    for row in range(2):
        assert torch.equal(y[row], turned(Rope(), x[row], positions[row]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16_heads_are_turned_in_float32_and_rounded_once(layout: str) -> None:
    x = heads().bfloat16()
    positions = torch.arange(10) + 5000
    y = turned(Rope(layout=layout), x, positions)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, turned(Rope(layout=layout), x.float(), positions).bfloat16())


def test_a_model_cast_to_bfloat16_keeps_its_angles_in_float32() -> None:
    encoder = Rope().assemble(SITE)
    before = encoder.angles(torch.arange(4096))
    after = torch.nn.Sequential(encoder).to(torch.bfloat16)[0].angles(torch.arange(4096))
    for one, other in zip(before, after, strict=True):
        assert other.dtype == torch.float32
        assert torch.equal(one, other)


def test_float64_heads_stay_float64() -> None:
    assert turned(Rope(), heads().double(), torch.arange(10)).dtype == torch.float64


def test_heads_that_are_not_contiguous_turn_the_same() -> None:
    x = heads().transpose(-1, -2).contiguous().transpose(-1, -2)
    for layout in LAYOUTS:
        part = Rope(layout=layout, fraction=0.5)
        assert torch.equal(turned(part, x, torch.arange(10)), turned(part, x.contiguous(), torch.arange(10)))


@pytest.mark.parametrize(("head_width", "fraction"), [(7, 1.0), (16, 0.05), (16, 0.3), (12, 0.25), (0, 1.0)])
def test_a_width_that_makes_no_pairs_is_refused(head_width: int, fraction: float) -> None:
    site = PositionSite(width=64, context=32, heads=2, head_width=head_width)
    with pytest.raises(PartError, match=rf"fraction {fraction:g} of head width {head_width}"):
        Rope(fraction=fraction).assemble(site)


def test_a_fraction_that_floats_miss_by_a_hair_is_accepted() -> None:
    assert 0.28 * 50 != 14
    assert Rope(fraction=0.28).assemble(PositionSite(width=100, context=8, heads=2, head_width=50)).width == 14


def test_frequency_factors_in_the_wrong_order_are_refused_at_their_place() -> None:
    with pytest.raises(PartError, match="low_frequency_factor 4 must be below") as caught:
        Rope(scaling=Llama3Rope(low_frequency_factor=4.0)).assemble(SITE)
    assert caught.value.path == ("scaling",)


def test_scaling_is_read_from_a_recipe_and_written_back() -> None:
    given = {"scaling": {"use": "llama3", "factor": 4, "original_context": 64}}
    part = Rope.model_validate(given)
    assert part.scaling == Llama3Rope(factor=4.0, original_context=64)
    dumped = part.model_dump(mode="json")
    assert dumped["scaling"]["use"] == "llama3"
    del dumped["use"]
    assert Rope.model_validate(dumped) == part
    assert Rope().model_dump(mode="json")["scaling"] is None
