"""A norm after the embedding: where it stands, and a whole model of Hugging Face that has one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from transformers import BloomConfig, BloomForCausalLM

from partwise.modules import causal_flow

from .building import ATTENTION, LAYER, C, T, V, batch, built, language_model, seq2seq, shaken

HEADS, D = 2, C // 2


def test_the_norm_comes_after_positions_that_are_added_and_before_the_layers() -> None:
    network = shaken(language_model(position="learned", embedding_norm="layer_norm", embedding_scale=3.0))
    tokens = torch.randint(V, (3, T))
    x = 3.0 * network.input.embedding.weight[tokens] + network.stack.position.weight[:T]
    norm = network.stack.embedding_norm
    x = network.stack.blocks[0](F.layer_norm(x, (C,), norm.weight, norm.bias), causal_flow(T))
    norm = network.stack.final_norm
    expected = F.layer_norm(x, (C,), norm.weight, norm.bias) @ network.input.embedding.weight.T
    torch.testing.assert_close(network(batch(tokens)), expected, rtol=1e-4, atol=1e-5)


def test_encoder_and_decoder_have_one_each_and_without_the_knob_there_is_none() -> None:
    norms = [name for name, _ in built(seq2seq(embedding_norm="rms_norm")).named_modules() if "embedding_norm" in name]
    assert len(norms) == 2
    assert not [name for name, _ in built(language_model()).named_parameters() if "embedding_norm" in name]


@torch.no_grad()
def test_bloom_is_that_of_hugging_face() -> None:
    config = BloomConfig(vocab_size=V, hidden_size=C, n_layer=2, n_head=HEADS, hidden_dropout=0.0)
    theirs = BloomForCausalLM._from_config(config, attn_implementation="eager").eval()
    for parameter in theirs.parameters():
        parameter.normal_(std=0.3).add_(1.0 if parameter.ndim == 1 else 0.0)
    layer = LAYER | {"mixer": ATTENTION, "feedforward": {"use": "gelu", "form": "tanh"}}
    ours = built(language_model(position="alibi", embedding_norm="layer_norm", blocks=[layer], depth=2))
    their = theirs.state_dict()
    names = {
        "input.embedding": "word_embeddings",
        "stack.embedding_norm": "word_embeddings_layernorm",
        "stack.final_norm": "ln_f",
    }
    for i in range(2):
        block, h = f"stack.blocks.{i}", f"h.{i}"
        names |= {
            f"{block}.mixer.project.linear": f"{h}.self_attention.query_key_value",
            f"{block}.mixer.output": f"{h}.self_attention.dense",
            f"{block}.mixer_norm": f"{h}.input_layernorm",
            f"{block}.feedforward_norm": f"{h}.post_attention_layernorm",
            f"{block}.feedforward.up": f"{h}.mlp.dense_h_to_4h",
            f"{block}.feedforward.down": f"{h}.mlp.dense_4h_to_h",
        }
    weights = {}
    for name in ours.state_dict():
        module, _, kind = name.rpartition(".")
        weights[name] = their[f"transformer.{names[module]}.{kind}"]
        if "project" in name:  # theirs has query, key and value of each head side by side
            weights[name] = weights[name].unflatten(0, (HEADS, 3, D)).transpose(0, 1).flatten(0, 2)
    ours.load_state_dict(weights)
    tokens = torch.randint(V, (3, T))
    expected = theirs(tokens).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(batch(tokens)), expected, rtol=1e-4, atol=1e-4)
