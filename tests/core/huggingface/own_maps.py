"""Maps and recipes of families that do not ship, as a stranger writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

A = "stack.blocks.{i}."
B = "model.layers.{i}."
PROJECTIONS = [f"{B}self_attn.{name}_proj" for name in "qkv"]


def ends(*kinds: str) -> list[dict[str, Any]]:
    return [
        {"ours": "input.embedding.weight", "theirs": "model.embed_tokens.weight"},
        {"ours": "head.linear.weight", "theirs": "lm_head.weight"},
        *({"ours": f"stack.final_norm.{kind}", "theirs": f"model.norm.{kind}"} for kind in kinds),
    ]


def pairs(ours_to_theirs: dict[str, str], *kinds: str) -> list[dict[str, Any]]:
    return [
        {"ours": f"{A}{ours}.{kind}", "theirs": f"{B}{theirs}.{kind}"}
        for ours, theirs in ours_to_theirs.items()
        for kind in kinds
    ]


def fused(*kinds: str) -> list[dict[str, Any]]:
    return [
        {"ours": f"{A}mixer.project.linear.{kind}", "theirs": [f"{name}.{kind}" for name in PROJECTIONS]}
        for kind in kinds
    ]


NORMS = {"mixer_norm": "input_layernorm", "feedforward_norm": "post_attention_layernorm"}
OUT = {"mixer.output": "self_attn.o_proj"}
GATED = {f"feedforward.{ours}": f"mlp.{ours}_proj" for ours in ("gate", "up", "down")}
COMMON = [
    {"key": "hidden_size", "at": ["model.width"]},
    {"key": "num_hidden_layers", "at": ["model.depth"]},
    {"key": "num_attention_heads", "at": ["model.blocks.*.mixer.heads"]},
    {
        "key": "num_key_value_heads",
        "at": ["model.blocks.*.mixer.kv_heads"],
        "default": {"computed": "num_attention_heads"},
    },
    {"key": "intermediate_size", "at": ["model.blocks.*.feedforward.hidden"]},
    {"key": "max_position_embeddings", "at": ["model.context"]},
    {"key": "rope_theta", "at": ["model.position.base"], "default": 10000.0},
    {"key": "attention_dropout", "at": ["model.blocks.*.mixer.dropout"], "default": 0.0},
    {"key": "tie_word_embeddings", "at": ["model.tie"], "default": True},
]
ROPE = {"rope_parameters.rope_theta": "rope_theta", "rope_parameters.rope_type": "rope_type"}

STARCODER2: dict[str, Any] = {
    "partwise_weights": 1,
    "about": "StarCoder2",
    "model_type": "starcoder2",
    "architecture": "Starcoder2ForCausalLM",
    "prefix": "model.",
    "recipe": "starcoder2.json",
    "tokenizer": {"use": "tokenizer_json"},
    "config": {
        "settings": [
            *COMMON,
            {"key": "norm_epsilon", "at": ["model.final_norm.eps", "model.blocks.*.norm.eps"], "default": 1e-5},
            {"key": "sliding_window", "at": ["model.blocks.*.mixer.window"]},
            {"key": "residual_dropout", "at": ["model.blocks.*.dropout"], "default": 0.0},
            {"key": "embedding_dropout", "at": ["model.dropout"], "default": 0.0},
        ],
        "fixed": {"hidden_act": "gelu_pytorch_tanh", "use_bias": True, "rope_type": "default"},
        "aliases": ROPE,
    },
    "tensors": [
        *ends("weight", "bias"),
        *fused("weight", "bias"),
        *pairs({**NORMS, **OUT, "feedforward.up": "mlp.c_fc", "feedforward.down": "mlp.c_proj"}, "weight", "bias"),
    ],
    "copies": {"lm_head.weight": "model.embed_tokens.weight"},
}
SMOLLM3: dict[str, Any] = {
    "partwise_weights": 1,
    "about": "SmolLM3: every fourth layer has no position",
    "model_type": "smollm3",
    "architecture": "SmolLM3ForCausalLM",
    "prefix": "model.",
    "recipe": "smollm3.json",
    "tokenizer": {"use": "tokenizer_json"},
    "config": {
        "settings": [
            *COMMON,
            {"key": "rms_norm_eps", "at": ["model.final_norm.eps", "model.blocks.*.norm.eps"], "default": 1e-6},
            {"key": "no_rope_layer_interval", "at": [], "default": 4},
        ],
        "layers": [
            {
                "key": "no_rope_layers",
                "cases": [
                    {"value": 1, "set": {"mixer.position": None}},
                    {"value": 0, "set": {"mixer.position": "none"}},
                ],
                "default": {"every": "no_rope_layer_interval", "last": 0, "others": 1},
            },
            {
                "key": "layer_types",
                "cases": [
                    {"value": "full_attention", "set": {"mixer.window": None}},
                    {
                        "value": "sliding_attention",
                        "settings": [{"key": "sliding_window", "at": ["mixer.window"]}],
                    },
                ],
                "default": ["full_attention"],
            },
        ],
        "choices": [
            [{"when": {"use_sliding_window": False}, "set": {}}, {"when": {"use_sliding_window": True}, "set": {}}]
        ],
        "fixed": {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "rope_type": "default"},
        "aliases": ROPE,
    },
    "tensors": [*ends("weight"), *fused("weight"), *pairs({**NORMS, **OUT, **GATED}, "weight")],
    "copies": {"lm_head.weight": "model.embed_tokens.weight"},
}
MIXER = {"use": "multi_head", "heads": 32, "kv_heads": 32, "bias": False}
STABLELM: dict[str, Any] = {
    "partwise_weights": 1,
    "about": "StableLM: one after the other, or in parallel after one norm",
    "model_type": "stablelm",
    "architecture": "StableLmForCausalLM",
    "prefix": "model.",
    "recipe": "stablelm.json",
    "tokenizer": {"use": "tokenizer_json"},
    "config": {
        "settings": [
            *COMMON[:-1],
            {"key": "tie_word_embeddings", "at": ["model.tie"], "default": False},
            {"key": "layer_norm_eps", "at": ["model.final_norm.eps", "model.blocks.*.norm.eps"], "default": 1e-5},
            {"key": "partial_rotary_factor", "at": ["model.position.fraction"], "default": 0.25},
            {"key": "hidden_dropout", "at": ["model.blocks.*.dropout"], "default": 0.0},
        ],
        "choices": [
            [
                {
                    "when": {"use_parallel_residual": False},
                    "set": {"model.blocks": [{"use": "pre_norm", "mixer": MIXER, "feedforward": "swiglu"}]},
                },
                {
                    "when": {"use_parallel_residual": True},
                    "set": {
                        "model.blocks": [
                            {"use": "parallel", "shared_norm": True, "mixer": MIXER, "feedforward": "swiglu"}
                        ]
                    },
                },
            ],
            [
                {"when": {"use_qkv_bias": False}, "set": {"model.blocks.*.mixer.bias": False}},
                {"when": {"use_qkv_bias": True}, "set": {"model.blocks.*.mixer.bias": ["query", "key", "value"]}},
            ],
        ],
        "fixed": {"hidden_act": "silu", "qk_layernorm": False, "rope_type": "default"},
        "aliases": {**ROPE, "rope_parameters.partial_rotary_factor": "partial_rotary_factor"},
    },
    "tensors": [
        *ends("weight", "bias"),
        *fused("weight", "bias"),
        *pairs({**OUT, **GATED}, "weight"),
        *pairs({**NORMS, "norm": "input_layernorm"}, "weight", "bias"),
    ],
}
MAPS = {"starcoder2": STARCODER2, "smollm3": SMOLLM3, "stablelm": STABLELM}

RECIPES: dict[str, dict[str, Any]] = {
    "starcoder2": {
        "position": {"base": 10000.0, "scaling": None},
        "final_norm": "layer_norm",
        "tie": True,
        "blocks": [
            {
                "use": "pre_norm",
                "mixer": {"use": "multi_head", "heads": 8, "kv_heads": 2, "window": 8},
                "feedforward": {"use": "gelu", "form": "tanh"},
            }
        ],
    },
    "smollm3": {"position": {"base": 10000.0, "scaling": None}, "tie": True},
    "stablelm": {
        "position": {"base": 10000.0, "scaling": None, "fraction": 0.25},
        "final_norm": "layer_norm",
        "blocks": [{"use": "pre_norm", "mixer": MIXER, "feedforward": "swiglu"}],
    },
}


def write_map(place: Path, name: str, content: dict[str, Any] | None = None) -> Path:
    """The map and its recipe as files; returns the map's."""
    recipe = {"extends": "families/llama3-8b", "name": name, "model": RECIPES[name]}
    (place / f"{name}.json").write_text(json.dumps(recipe))
    path = place / f"{name}.weights.json"
    path.write_text(json.dumps(content or MAPS[name], indent=1))
    return path
