"""Weight maps: state dicts of Hugging Face's models under the names that partwise's modules have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def gpt2(theirs: Weights) -> dict[str, Tensor]:
    """GPT-2: one matrix for query, key and value, and every matrix of a layer transposed ("Conv1D")."""
    ours = {
        "input.embedding.weight": theirs["transformer.wte.weight"],
        "stack.position.weight": theirs["transformer.wpe.weight"],
        **_pair("stack.final_norm", theirs, "transformer.ln_f"),
    }
    for i in _layers(theirs, r"transformer\.h\.(\d+)\."):
        block, layer = f"stack.blocks.{i}", f"transformer.h.{i}"
        ours |= _pair(f"{block}.mixer_norm", theirs, f"{layer}.ln_1")
        ours |= _pair(f"{block}.feedforward_norm", theirs, f"{layer}.ln_2")
        ours |= _pair(f"{block}.mixer.project.linear", theirs, f"{layer}.attn.c_attn", transpose=True)
        ours |= _pair(f"{block}.mixer.output", theirs, f"{layer}.attn.c_proj", transpose=True)
        ours |= _pair(f"{block}.feedforward.up", theirs, f"{layer}.mlp.c_fc", transpose=True)
        ours |= _pair(f"{block}.feedforward.down", theirs, f"{layer}.mlp.c_proj", transpose=True)
    return ours


def llama(theirs: Weights) -> dict[str, Tensor]:
    """Llama, Mistral and Qwen3, whose queries and keys are normalised besides."""
    ours = _llama_ends(theirs)
    for i in _layers(theirs, r"model\.layers\.(\d+)\."):
        block, layer = f"stack.blocks.{i}", f"model.layers.{i}"
        ours |= _llama_branches(theirs, block, layer)
        ours[f"{block}.mixer_norm.weight"] = theirs[f"{layer}.input_layernorm.weight"]
        ours[f"{block}.feedforward_norm.weight"] = theirs[f"{layer}.post_attention_layernorm.weight"]
    return ours


def gemma2(theirs: Weights) -> dict[str, Tensor]:
    """Gemma 2: Llama's names, with a norm before and after each branch."""
    ours = _llama_ends(theirs)
    for i in _layers(theirs, r"model\.layers\.(\d+)\."):
        block, layer = f"stack.blocks.{i}", f"model.layers.{i}"
        ours |= _llama_branches(theirs, block, layer)
        for here, there in {
            "mixer_norm": "input_layernorm",
            "mixer_output_norm": "post_attention_layernorm",
            "feedforward_norm": "pre_feedforward_layernorm",
            "feedforward_output_norm": "post_feedforward_layernorm",
        }.items():
            ours[f"{block}.{here}.weight"] = theirs[f"{layer}.{there}.weight"]
    return ours


def _llama_ends(theirs: Weights) -> dict[str, Tensor]:
    ours = {
        "input.embedding.weight": theirs["model.embed_tokens.weight"],
        "stack.final_norm.weight": theirs["model.norm.weight"],
    }
    if not theirs["lm_head.weight"].equal(theirs["model.embed_tokens.weight"]):
        ours["head.linear.weight"] = theirs["lm_head.weight"]
    return ours


def _llama_branches(theirs: Weights, block: str, layer: str) -> dict[str, Tensor]:
    attention = f"{layer}.self_attn"
    ours = {
        f"{block}.mixer.project.linear.weight": torch.cat(
            [theirs[f"{attention}.{name}_proj.weight"] for name in ("q", "k", "v")]
        ),
        f"{block}.mixer.output.weight": theirs[f"{attention}.o_proj.weight"],
    }
    for name in ("gate", "up", "down"):
        ours[f"{block}.feedforward.{name}.weight"] = theirs[f"{layer}.mlp.{name}_proj.weight"]
    for here, there in (("query_norm", "q_norm"), ("key_norm", "k_norm")):
        if f"{attention}.{there}.weight" in theirs:
            ours[f"{block}.mixer.{here}.weight"] = theirs[f"{attention}.{there}.weight"]
    return ours


