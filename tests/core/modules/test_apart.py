"""Documents as rows of their own: every token once, and attention that equals the one with a mask over all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from partwise.modules import Flow, Visibility
from partwise.modules.apart import ALIKE, SHORT, apart
from partwise.modules.flow import LONG


def documents_of(lengths: list[list[int]]) -> Tensor:
    return torch.stack([torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in lengths])


rows_of_documents = st.integers(1, 60).flatmap(
    lambda length: st.lists(
        st.lists(st.integers(1, length), unique=True, max_size=8).map(
            lambda cuts: [b - a for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), length], strict=True) if b > a]
        ),
        min_size=1,
        max_size=4,
    )
)


@settings(max_examples=150)
@given(lengths=rows_of_documents, data=st.data())
def test_every_token_comes_back_to_its_place(lengths: list[list[int]], data: st.DataObject) -> None:
    documents = documents_of(lengths)
    batch, length = documents.shape
    padding = torch.arange(length) < data.draw(st.integers(0, length)) if data.draw(st.booleans()) else None
    found = apart(documents, None if padding is None else padding.expand(batch, -1))
    heads = torch.randn(batch, 2, length, 3)
    groups = list(found.split(heads))
    assert torch.equal(found.joined(groups, batch), heads)
    places = torch.arange(length).expand(batch, -1)
    for one, numbers, at in zip(
        found.alike, found.numbers(documents, batch), found.numbers(places, batch), strict=True
    ):
        assert (numbers == numbers[:, :1]).all()  # no row has tokens of two documents
        present = torch.ones_like(at, dtype=torch.bool) if one.present is None else one.present
        steps = at[:, 1:] - at[:, :-1]
        assert (steps == present[:, 1:].long()).all()
        assert one.length <= SHORT or (present.sum(1) * ALIKE >= one.length).all()


@pytest.mark.parametrize("visibility", [Visibility(), Visibility(window=7), Visibility(causal=False),
                                        Visibility(causal=False, window=50)], ids=str)  # fmt: skip
@pytest.mark.parametrize("padded", [False, True])
def test_what_a_document_sees_as_a_row_is_what_the_mask_over_all_lets_it_see(
    visibility: Visibility, padded: bool
) -> None:
    documents = documents_of([[100, 3, 90, LONG - 193], [1, 1, LONG - 2]])
    padding = torch.arange(LONG).lt(LONG - 40).expand(2, -1) if padded else None
    flow = Flow(torch.arange(LONG), padding=padding, documents=documents)
    mask = flow.mask(visibility)
    assert mask.apart is not None
    assert mask.dense is not None
    seen = torch.zeros(2, LONG, LONG, dtype=torch.bool)
    for one in mask.apart.alike:
        dense = mask.within(one).dense
        count = len(one.places) // one.length
        within = torch.ones(1, one.length, one.length, dtype=torch.bool) if dense is None else dense
        within = within.squeeze(1) if within.ndim == 4 else within
        for document, here in enumerate(one.places.view(count, -1)):
            size = one.length if one.present is None else int(one.present[document].sum())
            row, at = int(here[0]) // LONG, here[:size] % LONG
            seen[row, at[:, None], at] = within.expand(count, -1, -1)[document, :size, :size]
    expected = mask.dense[:, 0]
    where = slice(None) if padding is None else padding[0]
    assert torch.equal(seen[:, where], expected[:, where])


def test_short_texts_states_and_texts_of_one_document_keep_the_mask() -> None:
    documents = documents_of([[LONG // 2, LONG // 2]])
    flow = Flow(torch.arange(LONG), documents=documents)
    assert flow.mask(Visibility()).apart is not None
    assert replace(flow, documents=None).mask(Visibility()).apart is None
    assert Flow(torch.arange(LONG - 1), documents=documents[:, :-1]).mask(Visibility()).apart is None
    assert Flow(torch.arange(1, LONG + 1), 1, documents=documents_of([[1, LONG]])).mask(Visibility()).apart is None
