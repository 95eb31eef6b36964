from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from partwise import PartError
from partwise.data import Batch

from .building import ATTENTION, LAYER, RECURRENCE, C, T, V, batch, built, seq2seq, shaken

B, M = 3, 6

PAIRS = {
    "transformer": {
        "position": "sinusoidal",
        "encoder": [{"use": "post_norm", "mixer": ATTENTION, "feedforward": "relu"}],
        "decoder": [{"use": "post_norm", "mixer": ATTENTION, "cross": ATTENTION, "feedforward": "relu"}],
        "encoder_depth": 2,
        "decoder_depth": 2,
        "final_norm": "none",
    },
    "lstm with additive attention": {
        "encoder": [{"use": "recurrent", "mixer": {"use": "lstm", "bidirectional": True}}],
        "decoder": [
            {"use": "recurrent", "mixer": "lstm", "cross": {"use": "multi_head", "heads": 1, "score": "additive"}}
        ],
        "tie": False,
        "final_norm": "none",
    },
    "gru reads, attention writes": {
        "encoder": [{"use": "pre_norm", "mixer": "gru"}],
        "decoder": [{"use": "pre_norm", "mixer": ATTENTION | {"position": "rope"}, "cross": ATTENTION}],
    },
    "attention reads, lstm writes": {
        "position": "t5_bias",
        "encoder": [LAYER],
        "decoder": [{"use": "pre_norm", "mixer": ATTENTION}, {"use": "pre_norm", "mixer": "lstm", "cross": ATTENTION}],
        "share_embedding": False,
    },
}


def sources(lengths: tuple[int, ...] = (6, 4, 2)) -> dict[str, Any]:
    ids = torch.randint(1, V, (len(lengths), M))
    return {"source": ids, "source_padding": torch.arange(M) < torch.tensor(lengths)[:, None]}


@pytest.mark.parametrize("name", PAIRS)
@torch.no_grad()
def test_it_writes_the_same_with_and_without_cache(name: str) -> None:
    network, facts = shaken(seq2seq(**PAIRS[name])), sources()
    logits, decoding = network.begin(batch(torch.zeros(B, 1, dtype=torch.int64), **facts), 9)
    written = [logits.argmax(-1)]
    for _ in range(7):
        written.append(network.step(written[-1], decoding).argmax(-1))
    for row, length in enumerate((6, 4, 2)):
        tokens = [0]
        for step in range(8):
            alone = batch(torch.tensor([tokens]), source=facts["source"][row : row + 1, :length])
            following = int(network(alone)[0, -1].argmax())
            assert following == int(written[step][row]), (row, step)
            tokens.append(following)


@pytest.mark.parametrize("name", PAIRS)
def test_it_learns_to_tell_sources_apart(name: str) -> None:
    network = built(seq2seq(initializer="xavier", **PAIRS[name]), seed=1)
    source = torch.tensor([[1, 2, 3], [4, 2, 1], [2, 9, 8]])
    targets = torch.tensor([[5, 6, 7, 0], [7, 6, 5, 0], [6, 6, 6, 0]])
    tokens = torch.cat((torch.zeros(3, 1, dtype=torch.int64), targets[:, :-1]), 1)
    example = Batch(tokens, targets, source=source)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    for _ in range(150):
        optimizer.zero_grad()
        network.loss(example).backward()
        optimizer.step()
    assert network(example).argmax(-1).equal(targets)


def test_one_embedding_serves_both_sides_unless_told_otherwise() -> None:
    shared, apart = built(seq2seq()), built(seq2seq(share_embedding=False))
    assert shared.encoder_input is shared.decoder_input
    assert apart.encoder_input is not apart.decoder_input
    count = [sum(parameter.numel() for parameter in network.parameters()) for network in (shared, apart)]
    assert count[1] - count[0] == V * C


