"""Models that are right compare as equal, and of those that are not, the module with the mistake is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from partwise import InputError
from partwise.huggingface.parity import theirs as their_side
from partwise.huggingface.parity.comparing import compare
from partwise.recipe.shipped import own_directory

GRANITE = {
    "model_type": "granite", "vocab_size": 49155, "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "attention_bias": False, "tie_word_embeddings": False,
    "residual_multiplier": 0.22, "attention_multiplier": 0.015625, "embedding_multiplier": 12.0,
}  # fmt: skip
RECIPE = {
    "extends": "families/llama3-8b",
    "name": "granite",
    "model": {
        "position": {"scaling": None},
        "residual": "scaled",
        "blocks": [
            {
                "use": "pre_norm",
                "norm": {"use": "rms_norm", "eps": 1e-5},
                "feedforward": "swiglu",
                "mixer": {"use": "multi_head", "heads": 32, "kv_heads": 8, "bias": False},
            }
        ],
    },
}
TWISTS = {
    "embedding_multiplier": "model.embedding_scale",
    "attention_multiplier": "model.blocks.*.mixer.score.scale",
    "residual_multiplier": "model.residual.branch",
}
Change = Callable[[dict[str, Any], dict[str, Any]], None]
"""What is done to a recipe and a map."""


def family() -> tuple[dict[str, Any], dict[str, Any]]:
    """A recipe, and Llama's map with Granite's constants."""
    weights = json.loads((own_directory() / "families" / "llama.weights.json").read_text())
    weights |= {"model_type": "granite", "architecture": "GraniteForCausalLM", "recipe": "granite.json"}
    weights["config"]["choices"] = []
    weights["config"]["aliases"] = {
        "rope_parameters.rope_theta": "rope_theta",
        "rope_parameters.rope_type": "rope_type",
    }
    weights["config"]["fixed"]["rope_type"] = "default"
    weights["config"]["settings"] += [{"key": key, "at": [path], "default": 1.0} for key, path in TWISTS.items()]
    return json.loads(json.dumps(RECIPE)), weights


def written(place: Path, change: Change | None = None, config: dict[str, Any] | None = None) -> Path:
    """The files of the family; returns the map's."""
    recipe, weights = family()
    if change is not None:
        change(recipe, weights)
    (place / "config.json").write_text(json.dumps(config or GRANITE))
    (place / "granite.json").write_text(json.dumps(recipe))
    (place / "granite.weights.json").write_text(json.dumps(weights))
    return place / "granite.weights.json"


def unheard(*keys: str) -> Change:
    """The settings are said to have no effect."""

    def change(recipe: dict[str, Any], weights: dict[str, Any]) -> None:
        config = weights["config"]
        config["settings"] = [one for one in config["settings"] if one["key"] not in keys]
        config["no_effect"] += keys

    return change


def block(**knobs: Any) -> Change:
    return lambda recipe, weights: recipe["model"]["blocks"][0].update(knobs)


def mixer(**knobs: Any) -> Change:
    return lambda recipe, weights: recipe["model"]["blocks"][0]["mixer"].update(knobs)


def entry(weights: dict[str, Any], ours: str) -> dict[str, Any]:
    (found,) = [one for one in weights["tensors"] if one["ours"].endswith(ours)]
    return found


def swapped(one: str, other: str) -> Change:
    def change(recipe: dict[str, Any], weights: dict[str, Any]) -> None:
        first, second = entry(weights, one), entry(weights, other)
        first["theirs"], second["theirs"] = second["theirs"], first["theirs"]

    return change


def other_eps(recipe: dict[str, Any], weights: dict[str, Any]) -> None:
    unheard("rms_norm_eps")(recipe, weights)
    recipe["model"]["final_norm"] = {"use": "rms_norm", "eps": 1e-6}


def keys_as_values(recipe: dict[str, Any], weights: dict[str, Any]) -> None:
    found = entry(weights, "mixer.project.linear.weight")
    found["theirs"] = [found["theirs"][0], found["theirs"][2], found["theirs"][1]]


