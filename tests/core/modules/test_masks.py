"""Which keys a query sees, and what is added to its scores: each form against the rule written out pair by pair."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from partwise.modules import Bias, Flow, Mask, Visibility, causal_flow

T = 6
PADDINGS = {
    "none": None,
    "left": torch.tensor([[False, False, True, True, True, True], [True] * 6]),
    "right": torch.tensor([[True] * 6, [True, True, True, False, False, False]]),
    "whole row": torch.tensor([[False] * 6, [True] * 6]),
}
DOCUMENTS = {"none": None, "packed": torch.tensor([[0, 0, 0, 1, 1, 2], [5, 5, 5, 5, 5, 5]])}


RULES = pytest.mark.parametrize(
    ("causal", "window", "padding", "documents", "start"),
    [*product([True, False], [None, 1, 3], PADDINGS, DOCUMENTS, [0, 2, 5])],
)


def written_out(flow: Flow, visibility: Visibility) -> Tensor:
    """[2, T, S], pair by pair."""
    seen = torch.zeros(2, flow.length, flow.end, dtype=torch.bool)
    for row, t, s in product(range(2), range(flow.length), range(flow.end)):
        here = flow.start + t
        may = not visibility.causal or s <= here
        may = may and (visibility.window is None or abs(here - s) < visibility.window)
        may = may and (flow.documents is None or bool(flow.documents[row, here] == flow.documents[row, s]))
        may = may and (flow.padding is None or bool(flow.padding[row, s]))
        seen[row, t, s] = may or (s == here and flow.padding is not None)
    return seen


@RULES
def test_the_dense_mask_is_the_rule_written_out(causal, window, padding, documents, start) -> None:
    flow, visibility = (
        Flow(torch.arange(start, T), start, PADDINGS[padding], DOCUMENTS[documents]),
        Visibility(causal, window),
    )
    mask, expected = flow.mask(visibility), written_out(flow, visibility)
    if mask.dense is None:
        assert expected.all()
    else:
        assert mask.dense.expand(2, 1, T - start, T)[:, 0].equal(expected)
    if mask.hides == "future":
        assert expected.equal(torch.ones(T, T, dtype=torch.bool).tril().expand(2, T, T))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("causal", "window", "documents"), [(True, 3, "packed"), (False, None, "packed"), (True, 2, "none")]
)
def test_flex_attention_is_given_the_same_rule(causal, window, padding, documents) -> None:
    flow, visibility = Flow(torch.arange(T), 0, PADDINGS[padding], DOCUMENTS[documents]), Visibility(causal, window)
    blocks = flow.mask(visibility).blocks
    assert isinstance(blocks, BlockMask)
    index = torch.arange(T)
    pairs = [[[blocks.mask_mod(b, index[0], t, s) for s in index] for t in index] for b in torch.arange(2)]
    assert torch.tensor(pairs).equal(written_out(flow, visibility))
    assert blocks.shape == ((1 if PADDINGS[padding] is None and documents == "none" else 2), 1, T, T)


def test_blocks_that_no_query_sees_are_left_out() -> None:
    documents = torch.arange(512).div(128, rounding_mode="floor").expand(2, 512)
    blocks = replace(causal_flow(512), documents=documents).mask(Visibility()).blocks
    assert blocks is not None
    assert blocks.to_dense()[:, 0].tolist() == [torch.eye(4).int().tolist()] * 2


def test_no_query_is_left_without_a_key_to_see() -> None:
    mask = Flow(torch.arange(T), 0, torch.zeros(2, T, dtype=torch.bool), DOCUMENTS["packed"]).mask(Visibility(True, 2))
    assert mask.dense is not None
    assert mask.dense.any(-1).all()


def test_a_mask_knows_what_it_hides() -> None:
    whole, late, last = causal_flow(T), Flow(torch.arange(3, T), 3), Flow(torch.tensor([5]), 5)
    assert whole.mask(Visibility()).hides == whole.mask(Visibility(window=T)).hides == "future"
    assert whole.mask(Visibility(window=T - 1)).hides == "more"
    assert whole.mask(Visibility(causal=False)).hides == "nothing"
    assert late.mask(Visibility()).hides == "more"
    assert last.mask(Visibility()).hides == "nothing"
    assert replace(whole, padding=PADDINGS["left"]).mask(Visibility()).hides == "more"
    assert replace(whole, documents=DOCUMENTS["packed"]).mask(Visibility(causal=False)).hides == "more"


def test_layers_of_equal_visibility_share_a_mask_and_passes_do_not() -> None:
    flow = causal_flow(T)
    assert flow.mask(Visibility(window=2)) is flow.mask(Visibility(window=2))
    assert flow.mask(Visibility(window=3)) is not flow.mask(Visibility(window=2))
    padded = replace(flow, padding=PADDINGS["right"])
    assert padded.mask(Visibility(window=2)) is not flow.mask(Visibility(window=2))
    assert padded.mask(Visibility(window=2)).dense is not None


def test_every_query_sees_the_same_tokens_of_the_memory() -> None:
    padding = torch.tensor([[True, True, False], [True, False, False]])
    mask = Flow(torch.arange(T), memory_padding=padding).memory_mask
    assert mask.dense is not None
    assert mask.dense.expand(2, 4, T, 3)[1, 2, 5].tolist() == [True, False, False]
    assert Flow(torch.arange(T)).memory_mask.dense is None


def squares(offsets: Tensor) -> Tensor:
    return torch.stack((offsets**2 + offsets, 100 * offsets)).float()


class Squares:
    """A position encoder with a bias that tells every offset from every other."""

    def angles(self, positions: Tensor) -> None:
        return None

    def bias_table(self, offsets: Tensor) -> Tensor:
        return squares(offsets)


@pytest.mark.parametrize("start", [0, 2, 5])
def test_the_bias_written_out_is_that_of_each_offset(start: int) -> None:
    bias = Flow(torch.arange(start, T), start).placed_by(Squares()).bias
    assert bias is not None
    assert bias.dense.shape == (2, T - start, T)
    for head, t, s in product(range(2), range(T - start), range(T)):
        expected = squares(torch.tensor([s - (start + t)]))[head, 0]
        assert bias.dense[head, t, s] == expected
        assert bias.at(torch.tensor(head), torch.tensor(t), torch.tensor(s)) == expected


def test_a_masked_bias_is_minus_infinity_where_nothing_may_be_seen() -> None:
    flow = replace(causal_flow(T), padding=PADDINGS["right"]).placed_by(Squares())
    mask, bias = flow.mask(Visibility(window=2)), flow.bias
    assert bias is not None
    masked, seen = bias.masked(mask), written_out(flow, Visibility(window=2))[:, None].expand(2, 2, T, T)
    assert masked[seen].equal(bias.dense.expand(2, 2, T, T)[seen])
    assert masked[~seen].isneginf().all()
    assert bias.masked(mask) is masked
    assert bias.masked(causal_flow(T).mask(Visibility(causal=False))) is bias.dense


def test_the_gradient_of_a_bias_reaches_the_table() -> None:
    table = torch.randn(2, 2 * T - 1, requires_grad=True)
    weights = torch.randn(2, T, T)
    (Bias(table, T).dense * weights).sum().backward()
    for offset in range(1 - T, T):
        expected = sum(weights[:, t, t + offset] for t in range(T) if 0 <= t + offset < T)
        torch.testing.assert_close(table.grad[:, offset + T - 1], expected)


def test_a_mask_that_hides_nothing_takes_no_form() -> None:
    mask = causal_flow(T).mask(Visibility(causal=False))
    assert isinstance(mask, Mask)
    assert mask.dense is None
    assert mask.blocks is None
