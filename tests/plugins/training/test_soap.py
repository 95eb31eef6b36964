"""SOAP against algorithms 3 and 4 of its paper, written out in NumPy with Gram and Schmidt for QR."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from partwise import PartError
from partwise.parts import OptimizerSite
from partwise_training.parts import Soap

Matrix = np.ndarray[Any, np.dtype[np.float64]]
RATE, FIRST, SECOND, EPS, DECAY, EVERY = 0.01, 0.8, 0.9, 1e-3, 0.1, 2


def orthonormal(matrix: Matrix) -> Matrix:
    columns: list[Matrix] = []
    for column in matrix.T:
        rest = column - sum((one @ column * one for one in columns), np.zeros_like(column))
        columns.append(rest / np.linalg.norm(rest))
    return np.stack(columns, 1)


def followed(w: Matrix, gradients: list[Matrix], turns: tuple[bool, bool]) -> Matrix:
    """The weights after all updates; `turns` says which sides have a basis."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    kept = [np.zeros((size, size)) for size in w.shape]
    bases = [np.eye(size) for size in w.shape]
    for n, g in enumerate(gradients, 1):
        m, v = FIRST * m + (1 - FIRST) * g, SECOND * v + (1 - SECOND) * (bases[0].T @ g @ bases[1]) ** 2
        step = bases[0].T @ m @ bases[1] / (1 - FIRST**n) / (np.sqrt(v / (1 - SECOND**n)) + EPS)
        w = w - RATE * DECAY * w - RATE * bases[0] @ step @ bases[1].T
        for side, one in enumerate((g @ g.T, g.T @ g)):
            kept[side] = SECOND * kept[side] + (1 - SECOND) * one
            if turns[side] and n == 1:
                bases[side] = np.linalg.eigh(kept[side])[1][:, ::-1]
            elif turns[side] and n % EVERY == 0:
                bases[side] = orthonormal(kept[side] @ bases[side])
    return w


@pytest.mark.parametrize(("largest", "turns"), [(9, (True, True)), (4, (False, True))])
def test_matrices_follow_the_algorithm_and_vectors_adam(largest: int, turns: tuple[bool, bool]) -> None:
    model = nn.Linear(4, 5).double()
    part = Soap(lr=RATE, betas=(FIRST, SECOND), eps=EPS, basis_every=EVERY, largest=largest, weight_decay=DECAY)
    optimizer = part.build(OptimizerSite(model))
    before, adam = model.weight.detach().numpy().copy(), nn.Parameter(model.bias.detach().clone())
    other, gradients = torch.optim.AdamW([adam], RATE, (FIRST, SECOND), EPS, weight_decay=0.0), []
    for _ in range(7):
        model.weight.grad, model.bias.grad = torch.randn(5, 4).double(), torch.randn(5).double()
        adam.grad = model.bias.grad.clone()
        gradients.append(model.weight.grad.numpy().copy())
        optimizer.step()
        other.step()
    np.testing.assert_allclose(model.weight.detach().numpy(), followed(before, gradients, turns), 1e-8)
    torch.testing.assert_close(model.bias.detach(), adam.detach(), rtol=1e-9, atol=1e-12)


def test_matrices_that_are_stacked_are_turned_one_by_one() -> None:
    class Stack(nn.Module):
        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__()
            self.weight = nn.Parameter(weight)

    stacked, gradients = Stack(torch.randn(3, 4, 5)), [torch.randn(3, 4, 5) for _ in range(4)]
    apart = [Stack(one.clone()) for one in stacked.weight.detach()]
    for index, model in [(..., stacked), *enumerate(apart)]:
        optimizer = Soap(basis_every=2).build(OptimizerSite(model))
        for gradient in gradients:
            model.weight.grad = gradient[index].clone()
            optimizer.step()
    torch.testing.assert_close(stacked.weight, torch.stack([model.weight for model in apart]), rtol=1e-4, atol=1e-5)


def test_a_share_of_each_weight_does_not_suffice() -> None:
    model = nn.Linear(2, 2)
    model.weight.full_tensor = None  # as a weight has that is shared among processes
    with pytest.raises(PartError, match=r"'soap' needs whole weights.*use parallel \"ddp\""):
        Soap().build(OptimizerSite(model))
