"""The loss of training: an objective's, with the terms of a model's layers, and what is logged beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from partwise.data import IGNORED, Batch
from partwise.modules import Hidden, LinearHead, NextToken, TrainingLoss, batch_flow, objective_of

V, C = 7, 4


class Told(nn.Module):
    """A bigram model that adds two terms and reports a figure."""

    width, context, vocabulary, initializer = C, 8, V, None

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Parameter(torch.randn(V, C))
        self.output = nn.Parameter(torch.randn(V, C))

    def hidden(self, batch: Batch) -> Hidden:
        flow = batch_flow(batch)
        flow.add_term("norm", self.table.square().mean(), 0.5)
        flow.add_term("count", self.output.sum() / 10 + batch.scored, 0.25)
        flow.report("seen", batch.scored / 2)
        return Hidden(self.table[batch.tokens], flow, LinearHead(self.output), lambda ids: self.table[ids])

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(
            (self.table @ self.output.T)[batch.tokens].flatten(0, 1), batch.targets.flatten(), reduction="sum"
        )


def batch(scored: int = 5) -> Batch:
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    targets = torch.tensor([2, 3, 4, 5, 6, 0])
    targets[scored:] = IGNORED
    return Batch(tokens, targets.view(2, 3))


def told(objective: Any = None) -> Any:
    model: Any = Told()
    model.objective = objective or NextToken()
    return model


def gradients(loss: Tensor, model: Any) -> list[Tensor]:
    return list(torch.autograd.grad(loss, (model.table, model.output)))


def test_its_gradient_is_that_of_the_explicit_sum() -> None:
    model, given = told().train(), batch()
    loss, _ = TrainingLoss(model)(given)
    explicit = model.loss(given) + 5 * (0.5 * model.table.square().mean() + 0.25 * (model.output.sum() / 10 + 5))
    torch.testing.assert_close(loss, explicit)
    for ours, theirs in zip(gradients(loss, model), gradients(explicit, model), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_figures_of_batches_add_up_by_their_tokens() -> None:
    model = told().train()
    figures = [TrainingLoss(model)(batch(scored))[1] for scored in (5, 2)]
    mean = {name: sum(one[name].item() for one in figures) / 7 for name in figures[0]}
    nats = sum(model.loss(batch(scored)).item() for scored in (5, 2))
    assert mean["loss"] == pytest.approx(nats / 7)
    assert mean["count"] == pytest.approx(model.output.sum().item() / 10 + (5 * 5 + 2 * 2) / 7)
    assert mean["seen"] == pytest.approx((5 * 2.5 + 2 * 1) / 7)
    assert not any(figure.requires_grad for one in figures for figure in one.values())


def test_in_evaluation_it_is_the_models_own_loss_and_nothing_beside_it() -> None:
    model = told(NextToken(label_smoothing=0.3)).eval()
    loss, figures = TrainingLoss(model)(batch())
    assert loss.item() == model.loss(batch()).item()
    assert figures == {}


def test_without_an_objective_it_is_the_models_own_loss() -> None:
    model: Any = Told().train()
    assert objective_of(model) is None
    assert TrainingLoss(model)(batch())[0].item() == model.loss(batch()).item()


def test_without_terms_the_loss_is_not_told_twice() -> None:
    model = told().train()
    model.hidden = lambda given: Hidden(
        model.table[given.tokens], batch_flow(given), LinearHead(model.output), lambda ids: ids
    )
    loss, figures = TrainingLoss(model)(batch())
    torch.testing.assert_close(loss, model.loss(batch()))
    assert figures == {}


def test_a_batch_without_anything_scored_costs_nothing() -> None:
    model = told().train()
    loss, figures = TrainingLoss(model)(batch(scored=0))
    assert loss.item() == 0.0
    assert all(figure.item() == 0.0 for figure in figures.values())
