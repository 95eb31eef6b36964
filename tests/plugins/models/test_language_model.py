from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from partwise import PartError
from partwise.assembly import Inspection, inspect_model
from partwise.data import IGNORED, Batch
from partwise.modules import causal_flow
from partwise.parts import ModelSite

from .building import ATTENTION, LAYER, RECURRENCE, C, T, V, batch, built, language_model, shaken

B = 3


def test_layers_repeat_their_pattern_up_to_the_depth() -> None:
    blocks = [LAYER, RECURRENCE, {"use": "repeat", "times": 2, "blocks": [{"use": "post_norm", "mixer": "gru"}]}]
    network = built(language_model(blocks=blocks, depth=6))
    kinds = [type(block).__name__ for block in network.stack.blocks]
    assert kinds == [
        "PreNormBlock",
        "RecurrentBlock",
        "PostNormBlock",
        "PostNormBlock",
        "PreNormBlock",
        "RecurrentBlock",
    ]


def test_without_a_depth_the_pattern_is_there_once() -> None:
    assert len(built(language_model(blocks=[LAYER, RECURRENCE])).stack.blocks) == 2


def test_the_network_is_embedding_layers_norm_and_head() -> None:
    network = shaken(language_model(position="learned", blocks=[LAYER, LAYER], embedding_scale=3.0))
    tokens = torch.randint(V, (B, T))
    x = 3.0 * network.input.embedding.weight[tokens] + network.stack.position.weight[:T]
    for block in network.stack.blocks:
        x = block(x, causal_flow(T))
    norm = network.stack.final_norm
    x = F.layer_norm(x, (C,), norm.weight, norm.bias)
    torch.testing.assert_close(network(batch(tokens)), x @ network.input.embedding.weight.T, rtol=1e-4, atol=1e-5)


def test_the_embedding_may_be_scaled_by_the_root_of_the_width() -> None:
    assert built(language_model(embedding_scale="sqrt_width")).input.scale == C**0.5


def test_a_tied_head_is_the_embedding_and_has_no_weights_of_its_own() -> None:
    tied, untied = built(language_model()), built(language_model(tie=False))
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in (("t", tied), ("u", untied))}
    assert count["u"] - count["t"] == V * C
    tied.input.embedding.weight.data.zero_()
    assert tied(batch(torch.zeros(1, 2, dtype=torch.int64))).abs().max() == 0


@pytest.mark.parametrize("embedding", ["one_hot", {"use": "dense", "width": 4}])
def test_tying_to_a_table_that_does_not_fit_is_refused(embedding: Any) -> None:
    with pytest.raises(PartError, match='set "tie": false'):
        built(language_model(embedding=embedding))
    assert built(language_model(embedding=embedding, tie=False))


def test_a_position_that_no_layer_can_use_is_refused() -> None:
    for position in ("rope", "alibi", "t5_bias"):
        with pytest.raises(PartError, match="no layer here has an attention that uses it"):
            built(language_model(blocks=[RECURRENCE], position=position))


@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_attentions_of_several_shapes_share_one_position_part(position: str) -> None:
    mixers = [{"use": "multi_head", "heads": 2}, {"use": "multi_head", "heads": 4}]
    blocks = [{"use": "pre_norm", "mixer": mixer} for mixer in mixers]
    own = [{"use": "pre_norm", "mixer": {**mixer, "position": position}} for mixer in mixers]
    sharing, apart = shaken(language_model(blocks=blocks, position=position)), shaken(language_model(blocks=own))
    apart.load_state_dict(sharing.state_dict())
    tokens = torch.randint(V, (B, T))
    torch.testing.assert_close(sharing(batch(tokens)), apart(batch(tokens)))


@pytest.mark.parametrize("shared", [False, True])
def test_layers_that_share_weights_compute_what_copies_of_them_do(shared: bool) -> None:
    group = {"use": "repeat", "times": 3, "blocks": [LAYER, RECURRENCE], "shared": shared}
    looped = shaken(language_model(blocks=[group, LAYER]))
    assert len(looped.stack.blocks) == (3 if shared else 7)
    copies = shaken(language_model(blocks=[LAYER, RECURRENCE] * 3 + [LAYER]))
    weights = looped.state_dict()
    for index, place in enumerate(looped.stack.order):
        for name in [name for name in copies.state_dict() if name.startswith(f"stack.blocks.{index}.")]:
            weights[name] = looped.state_dict()[name.replace(f".{index}.", f".{place}.", 1)]
    copies.load_state_dict(weights)
    tokens = torch.randint(V, (B, T))
    torch.testing.assert_close(looped(batch(tokens)), copies(batch(tokens)))
    assert len(looped.empty_states(B, T)) == 7