def test_the_encoder_sees_the_whole_source_and_the_decoder_not_what_follows() -> None:
    network, facts, tokens = shaken(seq2seq(position="sinusoidal")), sources((6, 6, 6)), torch.randint(V, (B, T))
    before = network(batch(tokens, **facts))
    other = facts["source"].clone()
    other[:, -1] = (other[:, -1] + 1) % V
    changed = network(batch(tokens, **(facts | {"source": other})))
    assert ((changed - before).abs().amax(-1) > 1e-6).all(), (
        "the last word of the source reaches the first of the target"
    )
    later = tokens.clone()
    later[:, 5:] = (later[:, 5:] + 1) % V
    torch.testing.assert_close(network(batch(later, **facts))[:, :5], before[:, :5])


def test_a_decoder_none_of_whose_layers_reads_the_source_is_refused() -> None:
    for decoder in ([LAYER], [LAYER, RECURRENCE]):
        with pytest.raises(PartError, match=r'the source would change nothing; .* "cross": {"use": "multi_head"'):
            built(seq2seq(decoder=decoder))
    built(seq2seq(decoder=[LAYER, LAYER | {"cross": ATTENTION}]))


@pytest.mark.parametrize("position", ["none", "learned", "sinusoidal", "rope", "alibi", "t5_bias"])
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_a_source_is_read_the_same_wherever_its_padding_stands(position: str, side: str) -> None:
    network, ids = shaken(seq2seq(position=position)), torch.randint(1, V, (1, 4))
    alone = network.encode(Batch(ids, ids, source=ids))
    words = torch.tensor([[False, False, True, True, True, True]] if side == "left" else [[True] * 4 + [False] * 2])
    padded = torch.zeros(1, 6, dtype=torch.int64).masked_scatter(words, ids)
    states = network.encode(Batch(ids, ids, source=padded, source_padding=words))
    torch.testing.assert_close(states[words], alone[0], rtol=1e-4, atol=1e-5)


def test_the_memory_is_projected_once_per_text() -> None:
    network, facts = built(seq2seq()), sources()
    calls = []
    network.decoder.blocks[0].cross.project.register_forward_hook(lambda *given: calls.append(1))
    _, decoding = network.begin(batch(torch.zeros(B, 1, dtype=torch.int64), **facts), 9)
    for _ in range(4):
        network.step(torch.zeros(B, dtype=torch.int64), decoding)
    assert len(calls) == 1


def test_rows_of_a_decoding_can_be_reordered_with_their_sources() -> None:
    network, facts, rows = shaken(seq2seq()), sources(), torch.tensor([2, 0, 0, 1])
    start = batch(torch.zeros(B, 1, dtype=torch.int64), **facts)
    _, decoding = network.begin(start, 9)
    _, kept = network.begin(start, 9)
    decoding.reorder(rows)
    tokens = torch.tensor([4, 5, 6])
    torch.testing.assert_close(network.step(tokens[rows], decoding), network.step(tokens, kept)[rows])


def test_a_batch_without_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="reads a source, and this batch has none"):
        built(seq2seq())(batch(torch.zeros(B, 2, dtype=torch.int64)))


def test_a_causal_mask_in_the_encoder_is_a_choice() -> None:
    causal = {"use": "pre_norm", "mixer": ATTENTION | {"mask": "causal"}}
    network, facts = shaken(seq2seq(encoder=[causal])), sources((6, 6, 6))
    tokens = torch.zeros(B, 1, dtype=torch.int64)
    states = network.encode(batch(tokens, **facts))
    other = facts["source"].clone()
    other[:, -1] = (other[:, -1] + 1) % V
    again = network.encode(replace(batch(tokens, **facts), source=other))
    torch.testing.assert_close(again[:, :-1], states[:, :-1])


def test_a_failure_names_its_place_in_encoder_or_decoder() -> None:
    wrong = {"use": "pre_norm", "mixer": {"use": "multi_head", "heads": 3}}
    for side in ("encoder", "decoder"):
        with pytest.raises(PartError) as caught:
            built(seq2seq(**{side: [RECURRENCE, wrong]}))
        assert caught.value.path == (side, 1, "mixer")


def test_cross_attention_in_the_encoder_is_refused() -> None:
    with pytest.raises(PartError, match="there is no encoder to attend to here"):
        built(seq2seq(encoder=[LAYER | {"cross": ATTENTION}]))
