from __future__ import annotations

from itertools import product

import pytest
import torch

from partwise.flow import Flow
from partwise_attention.masks import memory_visible, needs_no_mask, visible

T = 6
PADDINGS = {
    "none": None,
    "left": torch.tensor([[False, False, True, True, True, True], [True] * 6]),
    "right": torch.tensor([[True] * 6, [True, True, True, False, False, False]]),
    "whole row": torch.tensor([[False] * 6, [True] * 6]),
}
DOCUMENTS = {"none": None, "packed": torch.tensor([[0, 0, 0, 1, 1, 2], [5, 5, 5, 5, 5, 5]])}


@pytest.mark.parametrize(
    ("causal", "window", "padding", "documents", "start"),
    [*product([True, False], [None, 1, 3], PADDINGS, DOCUMENTS, [0, 2, 5])],
)
def test_the_mask_is_the_rule_spelt_out_for_each_pair(causal, window, padding, documents, start) -> None:
    flow = Flow(torch.arange(start, T), start, PADDINGS[padding], DOCUMENTS[documents])
    mask = visible(flow, causal, window).expand(2, 1, T - start, T)
    for row, t, s in product(range(2), range(T - start), range(T)):
        here = start + t
        may = not causal or s <= here
        may = may and (window is None or abs(here - s) < window)
        may = may and (flow.documents is None or flow.documents[row, here] == flow.documents[row, s])
        may = may and (flow.padding is None or bool(flow.padding[row, s]))
        assert mask[row, 0, t, s] == (may or (s == here and flow.padding is not None)), (row, here, s)


def test_no_query_is_left_without_a_key_to_see() -> None:
    flow = Flow(torch.arange(T), 0, torch.zeros(2, T, dtype=torch.bool), DOCUMENTS["packed"])
    assert visible(flow, True, 2).any(-1).all()


def test_a_window_as_long_as_the_text_needs_no_mask() -> None:
    flow = Flow(torch.arange(3, T), 3)
    assert needs_no_mask(flow, None)
    assert needs_no_mask(flow, T)
    assert not needs_no_mask(flow, T - 1)
    assert not needs_no_mask(Flow(torch.arange(T), padding=PADDINGS["left"]), None)
    assert not needs_no_mask(Flow(torch.arange(T), documents=DOCUMENTS["packed"]), None)


def test_every_query_sees_the_same_tokens_of_the_memory() -> None:
    padding = torch.tensor([[True, True, False], [True, False, False]])
    mask = memory_visible(Flow(torch.arange(T), memory_padding=padding))
    assert mask is not None
    assert mask.expand(2, 4, T, 3)[1, 2, 5].tolist() == [True, False, False]
    assert memory_visible(Flow(torch.arange(T))) is None