def test_flops_are_counted_at_every_use_of_a_layer() -> None:
    def figures(**group: Any) -> Inspection:
        blocks = [{"use": "repeat", "times": 3, "blocks": [LAYER], **group}, LAYER]
        return inspect_model(language_model(blocks=blocks), ModelSite(V))

    shared, copied = figures(shared=True), figures()
    assert shared.flops_per_token == copied.flops_per_token
    assert shared.state_bytes_per_token == copied.state_bytes_per_token
    assert shared.parameters < copied.parameters


def test_a_table_of_biases_is_shared_by_all_layers() -> None:
    network = built(language_model(blocks=[LAYER, LAYER, LAYER], position="t5_bias"))
    tables = [name for name, _ in network.named_parameters() if "position" in name]
    assert tables == ["stack.position.weight"]


def test_more_tokens_than_positions_are_refused() -> None:
    network = built(language_model(position="learned"))
    with pytest.raises(ValueError, match="13 positions asked of a position encoder that knows 12"):
        network(batch(torch.zeros(1, T + 1, dtype=torch.int64)))


def test_the_loss_is_the_sum_of_minus_log_p_over_what_is_scored() -> None:
    network = shaken(language_model(position="rope"))
    tokens, targets = torch.randint(V, (B, T)), torch.randint(V, (B, T))
    targets[0, 3:] = IGNORED
    logits = network(batch(tokens))
    expected = sum(
        -logits[row, t].log_softmax(-1)[targets[row, t]]
        for row in range(B)
        for t in range(T)
        if targets[row, t] != IGNORED
    )
    torch.testing.assert_close(network.loss(Batch(tokens, targets)), expected)


def test_padding_on_the_right_keeps_the_fast_path_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = []
    real = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *a, **how: masks.append(how["attn_mask"]) or real(*a, **how)
    )
    padding = torch.ones(B, T, dtype=torch.bool)
    padding[0, 5:] = False
    network, tokens = built(language_model()), torch.randint(V, (B, T))
    network.loss(Batch(tokens, tokens, padding))
    assert masks == [None]


STACKS = {
    "attention and rope": {"position": "rope"},
    "lstm, attention and rope": {"position": "rope", "blocks": [RECURRENCE, LAYER]},
    "gru, window and alibi": {
        "blocks": [
            {"use": "pre_norm", "mixer": "gru"},
            {"use": "sandwich", "mixer": ATTENTION | {"window": 3, "position": "alibi"}},
        ]
    },
    "parallel, biases and grouped heads": {
        "position": "t5_bias",
        "blocks": [{"use": "parallel", "mixer": {"use": "multi_head", "heads": 2, "kv_heads": 1}}],
        "depth": 2,
    },
    "the ladder": {
        "blocks": [
            {"use": "pre_norm", "mixer": mixer}
            for mixer in ("simple", "raw_head", "linear_head", "causal_head", {"use": "head_wrapper", "heads": 2})
        ],
        "position": "sinusoidal",
    },
    "one-hot rnn": {"embedding": "one_hot", "tie": False, "blocks": [{"use": "recurrent", "mixer": "rnn"}]},
    "additive, capped and normalised": {
        "position": "learned",
        "blocks": [
            {
                "use": "pre_norm",
                "mixer": ATTENTION | {"score": "additive", "query_key_norm": "rms_norm", "soft_cap": 4.0},
            }
        ],
    },
}


CHANCE = torch.randn(7, V, generator=torch.Generator().manual_seed(5))
"""Added to the logits of each step, so that a text does not get stuck on one token."""


def write_without_cache(network: Any, prompt: list[int]) -> list[int]:
    tokens = list(prompt)
    for chance in CHANCE:
        tokens.append(int((network(batch(torch.tensor([tokens])))[0, -1] + chance).argmax()))
    return tokens[len(prompt) :]


