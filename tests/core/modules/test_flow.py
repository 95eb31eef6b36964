"""What a mixer asks a flow about the tokens of its pass."""

from __future__ import annotations

import pytest
import torch

from partwise.modules import Flow, causal_flow

PADDING = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 0]]).bool()
DOCUMENTS = torch.tensor([[5, 5, 5, 2, 2], [1, 2, 1, 1, 3]])


def test_without_padding_and_documents_there_is_nothing_to_heed() -> None:
    flow, x = causal_flow(5), torch.randn(2, 5, 3)
    assert flow.present is None
    assert flow.begins is None
    assert flow.segments is None
    assert flow.clear_padding(x) is x


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_present_and_begins_are_of_this_pass_only(start: int) -> None:
    flow = Flow(torch.arange(start, 5), start, PADDING, DOCUMENTS)
    assert torch.equal(flow.present, PADDING[:, start:])
    begins = torch.tensor([[1, 0, 0, 1, 0], [1, 1, 1, 0, 1]]).bool()
    assert torch.equal(flow.begins, begins[:, start:])


def test_segments_count_the_documents_that_begin_in_this_pass() -> None:
    assert Flow(torch.arange(5), documents=DOCUMENTS).segments.tolist() == [[1, 1, 1, 2, 2], [1, 2, 3, 3, 4]]
    assert Flow(torch.arange(1, 5), 1, documents=DOCUMENTS).segments.tolist() == [[0, 0, 1, 1], [1, 2, 2, 3]]


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 2)])
def test_cleared_padding_is_zero_and_gives_no_gradient_even_if_it_is_not_a_number(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    x[0, 0] = x[1, 4] = float("nan")
    x.requires_grad_()
    cleared = Flow(torch.arange(5), padding=PADDING).clear_padding(x)
    assert (cleared[~PADDING] == 0).all()
    assert torch.equal(cleared[PADDING], x[PADDING])
    cleared.square().sum().backward()
    assert (x.grad[~PADDING] == 0).all()