def neox(heads: int) -> Callable[[Weights], dict[str, Tensor]]:
    """GPT-NeoX (Pythia): the rows of query, key and value lie side by side head by head, [H, 3, D]."""

    def convert(theirs: Weights) -> dict[str, Tensor]:
        ours = {
            "input.embedding.weight": theirs["gpt_neox.embed_in.weight"],
            "head.linear.weight": theirs["lm_head.weight" if "lm_head.weight" in theirs else "embed_out.weight"],
            **_pair("stack.final_norm", theirs, "gpt_neox.final_layer_norm"),
        }
        for i in _layers(theirs, r"gpt_neox\.layers\.(\d+)\."):
            block, layer = f"stack.blocks.{i}", f"gpt_neox.layers.{i}"
            for one in ("weight", "bias"):
                rows = theirs[f"{layer}.attention.query_key_value.{one}"].unflatten(0, (heads, 3, -1))
                ours[f"{block}.mixer.project.linear.{one}"] = rows.transpose(0, 1).flatten(0, 2)
            ours |= _pair(f"{block}.mixer.output", theirs, f"{layer}.attention.dense")
            ours |= _pair(f"{block}.norm", theirs, f"{layer}.input_layernorm")
            ours |= _pair(f"{block}.feedforward_norm", theirs, f"{layer}.post_attention_layernorm")
            ours |= _pair(f"{block}.feedforward.up", theirs, f"{layer}.mlp.dense_h_to_4h")
            ours |= _pair(f"{block}.feedforward.down", theirs, f"{layer}.mlp.dense_4h_to_h")
        return ours

    return convert


def gptj(theirs: Weights) -> dict[str, Tensor]:
    """GPT-J: one norm per layer, biases in the feed-forward and the head only."""
    ours = {
        "input.embedding.weight": theirs["transformer.wte.weight"],
        **_pair("head.linear", theirs, "lm_head"),
        **_pair("stack.final_norm", theirs, "transformer.ln_f"),
    }
    for i in _layers(theirs, r"transformer\.h\.(\d+)\."):
        block, layer = f"stack.blocks.{i}", f"transformer.h.{i}"
        ours[f"{block}.mixer.project.linear.weight"] = torch.cat(
            [theirs[f"{layer}.attn.{name}_proj.weight"] for name in ("q", "k", "v")]
        )
        ours[f"{block}.mixer.output.weight"] = theirs[f"{layer}.attn.out_proj.weight"]
        ours |= _pair(f"{block}.norm", theirs, f"{layer}.ln_1")
        ours |= _pair(f"{block}.feedforward.up", theirs, f"{layer}.mlp.fc_in")
        ours |= _pair(f"{block}.feedforward.down", theirs, f"{layer}.mlp.fc_out")
    return ours


def t5(theirs: Weights) -> dict[str, Tensor]:
    """T5 v1.1: the first layer of each stack holds the table of distances that all its layers share."""
    table = theirs["shared.weight"]
    ours = {
        "encoder_input.embedding.weight": table,
        "decoder_input.embedding.weight": table,
        "head.linear.weight": theirs["lm_head.weight"],
    }
    for stack in ("encoder", "decoder"):
        bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        ours[f"{stack}.position.weight"] = theirs[bias]
        ours[f"{stack}.final_norm.weight"] = theirs[f"{stack}.final_layer_norm.weight"]
        for i in _layers(theirs, rf"{stack}\.block\.(\d+)\."):
            block, layers = f"{stack}.blocks.{i}", f"{stack}.block.{i}.layer"
            ours |= _t5_attention(theirs, f"{block}.mixer", f"{layers}.0.SelfAttention", ("q", "k", "v"))
            ours[f"{block}.mixer_norm.weight"] = theirs[f"{layers}.0.layer_norm.weight"]
            last = 1
            if stack == "decoder":
                ours |= _t5_attention(theirs, f"{block}.cross", f"{layers}.1.EncDecAttention", ("k", "v"))
                ours[f"{block}.cross.query.weight"] = theirs[f"{layers}.1.EncDecAttention.q.weight"]
                ours[f"{block}.cross_norm.weight"] = theirs[f"{layers}.1.layer_norm.weight"]
                last = 2
            ours[f"{block}.feedforward_norm.weight"] = theirs[f"{layers}.{last}.layer_norm.weight"]
            for here, there in (("gate", "wi_0"), ("up", "wi_1"), ("down", "wo")):
                ours[f"{block}.feedforward.{here}.weight"] = theirs[f"{layers}.{last}.DenseReluDense.{there}.weight"]
    return ours


def _t5_attention(theirs: Weights, here: str, there: str, fused: tuple[str, ...]) -> dict[str, Tensor]:
    return {
        f"{here}.project.linear.weight": torch.cat([theirs[f"{there}.{name}.weight"] for name in fused]),
        f"{here}.output.weight": theirs[f"{there}.o.weight"],
    }


def _pair(here: str, theirs: Weights, there: str, transpose: bool = False) -> dict[str, Tensor]:
    """A layer's weight and bias."""
    weight = theirs[f"{there}.weight"]
    return {f"{here}.weight": weight.T if transpose else weight, f"{here}.bias": theirs[f"{there}.bias"]}


def _layers(theirs: Weights, pattern: str) -> list[int]:
    return sorted({int(match[1]) for name in theirs if (match := re.match(pattern, name))})