def write(network: Any, prompt: Batch) -> list[list[int]]:
    logits, decoding = network.begin(prompt, prompt.tokens.shape[1] + len(CHANCE))
    written = [(logits + CHANCE[0]).argmax(-1)]
    for chance in CHANCE[1:]:
        written.append((network.step(written[-1], decoding) + chance).argmax(-1))
    return torch.stack(written, 1).tolist()


@pytest.mark.parametrize("name", STACKS)
@torch.no_grad()
def test_stacks_of_all_sorts_write_the_same_with_and_without_cache(name: str) -> None:
    network = shaken(language_model(**STACKS[name] | {"tie": False}))
    prompts = [[3, 1, 4, 1, 5], [9, 2], [6]]
    longest = max(map(len, prompts))
    padded = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    padding = torch.tensor([[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts])
    expected = [write_without_cache(network, prompt) for prompt in prompts]
    assert len({tuple(one) for one in expected}) > 1, "a network that writes the same whatever it reads shows nothing"
    assert write(network, batch(padded, padding=padding)) == expected


@pytest.mark.parametrize("name", STACKS)
def test_stacks_of_all_sorts_learn(name: str) -> None:
    network = built(language_model(initializer="xavier", **STACKS[name]), seed=1)
    tokens = torch.tensor([[1, 2, 3, 1, 2, 3, 1, 2, 3]])
    example = Batch(tokens[:, :-1], tokens[:, 1:])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    first = network.loss(example).item()
    for _ in range(80):
        optimizer.zero_grad()
        network.loss(example).backward()
        optimizer.step()
    assert network.loss(example).item() < 0.3 * first


@torch.no_grad()
def test_a_packed_row_equals_its_texts_apart_in_a_mixed_stack() -> None:
    network = shaken(language_model(position="rope", blocks=[RECURRENCE, LAYER]))
    one, two = torch.randint(V, (1, 5)), torch.randint(V, (1, 7))
    documents = torch.tensor([[0] * 5 + [1] * 7])
    packed = network(batch(torch.cat((one, two), 1), documents=documents))
    apart = torch.cat((network(batch(one)), network(batch(two))), 1)
    torch.testing.assert_close(packed, apart, rtol=1e-4, atol=1e-5)


def test_dropout_of_the_embedding_acts_in_training_only() -> None:
    network, tokens = built(language_model(dropout=0.5)), torch.randint(V, (B, T))
    assert network(batch(tokens)).equal(network(batch(tokens)))
    network.train()
    assert not network(batch(tokens)).equal(network(batch(tokens)))


def test_a_state_is_as_large_as_asked_for_and_no_larger() -> None:
    network = built(language_model(blocks=[LAYER, RECURRENCE]))
    attention, recurrence = network.empty_states(B, 9)
    assert attention["mixer"]["keys"].shape == (B, 2, 9, C // 2)
    assert all(tensor.shape[0] == B for tensor in recurrence["mixer"].values())


def test_the_same_model_serves_after_a_cast_to_half_precision() -> None:
    network = built(language_model(position="rope")).bfloat16()
    tokens = torch.randint(V, (B, T))
    logits, decoding = network.begin(batch(tokens), T + 1)
    assert logits.dtype == torch.bfloat16
    assert network.step(tokens[:, 0], decoding).isfinite().all()


def test_tokens_are_read_once_while_decoding() -> None:
    network = built(language_model(position="rope"))
    lengths: list[int] = []
    network.stack.register_forward_pre_hook(lambda module, inputs: lengths.append(inputs[0].shape[1]))
    tokens = torch.randint(V, (B, 5))
    _, decoding = network.begin(batch(tokens), 8)
    for _ in range(3):
        network.step(tokens[:, 0], decoding)
    assert lengths == [5, 1, 1, 1]


def test_without_blocks_it_is_a_bigram_model() -> None:
    model = built(language_model(blocks=[], embedding="one_hot", width=V, final_norm="none", tie=False))
    tokens = torch.randint(V, (2, T))
    table = model.head.linear.weight.T  # one row of logits per token
    torch.testing.assert_close(model(batch(tokens)), table[tokens])


def test_a_depth_without_blocks_is_refused() -> None:
    with pytest.raises(Exception, match="depth 2 needs at least one layer in blocks"):
        language_model(blocks=[], depth=2)