ATTENTION = ("stack.blocks.0.mixer", "model.layers.0.self_attn")
BLOCK = ("stack.blocks.0", "model.layers.0")
FAULTS: dict[str, tuple[Change, tuple[str, str]]] = {
    "eps of the last norm": (other_eps, ("stack.final_norm", "model.norm")),
    "layout of rotary positions": (
        lambda recipe, weights: recipe["model"]["position"].update(layout="interleaved"),
        ATTENTION,
    ),
    "keys as values": (keys_as_values, ATTENTION),
    "scale of scores": (unheard("attention_multiplier"), ATTENTION),
    "a window": (mixer(window=20), ATTENTION),
    "a matrix transposed": (
        lambda recipe, weights: entry(weights, "mixer.output.weight").update(transpose=True),
        ("stack.blocks.0.mixer.output", "model.layers.0.self_attn.o_proj"),
    ),
    "another activation": (block(feedforward="geglu"), ("stack.blocks.0.feedforward", "model.layers.0.mlp")),
    "gate for up": (
        swapped("feedforward.gate.weight", "feedforward.up.weight"),
        ("stack.blocks.0.feedforward", "model.layers.0.mlp"),
    ),
    "one norm for the other": (swapped("mixer_norm.weight", "feedforward_norm.weight"), BLOCK),
    "no factor of branches": (unheard("residual_multiplier"), BLOCK),
    "no factor of embeddings": (unheard("embedding_multiplier"), ("", "")),
}


def test_a_family_that_does_not_ship_is_equal_in_everything(tmp_path: Path) -> None:
    found = compare(tmp_path, map_file=written(tmp_path))
    assert found.equal
    assert found.first is None
    assert [check.name for check in found.checks] == [
        "logits, float32",
        "logits, float64",
        "left padding",
        "cached decoding",
        "greedy text",
    ]
    assert found.reduced
    assert (found.config["num_hidden_layers"], found.config["num_key_value_heads"]) == (2, 2)
    paired = {(one.pair.ours, one.pair.theirs) for one in found.modules}
    assert ((ATTENTION[0],), (ATTENTION[1],)) in paired
    assert all(one.difference.scale > 0.05 for one in found.modules)


def test_sizes_that_ours_refuse_are_not_taken(tmp_path: Path) -> None:
    def rotates_a_quarter(recipe: dict[str, Any], weights: dict[str, Any]) -> None:
        recipe["model"]["position"]["fraction"] = 0.25

    found = compare(tmp_path, map_file=written(tmp_path, rotates_a_quarter, {**GRANITE, "hidden_size": 3072}))
    assert found.config["hidden_size"] // found.config["num_attention_heads"] == 24  # of 12, a quarter would be odd
    assert not found.equal


@pytest.mark.parametrize("fault", FAULTS)
def test_the_module_with_a_mistake_is_named(fault: str, tmp_path: Path) -> None:
    change, (ours, theirs) = FAULTS[fault]
    found = compare(tmp_path, map_file=written(tmp_path, change))
    assert not found.equal
    assert found.first is not None
    assert (found.first.module.ours, found.first.module.theirs) == ((ours,), (theirs,))


def test_a_factor_of_the_logits_is_found_behind_the_last_module(tmp_path: Path) -> None:
    found = compare(tmp_path, map_file=written(tmp_path, unheard("logits_scaling"), {**GRANITE, "logits_scaling": 8.0}))
    assert found.first is not None
    assert found.first.differs is None
    assert found.first.agreed is not None
    assert found.first.agreed.pair.theirs == ("lm_head",)


