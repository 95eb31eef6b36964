"""Scaled rotary positions: whole models against those of Hugging Face, on short and long texts."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from partwise import PartError
from partwise.assembly.build import assemble
from partwise.data import IGNORED, Batch
from partwise.huggingface.facts import Facts
from partwise.huggingface.families import families
from partwise.parts import ModelSite, PositionSite
from partwise.recipe import load
from partwise_positions.parts import DynamicRope, LongRope, Rope, YarnRope

V = 61
SITE = PositionSite(width=64, context=32, heads=2, head_width=16)
RISING = [1.0, 1.5, 2.5, 4.0]
FALLING = [1.2, 1.1, 1.05, 1.0]


def networks(context: int, scaling: dict[str, Any] | None, theirs: dict[str, Any], theirs_context: int) -> Any:
    """A small Llama of Hugging Face, whose rotary positions are theirs, and ours with the same weights."""
    config = transformers.LlamaConfig(
        vocab_size=V,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=theirs_context,
        rope_parameters={"rope_theta": 500.0, **theirs},
    )
    model = transformers.LlamaForCausalLM._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2).add_(1.0 if parameter.ndim == 1 else 0.0)
    small = {
        "extends": "families/llama3-8b",
        "name": "small",
        "model": {"width": 32, "depth": 2, "context": context, "position": {"use": "rope", "base": 500.0}},
    }
    sizes = ["mixer.heads=4", "mixer.kv_heads=2", "feedforward.hidden=48", "norm.eps=1e-6"]
    changes = [f"model.blocks.*.{size}" for size in sizes] + ["model.final_norm.eps=1e-6"]
    recipe = load(small, [*changes, f"model.position.scaling={json.dumps(scaling)}"]).recipe
    ours = assemble(recipe.model, ModelSite(V), seed=0).eval()
    weights = families()["llama"].weights
    ours.load_state_dict(weights.to_ours(model.state_dict(), ours, Facts(recipe.resolved())))
    return model, ours


@torch.no_grad()
def apart(theirs: nn.Module, ours: nn.Module, length: int) -> float:
    """How far logits of a text are apart at most, where they are of the size of 1."""
    tokens = torch.randint(V, (2, length))
    expected: Tensor = theirs(tokens).logits
    assert expected.std() > 0.3
    return float((ours(Batch(tokens, torch.full_like(tokens, IGNORED))) - expected).abs().max())


YARN = {"use": "yarn", "factor": 4.0, "original_context": 16}
CASES: dict[str, tuple[int, dict[str, Any], dict[str, Any], int]] = {
    "yarn": (64, YARN, {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}, 64),
    "yarn with every knob": (
        64,
        {**YARN, "beta_fast": 4.0, "beta_slow": 0.5, "attention_factor": 1.4, "truncate": False},
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 16,
            "beta_fast": 4.0,
            "beta_slow": 0.5,
            "attention_factor": 1.4,
            "truncate": False,
        },
        64,
    ),
    "longrope, long": (
        64,
        {"use": "longrope", "short_factor": FALLING, "long_factor": RISING, "original_context": 32},
        {
            "rope_type": "longrope",
            "short_factor": FALLING,
            "long_factor": RISING,
            "original_max_position_embeddings": 32,
            "factor": 2.0,
        },
        64,
    ),
    "longrope, short": (
        32,
        {"use": "longrope", "short_factor": FALLING, "long_factor": RISING, "original_context": 32}
        | {"attention_factor": math.sqrt(1 + math.log(2) / math.log(32))},
        {
            "rope_type": "longrope",
            "short_factor": FALLING,
            "long_factor": RISING,
            "original_max_position_embeddings": 32,
            "factor": 2.0,
        },
        64,
    ),
    "dynamic": (24, {"use": "dynamic", "factor": 3.0}, {"rope_type": "dynamic", "factor": 3.0}, 24),
}
LENGTHS = {"longrope, long": (33, 64), "longrope, short": (5, 32), "dynamic": (9, 24, 25, 60)}


@pytest.mark.parametrize("name", CASES)
def test_logits_equal_hugging_faces_on_short_and_long_texts(name: str) -> None:
    theirs, ours = networks(*CASES[name])
    for length in LENGTHS.get(name, (9, 64)):
        assert apart(theirs, ours, length) < 2e-5


@pytest.mark.parametrize("name", CASES)
def test_the_comparison_would_see_another_scaling(name: str) -> None:
    context, _, theirs, theirs_context = CASES[name]
    assert apart(*networks(context, None, theirs, theirs_context), LENGTHS.get(name, (64,))[-1]) > 1e-2


def test_a_dynamic_scaling_changes_nothing_within_the_context_and_slow_pairs_most_beyond() -> None:
    plain, scaled = Rope().assemble(SITE), Rope(scaling=DynamicRope(factor=3.0)).assemble(SITE)
    for one, other in zip(plain.angles(torch.arange(32)), scaled.angles(torch.arange(32)), strict=True):
        assert torch.equal(one, other)
    within, beyond = plain.frequencies.values, scaled.scaling(plain.frequencies.values, torch.tensor(64)).frequencies
    ratio = within / beyond
    torch.testing.assert_close(ratio[[0, -1]], torch.tensor([1.0, 4.0]))
    assert (ratio.diff() > 0).all()


def test_each_row_is_scaled_by_its_own_length() -> None:
    encoder = Rope(scaling=DynamicRope()).assemble(SITE)
    positions = torch.stack((torch.arange(60), torch.arange(60) // 2))
    for row, angles in enumerate(zip(*encoder.angles(positions), strict=True)):
        for one, other in zip(angles, encoder.angles(positions[row]), strict=True):
            torch.testing.assert_close(one[0], other)


def test_a_long_rope_is_that_of_the_models_context_whatever_the_length_of_a_text() -> None:
    for context, divisors in ((64, RISING), (32, FALLING)):
        site = PositionSite(width=32, context=context, heads=4, head_width=8)
        scaling = LongRope(short_factor=tuple(FALLING), long_factor=tuple(RISING), original_context=32)
        plain, scaled = Rope().assemble(site), Rope(scaling=scaling).assemble(site)
        torch.testing.assert_close(plain.frequencies.values / scaled.frequencies.values, torch.tensor(divisors))
        assert scaled.factor == pytest.approx(math.sqrt(1 + math.log(2) / math.log(32)) if context == 64 else 1.0)


def test_a_temperature_multiplies_what_turns_and_leaves_the_rest() -> None:
    x = torch.randn(1, 2, 5, 16)
    encoder = Rope(fraction=0.5, scaling=YarnRope(attention_factor=1.5)).assemble(SITE)
    y = encoder.rotate(x, encoder.angles(torch.arange(5)))
    torch.testing.assert_close(y[..., :8].norm(dim=-1), 1.5 * x[..., :8].norm(dim=-1))
    assert torch.equal(y[..., 8:], x[..., 8:])


@pytest.mark.parametrize(
    ("scaling", "fraction", "message"),
    [
        (YarnRope(beta_slow=40.0), 1.0, "beta_slow 40 must be below beta_fast 32"),
        (LongRope(short_factor=(1.0,) * 8, long_factor=(1.0,) * 7), 1.0, "long_factor has 7 numbers, and 16 features"),
        (LongRope(short_factor=(1.0,) * 8, long_factor=(1.0,) * 8), 0.5, "8 features turn; give 4"),
        (LongRope(short_factor=(1.0,) * 8, long_factor=(1.0,) * 8, original_context=1), 1.0, "give one"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(scaling: Any, fraction: float, message: str) -> None:
    with pytest.raises(PartError, match=message) as caught:
        Rope(fraction=fraction, scaling=scaling).assemble(SITE)
    assert caught.value.path == ("scaling",)


def test_one_pair_alone_can_be_scaled() -> None:
    site = PositionSite(width=8, context=8, heads=2, head_width=2)
    for scaling in (YarnRope(original_context=4), DynamicRope(), LongRope(short_factor=(1.0,), long_factor=(2.0,))):
        angles = Rope(scaling=scaling).assemble(site).angles(torch.arange(20))
        assert all(angle.isfinite().all() for angle in angles)
