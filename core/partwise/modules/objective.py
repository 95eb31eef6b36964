"""Objectives: what a model must predict, and how that is scored in training; and the pass that computes it.

Evaluation scores every model alike, by the cross-entropy of what it must predict (`Model.loss`); smoothing, terms and
further predictions belong to training alone.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor, nn

from partwise.data.batch import Batch

from .hidden import Hidden
from .protocols import Model


class Objective(Protocol):
    """An `nn.Module` that says what a model must predict, and computes the loss of training from its hidden states."""

    @property
    def likelihood(self) -> bool:
        """Whether the validation loss is that of all of a text, so that it can be told in bits per byte."""
        ...

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        """The batch as the model is to read it, and what it must predict there; on the CPU.

        What is drawn at random depends on the salt and on the row itself, not on the batch that a row is in. In
        training every update has a salt of its own; in evaluation there is none, and every call draws the same.
        """
        ...

    def __call__(self, hidden: Hidden, batch: Batch) -> Tensor:
        """The loss of training in nats, summed over the scored targets of a posed batch: a scalar.

        Terms with weights of their own go to `hidden.flow.add_term`.
        """
        ...


class NextToken(nn.Module):
    """Every position predicts the token that follows; for the two numbers see `LinearHead.cross_entropy`."""

    likelihood = True

    def __init__(self, label_smoothing: float = 0.0, z_loss: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing, self.z_loss = label_smoothing, z_loss

    def pose(self, batch: Batch, salt: int | None) -> Batch:
        return batch

    def forward(self, hidden: Hidden, batch: Batch) -> Tensor:
        return hidden.head.cross_entropy(hidden.states, batch.targets, self.label_smoothing, self.z_loss)


def objective_of(model: Model) -> Objective | None:
    """The objective that assembly has given a model; None for a model that was built without."""
    found: Objective | None = getattr(model, "objective", None)
    return found


class TrainingLoss(nn.Module):
    """The loss of training as the `forward` of a module, which DDP, FSDP2 and the compiler take hold of.

    In training it gives the loss summed over the scored targets, terms included, and what is logged beside it: by
    name, each times the scored targets, so that figures of several batches add up. In evaluation it gives the
    model's own loss, and nothing beside it.
    """

    LOSS = "loss"
    """The name of the loss without terms, told where there are any."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = cast(nn.Module, model)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        model: Any = self.model
        objective = objective_of(model)
        if objective is None or not model.training:
            return model.loss(batch), {}
        hidden: Hidden = model.hidden(batch)
        loss = objective(hidden, batch)
        carried = hidden.flow.carried
        figures = {name: value * batch.scored for name, value in carried.figures().items()}
        weighted = carried.weighted()
        if weighted is None:
            return loss, figures
        return loss + weighted * batch.scored, {self.LOSS: loss.detach(), **figures}
