"""A product-key memory against a search among all of its keys."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from partwise.modules import roles_of
from partwise.parts import LayerSite
from partwise_feedforward.parts import ProductKeys
from partwise_feedforward.product_keys import ProductKeyMemory

WIDTH = 10


def searched(memory: ProductKeyMemory, x: Tensor, k: int) -> Tensor:
    """Lample et al. 2019, equations 1 to 3, for one token: every key is written out and scored."""
    queries = (memory.query.weight @ x + memory.query.bias).view(memory.heads, -1)
    y = torch.zeros_like(x)
    for query, (first, second) in zip(queries, memory.keys, strict=True):
        if memory.normed:
            query = (query - query.mean()) / (query.var(unbiased=False) + 1e-5).sqrt()
        keys = torch.stack([torch.cat((one, other)) for one in first for other in second])
        scores = keys @ query
        best = scores.argsort(descending=True)[:k]
        y = y + scores[best].softmax(0) @ memory.values[best]
    return y


@pytest.mark.parametrize("part", ProductKeys.examples())
def test_it_reads_the_best_of_all_keys(part: ProductKeys) -> None:
    torch.manual_seed(0)
    memory = part.build(LayerSite(width=WIDTH)).double()
    x = torch.randn(3, 4, WIDTH, dtype=torch.float64)
    expected = torch.stack([searched(memory, token, part.k) for token in x.flatten(0, 1)]).view_as(x)
    torch.testing.assert_close(memory(x), expected)
    weights = torch.randn_like(expected)
    found, told = (torch.autograd.grad((y * weights).sum(), list(memory.parameters())) for y in (memory(x), expected))
    torch.testing.assert_close(found, told)


def test_only_values_that_are_read_are_taught() -> None:
    part = ProductKeys(heads=2, keys=16, k=3, key_width=4)
    memory = part.build(LayerSite(width=WIDTH))
    memory(torch.randn(1, 2, WIDTH)).sum().backward()
    assert memory.values.grad is not None
    assert 0 < int(memory.values.grad.any(1).sum()) <= 2 * 2 * 3


def test_operations_grow_with_the_keys_and_not_with_the_values() -> None:
    part, tokens = ProductKeys(heads=3, keys=16, k=5, key_width=8), 7
    with torch.device("meta"):
        memory, x = part.build(LayerSite(width=WIDTH)), torch.empty(1, tokens, WIDTH)
    with FlopCounterMode(display=False) as counter:
        memory(x)
    query, scores, read = WIDTH * 3 * 8, 3 * 16 * 8, 3 * 5 * WIDTH
    assert counter.get_total_flops() == 2 * tokens * (query + scores + read)


def test_keys_and_values_have_a_role_of_their_own() -> None:
    roles = roles_of(ProductKeys().build(LayerSite(width=WIDTH)))
    assert roles == {"keys": "memory", "values": "memory", "query.weight": "matrix", "query.bias": "vector"}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [({"keys": 4, "k": 5}, "k 5 is more than the 4 keys"), ({"key_width": 7}, "key_width 7 has no halves; make it 8")],
)
def test_what_does_not_fit_is_refused(knobs: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ProductKeys.model_validate(knobs)