def test_weights_of_the_checkpoint_are_compared_and_another_recipe_can_be_asked_for(tmp_path: Path) -> None:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48, "vocab_size": 61}
    ids = {"bos_token_id": 60, "eos_token_id": 60}
    transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **ids)).save_pretrained(tmp_path / "in")
    found = compare(tmp_path / "in")
    assert found.equal
    assert not found.reduced
    recipe = {"extends": "families/gpt2-small", "name": "other", "model": {"embedding_scale": 2.0}}
    (tmp_path / "other.json").write_text(json.dumps(recipe))
    other = compare(tmp_path / "in", str(tmp_path / "other.json"))
    assert other.first is not None
    assert other.first.agreed is not None
    assert other.first.agreed.pair.theirs == ("transformer.wte",)


def test_of_an_encoder_and_a_decoder_both_are_compared(tmp_path: Path) -> None:
    sizes = {"d_model": 32, "d_kv": 12, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 61}
    config = transformers.T5Config(**sizes, feed_forward_proj="gated-gelu", decoder_start_token_id=0)
    theirs = transformers.T5ForConditionalGeneration(config)
    for parameter in theirs.parameters():
        parameter.data.normal_(std=0.3)
    theirs.save_pretrained(tmp_path)
    mixer = {"use": "multi_head", "heads": 4, "head_width": 12, "bias": False, "score": "dot"}
    layer = {
        "use": "pre_norm",
        "norm": "rms_norm",
        "mixer": mixer,
        "feedforward": {"use": "geglu", "form": "tanh", "hidden": 48},
    }
    model = {"width": 32, "encoder_depth": 2, "decoder_depth": 2, "context": 64, "encoder": [layer]}
    model |= {"tie": True, "logit_factor": 32**-0.5}

    def first(**cross: Any) -> Any:
        decoder = [{**layer, "cross": {**mixer, **cross}}]
        recipe = {"extends": "families/t5-v1.1-small", "name": "small", "model": {**model, "decoder": decoder}}
        (tmp_path / "small.json").write_text(json.dumps(recipe))
        return compare(
            tmp_path, str(tmp_path / "small.json"), own_directory() / "families" / "t5-v1.1.weights.json"
        ).first

    assert first() is None
    assert first(score="scaled_dot").module.theirs == ("decoder.block.0.layer.1.EncDecAttention",)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "it has no config.json"),
        ("{", "holds no JSON|damaged|cut"),
        ({}, "does not say which model_type"),
        ({"model_type": "gpt3"}, "'gpt3' cannot be imported, did you mean 'gpt2'"),
        ({"model_type": "gpt2", "n_embd": 30, "n_head": 4}, "heads"),
        ({"model_type": "llama", "hidden_sise": 64}, "hidden_sise is 64, did you mean 'hidden_size'"),
        ({"model_type": "llama", "num_hidden_layers": "two"}, "num_hidden_layers|depth"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(config: Any, message: str, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(InputError, match=message):
        compare(tmp_path)


def test_a_map_for_another_family_or_without_settings_is_refused(tmp_path: Path) -> None:
    weights = written(tmp_path, config={**GRANITE, "model_type": "llama"})
    with pytest.raises(InputError, match="is for model_type 'granite', and the checkpoint's is 'llama'"):
        compare(tmp_path, map_file=weights)
    weights = written(tmp_path, lambda recipe, weights: weights.pop("config"))
    with pytest.raises(InputError, match=r'granite\.weights\.json has no "config"'):
        compare(tmp_path, map_file=weights)
    weights = written(tmp_path, lambda recipe, weights: weights.update(architecture="GraniteLM"))
    with pytest.raises(InputError, match=r"has no GraniteLM, which granite\.weights\.json names"):
        compare(tmp_path, map_file=weights)


def test_weights_that_are_damaged_are_refused(tmp_path: Path) -> None:
    weights = written(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(InputError, match=r"transformers cannot load|is damaged"):
        compare(tmp_path, map_file=weights)


def test_without_transformers_it_is_said_before_anything_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(their_side, "import_module", missing)
    with pytest.raises(InputError, match="pip install transformers"):
        compare(tmp_path / "nowhere")
