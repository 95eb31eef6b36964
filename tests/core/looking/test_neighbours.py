"""Which rows of a table lie near each other, beside a computation without tensors."""

import math

import pytest
import torch

from partwise.looking import analogy, neighbours

TABLE = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0]])


def cosine(a: list[float], b: list[float]) -> float:
    lengths = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def unit(a: list[float]) -> list[float]:
    return [x / (math.hypot(*a) or 1) for x in a]


def test_neighbours_are_sorted_by_cosine_and_leave_out_the_row_itself() -> None:
    rows = TABLE.tolist()
    expected = sorted(((i, cosine(rows[0], row)) for i, row in enumerate(rows) if i), key=lambda pair: -pair[1])
    found = neighbours(TABLE, 0, 10)
    assert [round(c, 6) for _, c in found] == pytest.approx([round(c, 6) for _, c in expected], abs=1e-6)
    assert found[0][0] == 1
    assert found[-1][0] == 3


def test_as_many_neighbours_as_asked_for() -> None:
    assert len(neighbours(TABLE, 0, 2)) == 2
    assert neighbours(TABLE, 0, 0) == []
    assert neighbours(TABLE[:1], 0, 3) == []


def test_an_analogy_equals_plain_arithmetic_on_unit_vectors() -> None:
    table = torch.randn(30, 7, generator=torch.Generator().manual_seed(3))
    rows = [unit(row) for row in table.tolist()]
    wanted = [b - a + c for a, b, c in zip(rows[4], rows[9], rows[2], strict=True)]
    expected = sorted(
        ((i, cosine(wanted, row)) for i, row in enumerate(rows) if i not in (4, 9, 2)), key=lambda pair: -pair[1]
    )
    found = analogy(table, 4, 9, 2, 5)
    assert [i for i, _ in found] == [i for i, _ in expected[:5]]
    assert [c for _, c in found] == pytest.approx([c for _, c in expected[:5]], abs=1e-6)


def test_an_analogy_leaves_out_the_three_that_it_is_made_of() -> None:
    king, man, woman, queen = (torch.tensor(v) for v in ([1.0, 1, 0], [0.0, 1, 0], [0.0, 0, 1], [1.0, 0, 1]))
    found = analogy(torch.stack([man, king, woman, queen]), 0, 1, 2, 9)
    assert [row for row, _ in found] == [3]
