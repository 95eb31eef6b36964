"""Networks assembled from the recipes of public families compute what Hugging Face's classes compute.

Each recipe is the full-size one, made small by a recipe that extends it; nothing is shared with the
other side but the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from partwise.assembly.build import assemble, skeleton
from partwise.data import IGNORED, Batch
from partwise.huggingface.facts import Facts
from partwise.huggingface.families import families
from partwise.parts import ModelSite
from partwise.recipe import load

V, B, T = 61, 2, 40


@dataclass(frozen=True)
class Family:
    """A recipe, its weight map, how it is made small; Hugging Face's class and the same sizes in its words."""

    recipe: str
    model: str
    weights: str
    theirs: dict[str, Any]
    sizes: dict[str, Any]
    overrides: Sequence[str]
    off: str
    """A change by which ours would be another model: what shows that the comparison sees such things."""
    extra: dict[str, Any] = field(default_factory=dict)

    def networks(self, *more: str) -> tuple[nn.Module, nn.Module]:
        """Hugging Face's model and ours (with `more` overrides), in evaluation mode, with the same weights."""
        config = getattr(transformers, self.model + "Config")(
            vocab_size=V, bos_token_id=0, eos_token_id=0, pad_token_id=0, **self.theirs, **self.extra
        )
        suffix = "ForConditionalGeneration" if self.model == "T5" else "ForCausalLM"
        suffix = "LMHeadModel" if self.model == "GPT2" else suffix
        theirs = getattr(transformers, self.model + suffix)._from_config(config, attn_implementation="eager").eval()
        with torch.no_grad():
            for name, parameter in theirs.named_parameters():
                # Large enough that every piece matters to the logits; gains around 1.
                parameter.normal_(std=0.15).add_(1.0 if parameter.ndim == 1 and "bias" not in name else 0.0)
        small = {"extends": f"families/{self.recipe}", "name": "small", "model": self.sizes}
        recipe = load(small, [*self.overrides, *more]).recipe
        ours = assemble(recipe.model, ModelSite(V), seed=0).eval()
        facts = Facts(recipe.resolved())
        tensors = families()[self.weights].weights.to_ours(theirs.state_dict(), ours, facts)
        ours.load_state_dict(tensors, strict=False)  # what is tied stands once in the map, and is checked by it
        return theirs, ours


LLAMA_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
OUR_SIZES = {"width": 32, "depth": 3, "context": 64}
HEADS = ("model.blocks.*.mixer.heads=4", "model.blocks.*.mixer.kv_heads=2", "model.blocks.*.feedforward.hidden=48")

FAMILIES = {
    "gemma2": Family(
        "gemma2-2b",
        "Gemma2",
        "gemma2",
        LLAMA_SIZES,
        OUR_SIZES,
        (
            *HEADS,
            "model.blocks.*.mixer.head_width=12",
            "model.blocks.*.mixer.score.scale=0.25",
            "model.blocks.*.mixer.soft_cap=5.0",
            "model.blocks.0.mixer.window=7",
            "model.logit_cap=3.0",
        ),
        "model.blocks.1.mixer.window=7",
        {
            "head_dim": 12,
            "query_pre_attn_scalar": 16,
            "attn_logit_softcapping": 5.0,
            "final_logit_softcapping": 3.0,
            "sliding_window": 7,
        },
    ),
    "gptj": Family(
        "gptj-6b",
        "GPTJ",
        "gptj",
        {"n_embd": 64, "n_layer": 3, "n_head": 4, "rotary_dim": 4, "n_positions": 64},
        {"width": 64, "depth": 3, "context": 64},
        HEADS[:1],
        "model.position.layout=half",
    ),
}
T5 = Family(
    "t5-v1.1-small",
    "T5",
    "t5",
    {
        "d_model": 32,
        "d_kv": 12,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 16,
    },
    {
        "width": 32,
        "encoder_depth": 2,
        "decoder_depth": 2,
        "context": 64,
        "position": {"buckets": 8, "max_distance": 16},
    },
    tuple(
        f"model.{stack}.*.{knob}"
        for stack, mixers in (("encoder", ("mixer",)), ("decoder", ("mixer", "cross")))
        for knob in ("feedforward.hidden=48", *(f"{m}.{k}" for m in mixers for k in ("heads=4", "head_width=12")))
    ),
    "model.position.max_distance=12",
)


def batch(tokens: Tensor, padding: Tensor | None = None, **source: Tensor) -> Batch:
    return Batch(tokens, torch.full_like(tokens, IGNORED), padding, **source)


def greedy(model: Any, prompt: Batch, steps: int) -> Tensor:
    """Token ids that the model writes when it always takes the likeliest, through its cache."""
    logits, decoding = model.begin(prompt, prompt.tokens.shape[1] + steps)
    written = [logits.argmax(-1)]
    while len(written) < steps:
        written.append(model.step(written[-1], decoding).argmax(-1))
    return torch.stack(written, 1)


@pytest.mark.parametrize(
    ("recipe", "parameters"),
    [
        ("gemma2-2b", 2_614_341_888),
        ("gemma3-1b", 999_885_952),
        ("roberta-base", 124_697_433),
        ("gptj-6b", 6_050_882_784),
        ("t5-v1.1-small", 76_961_152),
    ],
)
def test_full_size_recipes_have_the_published_number_of_parameters(recipe: str, parameters: int) -> None:
    loaded = load(f"families/{recipe}").recipe
    site = ModelSite(loaded.tokenizer.planned_vocabulary() or 0)
    assert sum(parameter.numel() for parameter in skeleton(loaded.model, site).parameters()) == parameters


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_logits_equal_hugging_faces(name: str) -> None:
    theirs, ours = FAMILIES[name].networks()
    tokens = torch.randint(V, (B, T))
    expected = theirs(tokens).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(batch(tokens)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_logits_differ_when_a_single_knob_is_off(name: str) -> None:
    theirs, ours = FAMILIES[name].networks(FAMILIES[name].off)
    tokens = torch.randint(V, (B, T))
    assert (ours(batch(tokens)) - theirs(tokens).logits).abs().max() > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_greedy_generation_from_the_cache_equals_hugging_faces(name: str) -> None:
    theirs, ours = FAMILIES[name].networks()
    tokens = torch.randint(1, V, (B, 9))
    padding = torch.ones_like(tokens, dtype=torch.bool)
    padding[0, :4] = False
    expected = theirs.generate(
        tokens, attention_mask=padding.long(), max_new_tokens=16, do_sample=False, eos_token_id=None
    )
    assert greedy(ours, batch(tokens, padding), 16).equal(expected[:, 9:])


@torch.no_grad()
def test_an_encoder_decoder_equals_hugging_faces() -> None:
    theirs, ours = T5.networks()
    _, off = T5.networks(T5.off)
    source, target = torch.randint(1, V, (B, 12)), torch.randint(1, V, (B, T))
    padding = torch.ones_like(source, dtype=torch.bool)
    padding[0, 7:] = False
    expected = theirs(source, attention_mask=padding.long(), decoder_input_ids=target).logits
    assert expected.std() > 0.1
    result = ours(batch(target, source=source, source_padding=padding))
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
    off.load_state_dict(ours.state_dict())
    assert (off(batch(target, source=source, source_padding=padding)) - expected).abs().max() > 1e-3
    written = theirs.generate(
        source, attention_mask=padding.long(), max_new_tokens=16, do_sample=False, eos_token_id=None
    )
    start = torch.zeros(B, 1, dtype=torch.int64)
    assert greedy(ours, batch(start, source=source, source_padding=padding), 16).equal(written[:, 1:])
