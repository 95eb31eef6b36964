"""Models whose loss is computed in chunks, against all logits at once."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from partwise.data import Batch
from partwise.modules import cross_entropy
from partwise.modules.cross_entropy import chunked_cross_entropy

from .building import V, batch, language_model, seq2seq, shaken


@pytest.mark.parametrize(
    "part",
    [
        language_model(tie=True),
        language_model(tie=False),
        language_model(tie=True, head_bias=True, logit_cap=2.0),
        language_model(tie=False, head_bias=True),
        seq2seq(),
    ],
    ids=["tied", "untied", "tied, bias, cap", "untied, bias", "seq2seq"],
)
def test_a_model_trains_the_same_in_chunks(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shaken(part)
    tokens = torch.randint(V, (3, 7), generator=torch.Generator().manual_seed(1))
    given = Batch(tokens, tokens.roll(-1, 1), source=tokens if part.reads == "pair" else None)

    def loss_and_gradients() -> list[Tensor]:
        model.zero_grad()
        loss = model.loss(given)
        loss.backward()
        return [loss.detach(), *(parameter.grad.clone() for parameter in model.parameters())]

    at_once = loss_and_gradients()
    pieces: list[int] = []

    def chunked(head: Any, x: Tensor, targets: Tensor, rows: int, *others: float) -> Tensor:
        pieces.append(rows)
        return chunked_cross_entropy(head, x, targets, rows, *others)

    monkeypatch.setattr(cross_entropy, "MOST_LOGITS", 4 * V)
    monkeypatch.setattr(cross_entropy, "chunked_cross_entropy", chunked)
    for ours, theirs in zip(loss_and_gradients(), at_once, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert pieces == [4]


def test_a_small_vocabulary_is_computed_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "chunked_cross_entropy", None)
    assert shaken(language_model()).loss(batch(torch.zeros(2, 3, dtype=torch.int64))).item() == 0.0
